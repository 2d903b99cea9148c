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

  // Unset while nothing was ever told.
  std::optional<VipReport> report(Instant now) const;

 private:
  std::optional<bool> holds_;
  Instant since_;
  Instant heard_;
};

// Why this site could not serve users behind the address; "" when it could. A primary must take
// writes, run its units and pass its own probes; a standby must be one that could be promoted.
std::string vip_unfit(const ServiceReport& report);

// What the role is worth in keepalived's election, as the number in the file that it tracks.
int vip_worth(Role role);

// Makes `path` hold that number. Any failure is of the disk.
Result<void> write_vip_worth(const std::string& path, Role role);

// Where these things stand in the agent's folder: the file that keepalived tracks, and what its
// scripts said last ("holds" or "yields").
std::string vip_worth_path(const std::string& state_dir, const std::string& service);
std::string vip_word_path(const std::string& state_dir, const std::string& service);
std::optional<bool> vip_word_from(const std::string& state_dir, const std::string& service);

}  // namespace pointsman
