#include "orchestrator/core/machine.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "orchestrator/core/turn.h"

namespace pointsman {
namespace {

// More rows than this in one step would be a circle without an event between (L6).
constexpr int kRowsMost = 12;

bool take_one_row(Turn& turn) {
  for (const Transition& row : transitions()) {
    if (row.from != turn.s.phase || !holds(row.on, turn)) continue;
    take(row, turn);
    return true;
  }
  return false;
}

// What the service would do if a person let it: told once per doubt.
void propose(Turn& turn) {
  if (turn.s.phase != Phase::kSuspect || turn.s.proposed || turn.policy.mode != Mode::kPropose) {
    return;
  }
  if (verdict(turn.policy, turn.s, turn.s.primary, turn.now) != SiteVerdict::kDown) return;
  const Wanted wanted{false, turn.s.other(turn.s.primary), {}, -1};
  if (first_refusal(turn.policy, turn.s, wanted, turn.now)) return;
  turn.s.proposed = true;
  turn.tell(NoticeLevel::kUrgent, "proposal",
            turn.policy.name + ": " + turn.name(turn.s.primary) + " is down; `pointsman failover " +
                turn.policy.name + " --to " + turn.name(wanted.to) + "` moves it");
}

// What a dry run would have done first of all; told once.
void tell_dry_adoption(Turn& turn) {
  if (!turn.policy.dry || turn.s.phase != Phase::kUnadopted || turn.s.proposed) return;
  const Adoption found = adoption(turn.policy, turn.s, turn.now);
  if (turn.s.issued != 0 || found.site < 0) return;
  turn.s.proposed = true;
  turn.tell(NoticeLevel::kNote, "dry-adoption",
            turn.policy.name + ": a dry run: would adopt " + turn.name(found.site) +
                " as the site in power, and watch it from then on");
}

// Both agents answer us and not each other: nothing moves for it, but the standby no longer vouches
// and does not see the primary for us.
void watch_link(Turn& turn) {
  if (!turn.policy.agents || !turn.s.has_primary()) return;
  const int standby = turn.s.other(turn.s.primary);
  if (turn.s.phase != Phase::kSteady || !turn.fresh_agent(standby) ||
      !turn.fresh_agent(turn.s.primary) || turn.agent(standby).role != SiteRole::kStandby) {
    turn.s.apart_since = Instant{0};
    return;
  }
  if (turn.agent(standby).peer_answers) {
    turn.s.apart_since = Instant{0};
  } else if (turn.s.apart_since == Instant{0}) {
    turn.s.apart_since = turn.now;
  }
  const bool apart =
      turn.s.apart_since != Instant{0} && turn.now - turn.s.apart_since > 3 * turn.policy.lease;
  if (apart == turn.s.apart || (!apart && turn.s.apart_since != Instant{0})) return;
  turn.s.apart = apart;
  const std::string pair = turn.name(standby) + " and " + turn.name(turn.s.primary);
  turn.tell(NoticeLevel::kWarning, apart ? "sites-apart" : "sites-joined",
            turn.policy.name + ": the agents of " + pair +
                (apart ? " do not reach each other; both answer this monitor, and nothing moves"
                       : " reach each other again"));
}

Duration wake_after(const Turn& turn) {
  switch (turn.s.phase) {
    case Phase::kUnadopted:
    case Phase::kSteady: return turn.s.publish || turn.s.move ? 100ms : 500ms;
    case Phase::kSuspect: return 100ms;
    default: return 50ms;
  }
}

}  // namespace

Decision step(const ServicePolicy& policy, ServiceState state, const Event& event, Instant now) {
  Decision decision;
  decision.next = std::move(state);
  static_cast<Consequence&>(decision) = step_in_place(policy, decision.next, event, now);
  return decision;
}

Consequence step_in_place(const ServicePolicy& policy, ServiceState& state, const Event& event,
                          Instant now) {
  Consequence out;
  Turn turn{policy, state, out, event, now};
  fold(turn);
  distrust_positions(turn);
  if (const auto* asked = std::get_if<OperatorAsked>(&event.what)) obey(turn, *asked);
  for (int rows = 0; rows < kRowsMost && take_one_row(turn); ++rows) {
  }
  propose(turn);
  tell_dry_adoption(turn);
  watch_link(turn);
  watch_vip(turn);
  watch_preparing(turn);
  watch_follower(turn);
  watch_rejoin(turn);
  watch_standby(turn);
  watch_appointment(turn);
  restore_record(turn);
  order_what_is_due(turn);
  out.vouch = wish(turn);
  out.hurry = turn.s.phase != Phase::kSteady && turn.s.phase != Phase::kUnadopted;
  out.wake_at = now + wake_after(turn);
  if (out.reason.empty())
    out.reason = std::string("nothing to do in phase ") + to_string(turn.s.phase);
  return out;
}

ServiceState begin(const ServicePolicy& policy, std::optional<ServiceState> saved, Instant now) {
  ServiceState s = saved ? std::move(*saved) : ServiceState{};
  for (SiteView& view : s.sites) {
    std::deque<Evidence> evidence = std::move(view.evidence);
    view = SiteView{};
    view.evidence = std::move(evidence);
    view.probes.resize(static_cast<std::size_t>(policy.probes));
  }
  s.records.assign(static_cast<std::size_t>(policy.records), RecordView{});
  s.phase_since = now;
  s.pace = {};
  s.refusal.clear();
  // Timers restart in full: whatever was counted from before counts from now.
  if (planted(Plant::kHoldDownInMemory)) s.automatic_moves.clear();
  for (Instant& at : s.automatic_moves) at = now;
  if (s.publish) {
    s.publish->since = now;
    s.publish->records.resize(static_cast<std::size_t>(policy.records));
    for (RecordProgress& record : s.publish->records) {
      record.in_flight = false;
      record.next = now;
    }
  }
  if (s.move) s.move->closing_since = now;
  if (s.follow) s.follow->since = now;
  if (s.rejoin) s.rejoin->since = now;
  s.sound_since = Instant{0};
  if (s.appointment) s.appointment->refusal.clear();
  if (s.hold.lasting) s.hold.until = now + *s.hold.lasting;
  return s;
}

}  // namespace pointsman
