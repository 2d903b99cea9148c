#include "providers/rfc2136_update.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/crypto.h"

namespace pointsman {
namespace {

constexpr std::int64_t kFudgeMost = 300;

DnsMessage empty_update(const CheckedKey& key) {
  DnsMessage out;
  out.id = static_cast<std::uint16_t>(random_u64());
  out.opcode = kDnsUpdate;
  out.question.push_back({key.zone, kDnsSoa, kDnsClassIn, 0, ""});
  return out;
}

// The set is exactly this, whatever its TTL; or it is absent.
void require(DnsMessage& to, const DnsName& name, std::uint16_t type,
             const std::vector<std::string>& rdata) {
  if (rdata.empty()) to.answer.push_back({name, type, kDnsClassNone, 0, ""});
  for (const std::string& one : rdata) to.answer.push_back({name, type, kDnsClassIn, 0, one});
}

// Delete and add in one message: an add alone does not change the TTL at every server.
void rewrite(DnsMessage& to, const DnsRecord& like, const std::vector<std::string>& rdata) {
  to.authority.push_back({like.name, like.type, kDnsClassAny, 0, ""});
  for (const std::string& one : rdata) {
    to.authority.push_back({like.name, like.type, kDnsClassIn, like.ttl, one});
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c < ' ' || c > '~') {
      out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

std::string absolute(const DnsName& name) {
  const std::string text = name.text();
  return text == "." ? text : text + '.';
}

std::string rdata_text(const DnsRecord& record) {
  if (record.type == kDnsTxt) {
    std::string out;
    // String by string: joined, they would be another record.
    for (std::size_t at = 0; at < record.rdata.size();) {
      const auto length = static_cast<unsigned char>(record.rdata[at]);
      if (!out.empty()) out.push_back(' ');
      out += quoted(std::string_view(record.rdata).substr(at + 1, length));
      at += length + 1u;
    }
    return out;
  }
  const auto text = rdata_to_text(record.type, record.rdata);
  if (!text.ok()) return "?";
  return record.type == kDnsCname ? *text + '.' : *text;
}

std::string prerequisite_text(const DnsRecord& r) {
  const std::string name = absolute(r.name);
  if (r.klass == kDnsClassNone && r.type == kDnsTypeAny) return "prereq nxdomain " + name;
  const std::string type = dns_type_text(r.type);
  if (r.klass == kDnsClassNone) return fmt::format("prereq nxrrset {} {}", name, type);
  if (r.klass == kDnsClassAny) return fmt::format("prereq yxrrset {} {}", name, type);
  return fmt::format("prereq yxrrset {} {} {}", name, type, rdata_text(r));
}

std::string change_text(const DnsRecord& r) {
  const std::string name = absolute(r.name), type = dns_type_text(r.type);
  if (r.klass == kDnsClassAny) return fmt::format("update delete {} {}", name, type);
  return fmt::format("update add {} {} {} {}", name, r.ttl, type, rdata_text(r));
}

}  // namespace

Result<DnsName> mark_name(const DnsName& name) { return name.below("_pointsman"); }

Result<DnsMessage> make_update(const CheckedKey& key, const Change& change, const LiveSet& live) {
  const auto mark_at = mark_name(key.name);
  if (!mark_at.ok()) return mark_at.error();
  std::vector<std::string> values;
  for (const std::string& value : change.desired) {
    auto rdata = rdata_from_text(key.type, value);
    if (!rdata.ok()) return rdata.error();
    values.push_back(std::move(*rdata));
  }
  const auto ttl = static_cast<std::uint32_t>(change.ttl.count());

  DnsMessage out = empty_update(key);
  require(out, key.name, key.type, live.value_rdata);
  require(out, *mark_at, kDnsTxt, live.mark_rdata);
  // A CNAME and other data exclude each other: servers drop such an addition and answer NOERROR.
  if (key.type != kDnsCname) {
    require(out, key.name, kDnsCname, {});
  } else if (live.value_rdata.empty()) {
    require(out, key.name, kDnsTypeAny, {});
  }
  rewrite(out, {key.name, key.type, kDnsClassIn, ttl, ""}, values);
  std::vector<std::string> mark;
  if (!change.mark.empty()) mark.push_back(rdata_from_text(kDnsTxt, change.mark).value());
  rewrite(out, {*mark_at, kDnsTxt, kDnsClassIn, ttl, ""}, mark);
  return out;
}

Result<DnsMessage> make_trial(const CheckedKey& key, const LiveSet& live) {
  const auto mark_at = mark_name(key.name);
  if (!mark_at.ok()) return mark_at.error();
  const auto nowhere = key.zone.below("_pointsman-trial-" + random_id());
  if (!nowhere.ok()) return nowhere.error();
  const auto ttl = static_cast<std::uint32_t>(live.set.ttl.count());
  DnsMessage out = empty_update(key);
  out.answer.push_back({*nowhere, kDnsTxt, kDnsClassAny, 0, ""});
  rewrite(out, {key.name, key.type, kDnsClassIn, ttl, ""}, live.value_rdata);
  rewrite(out, {*mark_at, kDnsTxt, kDnsClassIn, ttl, ""}, live.mark_rdata);
  return out;
}

std::string update_text(const DnsMessage& update, const DnsEndpoint& server, const TsigKey& key) {
  std::string out = fmt::format("; signed with key {} ({}), secret not shown\n", key.name.text(),
                                to_string(key.algorithm));
  out += fmt::format("server {} {}\n", server.ip, server.port);
  out += fmt::format("zone {}\n", absolute(update.question.at(0).name));
  for (const DnsRecord& r : update.answer) out += prerequisite_text(r) + '\n';
  for (const DnsRecord& r : update.authority) out += change_text(r) + '\n';
  return out + "send";
}

std::uint16_t update_fudge(Duration within, std::int64_t server_ahead_s) {
  const std::int64_t whole_s =
      (std::max<std::int64_t>(within.count(), 0) + 999'999'999) / 1'000'000'000;
  // A server accepts while |its time - time signed| <= fudge: that starts at `server_ahead_s` and
  // must still hold at `server_ahead_s + whole_s`. Both clocks are cut to seconds and their
  // difference was measured so: two more.
  const std::int64_t least =
      std::max<std::int64_t>(std::llabs(server_ahead_s), server_ahead_s + whole_s);
  return static_cast<std::uint16_t>(std::min(least + 2, kFudgeMost));
}

}  // namespace pointsman
