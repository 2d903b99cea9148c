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

Result<std::vector<AuthorityAnswer>> ask_delegated(const RecordKey& key, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const auto names = name_servers_of(checked->zone, within / 2);
  if (!names.ok()) return names.error();
  std::vector<AuthorityAnswer> out;
  for (std::size_t k = 0; k < names->size(); ++k) {
    const Duration left = deadline - system_clock().now();
    const auto share = static_cast<int>(names->size() - k);
    out.push_back(ask_authority((*names)[k], key, std::max(left / share, Duration(0))));
  }
  return out;
}

Delegation judge_delegation(const std::vector<std::string>& values,
                            const std::vector<AuthorityAnswer>& answers) {
  Delegation out;
  std::size_t answered = 0;
  std::string others;
  std::vector<std::string> names;
  for (const AuthorityAnswer& answer : answers) {
    names.push_back(answer.server);
    // One that says that it is not authoritative has answered as well as one with other values.
    const bool silent =
        !answer.answered && answer.problem.find("authoritative") == std::string::npos;
    if (silent) continue;
    ++answered;
    if (answer.answered && answer.values == values) continue;
    others += fmt::format("{}{} {}", others.empty() ? "" : ", ", answer.server,
                          answer.answered ? "says " + to_text(answer.values) : answer.problem);
  }
  out.serves = others.empty() && answered > 0;
  out.text =
      answered == 0 ? "none of the servers that the world is sent to answers: " + to_text(names)
      : out.serves  ? "the world is sent to " + to_text(names) + ", which say the same"
                    : "the world is sent to servers that do not serve what the account holds (" +
                         to_text(values) + "): " + others;
  return out;
}

}  // namespace pointsman
