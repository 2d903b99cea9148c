#include <algorithm>

#include <fmt/format.h>

#include "base/resolve.h"
#include "providers/rfc2136.h"

// What the rfc2136 provider asks before the night it is needed: whether it may write, and which
// servers will have to agree.

namespace pointsman {
namespace {

constexpr std::size_t kServersMost = 16;  // Names in the NS set that are asked after.
constexpr std::int64_t kSkewTold_s = 2;

void add(std::vector<std::string>& to, const std::string& what) {
  if (std::find(to.begin(), to.end(), what) == to.end()) to.push_back(what);
}

std::vector<std::string> addresses_in(const std::vector<DnsRecord>& records, const DnsName& name,
                                      std::uint16_t type) {
  std::vector<std::string> out;
  for (const DnsRecord& r : records) {
    if (r.type != type || !(r.name == name)) continue;
    const auto text = rdata_to_text(type, r.rdata);
    if (text.ok()) add(out, *text);
  }
  return out;
}

// IPv4 where there is any: a monitor without IPv6 would call every server half dead.
std::vector<std::string> addresses_of(Rfc2136Session& session, const DnsMessage& ns,
                                      const DnsName& name, const DnsName& zone) {
  for (const std::uint16_t type : {kDnsA, kDnsAaaa}) {
    auto found = addresses_in(ns.additional, name, type);
    if (found.empty() && name.is_within(zone)) {
      const auto answer = session.query(name, type);
      if (answer.ok()) found = addresses_in(answer->answer, name, type);
    }
    if (!found.empty()) return found;
  }
  const Duration left = session.deadline() - system_clock().now();
  auto found = resolve_host(name.text(), std::max(left / 2, Duration(0)));
  return found.ok() ? std::move(*found) : std::vector<std::string>{};
}

std::string trial_text(Rcode rcode) {
  if (rcode == Rcode::kNxRrset) return "an UPDATE under a false prerequisite was turned down by it";
  return "an UPDATE under a false prerequisite answered " + to_string(rcode);
}

}  // namespace

Result<std::string> Rfc2136Provider::preflight(const RecordKey& key, Duration within) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  auto session = open(within);
  if (!session.ok()) return session.error();
  const Instant began = system_clock().now();
  const auto soa = session->query(checked->zone, kDnsSoa);
  if (!soa.ok()) return soa.error();
  const Duration took = system_clock().now() - began;
  const bool apex = std::any_of(soa->answer.begin(), soa->answer.end(), [&](const DnsRecord& r) {
    return r.type == kDnsSoa && r.name == checked->zone;
  });
  if (!apex) {
    return session->error(ErrorCode::kNotFound, checked->zone.text() + " is no zone of its own");
  }
  const auto live = read_live(*session, key);
  if (!live.ok()) return live.error();
  if (live->set.values.empty()) {
    return session->error(ErrorCode::kNotFound, to_text(key) + " does not exist");
  }
  const auto trial = make_trial(*checked, *live);
  if (!trial.ok()) return trial.error();
  const auto rcode = session->update(*trial, session->deadline());
  if (!rcode.ok()) return rcode.error();
  if (*rcode == Rcode::kNoError) {
    return session->error(ErrorCode::kRefused, "it does not heed prerequisites: unsafe to use");
  }
  if (*rcode != Rcode::kNxRrset) return session->rcode_error(*rcode);
  const auto servers = authorities(key, session->deadline() - system_clock().now());
  if (!servers.ok()) return servers.error();

  const std::int64_t skew = session->server_ahead_s().value_or(0);
  std::string out = fmt::format(
      "{} accepts key {} ({}); {}; {} is {} with TTL {} s; authoritative: {}; it "
      "answered in {} ms",
      session->server().text(), settings_.key.name.text(), to_string(settings_.key.algorithm),
      trial_text(*rcode), to_text(key), to_text(live->set.values), live->set.ttl.count(),
      to_text(*servers), whole_ms(took));
  if (std::llabs(skew) >= kSkewTold_s) {
    out += fmt::format("; this host's clock is {} s {} the server's", std::llabs(skew),
                       skew > 0 ? "behind" : "ahead of");
  }
  if (session->widened_to_s() != 0) {
    out += fmt::format(
        "; this host's clock and the server's are up to {} s apart, by how much it does not tell",
        session->widened_to_s());
  }
  return out;
}

Result<std::vector<std::string>> Rfc2136Provider::authorities(const RecordKey& key,
                                                              Duration within) {
  std::vector<std::string> out;
  for (const DnsEndpoint& endpoint : settings_.authorities) add(out, endpoint.text());
  if (!out.empty()) return out;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  auto session = open(within);
  if (!session.ok()) return session.error();
  const auto ns = session->query(checked->zone, kDnsNs);
  if (!ns.ok()) return ns.error();
  std::size_t names = 0;
  for (const DnsRecord& r : ns->answer) {
    if (r.type != kDnsNs || !(r.name == checked->zone) || ++names > kServersMost) continue;
    const auto name = DnsName::from_wire(r.rdata);
    if (!name.ok()) continue;
    const auto found = addresses_of(*session, *ns, *name, checked->zone);
    // Named all the same: asking it says that it has no address.
    if (found.empty()) add(out, name->text() + ":53");
    for (const std::string& ip : found) {
      const bool same_host = ip == session->server().ip;
      add(out, DnsEndpoint{ip, same_host ? session->server().port : std::uint16_t{53}}.text());
    }
  }
  const std::string own = session->server().text();
  if (out.empty()) out.push_back(own);
  // Servers shuffle their NS sets; people and journals want one order.
  std::sort(out.begin(), out.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(a != own, a) < std::pair(b != own, b);
  });
  return out;
}

}  // namespace pointsman
