#include "orchestrator/shell/outlook.h"

#include <algorithm>

#include "orchestrator/core/gates.h"
#include "orchestrator/core/step_bounds.h"

namespace pointsman {

Wanted automatic_move(const ServiceState& state) {
  Wanted wanted;
  wanted.to = state.has_primary() ? state.other(state.primary) : -1;
  return wanted;
}

Readiness readiness(const ServicePolicy& policy, const ServiceState& state, Instant now) {
  const Wanted wanted = automatic_move(state);
  Readiness found;
  found.to = wanted.to;
  if (state.move) {
    found.reason = std::string("a move is on: ") + to_string(state.move->kind);
    return found;
  }
  for (const Gate& gate : gates(policy, state, wanted, now)) {
    // It asks whether the site in power is down: what is supposed here.
    if (gate.open || gate.name == "witness") continue;
    found.gate = gate.name;
    found.reason = gate.reason;
    return found;
  }
  found.ready = true;
  return found;
}

std::optional<Duration> step_budget(const ServicePolicy& policy, const Move& move,
                                    const Step& step) {
  const bool planned = move.kind == MoveKind::kSwitchover;
  if (step.name == "prepare") return kPrepareWithin;
  if (step.name == "promote") return kPromoteWithin;
  if (step.name == "publish") return kAgreeWithin;
  if (step.name == "verify") return kVerifyWithin;
  if (step.name == "follow") return kFollowWithin;
  if (step.name == "catch up") return policy.switchover_budget;
  if (step.name != "fence") return std::nullopt;
  if (planned) return policy.switchover_budget;
  // Its acknowledgement, or the end of the promises.
  return promise_length({std::max(policy.lease, move.lease), kFenceBoundUnarmed});
}

}  // namespace pointsman
