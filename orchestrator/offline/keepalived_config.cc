#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/address.h"
#include "orchestrator/offline/reading.h"

namespace pointsman {
namespace {

constexpr int kPriorityMost = 254;  // 255 is the owner of the address in VRRP.

// "192.0.2.100/24" -> {"192.0.2.100", 24}; the length -1 when there is none or it is no number.
std::pair<std::string, int> with_length(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return {text, -1};
  const std::string digits = text.substr(slash + 1);
  const bool number = !digits.empty() && digits.size() <= 3 &&
                      std::all_of(digits.begin(), digits.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  return {text.substr(0, slash), number ? std::stoi(digits) : -1};
}

void read_addresses(ConfigTable& table, KeepalivedSettings& k, const ServiceSettings& service) {
  for (const std::string& text : table.texts("addresses")) {
    const auto [address, length] = with_length(text);
    const bool v6 = is_ipv6(address);
    if ((!v6 && !is_ipv4(address)) || length < 1 || length > (v6 ? 128 : 32)) {
      table.complain("addresses", "addresses with their length, as [\"192.0.2.100/24\"]",
                     fmt::format("\"{}\" is none", text));
      continue;
    }
    k.addresses.push_back(fmt::format("{}/{}", canonical_host(address), length));
    if (v6 != k.is_ipv6()) {
      table.complain("addresses", "all of one family",
                     "one instance of VRRP carries IPv4 or IPv6; make two services of it");
    }
    for (const SiteSettings& site : service.sites) {
      if (canonical_host(address) != canonical_host(v6 ? site.address6 : site.address)) continue;
      table.complain("addresses", "an address that is no site's own",
                     fmt::format("\"{}\" is that of {}: the monitor could not tell the sites apart",
                                 address, site.name));
    }
  }
  if (k.addresses.empty() && !table.has("addresses")) {
    table.complain("addresses", "the virtual addresses, as [\"192.0.2.100/24\"]", "is missing");
  }
}

bool is_interface(const std::string& name) {
  return !name.empty() && name.size() <= 15 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '@';
         });
}

void read_interfaces(ConfigTable& table, KeepalivedSettings& k, const ServiceSettings& service) {
  const std::string common = table.text("interface");
  ConfigTable own = table.table("interfaces");
  for (const SiteSettings& site : service.sites) {
    const bool named = own.has(site.name);
    const std::string name = named ? own.text(site.name) : common;
    k.interfaces[site.name] = name;
    if (is_interface(name)) continue;
    ConfigTable& at = named ? own : table;
    at.complain(named ? site.name : "interface",
                "the interface in the LAN, as \"eth0\", or a table [service.keepalived.interfaces]",
                table.has("interface") || named ? "" : "is missing for " + site.name);
    if (!named) break;
  }
  own.finish();
}

Duration whole(ConfigTable& table, std::string_view key, Duration fallback, Duration most) {
  const Duration d = table.duration(key, fallback, 1s, most);
  if (whole_ms(d) % 1000 != 0) table.complain(key, "whole seconds");
  return d;
}

void read_election(ConfigTable& table, KeepalivedSettings& k) {
  k.router_id = static_cast<int>(table.number("router_id", 0, 1, 255));
  if (!table.has("router_id")) {
    table.complain("router_id", "1 to 255, used by nobody else in this LAN", "is missing");
  }
  k.interval = whole(table, "interval", 2s, 1min);
  k.timeout = whole(table, "timeout", 3s, 1min);
  k.fall = static_cast<int>(table.number("fall", 3, 1, 20));
  k.rise = static_cast<int>(table.number("rise", 2, 1, 20));
  k.weight = static_cast<int>(table.number("weight", -50, -253, -1));
  k.advert =
      k.is_ipv6() ? table.duration("advert", 1s, 10ms, 40s) : whole(table, "advert", 1s, 40s);
  k.multicast = table.one_of("peers", {"unicast", "multicast"}, "unicast") == "multicast";
}

void read_priorities(ConfigTable& table, KeepalivedSettings& k, const ServiceSettings& service) {
  std::vector<std::int64_t> both = table.numbers("priorities", 1, kPriorityMost);
  if (!table.has("priorities")) both = {100, 90};
  if (both.size() != 2 || both[0] <= both[1]) {
    table.complain("priorities", "two, the higher one first, as [100, 90]");
    both = {100, 90};
  }
  const std::size_t first = service.sites.size() == 2 && service.sites[1].preferred ? 1 : 0;
  for (std::size_t i = 0; i < service.sites.size(); ++i) {
    k.priorities[service.sites[i].name] = static_cast<int>(both[i == first ? 0 : 1]);
  }
  const int apart = static_cast<int>(both[0] - both[1]);
  if (both[0] + k.power_weight() > kPriorityMost) {
    table.complain("priorities",
                   fmt::format("a higher one of at most {}", kPriorityMost - k.power_weight()),
                   fmt::format("being in power adds {}", k.power_weight()));
  }
  // The site in power, unfit, must fall below a standby that is fit.
  const int enough = -(apart + k.power_weight()) - 1;
  if (k.weight > enough) {
    table.complain(
        "weight", fmt::format("at most {}", enough),
        fmt::format("an unfit site in power would keep the address: {} + {} {} is not below {}",
                    both[0], k.power_weight(), k.weight, both[1]));
  }
}

void read_place(ConfigTable& table, std::string_view key, std::string& path) {
  path = table.text(key, path);
  const bool plain = std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("/-_.{}").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (path.size() < 2 || path.front() != '/' || !plain) {
    table.complain(key, "an absolute path of letters, digits, \"-\", \"_\" and \".\"");
  }
  while (path.size() > 1 && path.back() == '/') path.pop_back();
}

// The sites' own addresses, unless VRRP goes by others.
void read_unicast(ConfigTable& table, KeepalivedSettings& k, const ServiceSettings& service) {
  ConfigTable own = table.table("unicast");
  if (k.multicast && own.present()) {
    own.complain("", "nothing with peers = \"multicast\"");
  }
  const char* family = k.is_ipv6() ? "IPv6" : "IPv4";
  for (const SiteSettings& site : service.sites) {
    std::string& address = k.unicast[site.name];
    address = own.text(site.name, k.is_ipv6() ? site.address6 : site.address);
    if (k.multicast || (k.is_ipv6() ? is_ipv6(address) : is_ipv4(address))) continue;
    if (own.has(site.name)) {
      own.complain(site.name, fmt::format("an {} address, as `addresses` are", family));
    } else {
      table.complain("peers", "\"multicast\", or a table [service.keepalived.unicast]",
                     fmt::format("{} has no {} address", site.name, family));
    }
  }
  own.finish();
}

void check_neighbours(ConfigTable& table, const KeepalivedSettings& k, MonitorReading& reading) {
  for (const ServiceSettings& other : reading.config.services) {
    if (!other.keepalived || other.keepalived->router_id != k.router_id) continue;
    table.complain("router_id", "a number of its own",
                   fmt::format("is that of service \"{}\" too", other.name));
  }
}

}  // namespace

