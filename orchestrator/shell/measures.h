#pragma once

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/metrics.h"
#include "orchestrator/core/machine.h"
#include "probes/probe.h"

// What the daemon counts where it happens, for /metrics (docs/monitoring.md). Labels are names of
// the configuration and words of ours.

namespace pointsman {

// A store of a site, as its agent last told of it.
struct StoreSeen {
  std::string name;
  bool up = false;
  bool replica = false;
  bool applier_running = false;
  std::optional<Duration> lag;
};

class Measures {
 public:
  // A service begins: its counters are there before anything happens, as their rates need.
  // `last_move` ended in an earlier run and does not count again.
  void begin(const ServicePolicy& policy, const std::optional<Move>& last_move);

  // One attempt at a site's probe.
  void probed(const std::string& service, const std::string& site, const Observation& seen);

  // A decision of a service; only its loop calls.
  void decided(const ServicePolicy& policy, const ServiceState& next);

  // One operation at a provider; nullopt: it succeeded.
  void asked_provider(const std::string& provider, const char* operation, Duration took,
                      std::optional<ErrorCode> failed);

  void heard(const std::string& service, int site, const ServiceReport& report);
  std::vector<StoreSeen> stores(const std::string& service, int site) const;

  const Counts& counts() const { return counts_; }

 private:
  Counts counts_;
  std::map<std::string, std::string> last_moves_;  // Service -> id; of the loop's thread.
  mutable std::mutex stores_mutex_;                // Pollers write, a scrape reads.
  std::map<std::pair<std::string, int>, std::vector<StoreSeen>> stores_;
};

// How long a step of an ended move took; nullopt when it did not run.
std::optional<Duration> step_length(const Step& step);

}  // namespace pointsman
