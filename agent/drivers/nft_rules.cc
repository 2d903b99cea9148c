#include "agent/drivers/nft_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "base/address.h"

namespace pointsman {
namespace {

std::string joined(const std::vector<int>& ports) {
  std::string text;
  for (const int port : ports) text += fmt::format("{}{}", text.empty() ? "" : ", ", port);
  return text;
}

std::string joined(const std::vector<std::string>& addresses, bool v6) {
  std::string text;
  for (const auto& address : addresses) {
    if (is_ipv6(address) == v6) text += (text.empty() ? "" : ", ") + address;
  }
  return text;
}

std::vector<int> all_ports(const DeadmanPorts& service) {
  std::set<int> ports(service.store_ports.begin(), service.store_ports.end());
  ports.insert(service.public_ports.begin(), service.public_ports.end());
  return {ports.begin(), ports.end()};
}

std::string named_set(const std::string& name, const char* type, const std::string& elements) {
  std::string text = fmt::format("add set {} {} {{ type {}; }}\n", kNftTable, name, type);
  text += fmt::format("flush set {} {}\n", kNftTable, name);
  if (!elements.empty()) {
    text += fmt::format("add element {} {} {{ {} }}\n", kNftTable, name, elements);
  }
  return text;
}

// The chain for one direction. `port` and `address` name the service's and the peer's side of a
// packet, `link` the interface by which loopback is known.
std::string chain(const DeadmanPorts& service, DeadmanMode mode, bool incoming) {
  const char* port = incoming ? "dport" : "sport";
  const char* address = incoming ? "saddr" : "daddr";
  const char* link = incoming ? "iifname" : "oifname";
  const std::string& s = service.service;
  const std::string name = fmt::format("{} {}_{}", kNftTable, incoming ? "in" : "out", s);
  std::string text = fmt::format("add chain {}\nflush chain {}\n", name, name);
  const auto rule = [&](const std::string& what) {
    text += fmt::format("add rule {} {}\n", name, what);
  };
  if (mode == DeadmanMode::kArmed) {
    rule(fmt::format("th {} != @ports_{} return", port, s));
    rule(fmt::format("th {} @lease_{} return", port, s));
  } else {
    rule(fmt::format("th {} != @store_{} return", port, s));
  }
  rule(fmt::format("th {} @store_{} {} \"lo\" return", port, s, link));
  rule(fmt::format("th {} @store_{} ip {} @allow4_{} return", port, s, address, s));
  rule(fmt::format("th {} @store_{} ip6 {} @allow6_{} return", port, s, address, s));
  rule(fmt::format("counter drop comment \"pointsman {}\"",
                   mode == DeadmanMode::kArmed ? "armed" : "standby"));
  return text;
}

}  // namespace

Result<void> check_deadman_ports(const DeadmanPorts& service) {
  if (!is_plain_name(service.service)) {
    return {ErrorCode::kInvalid, "dead-man switch: \"" + service.service + "\" is no service name"};
  }
  const auto ports = all_ports(service);
  if (ports.empty()) {
    return {ErrorCode::kInvalid, "dead-man switch of " + service.service + ": no ports"};
  }
  for (const int port : ports) {
    if (port < 1 || port > 65535) {
      return {ErrorCode::kInvalid,
              fmt::format("dead-man switch of {}: {} is no port", service.service, port)};
    }
  }
  for (const auto& address : service.allow) {
    if (!is_ip(address)) {
      return {ErrorCode::kInvalid,
              fmt::format("dead-man switch of {}: \"{}\" is no address", service.service, address)};
    }
  }
  return {};
}

std::string nft_base(const std::vector<DeadmanPorts>& services) {
  std::string text = fmt::format("add table {}\n", kNftTable);
  const struct {
    const char* name;
    const char* hook;
    const char* target;
  } chains[] = {{"prerouting", "prerouting priority raw", "in"},
                {"output", "output priority raw", "out"},
                // After address translation is undone: the answer bears the public port again.
                {"postrouting", "postrouting priority 300", "out"}};
  for (const auto& base : chains) {
    text += fmt::format("add chain {} {} {{ type filter hook {}; policy accept; }}\n", kNftTable,
                        base.name, base.hook);
    text += fmt::format("flush chain {} {}\n", kNftTable, base.name);
    for (const auto& service : services) {
      text += fmt::format("add rule {} {} meta l4proto {{ tcp, udp }} jump {}_{}\n", kNftTable,
                          base.name, base.target, service.service);
    }
  }
  return text;
}

std::string nft_service(const DeadmanPorts& service, DeadmanMode mode) {
  const std::string& s = service.service;
  std::string text = named_set("ports_" + s, "inet_service", joined(all_ports(service)));
  text += named_set("store_" + s, "inet_service", joined(service.store_ports));
  text += named_set("allow4_" + s, "ipv4_addr", joined(service.allow, false));
  text += named_set("allow6_" + s, "ipv6_addr", joined(service.allow, true));
  text +=
      fmt::format("add set {} lease_{} {{ type inet_service; flags timeout; }}\n", kNftTable, s);
  return text + chain(service, mode, true) + chain(service, mode, false);
}

std::string nft_renewal(const DeadmanPorts& service, Duration rest, bool present) {
  const auto ports = all_ports(service);
  const std::string set = fmt::format("{} lease_{}", kNftTable, service.service);
  std::string elements;
  for (const int port : ports) {
    elements +=
        fmt::format("{}{} timeout {}ms", elements.empty() ? "" : ", ", port, whole_ms(rest));
  }
  const std::string first = present
                                ? fmt::format("delete element {} {{ {} }}\n", set, joined(ports))
                                : fmt::format("flush set {}\n", set);
  return first + fmt::format("add element {} {{ {} }}\n", set, elements);
}

std::string nft_removal(const DeadmanPorts& service) {
  const std::string& s = service.service;
  std::string text;
  for (const char* direction : {"in", "out"}) {
    text += fmt::format("flush chain {} {}_{}\n", kNftTable, direction, s);
    text += fmt::format("delete chain {} {}_{}\n", kNftTable, direction, s);
  }
  for (const char* set : {"ports", "store", "allow4", "allow6", "lease"}) {
    text += fmt::format("delete set {} {}_{}\n", kNftTable, set, s);
  }
  return text;
}

std::optional<Duration> parse_nft_time(const std::string& text) {
  std::string_view left(text);
  Duration sum{0};
  while (!left.empty()) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), value);
    if (error != std::errc() || value < 0 || value > 1'000'000'000) return std::nullopt;
    left.remove_prefix(static_cast<std::size_t>(end - left.data()));
    const auto unit_end = left.find_first_of("0123456789");
    const std::string_view unit = left.substr(0, unit_end);
    if (unit == "ms") {
      sum += std::chrono::milliseconds(value);
    } else if (unit == "s") {
      sum += std::chrono::seconds(value);
    } else if (unit == "m") {
      sum += std::chrono::minutes(value);
    } else if (unit == "h") {
      sum += std::chrono::hours(value);
    } else if (unit == "d") {
      sum += 24h * value;
    } else {
      return std::nullopt;
    }
    left.remove_prefix(unit.size());
  }
  return text.empty() ? std::nullopt : std::optional(sum);
}

