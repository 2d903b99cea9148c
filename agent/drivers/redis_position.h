#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

// Positions in Redis replication: "replid:offset", and for a server that took over a history
// "replid:offset,formerid:offset". Pure.

namespace pointsman {

// What INFO says, "key: value" by key.
using RedisInfo = std::map<std::string, std::string>;
RedisInfo parse_redis_info(const std::string& text);

std::string text_at(const RedisInfo& info, const std::string& key);
std::int64_t number_at(const RedisInfo& info, const std::string& key, std::int64_t otherwise = 0);

struct RedisPosition {
  std::string id;  // Of the history.
  std::int64_t offset = 0;
  std::string former_id;           // The history this one went on from, "" for none...
  std::int64_t former_offset = 0;  // ...and how far.

  std::string text() const;
};

// nullopt when `text` is no position.
std::optional<RedisPosition> parse_redis_position(const std::string& text);

// What a server has; `received` counts also what was read from its source but not yet applied.
RedisPosition position_of(const RedisInfo& info, bool received);

// Whether `whole` holds all of `part`; nullopt when they have no history in common.
std::optional<bool> holds(const RedisPosition& whole, const RedisPosition& part);

// Keys in all databases ("keyspace" section).
std::int64_t keys_of(const RedisInfo& info);

// Whether an ordinary client's write is accepted.
bool redis_writable(const RedisInfo& info, std::int64_t min_replicas, std::int64_t max_lag,
                    bool replica_read_only);

}  // namespace pointsman
