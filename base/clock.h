#pragma once

#include "base/time.h"

// The door to the clocks. Only threads at the edge (loop, engine, voucher, agent) hold a Clock;
// whatever they call takes `now`.

namespace pointsman {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

// CLOCK_BOOTTIME and CLOCK_REALTIME of this host. Thread-safe, lives for ever.
const Clock& system_clock();

}  // namespace pointsman
