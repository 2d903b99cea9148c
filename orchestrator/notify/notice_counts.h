#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

// What became of notices, for pointsman_notices_total{channel,outcome}.

namespace pointsman {

// Outcomes: "delivered", "retried", "refused", "handed-over", "lost", "rendered" (a dry run),
// "dropped" (channel "": before any channel knew of it). Thread-safe.
class NoticeCounts {
 public:
  using Key = std::pair<std::string, std::string>;  // Channel, outcome.

  void add(const std::string& channel, const std::string& outcome, std::uint64_t by = 1) {
    const std::lock_guard lock(mutex_);
    counts_[{channel, outcome}] += by;
  }
  std::map<Key, std::uint64_t> read() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;  // Lanes add while the metrics are read.
  std::map<Key, std::uint64_t> counts_;
};

}  // namespace pointsman
