#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"

namespace pointsman {

// Whether a TCP connection to a reference ("tcp://192.0.2.1:53", "https://example.net/") opens
// within `within`; it is closed at once. The value says how long it took.
Result<Duration> reach(const std::string& reference, Duration within);

}  // namespace pointsman
