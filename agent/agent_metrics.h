#pragma once

#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/http.h"

namespace pointsman {

// What GET /metrics of an agent answers (docs/monitoring.md): one report of each of its services,
// and the ends of its certificates. The site is no label: whoever scrapes knows whom he asks.
std::string agent_metrics(const std::vector<ServiceReport>& reports, const TlsIdentity& tls);

}  // namespace pointsman
