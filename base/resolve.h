#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Addresses of names, by the system's resolver (hosts file, resolv.conf), which knows no deadline
// of its own.

namespace pointsman {

// The addresses of `host`, IPv4 first, each once. A literal address is its own answer. Waits a
// minute at most. kTimeout leaves a lookup behind that ends by itself; kInternal when too many of
// those are under way.
Result<std::vector<std::string>> resolve_host(const std::string& host, Duration within);

}  // namespace pointsman
