#pragma once

#include <optional>
#include <string>

#include "agent/protocol.h"
#include "base/result.h"

// A virtual address that keepalived moves between two sites of one LAN (docs/keepalived.md): what
// its scripts tell of it here, and what they are answered of this site. All that follows from it is
// the monitor's to decide.

namespace pointsman {

// What was last told of it. Not thread-safe.
class VipWatch {
 public:
  // `holds` as a former run of this agent was told; unset: never.
  VipWatch(std::optional<bool> holds, Instant now);

  // A script called. `holds` unset: it did not know, and the former word stands. True when the word
  // is another one than before.
  bool heard(std::optional<bool> holds, Instant now);

  bool holds() const { return holds_.value_or(false); }

  // Unset while nothing was ever told.
  std::optional<VipReport> report(Instant now) const;

 private:
  std::optional<bool> holds_;
  Instant since_;
  Instant heard_;
  bool told_ = false;  // In this run.
};

// Why this site could not serve users behind the address; "" when it could. A primary must take
// writes, run its units and pass its own probes; a standby must be one that could be promoted.
std::string vip_unfit(const ServiceReport& report);

// What this site is worth in keepalived's election, as the number in the file that it tracks: 1 in
// power, 0 not, and fenced so little that the address is given up at once. Not thread-safe.
class VipWorth {
 public:
  // A site that comes to power is worth more only after kVipWorthAfter: keepalived that stands by
  // and whose priority changes begins its wait for the other's silence anew, 3 s more. One that
  // holds the address waits for nothing, and must not lose it to a better one that follows by then.
  int now(Role role, Instant at, bool holds);

 private:
  std::optional<Role> role_;
  Instant since_{0};
};
inline constexpr Duration kVipWorthAfter = 5s;

// Makes `path` hold that number. Any failure is of the disk.
Result<void> write_vip_worth(const std::string& path, int worth);

// Where these things stand in the agent's folder: the file that keepalived tracks, and what its
// scripts said last ("holds" or "yields").
std::string vip_worth_path(const std::string& state_dir, const std::string& service);
std::string vip_word_path(const std::string& state_dir, const std::string& service);
std::optional<bool> vip_word_from(const std::string& state_dir, const std::string& service);

}  // namespace pointsman
