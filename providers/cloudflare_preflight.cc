#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "base/resolve.h"
#include "providers/cloudflare.h"

// What the cloudflare provider asks before the night it is needed: which zone, whether it may
// write, and who will have the last word.

namespace pointsman {
namespace {

constexpr std::size_t kServersMost = 16;    // Names in a zone's list that are asked after.
constexpr std::size_t kCommentLeast = 100;  // What every plan takes; a Free one no more.
constexpr std::size_t kMarkUsual = 90;      // A mark with its brackets, names of middling length.
constexpr std::size_t kMarkAround = 8;      // Its brackets and the space before them.
constexpr std::size_t kTimeMost = 40;       // Of a time that the far side tells.
constexpr Duration kExpiresSoon = 30 * 24h;
const std::string kNoSuchId(32, '0');

std::string refused_text(const Error& error) {
  return error.code == ErrorCode::kRefused ? error.message : "";
}

std::vector<std::string> servers_in(const Json& zone) {
  std::vector<std::string> out;
  for (const Json& server : zone.array_or_empty("name_servers")) {
    if (out.size() == kServersMost) break;
    if (server.is_string() && DnsName::parse(server.as_string()).ok()) {
      out.push_back(server.as_string());
    }
  }
  return out;
}

// The comment that a move would write, at least about, or 0 when it surely fits.
std::size_t comment_excess(const CloudflareSet& live) {
  std::size_t most = 0;
  for (const CloudflareRecord& record : live.records) {
    const MarkedComment parts = read_comment(record.comment);
    const std::size_t own = parts.before.size() + parts.after.size();
    most = std::max(most, own + std::max(kMarkUsual, parts.mark.size() + kMarkAround));
  }
  return most > kCommentLeast ? most : 0;
}

std::string comment_text(const CloudflareSet& live) {
  const std::size_t excess = comment_excess(live);
  if (excess == 0) {
    return fmt::format("; a Free plan takes {} characters of comment, our mark with them",
                       kCommentLeast);
  }
  return fmt::format(
      "; ITS COMMENT and our mark come to about {} characters, a Free plan takes {}: shorten the "
      "comment, or moves are made there without our mark",
      excess, kCommentLeast);
}

}  // namespace

Result<CloudflareProvider::Zone> CloudflareProvider::zone_of(const CheckedKey& key,
                                                             CloudflareTurn turn) {
  const auto found = zones_.find(key.zone.canonical_wire());
  if (found != zones_.end()) return found->second;
  if (!settings_.zone_id.empty()) return Zone{settings_.zone_id, "", {}, false};
  return look_up(key.zone, turn);
}

Result<CloudflareProvider::Zone> CloudflareProvider::look_up(const DnsName& name,
                                                             CloudflareTurn turn) {
  const auto list = cloudflare_list(caller_, "/zones?name=" + percent_encoded(name.text()), turn);
  if (list.failure) return list.failure->error;
  std::vector<Zone> zones;
  for (const Json& entry : list.entries) {
    const auto named = DnsName::parse(entry.string_or("name"));
    if (!named.ok() || !(*named == name)) continue;
    Zone zone{entry.string_or("id"), entry.string_or("status"), {}, true};
    zone.name_servers = servers_in(entry);
    if (zone.id.size() != kNoSuchId.size() ||
        zone.id.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return caller_.error(ErrorCode::kUnavailable, "a zone whose id cannot be read");
    }
    zones.push_back(std::move(zone));
  }
  if (zones.empty()) {
    return caller_.error(ErrorCode::kNotFound,
                         fmt::format("the token sees no zone {}: mend `zone`, grant Zone Read, or "
                                     "set zone_id",
                                     name.text()));
  }
  if (zones.size() > 1) {
    return caller_.error(
        ErrorCode::kConflict,
        fmt::format("the token sees {} zones {}: say which by zone_id", zones.size(), name.text()));
  }
  return zones_.insert_or_assign(name.canonical_wire(), std::move(zones.front())).first->second;
}

Result<CloudflareProvider::Zone> CloudflareProvider::look_at(const DnsName& name,
                                                             CloudflareTurn turn) {
  if (settings_.zone_id.empty()) return look_up(name, turn);
  ApiRequest request;
  request.target = "/zones/" + settings_.zone_id;
  request.of_move = turn.of_move;
  const auto outcome = cloudflare_call(caller_, std::move(request), turn.deadline);
  if (!outcome.body) return outcome.failure.error;
  const Json& entry = *outcome.body->find("result");
  const auto named = DnsName::parse(entry.string_or("name"));
  if (!named.ok() || !(*named == name)) {
    return caller_.error(ErrorCode::kInvalid, fmt::format("zone_id is zone \"{}\", not {}",
                                                          entry.string_or("name"), name.text()));
  }
  Zone zone{settings_.zone_id, entry.string_or("status"), {}, true};
  zone.name_servers = servers_in(entry);
  return zones_.insert_or_assign(name.canonical_wire(), std::move(zone)).first->second;
}

Result<std::string> CloudflareProvider::verify_token(CloudflareTurn turn) {
  const auto outcome =
      cloudflare_call(caller_, ApiRequest{.target = "/user/tokens/verify"}, turn.deadline);
  if (!outcome.body) {
    // An account's own token is not known there; what follows shows whether this one is good.
    if (outcome.failure.error.code != ErrorCode::kRefused) return outcome.failure.error;
    return std::string("the token could not be verified by itself (an account's own?)");
  }
  const Json& told = *outcome.body->find("result");
  const std::string status = told.string_or("status");
  if (status != "active") {
    return caller_.error(ErrorCode::kRefused,
                         fmt::format("the token is \"{}\", not active: make a new one", status));
  }
  // Both are UTC in one form, so that they compare as texts.
  const std::int64_t now = caller_.wall().ns;
  const std::string ends = told.string_or("expires_on");
  const std::string begins = told.string_or("not_before");
  constexpr std::size_t kToSeconds = 19;
  if (!begins.empty() && begins.substr(0, kToSeconds) > format_wall({now}).substr(0, kToSeconds)) {
    return caller_.error(ErrorCode::kRefused, "the token is not valid before " + begins);
  }
  if (ends.empty()) return std::string("the token is active");
  const std::string soon = format_wall({now + kExpiresSoon.count()}).substr(0, kToSeconds);
  return fmt::format("the token is active until {}{}", caller_.words(ends, kTimeMost),
                     ends.substr(0, kToSeconds) < soon ? ", which is SOON: make a new one" : "");
}

Result<std::string> CloudflareProvider::verify_zone(const CheckedKey& key, CloudflareTurn turn) {
  const auto zone = look_at(key.zone, turn);
  if (!zone.ok()) {
    const bool hidden = !settings_.zone_id.empty() && !refused_text(zone.error()).empty();
    if (!hidden) return zone.error();
    return std::string("the zone's name was not compared with zone_id (no Zone Read)");
  }
  if (zone->status != "active") {
    return caller_.error(ErrorCode::kRefused,
                         fmt::format("zone {} is \"{}\", not active: the world does not ask "
                                     "Cloudflare for it",
                                     key.zone.text(), zone->status));
  }
  return fmt::format("zone {} is active", key.zone.text());
}

// Asks to change a record that cannot exist: right and rights are judged, and nothing is written.
Result<std::string> CloudflareProvider::try_writing(const CheckedKey& key, CloudflareTurn turn) {
  const auto zone = zone_of(key, turn);
  if (!zone.ok()) return zone.error();
  ApiRequest request;
  request.method = "PATCH";
  request.target = fmt::format("/zones/{}/dns_records/{}", zone->id, kNoSuchId);
  request.body = Json::object({{"comment", Json()}}).dump();
  request.writes = true;
  const auto outcome = cloudflare_call(caller_, request, turn.deadline);
  if (outcome.body) {
    return caller_.error(ErrorCode::kRefused,
                         "a record that cannot exist could be changed: is this Cloudflare?");
  }
  const Error& error = outcome.failure.error;
  if (error.code == ErrorCode::kRefused) {
    return Error{error.code, "the token may read but not write: " + error.message};
  }
  if (error.code == ErrorCode::kNotFound) {
    return std::string("a change of a record that does not exist was turned down for that alone");
  }
  return fmt::format("whether it may write is not known ({})", error.message);
}

Result<std::string> CloudflareProvider::preflight(const RecordKey& key, Duration within) {
  const CloudflareTurn turn = this->turn(within, false);
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const auto token = verify_token(turn);
  if (!token.ok()) return token.error();
  const auto zone = verify_zone(*checked, turn);
  if (!zone.ok()) return zone.error();
  const auto live = read_live(key, turn);
  if (!live.ok()) return live.error();
  if (live->records.empty()) {
    return caller_.error(ErrorCode::kNotFound, to_text(key) + " does not exist");
  }
  const auto writing = try_writing(*checked, turn);
  if (!writing.ok()) return writing.error();

  std::string out =
      fmt::format("{}; {}; {}; {} is {} with {}; TTLs from {} s up", *token, *zone, *writing,
                  to_text(key), to_text(live->set.values),
                  live->proxied ? std::string("automatic TTL, proxied: its API has the last word")
                                : fmt::format("TTL {} s", live->set.ttl.count()),
                  ttl_min_.count());
  if (live->hidden && !live->proxied) out += "; flattened: its API has the last word";
  out += comment_text(*live);
  return out + caller_.time_text();
}

Result<std::vector<std::string>> CloudflareProvider::authorities(const RecordKey& key,
                                                                 Duration within) {
  const CloudflareTurn turn = this->turn(within, true);
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const auto live = read_live(key, turn);
  if (!live.ok()) return live.error();
  if (live->hidden) return std::vector<std::string>{kApiAuthority};
  if (!settings_.authorities.empty()) return settings_.authorities;
  std::vector<std::string> out;
  auto zone = zone_of(*checked, turn);
  if (zone.ok() && zone->name_servers.empty()) zone = look_at(checked->zone, turn);
  if (!zone.ok() || zone->name_servers.empty()) {
    return Error{zone.ok() ? ErrorCode::kNotFound : zone.error().code,
                 fmt::format("the name servers of {} are not known: name them with `authorities`, "
                             "or grant Zone Read{}",
                             checked->zone.text(), zone.ok() ? "" : "; " + zone.error().message)};
  }
  for (const std::string& name : zone->name_servers) {
    const Duration left = std::max(turn.deadline - caller_.now(), Duration(0));
    const auto found = resolve_host(name, left / 2);
    // Named all the same: asking it says that it has no address.
    if (!found.ok() || found->empty()) out.push_back(name + ":53");
    if (!found.ok()) continue;
    for (const std::string& ip : *found) {
      // IPv4 where there is any: a monitor without IPv6 would call every server half dead.
      const bool plain = ip.find(':') == std::string::npos;
      if (plain || found->front().find(':') != std::string::npos) {
        out.push_back(DnsEndpoint{ip, 53}.text());
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace pointsman
