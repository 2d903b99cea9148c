#include "agent/drivers/redis_way_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <thread>

#include "agent/drivers/drivers.h"
#include "agent/drivers/endpoint.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

namespace pointsman {
namespace {

constexpr Duration kAskWithin = 10s;
constexpr Duration kLook = 100ms;
constexpr Duration kStillMost = 5min;  // A synchronisation that moves nothing.
constexpr const char* kScanned = "500";
constexpr std::size_t kComparedMost = 64 << 20;  // A larger value is only dumped.
constexpr std::size_t kShownKeys = 8;
constexpr std::size_t kAnswerMost = std::size_t{1} << 30;  // A value has 512 MiB at most.
constexpr const char* kFile = "redis-keys.jsonl";

using Words = std::vector<std::string>;

bool is_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// A text as it is; bytes that are none in base64.
Json value_json(const std::string& bytes) {
  if (is_text(bytes)) return Json(bytes);
  return Json::object({{"base64", base64(bytes)}});
}

// How to read the whole of a value; empty: only DUMP can.
Words reading_of(const std::string& type, const std::string& key) {
  if (type == "string") return {"GET", key};
  if (type == "set") return {"SMEMBERS", key};
  if (type == "hash") return {"HGETALL", key};
  if (type == "zset") return {"ZRANGE", key, "0", "-1", "WITHSCORES"};
  if (type == "list") return {"LRANGE", key, "0", "-1"};
  return {};
}

// What `here` has and `there` does not: of a hash and of a sorted set by pairs, of a list, which
// has an order, all of it.
Words only_here(const std::string& type, const RedisReply& here, const RedisReply& there) {
  if (type == "string") return {here.text};
  if (type == "list") return here.elements;
  const std::size_t step = type == "set" ? 1 : 2;
  const auto items = [&](const Words& flat) {
    std::set<std::string> all;
    for (std::size_t k = 0; k + step <= flat.size(); k += step) {
      all.insert(step == 1 ? flat[k] : flat[k] + " = " + flat[k + 1]);
    }
    return all;
  };
  const auto mine = items(here.elements);
  const auto theirs = items(there.elements);
  Words rest;
  std::set_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                      std::back_inserter(rest));
  return rest;
}

// Two servers, key by key.
class Comparing {
 public:
  Comparing(RedisConnection& here, RedisConnection& there) : here_(here), there_(there) {}

  // nullopt: the other has the same.
  Result<std::optional<RedisDifference>> key(std::int64_t database, const std::string& key) {
    // A connection made anew meanwhile begins in the first database.
    if (database != 0) RETURN_IF_ERROR(choose(database));
    const auto mine = here_.run({"DUMP", key}, soon());
    if (!mine) return mine.error();
    if (mine->text.empty()) return std::optional<RedisDifference>();  // It has just expired.
    const auto theirs = there_.run({"DUMP", key}, soon());
    if (!theirs) return theirs.error();
    if (mine->text == theirs->text) return std::optional<RedisDifference>();
    const auto type = here_.run({"TYPE", key}, soon());
    if (!type) return type.error();
    const auto ttl = here_.run({"PTTL", key}, soon());
    if (!ttl) return ttl.error();
    RedisDifference found{database, key, type->text, {}, mine->text, -1};
    std::from_chars(ttl->text.data(), ttl->text.data() + ttl->text.size(), found.ttl_ms);
    const auto same_type = there_.run({"TYPE", key}, soon());
    if (!same_type) return same_type.error();
    const Words reading = reading_of(type->text, key);
    const bool large = std::max(mine->text.size(), theirs->text.size()) > kComparedMost;
    if (reading.empty() || large) return std::optional(std::move(found));
    const auto here = here_.run(reading, soon());
    if (!here) return here.error();
    RedisReply there;
    if (same_type->text == type->text) {
      auto value = there_.run(reading, soon());
      if (!value) return value.error();
      there = std::move(*value);
    }
    found.only_here = only_here(type->text, *here, there);
    // Written in another order, or the other has more.
    const bool comparable = type->text != "list" && type->text != "string";
    if (comparable && found.only_here.empty()) return std::optional<RedisDifference>();
    return std::optional(std::move(found));
  }

