#pragma once

#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/json.h"

namespace pointsman {

// The agent's eyes on the public addresses of both sites. main.cc makes it from the probe engine,
// so that the rest of the agent knows nothing of probes. Thread-safe.
class Witness {
 public:
  virtual ~Witness() = default;

  // Replaces what is watched for `service`: an array of {"site","spec"}.
  virtual Result<void> watch(const std::string& service, const Json& targets) = 0;
  // Probe `site` of `service` now, in a burst.
  virtual void hurry(const std::string& service, const std::string& site) = 0;
  virtual std::vector<WitnessCount> counts(const std::string& service) = 0;
};

}  // namespace pointsman
