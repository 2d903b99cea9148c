#pragma once

#include <optional>

#include "base/json.h"
#include "orchestrator/core/state.h"

// What a move may have lost, as JSON: for the state, and for people.
//
//   {"seconds":2.1,"transactions":3,"proved":false,"reason":"..",
//    "stores":[{"name":"mysql","unit":"transactions","missing":3,"proved":false,"reason":".."}]}
//
// null where it is not known; `reason` says why, or how it is known.

namespace pointsman {

Json loss_json(const std::optional<Loss>& lost);
std::optional<Loss> loss_from(const Json* json);

}  // namespace pointsman
