#include "providers/cloudflare.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "providers/settings.h"

namespace pointsman {
namespace {

constexpr const char* kEndpoint = "https://api.cloudflare.com/client/v4";
constexpr std::size_t kTokenLeast = 20;
constexpr std::size_t kOperationsMost = 200;  // Of one batch, on the smallest plan.
constexpr int kRunsMost = 3;
// An account is shut out for 5 minutes after 1200 calls in 5 minutes, those of its people included.
constexpr CallLimit kLimit{1100, 5min, 200};
constexpr std::chrono::seconds kTtlFloor(60);  // Of every plan but Enterprise.
constexpr Duration kConfirmWithin = 2s;
constexpr Duration kConfirmFirstPause = 50ms;
// Kept back from the deadline of a write, to read what it did when no answer comes.
constexpr Duration kSettleMost = 1s;

std::string live_text(const RecordSet& live) {
  return fmt::format("{}, {}", to_text(live.values),
                     live.mark.empty() ? "no mark" : "mark \"" + printable(live.mark) + '"');
}

bool is_zone_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

CloudflareProvider::CloudflareProvider(CloudflareSettings settings, ApiOutside outside)
    : settings_(std::move(settings)),
      caller_(settings_.api,
              ApiHooks{[token = settings_.token](HttpRequest& http) {
                         http.headers.emplace_back("Authorization", "Bearer " + token);
                       },
                       cloudflare_throttled},
              std::move(outside)),
      ttl_min_(settings_.ttl_min) {}

CloudflareTurn CloudflareProvider::turn(Duration within, bool of_move) const {
  return {caller_.now() + within, of_move};
}

// In an emergency the floor is used rather than the change refused.
Result<Change> CloudflareProvider::fit(const Change& asked) const {
  auto change = check_change(asked);
  if (!change.ok()) return change;
  if (!is_comment_mark(change->mark)) {
    return caller_.error(ErrorCode::kInvalid,
                         fmt::format("mark \"{}\" holds the brackets that stand around marks",
                                     printable(change->mark)));
  }
  change->ttl = std::max(change->ttl, ttl_min_);
  return change;
}

Result<CloudflareSet> CloudflareProvider::read_in(const Zone& zone, const RecordKey& key,
                                                  CloudflareTurn turn) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const std::string target =
      fmt::format("/zones/{}/dns_records?name={}", zone.id, percent_encoded(checked->name.text()));
  const auto list = cloudflare_list(caller_, target, turn);
  if (list.failure) return list.failure->error;
  std::vector<CloudflareRecord> records;
  for (const Json& entry : list.entries) {
    auto record = parse_record(entry);
    if (!record.ok()) {
      return caller_.error(ErrorCode::kUnavailable,
                           "a record that cannot be read: " + record.error().message);
    }
    records.push_back(std::move(*record));
  }
  auto set = set_of(key, *checked, records);
  if (!set.ok()) return caller_.error(set.error().code, set.error().message);
  return set;
}

Result<CloudflareSet> CloudflareProvider::read_live(const RecordKey& key, CloudflareTurn turn) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  for (int run = 1;; ++run) {
    const auto zone = zone_of(*checked, turn);
    if (!zone.ok()) return zone.error();
    auto live = read_in(*zone, key, turn);
    if (live.ok() || live.error().code != ErrorCode::kNotFound) return live;
    // The id is not known any more: the zone was removed and added again.
    if (!settings_.zone_id.empty() || run > 1) return live;
    zones_.erase(checked->zone.canonical_wire());
  }
}

