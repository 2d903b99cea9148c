#pragma once

#include <optional>
#include <string>

#include "orchestrator/core/machine.h"

// What people are told of what would happen and of how long it may take; pure.

namespace pointsman {

// The move that would be made by itself: to the other site.
Wanted automatic_move(const ServiceState& state);

// Whether a failover would begin by itself if the site in power were found down now.
struct Readiness {
  bool ready = false;
  int to = -1;         // Where to; -1: nobody is in power.
  std::string gate;    // The first that is shut; "" when ready, or while a move is on.
  std::string reason;  // Why not; "" when ready.
};
Readiness readiness(const ServicePolicy& policy, const ServiceState& state, Instant now);

// How long this step may take before the plan goes another way; nullopt: as long as it needs.
std::optional<Duration> step_budget(const ServicePolicy& policy, const Move& move,
                                    const Step& step);

}  // namespace pointsman