Duration lease_rest(const DeadmanPorts& service, const std::string& listing) {
  // "elements = { 80 timeout 3s expires 2s345ms, 443 timeout 3s expires 2s345ms }", over any number
  // of lines.
  std::string flat = listing.substr(std::min(listing.find("elements"), listing.size()));
  std::replace_if(
      flat.begin(), flat.end(), [](char c) { return c != ' ' && std::isspace(c); }, ' ');
  Duration least = Duration::max();
  for (const int port : all_ports(service)) {
    const std::string element = fmt::format(" {} timeout ", port);
    const auto at = flat.find(element);
    if (at == std::string::npos) return Duration{0};
    const std::string one = flat.substr(at, flat.find_first_of(",}", at) - at);
    const auto word = one.find(" expires ");
    if (word == std::string::npos) return Duration{0};
    const std::string time = one.substr(word + 9);
    const auto rest = parse_nft_time(time.substr(0, time.find(' ')));
    least = std::min(least, rest.value_or(Duration{0}));
  }
  return least == Duration::max() ? Duration{0} : least;
}

bool lease_empty(const std::string& listing) {
  return listing.find("elements") == std::string::npos;
}

std::optional<DeadmanMode> mode_of(const std::string& listing) {
  if (listing.find("comment \"pointsman armed\"") != std::string::npos) return DeadmanMode::kArmed;
  if (listing.find("comment \"pointsman standby\"") != std::string::npos) {
    return DeadmanMode::kStandby;
  }
  return std::nullopt;
}

std::string boot_ruleset(const std::vector<DeadmanPorts>& services) {
  std::string chains;
  for (const auto& service : services) chains += nft_service(service, DeadmanMode::kArmed);
  // The chains come before the jumps to them.
  return fmt::format("add table {}\n", kNftTable) + chains + nft_base(services);
}

}  // namespace pointsman
