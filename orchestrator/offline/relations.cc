#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/address.h"
#include "base/lease.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

constexpr Duration kRoundTrip = 500ms;

std::string show(Duration d) { return format_duration(d); }

// Addresses of this host, loopback left out.
std::set<std::string> own_addresses() {
  std::set<std::string> all;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return all;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(at->ifa_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) ==
        0) {
      all.insert(text.data());
    }
  }
  freeifaddrs(list);
  return all;
}

void check_lease(ConfigTable& table, const ServiceSettings& service) {
  const Duration poll = service.lease / 6;
  if (service.lease <= 2 * poll + kRoundTrip) {
    table.complain("lease", "longer than two polls (lease / 6 each) and a round trip of 500ms",
                   fmt::format("{} is not longer than 2 * {}ms + {}", show(service.lease),
                               whole_ms(poll), show(kRoundTrip)));
  }
  const Duration told_every = std::min<Duration>(poll, 500ms);
  if (service.max_lag < told_every + kRoundTrip) {
    table.complain(
        "max_lag",
        fmt::format("at least {}ms: a poll (lease / 6, 500ms at most) and a round trip of "
                    "500ms",
                    whole_ms(told_every + kRoundTrip)),
        "positions are compared no finer, and the gate would refuse by chance");
  }
  if (service.lone_lease <= service.lease) {
    table.complain("lone_lease", fmt::format("longer than lease ({})", show(service.lease)));
  }
  if (service.prepare_ttl <= service.lease) {
    table.complain("prepare_ttl", fmt::format("longer than lease ({})", show(service.lease)),
                   "a preparation that ends before the lease it waits for never promotes");
  }
  if (service.order_ttl < poll + kRoundTrip) {
    table.complain(
        "order_ttl",
        fmt::format("at least a poll (lease / 6 = {}ms) and a round trip of 500ms", whole_ms(poll)),
        "orders would be too old when they arrive");
  }
}

void check_probing(ConfigTable& table, const ServiceSettings& service) {
  if (service.timeout > service.fall * service.interval) {
    table.complain("timeout",
                   fmt::format("at most fall * interval = {} * {} = {}", service.fall,
                               show(service.interval), show(service.fall * service.interval)));
  }
  if (service.suspect_interval > service.interval) {
    table.complain("suspect_interval", fmt::format("at most interval ({}): in doubt, ask faster",
                                                   show(service.interval)));
  }
}

void warn_of_goals(ConfigTable& table, const ServiceSettings& service, MonitorReading& reading) {
  const WorstCase worst = worst_case(service);
  if (worst.total > service.rto_goal) {
    reading.warn(table, "rto_goal",
                 fmt::format("a failover may take {:.1f} s (caches not counted), more than the "
                             "goal of {}",
                             seconds(worst.total), show(service.rto_goal)));
  }
  if (service.has_agents() && service.max_lag > service.rpo_goal) {
    reading.warn(table, "rpo_goal",
                 fmt::format("max_lag {} lets a failover lose more than the goal of {}",
                             show(service.max_lag), show(service.rpo_goal)));
  }
  if (service.ttl > std::chrono::seconds(300)) {
    reading.warn(table, "ttl",
                 fmt::format("resolvers may keep the old address for {} s after a move",
                             service.ttl.count()));
  }
  if (service.has_agents() && service.quorum < 2) {
    reading.warn(table, "quorum",
                 "1 lets the monitor alone call a site down: a cut between the monitor and the "
                 "primary then moves the service");
  }
}

// One thing that must differ between the two sites.
void expect_different(std::vector<ConfigTable>& sites, std::string_view key, const std::string& one,
                      const std::string& other) {
  if (one.empty() || canonical_host(one) != canonical_host(other)) return;
  sites[1].complain(key, "a value of its own for each site",
                    "is the same as that of the other site");
}

void check_standing(ConfigTable& table, const SiteSettings& site, MonitorReading& reading) {
  const auto web = host_port_from(reading.config.web ? reading.config.web->listen : "");
  const std::set<std::string> own = own_addresses();
  for (const auto& [key, address] :
       {std::pair{"address", site.address}, std::pair{"address6", site.address6}}) {
    if (address.empty()) continue;
    const bool loopback = address.rfind("127.", 0) == 0 || address == "::1";
    if (web && !loopback && canonical_host(web->host) == address) {
      table.complain(key, "an address that is not the monitor's",
                     "[web] listens on it: the monitor stands at neither site");
    } else if (own.count(address) != 0) {
      reading.warn(table, key,
                   "is an address of this host: a monitor that stands at a site fails with it");
    }
  }
}

}  // namespace

