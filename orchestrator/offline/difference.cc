#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "orchestrator/notify/channel.h"
#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

// Every setting as one text under its dotted name, so that two configurations compare as maps.
class Flat {
 public:
  void put(const std::string& key, std::string value) { all_[key] = std::move(value); }
  void put(const std::string& key, Duration value) { all_[key] = format_duration(value); }
  void put(const std::string& key, int value) { all_[key] = fmt::format("{}", value); }
  void put(const std::string& key, const std::vector<std::string>& values) {
    all_[key] = fmt::format("[{}]", fmt::join(values, ", "));
  }
  void put_secret(const std::string& key, std::string value) { secrets_[key] = std::move(value); }

  std::map<std::string, std::string> all_;
  std::map<std::string, std::string> secrets_;
};

void put_service(Flat& flat, const ServiceSettings& s) {
  const std::string at = "service." + s.name + ".";
  flat.put(at + "mode", s.mode);
  flat.put(at + "ttl", static_cast<int>(s.ttl.count()));
  flat.put(at + "interval", s.interval);
  flat.put(at + "timeout", s.timeout);
  flat.put(at + "fall", s.fall);
  flat.put(at + "rise", s.rise);
  flat.put(at + "suspect_interval", s.suspect_interval);
  flat.put(at + "lease", s.lease);
  flat.put(at + "lone_lease", s.lone_lease);
  flat.put(at + "max_lag", s.max_lag);
  flat.put(at + "prepare_ttl", s.prepare_ttl);
  flat.put(at + "order_ttl", s.order_ttl);
  flat.put(at + "publish_wait", s.publish_wait);
  flat.put(at + "switchover_budget", s.switchover_budget);
  flat.put(at + "unfenced", s.unfenced);
  flat.put(at + "late_traffic", s.late_traffic);
  flat.put(at + "rto_goal", s.rto_goal);
  flat.put(at + "rpo_goal", s.rpo_goal);
  flat.put(at + "hold_down", s.hold_down);
  flat.put(at + "max_moves_per_day", s.max_moves_per_day);
  flat.put(at + "order", s.order);
  flat.put(at + "quorum", s.quorum);
}

void put_keepalived(Flat& flat, const ServiceSettings& s) {
  if (!s.keepalived) return;
  const KeepalivedSettings& k = *s.keepalived;
  const std::string at = "service." + s.name + ".keepalived.";
  flat.put(at + "addresses", k.addresses);
  for (const auto& [site, name] : k.interfaces) flat.put(at + "interfaces." + site, name);
  for (const auto& [site, number] : k.priorities) flat.put(at + "priorities." + site, number);
  flat.put(at + "router_id", k.router_id);
  flat.put(at + "peers", std::string(k.multicast ? "multicast" : "unicast"));
  for (const auto& [site, address] : k.unicast) flat.put(at + "unicast." + site, address);
  flat.put(at + "interval", k.interval);
  flat.put(at + "timeout", k.timeout);
  flat.put(at + "weight", k.weight);
  flat.put(at + "fall", k.fall);
  flat.put(at + "rise", k.rise);
  flat.put(at + "advert", k.advert);
  flat.put(at + "credentials", k.credentials);
  flat.put_secret(at + "auth_pass", k.auth_pass);
  flat.put(at + "scripts", k.scripts);
  flat.put(at + "agent_config", k.agent_config);
  flat.put(at + "agent_state", k.agent_state);
}

void put_parts(Flat& flat, const ServiceSettings& s) {
  const std::string at = "service." + s.name + ".";
  for (const RecordSettings& record : s.records) {
    const std::string key = fmt::format("{}record.{}.{}.", at, record.name, record.type);
    flat.put(key + "provider", record.provider);
    flat.put(key + "zone", record.zone);
    flat.put(key + "authorities", record.authorities);
    for (const auto& [site, values] : record.values) flat.put(key + "values." + site, values);
  }
  for (std::size_t i = 0; i < s.probes.size(); ++i) {
    flat.put(fmt::format("{}probe.{}", at, i), s.probes[i].shape.to_json().dump());
  }
  put_keepalived(flat, s);
  for (const SiteSettings& site : s.sites) {
    const std::string key = at + "site." + site.name + ".";
    flat.put(key + "address", site.address);
    flat.put(key + "address6", site.address6);
    flat.put(key + "cname", site.cname);
    flat.put(key + "agent", site.agent);
    flat.put(key + "preferred", site.preferred ? "true" : "false");
  }
}

void put_monitor(Flat& flat, const MonitorConfig& c) {
  flat.put("monitor.name", c.name);
  flat.put("monitor.state_dir", c.state_dir);
  flat.put("monitor.credentials", c.credentials);
  flat.put("monitor.control", c.control);
  flat.put("monitor.mode", c.mode);
  flat.put("monitor.language", c.language);
  flat.put("monitor.link", c.link);
  flat.put("monitor.references", c.references);
  flat.put("monitor.max_moves_at_once", c.max_moves_at_once);
  flat.put("monitor.breaker_window", c.breaker_window);
  flat.put("tls.ca", c.tls.ca_file);
  flat.put("tls.cert", c.tls.cert_file);
  flat.put("tls.key", c.tls.key_file);
  if (!c.web) return;
  flat.put("web.listen", c.web->listen);
  flat.put("web.cert", c.web->cert);
  flat.put("web.key", c.web->key);
  flat.put("web.hosts", c.web->hosts);
  for (const auto& [role, token] : c.web->tokens) flat.put_secret("web.tokens." + role, token);
}

