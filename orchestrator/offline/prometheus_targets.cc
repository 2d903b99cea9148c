#include "orchestrator/offline/prometheus_targets.h"

#include <algorithm>
#include <map>

#include "base/address.h"

namespace pointsman {
namespace {

constexpr int kAgentPort = 9780;
constexpr int kNodePort = 9100;
const std::map<std::string, int> kPorts{
    {"node", kNodePort}, {"mysql", 9104}, {"redis", 9121}, {"minio", 9000}};

std::string place(const std::string& host, int port) {
  const bool bare = host.find(':') == std::string::npos;
  return (bare ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Json group(const std::string& target, Json labels) {
  Json targets = Json::array();
  targets.push(target);
  return Json::object({{"targets", std::move(targets)}, {"labels", std::move(labels)}});
}

struct Host {
  std::string site;
  std::string address;
  bool agent = false;

  bool operator==(const Host&) const = default;
};

// Each host once, whatever number of services it serves.
std::vector<Host> hosts_of(const MonitorConfig& config) {
  std::vector<Host> hosts;
  for (const ServiceSettings& service : config.services) {
    for (const SiteSettings& site : service.sites) {
      Host host{site.name, site.address, !site.agent.empty()};
      if (const auto url = url_parts_from(site.agent)) host.address = url->host;
      if (host.address.empty()) host.address = site.address6.empty() ? site.cname : site.address6;
      if (host.address.empty()) continue;
      if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
        hosts.push_back(std::move(host));
      }
    }
  }
  return hosts;
}

// The daemon answers only to the names in `hosts`, by default those of this host itself.
Json daemon_target(const MonitorConfig& config) {
  Json targets = Json::array();
  const auto listen = config.web ? host_port_from(config.web->listen) : std::nullopt;
  if (!listen) return targets;
  const bool anywhere = listen->host == "0.0.0.0" || listen->host == "::";
  const auto& names = config.web->hosts;
  const std::string host = !names.empty() ? names.front() : anywhere ? "127.0.0.1" : listen->host;
  Json labels = Json::object({{"monitor", config.name}});
  if (!config.web->cert.empty()) labels.set("__scheme__", "https");
  targets.push(group(place(host, listen->port), std::move(labels)));
  return targets;
}

}  // namespace

std::vector<TargetFile> prometheus_targets(const MonitorConfig& config,
                                           const std::vector<std::string>& jobs) {
  const std::vector<Host> hosts = hosts_of(config);
  std::vector<TargetFile> files;
  files.push_back({"pointsman", "pointsman.json", daemon_target(config)});
  Json agents = Json::array();
  for (const Host& host : hosts) {
    if (!host.agent) continue;
    agents.push(group(place(host.address, kAgentPort), Json::object({{"site", host.site}})));
  }
  files.push_back({"pointsman-agent", "pointsman-agent.json", std::move(agents)});
  for (const std::string& job : kSiteJobs) {
    Json targets = Json::array();
    const bool wanted = std::find(jobs.begin(), jobs.end(), job) != jobs.end();
    // Its own disk and memory matter as much as those of a site.
    if (wanted && job == "node") {
      targets.push(group(place("127.0.0.1", kNodePort), Json::object({{"site", config.name}})));
    }
    for (const Host& host : hosts) {
      if (!wanted) break;
      targets.push(group(place(host.address, kPorts.at(job)), Json::object({{"site", host.site}})));
    }
    files.push_back({job, job + ".json", std::move(targets)});
  }
  return files;
}

}  // namespace pointsman
