#pragma once

#include <string>

#include "base/json.h"
#include "orchestrator/core/machine.h"

// The durable part of a service's state as JSON, and moves as people and programs see them.

namespace pointsman {

// What is kept for one service: the core's state and the widest lease ever vouched with.
struct KeptState {
  ServiceState state;
  Duration widest{0};
};

std::string encode_state(const ServicePolicy& policy, const ServiceState& state, Duration widest);
inline std::string encode_state(const ServicePolicy& policy, const KeptState& kept) {
  return encode_state(policy, kept.state, kept.widest);
}

// kInvalid when it is not what encode_state wrote, or names a site that the policy does not know.
// Instants later than `now` (a reboot) become `now`.
Result<KeptState> decode_state(const ServicePolicy& policy, const std::string& text, Instant now);

// {"id","kind","outcome","from","to","epoch","started","took_s","steps":[..],"timeline":[..],...}
Json move_json(const ServicePolicy& policy, const Move& move, Instant now, WallTime wall);

}  // namespace pointsman
