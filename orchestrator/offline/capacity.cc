#include <fmt/format.h>

#include "orchestrator/offline/config.h"
#include "probes/engine.h"

namespace pointsman {

std::optional<std::string> capacity_problem(const MonitorConfig& config,
                                            std::uint64_t descriptors) {
  std::size_t attempts = 0;
  for (const ServiceSettings& service : config.services) {
    for (const SiteSettings& site : service.sites) {
      for (const ProbeSpec& spec : service.probes_of(site)) attempts += attempts_most(spec);
    }
  }
  const std::size_t fit = attempts_that_fit(descriptors);
  if (attempts <= fit) return std::nullopt;
  return fmt::format(
      "when all sites are silent {} attempts of these probes are unanswered at once, and this host "
      "lets {} be ({} descriptors a process): the others would be unknown; raise the hard limit "
      "(LimitNOFILE= of the unit, `ulimit -Hn`), or ask less often",
      attempts, fit, descriptors);
}

}  // namespace pointsman
