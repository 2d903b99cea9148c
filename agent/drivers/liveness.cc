#include "agent/driver.h"

namespace pointsman {

const char* to_string(Liveness liveness) {
  switch (liveness) {
    case Liveness::kUnknown: return "unknown";
    case Liveness::kUp: return "up";
    case Liveness::kHung: return "hung";
    case Liveness::kStopped: return "stopped";
  }
  return "unknown";
}

}  // namespace pointsman