  Result<void> choose(std::int64_t database) {
    for (RedisConnection* at : {&here_, &there_}) {
      const auto chosen = at->run({"SELECT", std::to_string(database)}, soon());
      if (!chosen) return chosen.error();
    }
    return {};
  }

 private:
  static Instant soon() { return system_clock().now() + kAskWithin; }

  RedisConnection& here_;
  RedisConnection& there_;
};

std::vector<std::int64_t> databases_of(const RedisInfo& info) {
  std::vector<std::int64_t> numbers;
  for (const auto& [name, value] : info) {
    if (!name.starts_with("db") || !value.starts_with("keys=")) continue;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data() + 2, name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

std::unique_ptr<WayBack> make_redis_way_back(const RedisSettings& settings,
                                             const std::string& state_dir) {
  return std::make_unique<RedisWayBack>(settings, redis_memory_file(state_dir, settings.address));
}

Json RedisDifference::to_json() const {
  Json members = Json::array();
  for (const std::string& each : only_here) members.push(value_json(each));
  return Json::object({{"db", database},
                       {"key", value_json(key)},
                       {"type", type},
                       {"ttl_ms", ttl_ms},
                       {"only_here", std::move(members)},
                       {"dump", base64(dump)}});
}

Result<RedisInfo> RedisWayBack::info_of(RedisConnection& at, Instant deadline) const {
  const auto text = at.run({"INFO"}, deadline);
  if (!text) return text.error();
  return parse_redis_info(text->text);
}

Result<std::string> RedisWayBack::survey(const std::string& source, Duration within) {
  const Instant deadline = system_clock().now() + within;
  RedisConnection here(settings_.address, settings_.password);
  const auto own = info_of(here, deadline);
  if (!own) return own.error();
  const auto limits = here.run({"CONFIG", "GET", "min-replicas-to-write"}, deadline);
  if (!limits) return limits.error();
  std::int64_t least = 0;
  if (limits->elements.size() == 2) {
    const std::string& text = limits->elements[1];
    std::from_chars(text.data(), text.data() + text.size(), least);
  }
  if (redis_writable(*own, least, 1, true)) {
    return {ErrorCode::kUnavailable, "redis: it still takes writes here"};
  }
  RedisConnection there(source, settings_.password);
  const auto theirs = info_of(there, deadline);
  if (!theirs) {
    return {ErrorCode::kUnavailable,
            "redis: the site in power's server: " + theirs.error().message};
  }
  if (text_at(*theirs, "run_id") == text_at(*own, "run_id")) {
    return {ErrorCode::kRefused, fmt::format("redis: {} is this server itself", source)};
  }
  if (keys_of(*own) == 0) return std::string();
  RedisPosition mine = position_of(*own, true);
  // What the server added by itself after its fence is no client's write.
  const auto memory = read_file(memory_file_);
  const auto noted = memory ? Json::parse(*memory) : Result<Json>(memory.error());
  if (noted && mine.id == noted->string_or("fenced_id")) {
    mine.offset = std::min(mine.offset, noted->int_or("fenced_offset", mine.offset));
  }
  const RedisPosition other = position_of(*theirs, false);
  if (keys_of(*theirs) > 0 && holds(other, mine).value_or(false)) return std::string();
  return fmt::format("history {}, of which {} has {}", mine.text(), source, other.text());
}

Result<Json> RedisWayBack::write_down(const std::string& source, const std::string& folder,
                                      const WayBackWatch& watch) {
  RedisConnection here(settings_.address, settings_.password, kAnswerMost);
  RedisConnection there(source, settings_.password, kAnswerMost);
  const auto own = info_of(here, system_clock().now() + kAskWithin);
  if (!own) return own.error();
  const std::string path = folder + "/" + kFile;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  Comparing comparing(here, there);
  std::uint64_t differing = 0;
  std::uint64_t seen = 0;
  Json keys = Json::array();
  for (const std::int64_t database : databases_of(*own)) {
    std::string cursor = "0";
    do {
      if (watch.stopped()) return {ErrorCode::kConflict, "redis: ended on the way"};
      RETURN_IF_ERROR(comparing.choose(database));
      const auto scanned =
          here.run({"SCAN", cursor, "COUNT", kScanned}, system_clock().now() + kAskWithin);
      if (!scanned) return scanned.error();
      if (scanned->elements.empty()) return {ErrorCode::kInternal, "redis: SCAN tells no cursor"};
      cursor = scanned->elements.front();
      for (std::size_t k = 1; k < scanned->elements.size(); ++k) {
        ++seen;
        const auto found = comparing.key(database, scanned->elements[k]);
        if (!found) return found.error();
        if (!*found) continue;
        ++differing;
        if (keys.as_array().size() < kShownKeys) keys.push(value_json((*found)->key));
        out << (*found)->to_json().dump() << '\n';
      }
      watch.progress(static_cast<std::uint64_t>(std::max<std::streamoff>(out.tellp(), 0)), 0);
    } while (cursor != "0");
  }
  out.close();
  if (!out) return {ErrorCode::kInternal, "redis: " + path + " cannot be written"};
  return Json::object(
      {{"text", fmt::format("{} of {} {} differ", differing, seen, seen == 1 ? "key" : "keys")},
       {"keys", differing},
       {"first_keys", std::move(keys)},
       {"history", position_of(*own, true).text()}});
}

Result<void> RedisWayBack::preflight(const std::string& source, const std::string&) {
  RedisConnection there(source, settings_.password);
  const auto theirs = info_of(there, system_clock().now() + kAskWithin);
  if (!theirs) {
    return {ErrorCode::kUnavailable,
            "redis: the site in power's server: " + theirs.error().message};
  }
  if (text_at(*theirs, "role") != "master") {
    return {ErrorCode::kRefused, fmt::format("redis: {} is a replica itself", source)};
  }
  return {};
}

Result<void> RedisWayBack::replace(const std::string& source, const std::string&,
                                   const WayBackWatch& watch) {
  const auto place = parse_host_port(source);
  if (!place) return Error{place.error().code, "redis: " + place.error().message};
  RedisConnection here(settings_.address, settings_.password);
  std::vector<Words> commands{{"CONFIG", "SET", "replica-read-only", "yes"}};
  if (!settings_.password.empty()) {
    commands.push_back({"CONFIG", "SET", "masterauth", settings_.password});
  }
  commands.push_back({"REPLICAOF", place->host, std::to_string(place->port)});
  for (const Words& command : commands) {
    crash_point("before-redis", command.front());
    const auto done = here.run(command, system_clock().now() + kAskWithin);
    if (!done) return done.error();
  }
  Instant moved = system_clock().now();
  std::int64_t last = -1;
  for (;;) {
    const Instant now = system_clock().now();
    const auto info = info_of(here, now + kAskWithin);
    if (!info) return info.error();
    const bool up = text_at(*info, "master_link_status") == "up";
    const bool syncing = text_at(*info, "master_sync_in_progress") == "1";
    if (up && !syncing && text_at(*info, "loading") != "1") return {};
    const std::int64_t done = std::max<std::int64_t>(number_at(*info, "master_sync_read_bytes"), 0);
    const std::int64_t total =
        std::max<std::int64_t>(number_at(*info, "master_sync_total_bytes"), 0);
    watch.progress(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total));
    if (done != last) moved = now;
    last = done;
    if (watch.stopped()) return {ErrorCode::kConflict, "redis: ended on the way"};
    if (now - moved > kStillMost) {
      return {ErrorCode::kTimeout, "redis: the synchronisation stands still"};
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace pointsman