void check_timings(ConfigTable& table, const ServiceSettings& service, MonitorReading& reading) {
  check_probing(table, service);
  if (service.has_agents()) check_lease(table, service);
  warn_of_goals(table, service, reading);
}

void check_sites(ConfigTable& table, std::vector<ConfigTable>& sites,
                 const ServiceSettings& service, MonitorReading& reading) {
  if (service.sites.size() != 2 || sites.size() != 2) {
    table.complain("site", "exactly two [[service.site]]",
                   service.sites.empty() ? "is missing" : "");
    return;
  }
  const SiteSettings& a = service.sites[0];
  const SiteSettings& b = service.sites[1];
  expect_different(sites, "name", a.name, b.name);
  expect_different(sites, "address", a.address, b.address);
  expect_different(sites, "address6", a.address6, b.address6);
  expect_different(sites, "cname", a.cname, b.cname);
  expect_different(sites, "agent", a.agent, b.agent);
  if (a.agent.empty() != b.agent.empty()) {
    sites[a.agent.empty() ? 0 : 1].complain(
        "agent", "an agent at both sites or at none",
        "is missing: with one agent the other site could be neither fenced nor promoted");
  }
  if (a.preferred && b.preferred) {
    sites[1].complain("preferred", "true for one site at most");
  }
  for (std::size_t i = 0; i < 2; ++i) check_standing(sites[i], service.sites[i], reading);
}

WorstCase worst_case(const ServiceSettings& service) {
  WorstCase worst;
  worst.ttl = service.ttl;
  worst.detection =
      service.interval + (service.fall - 1) * service.suspect_interval + service.timeout;
  const Duration published = worst.detection + kRoundTrip + kRoundTrip;  // Asked; written.
  if (!service.has_agents()) {
    worst.publish = published;
    worst.publish_slow = published - kRoundTrip + service.reading + service.change;
    worst.total = published;
    return worst;
  }
  worst.promise = promise_length({service.lease, kFenceBoundArmed});
  worst.promise_unarmed = promise_length({service.lease, kFenceBoundUnarmed});
  const Duration prepared = worst.detection + kRoundTrip;
  const bool publish_first = service.order == "publish-first";
  const Duration promote =
      std::max(worst.promise, publish_first ? prepared + service.publish_wait : prepared);
  worst.total = promote + kRoundTrip;
  worst.publish = publish_first ? published : worst.total + kRoundTrip;
  worst.publish_slow = worst.publish - kRoundTrip + service.reading + service.change;
  return worst;
}

std::vector<std::string> worst_case_terms(const ServiceSettings& service) {
  const WorstCase worst = worst_case(service);
  std::vector<std::string> lines;
  lines.push_back(fmt::format(
      "detection: interval {} + (fall {} - 1) * suspect_interval {} + timeout {} = {:.2f} s",
      show(service.interval), service.fall, show(service.suspect_interval), show(service.timeout),
      seconds(worst.detection)));
  if (service.has_agents()) {
    const Duration poll = service.lease / 6;
    lines.push_back(fmt::format(
        "safety: W >= (1+rho)/(1-rho) * L + (1+rho) * F + eps, rho = {}, L = lease {}, eps = {}",
        kRho, show(service.lease), show(kEpsilon)));
    lines.push_back(fmt::format("safety: with the dead-man switch, F = {}: W = {:.3f} s",
                                show(kFenceBoundArmed), seconds(worst.promise)));
    lines.push_back(fmt::format("safety: without it, F = {}: W = {:.3f} s",
                                show(kFenceBoundUnarmed), seconds(worst.promise_unarmed)));
    lines.push_back(fmt::format(
        "lease: agents are polled each {}ms; it survives {} lost polls and a round trip of {}",
        whole_ms(poll), std::max<std::int64_t>((service.lease - kRoundTrip) / poll - 2, 0),
        show(kRoundTrip)));
  }
  lines.push_back(fmt::format("published within {:.2f} s, writable within {:.2f} s of the fault",
                              seconds(worst.publish), seconds(worst.total)));
  lines.push_back(
      fmt::format("published within {:.2f} s if its provider takes all the time that `timeout` "
                  "lets it: {} for a "
                  "reading under way, {} for the change; then the change begins anew",
                  seconds(worst.publish_slow), show(service.reading), show(service.change)));
  lines.push_back(
      fmt::format("caches keep the old address for up to {} s more (ttl)", worst.ttl.count()));
  return lines;
}

}  // namespace pointsman
