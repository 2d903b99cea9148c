#pragma once

#include "agent/protocol.h"
#include "orchestrator/core/machine.h"

namespace pointsman {

// What an agent reported, in the core's words. Sites unknown to `policy` become -1.
AgentView view_of(const ServicePolicy& policy, const ServiceReport& report);

// An order of the core, as the agents read it; run, sequence and token are the voucher's to fill
// in.
Order order_of(const ServicePolicy& policy, const SendOrder& order);

}  // namespace pointsman
