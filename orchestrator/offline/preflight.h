#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/http.h"
#include "orchestrator/offline/config.h"
#include "providers/provider.h"

// `pointsman check --online`: asks everything that a move will need, by reads alone, and says in
// plain words what is wrong with it.

namespace pointsman {

struct PreflightItem {
  std::string name;  // "agent hz", "record api.example.test A", "certificate monitor.pem".
  bool ok = false;
  bool warning = false;  // Only with ok: works, and should be looked at.
  std::string text;
};

struct PreflightSettings {
  Duration within = 5s;  // For each question.
  int at_once = 8;       // Providers and agents asked at the same time.
};

// Providers with their records and authoritative servers, agents, certificates, references, and
// channels of notices (by what reaches nobody); in the order of the configuration. `config` must
// have been read with credentials. http_global_init() first. Takes at most a few times `within` for
// each provider.
std::vector<PreflightItem> preflight(const MonitorConfig& config, const Clock& clock,
                                     const PreflightSettings& settings = {});

// --- The judgements by themselves. Pure.

// What the live record set means for the service.
PreflightItem judge_record(const ServiceSettings& service, const RecordSettings& record,
                           const RecordSet& live, const ProviderLimits& limits);
// Whether every authoritative server answered, and answered what the provider's API says.
PreflightItem judge_authorities(const RecordSet& live, const std::vector<AuthorityAnswer>& answers);
// Whether the servers that the world is sent to serve what the account holds. A zone that this
// host's resolvers do not know is no error: it may be an internal one.
PreflightItem judge_zone(const RecordKey& key, const RecordSet& live,
                         const Result<std::vector<AuthorityAnswer>>& delegated);
// What an agent's answer to GET /v1/version means. `services`: what it must serve.
PreflightItem judge_agent(const SiteSettings& site, const std::vector<std::string>& services,
                          const Result<HttpAnswer>& answer);

}  // namespace pointsman
