#include "providers/name_servers.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/resolve.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kResolversMost = 3;
constexpr std::size_t kServersMost = 16;

constexpr std::size_t kParentsAsked = 3;

std::vector<std::string> servers_in(const std::vector<DnsRecord>& records, const DnsName& zone) {
  std::vector<std::string> out;
  for (const DnsRecord& r : records) {
    if (r.type != kDnsNs || !(r.name == zone) || out.size() == kServersMost) continue;
    const auto name = DnsName::from_wire(r.rdata);
    if (name.ok()) out.push_back(lowered(name->text()) + ":53");
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<DnsMessage> exchange(DnsMessage question, const DnsEndpoint& server, Instant deadline) {
  const auto request = build_message(question);
  if (!request.ok()) return request.error();
  const auto bytes = dns_exchange(server, *request, DnsTransport::kUdpThenTcp, deadline);
  if (!bytes.ok()) return bytes.error();
  auto message = parse_message(*bytes);
  if (!message.ok()) return Error{ErrorCode::kUnavailable, message.error().message};
  if (message->rcode != Rcode::kNoError && message->rcode != Rcode::kNxDomain) {
    return Error{ErrorCode::kUnavailable, "it answers " + to_string(message->rcode)};
  }
  return message;
}

Result<std::vector<std::string>> ask(const DnsName& zone, const DnsEndpoint& resolver,
                                     Instant deadline) {
  DnsMessage question = dns_query(zone, kDnsNs);
  question.recursion_desired = true;
  const auto message = exchange(std::move(question), resolver, deadline);
  if (!message.ok()) return message.error();
  return servers_in(message->answer, zone);
}

// What one server of the parent says: a referral, or the zone's own set where it serves both.
std::map<std::string, std::string> ask_parent(const DnsName& zone, const std::string& server,
                                              Instant deadline) {
  const auto host = parse_host_port(server, 53);
  if (!host.ok()) return {};
  const auto addresses = resolve_host(host->host, deadline - system_clock().now());
  if (!addresses.ok() || addresses->empty()) return {};
  const auto message =
      exchange(dns_query(zone, kDnsNs), {addresses->front(), host->port}, deadline);
  if (!message.ok()) return {};
  auto names = servers_in(message->authority, zone);
  if (names.empty()) names = servers_in(message->answer, zone);
  std::map<std::string, std::string> out;
  for (const std::string& name : names) out[name] = name;
  for (const DnsRecord& r : message->additional) {
    const auto found = out.find(lowered(r.name.text()) + ":53");
    if (r.type != kDnsA || found == out.end()) continue;
    const auto address = rdata_to_text(r.type, r.rdata);
    if (address.ok()) found->second = *address + ":53";
  }
  return out;
}

}  // namespace

std::vector<DnsEndpoint> resolvers_in(std::string_view resolv_conf) {
  std::vector<DnsEndpoint> out;
  while (!resolv_conf.empty() && out.size() < kResolversMost) {
    const std::size_t end = std::min(resolv_conf.find('\n'), resolv_conf.size());
    const std::string_view line = trimmed(resolv_conf.substr(0, end));
    resolv_conf.remove_prefix(std::min(end + 1, resolv_conf.size()));
    constexpr std::string_view kWord = "nameserver";
    if (!line.starts_with(kWord) || line.size() == kWord.size()) continue;
    // Without port: "::1" and "[::1]:53" are read alike.
    auto endpoint = parse_endpoint(trimmed(line.substr(kWord.size())));
    if (endpoint.ok()) out.push_back(std::move(*endpoint));
  }
  if (out.empty()) out.push_back({"127.0.0.1", 53});
  return out;
}

Result<std::vector<std::string>> name_servers_of(const DnsName& zone,
                                                 const std::vector<DnsEndpoint>& resolvers,
                                                 Duration within) {
  const Instant deadline = system_clock().now() + within;
  Error last{ErrorCode::kNotFound, "no resolver to ask"};
  for (std::size_t k = 0; k < resolvers.size(); ++k) {
    const Instant now = system_clock().now();
    const Instant until = now + (deadline - now) / static_cast<int>(resolvers.size() - k);
    auto found = ask(zone, resolvers[k], until);
    if (found.ok() && !found->empty()) return found;
    last = found.ok() ? Error{ErrorCode::kNotFound, "it knows none"} : found.error();
    last.message = fmt::format("name servers of {}, asked at {}: {}", zone.text(),
                               resolvers[k].text(), last.message);
  }
  return last;
}

std::vector<DnsEndpoint> host_resolvers() {
  const auto conf = read_file("/etc/resolv.conf");
  return resolvers_in(conf.ok() ? *conf : "");
}

Result<std::vector<std::string>> name_servers_of(const DnsName& zone, Duration within) {
  return name_servers_of(zone, host_resolvers(), within);
}

std::map<std::string, std::string> delegated_by_parent(const DnsName& zone,
                                                       const std::vector<DnsEndpoint>& resolvers,
                                                       Duration within) {
  const Instant deadline = system_clock().now() + within;
  DnsName parent = zone;
  while (parent.label_count() > 0 && system_clock().now() < deadline) {
    parent = parent.parent();
    const auto servers = name_servers_of(parent, resolvers, (deadline - system_clock().now()) / 2);
    if (!servers.ok() && servers.error().code == ErrorCode::kNotFound) continue;  // No zone there.
    if (!servers.ok()) return {};
    for (std::size_t k = 0; k < std::min(servers->size(), kParentsAsked); ++k) {
      const Instant now = system_clock().now();
      auto found = ask_parent(zone, (*servers)[k], now + (deadline - now) / 2);
      if (!found.empty()) return found;
    }
    return {};
  }
  return {};
}

}  // namespace pointsman
