#include "orchestrator/core/turn.h"

// The way back to the preferred site: offered once that site has been a sound standby for some
// time, begun by a person.

namespace pointsman {
namespace {

// In leases: longer than anything that a site does by itself soon after it has come back.
constexpr int kStableLeases = 10;

// A standby that holds all that the site in power had a moment ago, and beside which that one no
// longer counts on being alone.
bool is_sound(Turn& turn, int site) {
  const AgentView& standby = turn.agent(site);
  if (target_problem(turn.policy, turn.s, site, turn.now)) return false;
  if (!turn.policy.agents || !standby.has_stores) return true;
  const bool caught_up = standby.caught_up_age &&
                         behind_at_contact(turn.policy, *standby.caught_up_age, standby.told_age) <=
                             turn.policy.max_lag;
  return standby.replica && standby.applier_running && standby.errant.empty() && caught_up &&
         !turn.agent(turn.s.other(site)).lone;
}

Duration stable_after(const ServicePolicy& policy) { return kStableLeases * policy.lease; }

}  // namespace

int preferred_site(const ServicePolicy& policy) {
  for (int site = 0; site < kSites; ++site) {
    if (policy.sites.at(static_cast<std::size_t>(site)).preferred) return site;
  }
  return -1;
}

Refusal unsettled(const ServicePolicy& policy, const ServiceState& state, int site, Instant now) {
  const std::string& name = policy.sites.at(static_cast<std::size_t>(site)).name;
  const std::string wanted = say(stable_after(policy));
  if (state.sound_since == Instant{0}) {
    return name + " is no standby that has caught up; it must be one for " + wanted;
  }
  const Duration since = now - state.sound_since;
  if (since >= stable_after(policy)) return std::nullopt;
  return name + " has been a standby that has caught up for " + say(since) + " only; " + wanted +
         " must pass (`pointsman switchover` does not wait)";
}

void watch_standby(Turn& turn) {
  if (!turn.s.has_primary() || turn.s.phase != Phase::kSteady || turn.s.move) {
    turn.s.sound_since = Instant{0};
    return;
  }
  const int standby = turn.s.other(turn.s.primary);
  if (!is_sound(turn, standby)) {
    turn.s.sound_since = Instant{0};
    return;
  }
  if (turn.s.sound_since == Instant{0}) turn.s.sound_since = turn.now;
  const bool offered = turn.s.failback_offered == turn.s.reign;
  if (offered || standby != preferred_site(turn.policy) ||
      unsettled(turn.policy, turn.s, standby, turn.now))
    return;
  turn.s.failback_offered = turn.s.reign;
  const std::string text = turn.name(standby) + ", the preferred site, has been a sound standby " +
                           "for " + say(stable_after(turn.policy)) + ": `pointsman failback " +
                           turn.policy.name + "` moves back to it";
  turn.write("decision", "failback-offered", "done", text);
  turn.tell(NoticeLevel::kNote, "failback-offered", turn.policy.name + ": " + text);
}

}  // namespace pointsman
