#include <fmt/format.h>

#include "orchestrator/core/turn.h"

// A virtual address that keepalived moves between the sites (docs/keepalived.md). Where it went, a
// move of ours may follow: through the gates of an automatic one, of which a site in power that
// gave the address up needs no second observer. Two sites that hold it are told and move nothing.

namespace pointsman {
namespace {

constexpr Duration kTwiceAfter = 5s;  // An election leaves two for a moment.

bool has_vip(const Turn& turn) {
  return turn.policy.vip_silent > Duration::zero() && turn.policy.agents && turn.s.has_primary();
}

// keepalived there was not heard of, or we do not know it any more.
bool is_silent(const Turn& turn, const SiteView& view) {
  return view.agent.vip->heard + (turn.now - view.agent_at) > turn.policy.vip_silent;
}

// Why power should go where the address is; "" when there is no reason.
std::string reason_to_follow(Turn& turn) {
  if (!has_vip(turn)) return "";
  const int other = turn.s.other(turn.s.primary);
  if (!turn.fresh_agent(turn.s.primary) || !turn.fresh_agent(other)) return "";
  const SiteView& here = turn.view(turn.s.primary);
  const SiteView& there = turn.view(other);
  if (!here.agent.vip || !there.agent.vip) return "";  // Not known is not gone.
  // What a former run of its agent was told may be long over.
  const bool held_there = there.agent.vip->holds && there.agent.vip->told;
  if (!held_there || is_silent(turn, there)) return "";
  if (!here.agent.vip->holds) {
    return fmt::format("{} gave the virtual address up, and {} holds it", turn.name(turn.s.primary),
                       turn.name(other));
  }
  // By its agent's own account: that we do not hear the agent says nothing of keepalived.
  if (here.agent.vip->heard <= turn.policy.vip_silent) return "";
  return fmt::format("{} holds the virtual address, and keepalived of {} is gone or hangs",
                     turn.name(other), turn.name(turn.s.primary));
}

}  // namespace

bool may_follow_vip(Turn& turn) {
  const std::string reason = reason_to_follow(turn);
  if (reason.empty()) {
    turn.s.vip_refusal.clear();
    return false;
  }
  const Wanted wanted{true, turn.s.other(turn.s.primary), {"witness"}, -1};
  const std::optional<Gate> gate = first_refusal(turn.policy, turn.s, wanted, turn.now);
  if (!gate) return true;
  turn.out.reason = gate->name + ": " + gate->reason;
  if (turn.s.vip_refusal == gate->name) return false;
  turn.s.vip_refusal = gate->name;
  turn.write("decision", gate->name, "refused", gate->reason);
  turn.tell(NoticeLevel::kUrgent, "vip-not-followed",
            turn.policy.name + ": " + reason + ", and power does not follow: " + gate->reason);
  return false;
}

// The standby need not see the site in power down: it is a person's kind of move, counted as an
// automatic one.
void follow_vip(Turn& turn) {
  const Wanted wanted{false, turn.s.other(turn.s.primary), {}, -1};
  begin_move(turn, make_failover(turn, wanted, "keepalived", reason_to_follow(turn)));
  turn.s.automatic_moves.push_back(turn.now);
  turn.s.vip_refusal.clear();
  step_running(turn, "prepare");
}

// Of a site whose agent is silent nothing is known, and nothing is told.
void watch_vip(Turn& turn) {
  if (!has_vip(turn) || !turn.fresh_agent(0) || !turn.fresh_agent(1)) return;
  const auto holds_for = [&](const SiteView& view) {
    const bool holds = view.agent.vip && view.agent.vip->holds;
    return holds ? view.agent.vip->since + (turn.now - view.agent_at) : Duration::zero();
  };
  const Duration both = std::min(holds_for(turn.s.sites[0]), holds_for(turn.s.sites[1]));
  const bool twice = both > kTwiceAfter;
  if (twice == turn.s.vip_twice || (!twice && both > Duration::zero())) return;
  turn.s.vip_twice = twice;
  turn.tell(twice ? NoticeLevel::kUrgent : NoticeLevel::kWarning, twice ? "vip-twice" : "vip-once",
            turn.policy.name + (twice ? ": both sites hold the virtual address; only " +
                                            turn.name(turn.s.primary) + " may take writes"
                                      : ": one site at most holds the virtual address again"));
}

}  // namespace pointsman