Result<RecordSet> CloudflareProvider::read(const RecordKey& key, Duration within) {
  auto live = read_live(key, turn(within, false));
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<RecordSet> CloudflareProvider::read_for_move(const RecordKey& key, Duration within) {
  auto live = read_live(key, turn(within, true));
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<CloudflarePlan> CloudflareProvider::plan(const CloudflareSet& live, const Change& change,
                                                CloudflareTurn turn) {
  const auto todo = compare(live.set, change);
  // It repeats what stands there, which the far side chose.
  if (!todo.ok()) return caller_.error(todo.error().code, todo.error().message);
  CloudflarePlan out = plan_of(live, change);
  if (out.size() > kOperationsMost) {
    return caller_.error(
        ErrorCode::kInvalid,
        fmt::format("{} records to change at once, allowed: {}", out.size(), kOperationsMost));
  }
  if (!live.records.empty() || out.empty()) return out;
  // Cloudflare completes a name that lies outside the zone by the zone: nothing is ever created in
  // a zone that is not surely the right one.
  const CheckedKey key = check_key(change.key).value();
  auto zone = zone_of(key, turn);
  if (zone.ok() && !zone->proven) zone = look_at(key.zone, turn);
  if (!zone.ok()) {
    return Error{zone.error().code,
                 fmt::format("{} does not exist, and whether zone_id is zone {} cannot be seen: "
                             "create it by hand, or grant Zone Read; {}",
                             to_text(change.key), key.zone.text(), zone.error().message)};
  }
  return out;
}

CloudflareProvider::Wrote CloudflareProvider::write(const CloudflarePlan& plan,
                                                    const Change& change, CloudflareTurn turn) {
  const auto zone = zone_of(check_key(change.key).value(), turn);
  if (!zone.ok()) {
    failed_ = zone.error();
    return Wrote::kFailed;
  }
  const Duration left = turn.deadline - caller_.now();
  const auto outcome = cloudflare_call(caller_, cloudflare_write(plan, zone->id),
                                       turn.deadline - std::min(left / 4, kSettleMost));
  if (outcome.body) return Wrote::kAccepted;
  failed_ = outcome.failure.error;
  if (failed_.code == ErrorCode::kTimeout) return Wrote::kUnknown;
  if (outcome.failure.has(kCloudflareNoRecord)) return Wrote::kStale;
  if (outcome.failure.has(kCloudflareIdentical) || outcome.failure.has(kCloudflareRecordExists)) {
    return Wrote::kSame;
  }
  if (outcome.failure.has(kCloudflareBadTtl)) return Wrote::kTtlTooLow;
  return failed_.code == ErrorCode::kInvalid ? Wrote::kInvalid : Wrote::kFailed;
}

// A mark that does not fit beside the operator's words keeps no move from being made. Our old mark
// goes as well: left there, it would make the new values look like an older write of ours.
Result<CloudflareProvider::Wrote> CloudflareProvider::write_unmarked(const CloudflareSet& live,
                                                                     Change& change,
                                                                     CloudflareTurn turn) {
  change.expected_marks.push_back(change.mark);
  change.mark.clear();
  const auto todo = plan(live, change, turn);
  if (!todo.ok()) return todo.error();
  return todo->empty() ? Wrote::kAccepted : write(*todo, change, turn);
}

Result<void> CloudflareProvider::confirm(const Change& change, std::string_view otherwise,
                                         Instant until) {
  for (Duration pause = kConfirmFirstPause;; pause *= 2) {
    const auto live = read_live(change.key, {until, true});
    if (!live.ok()) {
      if (live.error().code == ErrorCode::kConflict) return live.error();
      return Error{ErrorCode::kTimeout, fmt::format("outcome unknown: {}; and reading it: {}",
                                                    otherwise, live.error().message)};
    }
    const auto left = plan(*live, change, {until, true});
    if (!left.ok()) return left.error();
    if (left->empty()) return {};
    if (!caller_.pause(pause, until)) {
      return caller_.error(ErrorCode::kTimeout,
                           fmt::format("not effective so far: {}; {} is {}", otherwise,
                                       to_text(change.key), live_text(live->set)));
    }
  }
}

Result<void> CloudflareProvider::replace(const Change& asked, Duration within) {
  const CloudflareTurn turn = this->turn(within, true);
  auto change = fit(asked);
  if (!change.ok()) return change.error();
  for (int run = 1;; ++run) {
    const auto live = read_live(change->key, turn);
    if (!live.ok()) return live.error();
    const auto todo = plan(*live, *change, turn);
    if (!todo.ok()) return todo.error();
    if (todo->empty()) return {};
    Change sent = *change;
    Wrote wrote = write(*todo, sent, turn);
    const bool marked = live->set.mark == sent.mark && todo->posts.empty();
    if (wrote == Wrote::kInvalid && !sent.mark.empty() && !marked) {
      const auto unmarked = write_unmarked(*live, sent, turn);
      if (!unmarked.ok()) return unmarked.error();
      wrote = *unmarked;
    }
    const Instant soon =
        std::min(turn.deadline, caller_.now() + std::max(kConfirmWithin, settings_.api.timeout));
    switch (wrote) {
      case Wrote::kAccepted: return confirm(sent, "the change was accepted", soon);
      case Wrote::kUnknown: return confirm(sent, failed_.message, soon);
      case Wrote::kSame: {
        const auto same = confirm(sent, failed_.message, soon);
        if (same.ok() || same.error().code == ErrorCode::kConflict) return same;
        return Error{ErrorCode::kConflict, same.error().message};
      }
      case Wrote::kStale: break;  // Somebody removed the record since: see what stands there now.
      case Wrote::kTtlTooLow:
        if (ttl_min_ >= kTtlFloor) return failed_;
        ttl_min_ = kTtlFloor;
        change->ttl = std::max(change->ttl, ttl_min_);
        break;
      case Wrote::kInvalid:
      case Wrote::kFailed: return failed_;
    }
    if (run == kRunsMost) return failed_;
  }
}

Result<std::vector<std::string>> CloudflareProvider::render(const Change& asked, Duration within) {
  const CloudflareTurn turn = this->turn(within, false);
  const auto change = fit(asked);
  if (!change.ok()) return change.error();
  const auto live = read_live(change->key, turn);
  if (!live.ok()) return live.error();
  const auto todo = plan(*live, *change, turn);
  if (!todo.ok()) return todo.error();
  if (todo->empty()) return std::vector<std::string>{};
  const auto zone = zone_of(check_key(change->key).value(), turn);
  if (!zone.ok()) return zone.error();
  return std::vector<std::string>{caller_.render(cloudflare_write(*todo, zone->id))};
}

Result<std::unique_ptr<Provider>> make_cloudflare(const ProviderSettings& settings,
                                                  const Clock& clock) {
  SettingsReader reader(settings);
  CloudflareSettings out;
  out.api = read_api_settings(reader, settings,
                              {kEndpoint, {"zone_id", "ttl_min", "authorities"}, {"api_token"}});
  out.api.limit = kLimit;
  out.zone_id = reader.option("zone_id");
  if (!out.zone_id.empty() && !is_zone_id(out.zone_id)) {
    reader.complain_option("zone_id", "32 hexadecimal digits in lower case");
  }
  out.ttl_min = reader.ttl_min(kTtlFloor, 30s, 1h);
  out.authorities = reader.authorities();
  out.token = reader.credential("api_token");
  const bool plain =
      std::all_of(out.token.begin(), out.token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (out.token.size() < kTokenLeast || !plain) {
    reader.complain_credential(
        "api_token", fmt::format("a token of {} or more characters without spaces", kTokenLeast));
  }
  out.api.secrets = {out.token};
  RETURN_IF_ERROR(reader.finish());
  return std::unique_ptr<Provider>(
      std::make_unique<CloudflareProvider>(std::move(out), ApiOutside::real(clock)));
}

}  // namespace pointsman
