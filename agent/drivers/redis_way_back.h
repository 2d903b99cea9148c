#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/drivers/redis_connection.h"
#include "agent/drivers/redis_position.h"
#include "agent/rejoiner.h"

// Redis on the way back: compared by replication id and offset, written down key by key where the
// site in power has another value or none, replaced by a full synchronisation.

namespace pointsman {

class RedisWayBack final : public WayBack {
 public:
  RedisWayBack(const RedisSettings& settings, const std::string& memory_file)
      : settings_(settings), memory_file_(memory_file) {}

  std::string name() const override { return "redis"; }
  Result<std::string> survey(const std::string& source, Duration within) override;
  Result<Json> write_down(const std::string& source, const std::string& folder,
                          const WayBackWatch& watch) override;
  Result<void> preflight(const std::string& source, const std::string& folder) override;
  // Nothing: the server itself receives its copy whole before it drops what it holds.
  Result<void> copy(const std::string&, const std::string&, const WayBackWatch&) override {
    return {};
  }
  Result<void> replace(const std::string& source, const std::string& folder,
                       const WayBackWatch& watch) override;

 private:
  Result<RedisInfo> info_of(RedisConnection& at, Instant deadline) const;

  const RedisSettings settings_;
  const std::string memory_file_;  // Of the driver: where its fence was read back.
};

// Where the driver of a server keeps what must outlive this process; "" without a folder.
std::string redis_memory_file(const std::string& state_dir, const std::string& address);

// One key whose value the other server does not have, on its way into a bundle.
struct RedisDifference {
  std::int64_t database = 0;
  std::string key;
  std::string type;
  std::vector<std::string> only_here;  // Members, fields with values, or the value.
  std::string dump;                    // As DUMP tells it, for RESTORE.
  std::int64_t ttl_ms = -1;

  Json to_json() const;
};

}  // namespace pointsman
