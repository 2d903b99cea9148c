#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/dns_transport.h"
#include "base/log.h"
#include "base/resolve.h"
#include "providers/compare.h"
#include "providers/name_servers.h"
#include "providers/provider.h"

namespace pointsman {
namespace {

constexpr std::size_t kServersMost = 16;

Result<DnsEndpoint> endpoint_of(const std::string& server, Duration within) {
  const auto host = parse_host_port(server, 53);
  if (!host.ok()) return host.error();
  const auto addresses = resolve_host(host->host, within);
  if (!addresses.ok()) return addresses.error();
  if (addresses->empty()) return Error{ErrorCode::kNotFound, server + " has no address"};
  return DnsEndpoint{addresses->front(), host->port};
}

Result<DnsMessage> ask(const std::string& server, const CheckedKey& key, Instant deadline) {
  const auto endpoint = endpoint_of(server, deadline - system_clock().now());
  if (!endpoint.ok()) return endpoint.error();
  const auto request = build_message(dns_query(key.name, key.type));
  if (!request.ok()) return request.error();
  const auto bytes = dns_exchange(*endpoint, *request, DnsTransport::kUdpThenTcp, deadline);
  if (!bytes.ok()) return bytes.error();
  return parse_message(*bytes);
}

void read_answer(const DnsMessage& message, const CheckedKey& key, AuthorityAnswer& out) {
  if (message.rcode != Rcode::kNoError && message.rcode != Rcode::kNxDomain) {
    out.problem = "it answered " + to_string(message.rcode);
    // So a server says that it was never given the zone, or not any more.
    out.lame = message.rcode == Rcode::kRefused || message.rcode == Rcode::kNotAuth;
    return;
  }
  if (!message.authoritative) {
    out.lame = true;
    out.problem = "it is not authoritative for " + key.name.text();
    return;
  }
  out.answered = true;
  for (const DnsRecord& r : message.answer) {
    if (!(r.name == key.name)) continue;
    if (r.type == kDnsCname && key.type != kDnsCname) out.problem = "a CNAME stands there";
    if (r.type != key.type) continue;
    auto text = rdata_to_text(r.type, r.rdata);
    if (!text.ok()) continue;
    out.values.push_back(std::move(*text));
    out.ttl = std::chrono::seconds(r.ttl);
  }
  std::sort(out.values.begin(), out.values.end());
}

}  // namespace

AuthorityAnswer ask_authority(const std::string& server, const RecordKey& key, Duration within) {
  const Instant began = system_clock().now();
  AuthorityAnswer out;
  out.server = server;
  const auto checked = check_key(key);
  if (!checked.ok()) {
    out.problem = checked.error().message;
    return out;
  }
  const auto message = ask(server, *checked, began + within);
  out.took = system_clock().now() - began;
  if (!message.ok()) {
    out.problem = message.error().message;
  } else {
    read_answer(*message, *checked, out);
  }
  return out;
}

Result<std::vector<AuthorityAnswer>> ask_delegated(const RecordKey& key, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const std::vector<DnsEndpoint> resolvers = host_resolvers();
  const auto names = name_servers_of(checked->zone, resolvers, within / 3);
  if (!names.ok()) return names.error();
  auto servers = delegated_by_parent(checked->zone, resolvers, within / 3);
  // What the zone says of itself is what resolvers keep.
  for (const std::string& name : *names) servers[name] = name;
  auto left = static_cast<int>(std::min(servers.size(), kServersMost));
  std::vector<AuthorityAnswer> out;
  for (const auto& [name, at] : servers) {
    if (left == 0) break;
    const Duration share = (deadline - system_clock().now()) / left--;
    out.push_back(ask_authority(at, key, std::max(share, Duration(0))));
    out.back().server = name;
  }
  return out;
}

Delegation judge_delegation(const std::vector<std::string>& values,
                            const std::vector<AuthorityAnswer>& answers) {
  std::string same, others, silent;
  const auto add = [](std::string& list, const std::string& text) {
    list += (list.empty() ? "" : ", ") + text;
  };
  for (const AuthorityAnswer& answer : answers) {
    // One that is lame has answered as well as one with other values.
    if (answer.answered && answer.values == values) {
      add(same, answer.server);
    } else if (answer.answered) {
      add(others, answer.server + " says " + to_text(answer.values));
    } else {
      add(answer.lame ? others : silent, answer.server + ": " + answer.problem);
    }
  }
  Delegation out;
  out.serves = others.empty() && !same.empty();
  if (!others.empty()) {
    out.text = "the world is sent to servers that do not serve what the account holds (" +
               to_text(values) + "): " + others;
  } else {
    out.text = same.empty() ? "none of the servers that the world is sent to answers"
                            : "the world is sent to " + same + ", which say the same";
  }
  if (!silent.empty()) out.text += "; no answer of " + silent;
  return out;
}

}  // namespace pointsman
