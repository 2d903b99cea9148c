#pragma once

#include "orchestrator/core/machine.h"

namespace pointsman {

// Why `site` cannot be the target of a move now; nullopt when it can.
Refusal target_problem(const ServicePolicy& policy, const ServiceState& state, int site,
                       Instant now);

// When the standby may be asked again to prepare; the gate of an automatic move.
Gate prepare_gate(const ServicePolicy& policy, const ServiceState& state, Instant now);

// What adoption by itself would settle on, or why it does not.
struct Adoption {
  int site = -1;
  std::string refusal;
};
Adoption adoption(const ServicePolicy& policy, const ServiceState& state, Instant now);

// What would keep the site in power from telling where it ended, once a planned move has fenced it;
// "" when nothing does.
std::string untellable(const ServiceState& state, const Wanted& wanted);

// Why the standby has not been sound for long enough to come back to power; nullopt when it has.
Refusal unsettled(const ServicePolicy& policy, const ServiceState& state, int site, Instant now);
int preferred_site(const ServicePolicy& policy);  // -1: neither.

// "1.2 s".
std::string say(Duration d);

}  // namespace pointsman
