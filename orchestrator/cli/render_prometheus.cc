#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "base/file.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/offline/prometheus_targets.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";
const std::vector<std::string> kUsualJobs{"node", "mysql", "redis"};

// All services, or the one that was named. False: there is none of that name.
bool narrow(MonitorConfig& config, const std::string& service) {
  if (service.empty()) return true;
  std::erase_if(config.services, [&](const auto& one) { return one.name != service; });
  return !config.services.empty();
}

std::string unscraped(const MonitorConfig& config) {
  return config.web ? "" : "there is no [web]: Prometheus cannot ask the daemon";
}

}  // namespace

int run_render_prometheus(const Invocation& asked, const Terminal& terminal) {
  const auto refuse = [&](Exit exit, const std::string& text, const std::string& hint = "") {
    return tell({exit, exit == kExitUsage ? "invalid" : "failed", "", text, hint}, asked.json,
                terminal);
  };
  const std::vector<std::string>& jobs = asked.jobs.empty() ? kUsualJobs : asked.jobs;
  for (const std::string& job : jobs) {
    if (std::find(kSiteJobs.begin(), kSiteJobs.end(), job) == kSiteJobs.end()) {
      return refuse(kExitUsage, fmt::format("--jobs: there is no job \"{}\"", job),
                    "the jobs of a site are: " + listed(kSiteJobs));
    }
  }
  // No secret is written, so none is read.
  auto outcome = read_monitor_config(asked.config.empty() ? kDefaultConfig : asked.config, false);
  if (!outcome.config) {
    std::string text;
    for (const ConfigError& error : outcome.errors)
      text += (text.empty() ? "" : "\n") + error.text();
    return refuse(kExitUsage, text, "pointsman check tells the same");
  }
  if (!narrow(*outcome.config, asked.service)) {
    return refuse(kExitUsage, fmt::format("there is no service \"{}\"", asked.service),
                  "without one, all services are rendered");
  }
  const std::string folder = asked.dir.empty() ? "." : asked.dir;
  Json written = Json::array();
  std::string text;
  for (const TargetFile& one : prometheus_targets(*outcome.config, jobs)) {
    const std::string file = folder + "/" + one.file;
    if (const auto kept = write_file_durably(file, one.targets.dump() + "\n", 0644); !kept) {
      return refuse(kExitFailed, kept.error().message);
    }
    const auto count = static_cast<std::int64_t>(one.targets.as_array().size());
    text += fmt::format("wrote {}: {} of job {}\n", shown(file), count, one.job);
    written.push(Json::object({{"job", one.job}, {"file", file}, {"targets", count}}));
  }
  const std::string missing = unscraped(*outcome.config);
  if (!missing.empty()) text += fmt::format("NOT ASKED: {}\n", missing);
  text +=
      "Copy them to targets/ beside etc/monitoring/prometheus/prometheus.yml, and the viewer\n"
      "token of [web.tokens] into pointsman.token beside it, for Prometheus' user alone.\n";
  const Json json = Json::object({{"written", std::move(written)}, {"unasked", missing}});
  terminal.out << (asked.json ? json.dump() + "\n" : text) << std::flush;
  return missing.empty() ? kExitDone : kExitPartial;
}

}  // namespace pointsman
