#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "orchestrator/offline/config.h"

// Whom Prometheus asks: the targets of each job of etc/monitoring/prometheus/prometheus.yml, as
// files of its file_sd_configs.

namespace pointsman {

// The exporters that a site may have, by the names of their jobs.
inline const std::vector<std::string> kSiteJobs{"node", "mysql", "redis", "minio"};

struct TargetFile {
  std::string job;
  std::string file;  // "node.json"
  Json targets;      // An array; empty: nobody is asked.
};

// One file a job, always of all jobs, so that what is over is not asked any more. `jobs` are those
// of kSiteJobs that the sites have. A site is asked where the monitor reaches its agent, or at its
// own address when it has none.
std::vector<TargetFile> prometheus_targets(const MonitorConfig& config,
                                           const std::vector<std::string>& jobs);

}  // namespace pointsman
