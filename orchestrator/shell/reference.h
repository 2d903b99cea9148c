#pragma once

#include <string>

#include "probes/probe.h"

namespace pointsman {

// The probe of a neutral reference, "tcp://192.0.2.1:53" or "https://example.net/": it is reached
// when its port takes a connection. A name is resolved now, once.
Result<ProbeSpec> reference_spec(const std::string& reference);

}  // namespace pointsman
