#include "providers/name_servers.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kResolversMost = 3;
constexpr std::size_t kServersMost = 16;

Result<std::vector<std::string>> ask(const DnsName& zone, const DnsEndpoint& resolver,
                                     Instant deadline) {
  DnsMessage question = dns_query(zone, kDnsNs);
  question.recursion_desired = true;
  const auto request = build_message(question);
  if (!request.ok()) return request.error();
  const auto bytes = dns_exchange(resolver, *request, DnsTransport::kUdpThenTcp, deadline);
  if (!bytes.ok()) return bytes.error();
  const auto message = parse_message(*bytes);
  if (!message.ok()) return Error{ErrorCode::kUnavailable, message.error().message};
  if (message->rcode != Rcode::kNoError && message->rcode != Rcode::kNxDomain) {
    return Error{ErrorCode::kUnavailable, "it answers " + to_string(message->rcode)};
  }
  std::vector<std::string> out;
  for (const DnsRecord& r : message->answer) {
    if (r.type != kDnsNs || !(r.name == zone) || out.size() == kServersMost) continue;
    const auto name = DnsName::from_wire(r.rdata);
    if (name.ok()) out.push_back(lowered(name->text()) + ":53");
  }
  std::sort(out.begin(), out.end());
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

Result<std::vector<std::string>> name_servers_of(const DnsName& zone, Duration within) {
  const auto conf = read_file("/etc/resolv.conf");
  return name_servers_of(zone, resolvers_in(conf.ok() ? *conf : ""), within);
}

}  // namespace pointsman
