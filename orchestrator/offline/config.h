#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/http.h"
#include "base/time.h"
#include "orchestrator/notify/settings.h"
#include "orchestrator/offline/keepalived.h"
#include "probes/probe.h"
#include "providers/provider.h"

// /etc/pointsman/pointsman.toml and credentials.toml (docs/configuration.md). Works without a
// daemon.

namespace pointsman {

struct RecordSettings {
  std::string provider;
  std::string zone, name, type;
  std::map<std::string, std::vector<std::string>> values;  // Site -> values of the set.
  std::vector<std::string> authorities;                    // Overrides the search by NS.

  bool operator==(const RecordSettings&) const = default;
};

struct SiteSettings {
  std::string name;
  std::string address, address6, cname;
  std::string agent;  // URL; "" without an agent.
  bool preferred = false;

  bool operator==(const SiteSettings&) const = default;
};

struct ProbeSettings {
  ProbeSpec shape;  // Placeholders {address}, {address6}, {site} still in url; port for tcp.
};

struct ServiceSettings {
  std::string name;
  std::string mode;  // "" inherits the monitor's.
  std::chrono::seconds ttl{60};
  Duration interval = 1s;
  Duration timeout = 1s;
  int fall = 3;
  int rise = 2;
  Duration suspect_interval = 250ms;
  Duration lease = 3s;
  Duration lone_lease = 24h;
  Duration max_lag = 1s;
  Duration prepare_ttl = 10s;
  Duration order_ttl = 5s;
  Duration publish_wait = 3s;
  Duration switchover_budget = 30s;
  std::string unfenced = "refuse";  // or "allow"
  Duration late_traffic = 3min;
  Duration rto_goal = 30s;
  Duration rpo_goal = 1s;
  Duration hold_down = 10min;
  int max_moves_per_day = 4;
  std::string order = "publish-first";  // or "promote-first"
  int quorum = 0;                       // As read: 2 where there are agents, else 1, by default.
  std::vector<RecordSettings> records;
  std::vector<ProbeSettings> probes;
  std::vector<SiteSettings> sites;  // Exactly two.
  std::optional<KeepalivedSettings> keepalived;
  // Of the slowest of its records' providers (ProviderLimits): known once credentials are read.
  Duration reading = 2s;
  Duration change = 4s;

  bool has_agents() const { return !sites.empty() && !sites.front().agent.empty(); }
  // The probes of `site` with every placeholder filled in; named "service/site/k".
  std::vector<ProbeSpec> probes_of(const SiteSettings& site) const;
};

struct WebSettings {
  std::string listen, cert, key;
  std::vector<std::string> hosts;
  std::map<std::string, std::string> tokens;  // Role -> token, from the credentials file.
};

struct MonitorConfig {
  std::string file;
  std::string name;
  std::string state_dir = "/var/lib/pointsman";
  std::string credentials = "/etc/pointsman/credentials.toml";
  std::string control = "/run/pointsman/control.sock";
  std::string mode = "auto";
  std::string language = "en";
  std::string link;  // Where people find the page; "": not told.
  std::vector<std::string> references;
  int max_moves_at_once = 3;
  Duration breaker_window = 1min;
  std::optional<WebSettings> web;
  TlsIdentity tls;
  std::vector<ProviderSettings> providers;
  std::vector<ServiceSettings> services;
  std::vector<NoticeSettings> notices;
  std::optional<HeartbeatSettings> heartbeat;
};

// The seconds of a failover in the worst case, by its parts; computed from settings alone.
struct WorstCase {
  Duration detection{0};  // interval + (fall-1) * suspect_interval + timeout
  Duration promise{0};    // W with the dead-man switch.
  Duration promise_unarmed{0};
  Duration publish{0};  // Until the authoritative answer has changed, if the provider is quick.
  // The same if it takes as long as its `timeout` lets it, a reading that is under way included.
  Duration publish_slow{0};
  Duration total{0};  // Until the new site takes writes, without caches.
  std::chrono::seconds ttl{0};
};
WorstCase worst_case(const ServiceSettings& service);

// Why the probes could not all be asked by a process that may have `descriptors` open; nullopt when
// they could.
std::optional<std::string> capacity_problem(const MonitorConfig& config, std::uint64_t descriptors);

// The same with every term, and the safety inequality, a line each: for `check` and the log.
std::vector<std::string> worst_case_terms(const ServiceSettings& service);

// Reads and checks both files, relations between keys included. `with_credentials` false leaves the
// credentials file unread (the CLI may not be allowed to).
ConfigOutcome<MonitorConfig> read_monitor_config(const std::string& path,
                                                 bool with_credentials = true);

// What differs between two configurations, a line each ("service.im-api.lease: 3s -> 6s"), secrets
// masked: for a reload.
std::vector<std::string> config_difference(const MonitorConfig& old_one,
                                           const MonitorConfig& new_one);

// `running` with all of `fresh` that a running daemon can take over; what config_difference() then
// still finds between the two needs a restart. A service is taken over whole or not at all, so that
// the relations that were checked among its settings hold in what comes out.
MonitorConfig merge_for_reload(const MonitorConfig& running, const MonitorConfig& fresh);

}  // namespace pointsman