std::optional<KeepalivedSettings> read_keepalived(ConfigTable table, const ServiceSettings& service,
                                                  MonitorReading& reading) {
  if (!table.present()) return std::nullopt;
  KeepalivedSettings k;
  read_addresses(table, k, service);
  read_interfaces(table, k, service);
  read_election(table, k);
  read_priorities(table, k, service);
  read_unicast(table, k, service);
  check_neighbours(table, k, reading);
  k.credentials = table.text("credentials");
  if (!k.credentials.empty()) {
    expect_plain_name(table, "credentials", k.credentials);
    expect_own_section(table, "credentials", k.credentials, reading);
    reading.warn(table, "credentials",
                 "auth_pass of VRRP travels in the clear, eight characters at most: it keeps "
                 "mistakes out, not people");
    if (k.is_ipv6()) {
      table.complain("credentials", "nothing with IPv6", "VRRP version 3 has no authentication");
    }
  }
  read_place(table, "scripts", k.scripts);
  read_place(table, "agent_config", k.agent_config);
  read_place(table, "agent_state", k.agent_state);
  if (!service.has_agents()) {
    table.complain("", "agents at both sites",
                   "keepalived's scripts ask the agents, and only they keep two sites apart");
  }
  table.finish();
  return k;
}

std::string read_auth_pass(ConfigTable& section) {
  const std::string pass = section.required_text("auth_pass");
  const bool plain = std::all_of(pass.begin(), pass.end(), [](unsigned char c) {
    return std::isgraph(c) != 0 &&
           std::string_view("\"'#!{}\\").find(static_cast<char>(c)) == std::string_view::npos;
  });
  if (!pass.empty() && (pass.size() > 8 || !plain)) {
    section.complain("auth_pass", "1 to 8 printable characters without quotes, # ! { } \\",
                     "keepalived would cut or misread it");
  }
  section.finish();
  return pass;
}

}  // namespace pointsman