void put_notices(Flat& flat, const MonitorConfig& c) {
  for (const NoticeSettings& notice : c.notices) {
    const std::string at = "notify." + notice.name + ".";
    flat.put(at + "type", notice.type);
    flat.put(at + "services", notice.services);
    flat.put(at + "min_level",
             std::string(notice.only_fallback ? "none" : to_string(notice.least)));
    flat.put(at + "language", notice.language);
    flat.put(at + "budget", budget_text(notice.budget));
    flat.put(at + "fallback", notice.fallback);
    flat.put(at + "self_test", notice.self_test);
    for (const auto& [key, value] : notice.options) flat.put(at + key, value);
    for (const auto& [key, values] : notice.lists) flat.put(at + key, values);
    for (const auto& [key, value] : notice.credentials) {
      flat.put_secret(at + "credentials." + key, value);
    }
  }
  if (!c.heartbeat) return;
  flat.put_secret("heartbeat.url", c.heartbeat->url);
  flat.put("heartbeat.every", c.heartbeat->every);
}

Flat flatten(const MonitorConfig& config) {
  Flat flat;
  put_monitor(flat, config);
  put_notices(flat, config);
  for (const ProviderSettings& provider : config.providers) {
    const std::string at = "provider." + provider.name + ".";
    flat.put(at + "type", provider.type);
    for (const auto& [key, value] : provider.options) flat.put(at + key, value);
    for (const auto& [key, values] : provider.lists) flat.put(at + key, values);
    for (const auto& [key, value] : provider.credentials) {
      flat.put_secret(at + "credentials." + key, value);
    }
  }
  for (const ServiceSettings& service : config.services) {
    put_service(flat, service);
    put_parts(flat, service);
  }
  return flat;
}

using Settings = std::map<std::string, std::string>;

void compare(const Settings& old_ones, const Settings& new_ones, bool masked,
             std::map<std::string, std::string>& lines) {
  const auto shown = [&](const Settings& from, const std::string& key) -> std::string {
    const auto at = from.find(key);
    if (at == from.end()) return "(none)";
    if (masked) return "(secret)";
    return at->second.empty() ? "(empty)" : at->second;
  };
  Settings keys = old_ones;
  keys.insert(new_ones.begin(), new_ones.end());
  for (const auto& [key, value] : keys) {
    const auto a = old_ones.find(key);
    const auto b = new_ones.find(key);
    if (a != old_ones.end() && b != new_ones.end() && a->second == b->second) continue;
    const bool both = a != old_ones.end() && b != new_ones.end();
    lines[key] = masked && both
                     ? key + ": changed (not shown)"
                     : fmt::format("{}: {} -> {}", key, shown(old_ones, key), shown(new_ones, key));
  }
}

template <typename Named>
const Named* find_named(const std::vector<Named>& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Named& each) { return each.name == name; });
  return found == list.end() ? nullptr : &*found;
}

// Agents and their addresses, what a record is, and every term that promises rest on are made at
// start.
bool is_mendable(const ServiceSettings& running, const ServiceSettings& fresh) {
  std::vector<SiteSettings> sites = fresh.sites;
  for (std::size_t k = 0; k < sites.size() && k < running.sites.size(); ++k) {
    sites[k].preferred = running.sites[k].preferred;
  }
  return sites == running.sites && fresh.records == running.records && fresh.ttl == running.ttl &&
         fresh.lease == running.lease && fresh.lone_lease == running.lone_lease &&
         fresh.order_ttl == running.order_ttl && fresh.prepare_ttl == running.prepare_ttl &&
         fresh.max_lag == running.max_lag;
}

}  // namespace

MonitorConfig merge_for_reload(const MonitorConfig& running, const MonitorConfig& fresh) {
  MonitorConfig merged = running;
  merged.mode = fresh.mode;
  merged.language = fresh.language;
  merged.link = fresh.link;
  merged.notices = fresh.notices;
  merged.heartbeat = fresh.heartbeat;
  merged.references = fresh.references;
  if (merged.web && fresh.web) merged.web->tokens = fresh.web->tokens;
  for (ProviderSettings& provider : merged.providers) {
    const ProviderSettings* found = find_named(fresh.providers, provider.name);
    if (found != nullptr) provider = *found;
  }
  for (ServiceSettings& service : merged.services) {
    const ServiceSettings* found = find_named(fresh.services, service.name);
    if (found != nullptr && is_mendable(service, *found)) service = *found;
  }
  return merged;
}

std::vector<std::string> config_difference(const MonitorConfig& old_one,
                                           const MonitorConfig& new_one) {
  const Flat a = flatten(old_one);
  const Flat b = flatten(new_one);
  std::map<std::string, std::string> lines;
  compare(a.all_, b.all_, false, lines);
  compare(a.secrets_, b.secrets_, true, lines);
  std::vector<std::string> sorted;
  for (const auto& [key, line] : lines) sorted.push_back(line);
  return sorted;
}

}  // namespace pointsman
