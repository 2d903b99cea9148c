#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/drivers/redis_connection.h"
#include "agent/drivers/redis_position.h"

// The Redis driver. Fences by asking for more replicas than there can be, so that writes are
// refused while replicas still drain; what it does is in docs/drivers.md, command by command.

namespace pointsman {

// A number of replicas that no server has: our mark in min-replicas-to-write.
inline constexpr std::int64_t kFenceMark = 2'000'000'000;

// What must outlive this process, kept in a small file.
struct RedisMemory {
  std::int64_t min_replicas = 0;  // Before the fence.
  std::int64_t max_lag = 10;
  std::string fenced_id;  // Where the history stood when the fence was read back: what the server
  std::int64_t fenced_offset = 0;  // adds later (pings, expiries) is no client's write.
  std::string data_id;             // The history in which keys were last seen.

  bool operator==(const RedisMemory&) const = default;
};

class RedisDriver : public Driver {
 public:
  RedisDriver(const RedisSettings& settings, const std::string& state_dir);

  std::string name() const override { return "redis"; }
  bool is_store() const override { return true; }
  StoreReport report(Duration within) override;
  Result<void> fence(FenceDepth depth, Duration within) override;
  Result<void> unfence(Duration within) override;
  Result<void> promote(Duration within) override;
  Result<void> follow(const FollowTarget& target, Duration within) override;
  Result<void> keep_standby(Duration within) override;
  std::vector<std::string> render(const std::string& verb) override;
  std::optional<bool> contains(const std::string& received,
                               const std::string& executed) const override;

 private:
  struct State {
    RedisInfo info;
    std::int64_t min_replicas = 0;
    std::int64_t max_lag = 0;
    bool replica_read_only = true;

    bool replica() const { return text_at(info, "role") == "slave"; }
    bool writable() const { return redis_writable(info, min_replicas, max_lag, replica_read_only); }
  };

  Result<State> read_state(Instant deadline);
  Result<void> set(const std::string& name, std::int64_t value, Instant deadline);
  Result<void> command(const std::vector<std::string>& words, Instant deadline);
  Result<void> close_writes(Instant deadline);
  Result<void> refuse_empty(const State& state) const;
  Result<void> drain(Instant deadline);
  Result<void> refuse_divergence(const State& own, const FollowTarget& target, Instant deadline);
  Result<void> wait_until_following(const HostPort& source, Instant deadline);

  Result<void> load();  // Once; a missing file is an empty memory.
  Result<void> keep(const RedisMemory& memory);
  Result<void> note_data(const State& state);

  const RedisSettings settings_;
  const std::string memory_file_;  // "": in memory only.
  RedisConnection connection_;
  RedisMemory memory_;
  bool loaded_ = false;
  bool clients_killed_ = false;  // Since the mark was set, by this process.
};

}  // namespace pointsman
