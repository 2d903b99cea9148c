#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/dns_transport.h"
#include "base/log.h"
#include "base/resolve.h"
#include "providers/compare.h"
#include "providers/provider.h"

namespace pointsman {
namespace {

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
    return;
  }
  if (!message.authoritative) {
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

}  // namespace pointsman
