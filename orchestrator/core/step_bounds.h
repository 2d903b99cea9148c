#pragma once

#include "base/time.h"

// How long a step of a move may take before the plan goes another way.

namespace pointsman {

inline constexpr Duration kPrepareWithin = 5s;
inline constexpr Duration kCrownWithin = 5s;
inline constexpr Duration kPromoteWithin = 60s;
inline constexpr Duration kVerifyWithin = 60s;
inline constexpr Duration kAgreeWithin = 5min;
inline constexpr Duration kFollowWithin =
    30s;  // What a planned move waits for its old site to follow.

}  // namespace pointsman
