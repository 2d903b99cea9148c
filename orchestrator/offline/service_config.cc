#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/lease.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

constexpr const char* kNotYet = "not in effect in this version";

int small(ConfigTable& table, std::string_view key, int fallback, int most) {
  return static_cast<int>(table.number(key, fallback, 1, most));
}

void read_timings(ConfigTable& table, ServiceSettings& service) {
  service.ttl = std::chrono::seconds(table.number("ttl", 60, 1, 86'400));
  service.interval = table.duration("interval", 1s, 100ms, 60s);
  service.timeout = table.duration("timeout", 1s, 50ms, 60s);
  service.fall = small(table, "fall", 3, 20);
  service.rise = small(table, "rise", 2, 20);
  const Duration usual = std::min<Duration>(250ms, service.interval);
  service.suspect_interval = table.duration("suspect_interval", usual, 50ms, 60s);
  const Duration lease = std::clamp<Duration>(service.fall * service.interval, 1s, 60s);
  service.lease = table.duration("lease", lease, 500ms, 60s);
  service.lone_lease = table.duration("lone_lease", 24h, 1min, kLoneLeaseMost);
  service.max_lag = table.duration("max_lag", 1s, 0s, 1h);
  service.prepare_ttl =
      table.duration("prepare_ttl", std::max<Duration>(10s, 2 * service.lease), 1s, 10min);
  service.order_ttl =
      table.duration("order_ttl", std::max<Duration>(5s, service.lease), 500ms, 60s);
  service.publish_wait = table.duration("publish_wait", 3s, 0s, 60s);
  service.switchover_budget = table.duration("switchover_budget", 30s, 1s, 1h);
  service.late_traffic = table.duration("late_traffic", 3min, 0s, 24h);
  service.rto_goal = table.duration("rto_goal", 30s, 1s, 24h);
  service.rpo_goal = table.duration("rpo_goal", 1s, 0s, 24h);
  service.hold_down = table.duration("hold_down", 10min, 0s, 7 * 24h);
}

void read_policy(ConfigTable& table, ServiceSettings& service) {
  service.mode = table.one_of("mode", {"auto", "propose", "observe"}, "");
  service.unfenced = table.one_of("unfenced", {"refuse", "allow"}, "refuse");
  service.order = table.one_of("order", {"publish-first", "promote-first"}, "publish-first");
  service.max_moves_per_day = small(table, "max_moves_per_day", 4, 1000);
}

void read_quorum(ConfigTable& table, ServiceSettings& service) {
  const int observers = service.has_agents() ? 2 : 1;
  service.quorum = small(table, "quorum", observers, 100);
  if (service.quorum <= observers) return;
  table.complain("quorum", observers == 1 ? "1" : "1 or 2",
                 service.has_agents()
                     ? "more than the observers there are: the monitor and the standby's agent"
                     : "without agents the monitor is the only observer");
  service.quorum = observers;
}

// Sites first: records and probes need their addresses.
void read_parts(ConfigTable& table, ServiceSettings& service, MonitorReading& reading) {
  std::vector<ConfigTable> sites = table.tables("site");
  for (ConfigTable& site : sites) service.sites.push_back(read_site(site, reading));
  check_sites(table, sites, service, reading);
  service.keepalived = read_keepalived(table.table("keepalived"), service, reading);
  for (ConfigTable& record : table.tables("record")) {
    service.records.push_back(read_record(record, service, reading));
  }
  for (ConfigTable& probe : table.tables("probe")) {
    service.probes.push_back(read_probe(probe, service, reading));
  }
  if (service.records.empty() && !table.has("record") && !service.keepalived) {
    table.complain("record", "at least one [[service.record]], or [service.keepalived]",
                   "is missing");
  }
  if (service.probes.empty() && !table.has("probe")) {
    table.complain("probe", "at least one [[service.probe]]", "is missing");
  }
}

}  // namespace

SiteSettings read_site(ConfigTable table, MonitorReading& reading) {
  SiteSettings site;
  site.name = table.required_text("name");
  expect_plain_name(table, "name", site.name);
  if (!site.name.empty() && site.name == reading.config.name) {
    table.complain("name", "another name than the monitor's",
                   "the monitor stands at neither site, and names are identities");
  }
  site.address = table.text("address");
  if (!site.address.empty() && !is_ipv4(site.address)) {
    table.complain("address", "an IPv4 address; IPv6 goes into address6");
  }
  site.address6 = table.text("address6");
  if (!site.address6.empty() && !is_ipv6(site.address6)) {
    table.complain("address6", "an IPv6 address, without brackets");
  }
  if (!site.address6.empty()) site.address6 = canonical_host(site.address6);
  site.cname = table.text("cname");
  while (!site.cname.empty() && site.cname.back() == '.') site.cname.pop_back();
  if (!site.cname.empty() && (!is_host_name(site.cname) || is_ip(site.cname))) {
    table.complain("cname", "a host name");
  }
  if (!table.has("address") && !table.has("address6")) {
    table.complain("address", "address, address6 or both", "is missing: nothing could be probed");
  }
  site.agent = table.text("agent");
  const auto url = url_parts_from(site.agent);
  if (!site.agent.empty() &&
      (!url || url->scheme != "https" || !(url->path.empty() || url->path == "/"))) {
    table.complain("agent", "a URL such as \"https://192.0.2.10:7443\"");
  }
  while (!site.agent.empty() && site.agent.back() == '/') site.agent.pop_back();
  site.preferred = table.boolean("preferred", false);
  if (table.has("preferred")) reading.warn(table, "preferred", kNotYet);
  table.finish();
  return site;
}

void read_service(ConfigTable table, MonitorReading& reading) {
  ServiceSettings service;
  reading.errors_before_service = reading.errors->size();
  service.name = table.required_text("name");
  expect_plain_name(table, "name", service.name);
  for (const ServiceSettings& other : reading.config.services) {
    if (!service.name.empty() && other.name == service.name) {
      table.complain("name", "a name of its own", "is the name of another service too");
    }
  }
  read_timings(table, service);
  read_policy(table, service);
  read_parts(table, service, reading);
  read_quorum(table, service);
  check_timings(table, service, reading);
  if (table.has("late_traffic")) reading.warn(table, "late_traffic", kNotYet);
  read_drill(table.table("drill"), reading);
  table.finish();
  reading.config.services.push_back(std::move(service));
}

}  // namespace pointsman
