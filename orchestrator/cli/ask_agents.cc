#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "orchestrator/cli/run.h"
#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";
constexpr Duration kAgentWithin = 2s;
constexpr std::size_t kAgentsMost = 32;

struct Asked {
  std::string site, url;
  std::string error;  // "" when it answered.
  Json body;
};

std::vector<Asked> agents_of(const MonitorConfig& config) {
  std::vector<Asked> agents;
  for (const ServiceSettings& service : config.services) {
    for (const SiteSettings& site : service.sites) {
      const auto same = [&](const Asked& agent) { return agent.url == site.agent; };
      if (site.agent.empty() || std::any_of(agents.begin(), agents.end(), same)) continue;
      if (agents.size() < kAgentsMost) agents.push_back({site.name, site.agent, "", {}});
    }
  }
  return agents;
}

// The full report where the agent gives one, else what it says of itself.
void ask(Asked& agent, TlsIdentity tls) {
  tls.peer_name = agent.site;
  HttpClient client(std::move(tls));
  for (const char* path : {"/v1/status", "/v1/version"}) {
    HttpRequest request;
    request.url = agent.url + path;
    const auto answer = client.exchange(request, kAgentWithin);
    if (!answer.ok()) {
      agent.error = answer.error().message;
      return;
    }
    if (answer->status == 404) continue;
    auto body = Json::parse(answer->body);
    if (answer->status != 200 || !body.ok()) break;
    agent.body = std::move(*body);
    return;
  }
  agent.error = "answers, and not as an agent of pointsman";
}

// "im-api primary, writable, lease 2.7 s"
std::string service_text(const Json& service) {
  if (service.is_string()) return service.as_string();
  std::string text = service.string_or("service") + " " + service.string_or("role", "unknown");
  if (service.bool_or("writable_known")) {
    text += service.bool_or("writable") ? ", writable" : ", not writable";
  }
  const double rest = service.number_or("lease_rest_ms", 0) / 1000;
  if (rest > 0) {
    text += fmt::format(", {} {}", service.bool_or("lone") ? "lone lease" : "lease",
                        shown_seconds(rest));
  }
  return text;
}

std::vector<Cell> row_of(const Asked& agent) {
  if (!agent.error.empty()) {
    return {{agent.site, Tone::kStrong}, {"no answer", Tone::kBad}, {agent.error, Tone::kDim}};
  }
  std::string text;
  for (const Json& service : agent.body.array_or_empty("services")) {
    text += (text.empty() ? "" : "; ") + service_text(service);
  }
  return {{agent.site, Tone::kStrong},
          {"answers", Tone::kGood},
          {text.empty() ? agent.url : text, Tone::kPlain}};
}

}  // namespace

std::string ask_agents(const std::string& config_file, Json& agents) {
  const std::string path = config_file.empty() ? kDefaultConfig : config_file;
  if (config_file.empty() && ::access(path.c_str(), F_OK) != 0) return "";
  const auto outcome = read_monitor_config(path, false);
  if (!outcome.config) {
    return fmt::format("The agents cannot be asked: {} has errors (pointsman check).\n",
                       shown(path));
  }
  const TlsIdentity& tls = outcome.config->tls;
  if (!tls.key_file.empty() && ::access(tls.key_file.c_str(), R_OK) != 0) {
    return fmt::format("The agents cannot be asked: {}: {}.\n", shown(tls.key_file),
                       std::strerror(errno));
  }
  std::vector<Asked> found = agents_of(*outcome.config);
  if (found.empty()) return "";
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (Asked& agent : found) {
    try {
      threads.emplace_back([&agent, &tls] { ask(agent, tls); });
    } catch (const std::system_error&) {
      ask(agent, tls);  // No thread to be had: one after the other, then.
    }
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::vector<Cell>> rows;
  for (const Asked& agent : found) {
    rows.push_back(row_of(agent));
    Json one = Json::object({{"site", agent.site}, {"url", agent.url}});
    one.set("answers", agent.error.empty());
    agents.push(agent.error.empty() ? std::move(one.set("report", agent.body))
                                    : std::move(one.set("error", agent.error)));
  }
  return "The agents, asked directly (they hold the service without the monitor):\n" +
         laid_out(rows, Paint(false), 2) + "\n";
}

}  // namespace pointsman
