#include "orchestrator/offline/keepalived.h"

#include <algorithm>

#include <fmt/format.h>

#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

const SiteSettings& site_of(const ServiceSettings& service, const std::string& name, bool other) {
  const bool first = service.sites.front().name == name;
  return first != other ? service.sites.front() : service.sites.back();
}

std::string at_site(std::string path, const std::string& site) {
  constexpr std::string_view kPlace = "{site}";
  for (auto at = path.find(kPlace); at != std::string::npos; at = path.find(kPlace)) {
    path.replace(at, kPlace.size(), site);
  }
  return path;
}

std::string whole_seconds(Duration d) { return fmt::format("{}", whole_ms(d) / 1000); }

// What differs between a site and the host on which its text is tried.
struct Stand {
  std::string interface;
  std::string check;
  std::string notify;
};

std::string head(const ServiceSettings& service, const std::string& site, const Stand& stand) {
  const KeepalivedSettings& k = *service.keepalived;
  return fmt::format(
      "# keepalived at {0} for the service {1}; written by `pointsman render keepalived {1}`.\n"
      "# Change [service.keepalived] in pointsman.toml and render again.\n"
      "\n"
      "global_defs {{\n"
      "  router_id {0}\n"
      "  vrrp_version {2}\n"
      "  enable_script_security\n"
      "  script_user root\n"
      "}}\n"
      "\n"
      "# Is this site fit to serve? Asks the agent here; the monitor plays no part in the answer.\n"
      "vrrp_script fit_{1} {{\n"
      "  script \"{3}\"\n"
      "  interval {4}\n"
      "  timeout {5}\n"
      "  weight {6}\n"
      "  fall {7}\n"
      "  rise {8}\n"
      "}}\n"
      "\n"
      "# Written by the agent: 1 in power, 0 not, -254 fenced (the address is given up at once).\n"
      "track_file power_{1} {{\n"
      "  file \"{9}/{1}.vrrp\"\n"
      "  weight {10}\n"
      "}}\n",
      site, service.name, k.is_ipv6() ? 3 : 2, stand.check, whole_seconds(k.interval),
      whole_seconds(k.timeout), k.weight, k.fall, k.rise, at_site(k.agent_state, site),
      k.power_weight());
}

std::string peers(const ServiceSettings& service, const std::string& site) {
  const KeepalivedSettings& k = *service.keepalived;
  if (k.multicast) return "";
  const auto address = [&](bool other) { return k.unicast.at(site_of(service, site, other).name); };
  return fmt::format("  unicast_src_ip {}\n  unicast_peer {{\n    {}\n  }}\n", address(false),
                     address(true));
}

std::string authentication(const KeepalivedSettings& k) {
  if (k.auth_pass.empty()) return "";
  return fmt::format(
      "  # Travels in the clear: it keeps mistakes out, and nobody who listens.\n"
      "  authentication {{\n    auth_type PASS\n    auth_pass {}\n  }}\n",
      k.auth_pass);
}

std::string text_of(const ServiceSettings& service, const std::string& site, const Stand& stand) {
  const KeepalivedSettings& k = *service.keepalived;
  std::string addresses;
  for (const std::string& address : k.addresses) addresses += "    " + address + "\n";
  const bool whole = whole_ms(k.advert) % 1000 == 0;
  return head(service, site, stand) +
         fmt::format(
             "\n"
             "vrrp_instance {0} {{\n"
             "  state BACKUP\n"
             "  interface {1}\n"
             "  virtual_router_id {2}\n"
             "  priority {3}\n"
             "  advert_int {4}\n"
             "  garp_master_refresh 5\n"
             "{5}{6}"
             "  virtual_ipaddress {{\n{7}  }}\n"
             "  track_script {{\n    fit_{0}\n  }}\n"
             "  track_file {{\n    power_{0}\n  }}\n"
             "  # Tells the agent, which tells the monitor; it promotes nobody.\n"
             "  notify \"{8}\"\n"
             "}}\n",
             service.name, stand.interface, k.router_id, k.priorities.at(site),
             whole ? whole_seconds(k.advert) : fmt::format("{:.2f}", seconds(k.advert)),
             peers(service, site), authentication(k), addresses, stand.notify);
}

}  // namespace

bool KeepalivedSettings::is_ipv6() const {
  return !addresses.empty() && addresses.front().find(':') != std::string::npos;
}

int KeepalivedSettings::power_weight() const {
  int least = 255;
  int most = 0;
  for (const auto& [site, priority] : priorities) {
    least = std::min(least, priority);
    most = std::max(most, priority);
  }
  return most - least + 5;
}

std::string keepalived_text(const ServiceSettings& service, const std::string& site) {
  const KeepalivedSettings& k = *service.keepalived;
  const std::string words = fmt::format(" {} {}", at_site(k.agent_config, site), service.name);
  return text_of(service, site,
                 {k.interfaces.at(site), k.scripts + "/keepalived-check" + words,
                  k.scripts + "/keepalived-notify" + words});
}

std::string keepalived_trial(const ServiceSettings& service, const std::string& site,
                             const std::string& interface) {
  return text_of(service, site, {interface, "/usr/bin/true", "/usr/bin/true"});
}

}  // namespace pointsman
