#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

// What the drivers' tests on real servers say of a verb that failed, and how long one took.

namespace pointsman {

inline std::string words(const Result<void>& result) {
  return result ? "" : result.error().message;
}

#define MUST(expr)                                   \
  do {                                               \
    const auto outcome_ = (expr);                    \
    REQUIRE_MESSAGE(outcome_.ok(), words(outcome_)); \
  } while (false)

struct Timed {
  Instant began = system_clock().now();
  std::int64_t ms() const { return whole_ms(system_clock().now() - began); }
};

}  // namespace pointsman
