#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/shell/agent_certificates.h"
#include "orchestrator/shell/loop.h"
#include "orchestrator/shell/measures.h"
#include "orchestrator/shell/preflights.h"
#include "probes/engine.h"

// What GET /metrics of the daemon answers (docs/monitoring.md): readings of the published snapshot,
// taken as they are asked for, and what was counted.

namespace pointsman {

inline double as_value(bool yes) { return yes ? 1 : 0; }

// Notices by what became of them, as whoever sends them counts.
struct NoticeCount {
  std::string channel;  // The name of its [[notify]].
  std::string outcome;
  std::uint64_t count = 0;
};

class DaemonMetrics {
 public:
  struct Parts {
    const Clock& clock;
    const Loop& loop;
    const std::map<std::string, ServiceOutside>& outside;
    const Measures& measures;
    const Preflights& preflights;
    const AgentCertificates& agent_certificates;
    const ProbeEngine& engine;
    // Service -> the provider of each of its records.
    std::map<std::string, std::vector<std::string>> providers;
    std::map<std::string, std::string> certificates;         // "own", "ca", "web" -> file.
    std::string credentials;                                 // The file.
    std::function<std::vector<NoticeCount>()> notices = {};  // Empty: nobody sends any.
  };
  explicit DaemonMetrics(Parts parts) : parts_(std::move(parts)) {}

  // Thread-safe.
  std::string text() const;

 private:
  void put_monitor(MetricsPage& page) const;
  void put_files(MetricsPage& page) const;
  void put_preflights(MetricsPage& page) const;
  void put_service(MetricsPage& page, const ServiceSnapshot& shot) const;
  void put_records(MetricsPage& page, const ServiceSnapshot& shot) const;
  void put_stores(MetricsPage& page, const ServiceSnapshot& shot) const;

  Parts parts_;
};

// Whether a failover would be made, now, if the site in power died: every gate but `witness` is
// open, and no move is on.
bool ready_to_fail_over(const ServiceSnapshot& shot);

// What one snapshot says by itself: phase, gates, sites, moves.
void put_snapshot(MetricsPage& page, const ServiceSnapshot& shot);

}  // namespace pointsman
