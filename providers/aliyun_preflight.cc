#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/dns_transport.h"
#include "base/log.h"
#include "base/resolve.h"
#include "base/text.h"
#include "providers/aliyun.h"
#include "providers/aliyun_mark.h"

// What the Aliyun provider asks before the night it is needed, and how it is made.

namespace pointsman {
namespace {

constexpr std::size_t kServersMost = 16;
constexpr const char* kNoValue = "pointsman tries its rights";
constexpr const char* kUsualMark =
    "pointsman service=service epoch=10 reign=0123456789abcdef site=site";

void add(std::vector<std::string>& to, const std::string& what) {
  if (std::find(to.begin(), to.end(), what) == to.end()) to.push_back(what);
}

std::optional<std::chrono::seconds> seconds_at(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr) return std::nullopt;
  const std::string text = found->is_string() ? found->as_string()
                           : found->is_int()  ? found->dump()
                                              : "";
  const auto parsed = parse_duration(text + "s");
  if (!parsed) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(*parsed);
}

// Neither answers nobody nor refuses to move, or why it will not do.
Result<void> judge_records(const RecordKey& key, const std::vector<AliyunRecord>& records) {
  for (const AliyunRecord& record : records) {
    const char* why = !record.enabled ? "is disabled: enable or delete it"
                      : record.locked ? "is locked: unlock it in the console"
                                      : nullptr;
    if (why != nullptr) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{}: {} {}", to_text(key), to_text(record), why)};
    }
  }
  return {};
}

std::string lines_text(const std::vector<AliyunRecord>& records) {
  std::vector<std::string> lines;
  for (const AliyunRecord& record : records) add(lines, record.line);
  return printable(fmt::format("{}", fmt::join(lines, ", ")));
}

}  // namespace

Result<AliyunProvider::Zone> AliyunProvider::describe_zone(const std::string& zone,
                                                           Instant deadline) {
  const auto answer =
      api_.call({.action = "DescribeDomainInfo",
                 .parameters = {{"DomainName", lowered(zone)}, {"NeedDetailAttributes", "true"}}},
                deadline);
  if (!answer.ok()) return answer.error();
  if (const auto floor = seconds_at(*answer, "MinTtl")) {
    floors_[lowered(zone)] = std::max(*floor, std::chrono::seconds(1));
  }
  Zone out;
  out.edition = answer->string_or("VersionName", answer->string_or("VersionCode", "?"));
  const Json* servers = answer->find("DnsServers");
  if (servers == nullptr) return out;
  for (const Json& name : servers->array_or_empty("DnsServer")) {
    const bool sound = name.is_string() && DnsName::parse(name.as_string()).ok();
    if (sound && out.servers.size() < kServersMost) add(out.servers, name.as_string());
  }
  return out;
}

Result<std::string> AliyunProvider::try_update(const AliyunRecord& record, Instant deadline) {
  if (record.value == kNoValue) {
    return api_.caller().error(ErrorCode::kRefused,
                               fmt::format("{} holds what a mere trial of the right to update put "
                                           "there: put its value and TTL back",
                                           to_text(record)));
  }
  AliyunRecord impossible = record;
  // Two reasons to turn it down: below the floor of every edition, and no value of any type.
  impossible.ttl = std::chrono::seconds(0);
  impossible.value = kNoValue;
  AliyunRequest trial = request_of({AliyunAct::kUpdate, impossible}, {});
  trial.of_move = false;
  return api_.try_right(
      trial, fmt::format("{}, which had TTL {} s", to_text(record), record.ttl.count()), deadline);
}

Result<std::string> AliyunProvider::preflight(const RecordKey& key, Duration within) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const Instant deadline = api_.caller().now() + within;
  const auto zone = describe_zone(checked->zone.text(), deadline);
  if (!zone.ok()) return zone.error();
  const auto live = fetch(key, deadline, false);
  if (!live.ok()) return live.error();
  if (live->records.empty()) {
    return api_.caller().error(ErrorCode::kNotFound, to_text(key) + " does not exist");
  }
  const auto sound = judge_records(key, live->records);
  if (!sound.ok()) return api_.caller().error(sound.error().code, sound.error().message);
  const AliyunRecord& first = live->records.front();
  const auto update = try_update(first, deadline);
  if (!update.ok()) return update.error();

  std::string out = fmt::format(
      "zone {} ({}), lowest TTL {} s; {} is {} with TTL {} s on line {}; {}; name servers: {}",
      checked->zone.text(), api_.caller().words(zone->edition, 100), floor_of(key.zone).count(),
      to_text(key), to_text(live->set.values), live->set.ttl.count(), lines_text(live->records),
      *update, to_text(zone->servers));
  if (!make_remark({read_remark(first.remark).words, kUsualMark})) {
    out += fmt::format("; the remark of {} leaves too little room for a mark", to_text(first));
  }
  if (!mark_problem_.empty()) out += "; the last mark was not written: " + mark_problem_;
  return out + api_.caller().time_text();
}

void add_authorities(std::vector<std::string>& servers, const std::string& name,
                     const std::vector<std::string>& addresses) {
  const auto add_one = [&](const std::string& server) {
    if (servers.size() < kServersMost) add(servers, server);
  };
  // Named all the same: asking it says that it has no address.
  if (addresses.empty()) return add_one(name + ":53");
  const bool plain = addresses.front().find(':') == std::string::npos;
  for (const std::string& ip : addresses) {
    // IPv4 where there is any: a monitor without IPv6 would call every server half dead.
    if (plain && ip.find(':') != std::string::npos) continue;
    add_one(DnsEndpoint{ip, 53}.text());
  }
}

Result<std::vector<std::string>> AliyunProvider::authorities(const RecordKey& key,
                                                             Duration within) {
  if (!settings_.authorities.empty()) return settings_.authorities;
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const Instant deadline = api_.caller().now() + within;
  const auto zone = describe_zone(checked->zone.text(), deadline);
  if (!zone.ok()) return zone.error();
  std::vector<std::string> out;
  for (const std::string& name : zone->servers) {
    const Duration left = deadline - api_.caller().now();
    const auto addresses = resolve_host(name, std::max(left / 2, Duration(0)));
    add_authorities(out, name, addresses.ok() ? *addresses : std::vector<std::string>{});
  }
  if (out.empty()) {
    return api_.caller().error(ErrorCode::kNotFound,
                               "the zone's name servers are not told; set `authorities`");
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::unique_ptr<Provider>> make_aliyun(const ProviderSettings& settings,
                                              const Clock& clock) {
  SettingsReader reader(settings);
  AliyunSettings out;
  out.api = read_api_settings(reader, settings,
                              {"https://alidns.aliyuncs.com", {"authorities"}, kAliyunCredentials});
  out.keys = read_aliyun_keys(reader);
  out.authorities = reader.authorities();
  RETURN_IF_ERROR(reader.finish());
  return std::unique_ptr<Provider>(
      std::make_unique<AliyunProvider>(std::move(out), ApiOutside::real(clock)));
}

}  // namespace pointsman
