#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/time.h"

// A host of the simulator: its clock, and whether its processes run.

namespace pointsman {

// Ends of the network.
enum End {
  kMonitorEnd = 0,
  kFirstSite = 1,
  kSecondSite = 2,
  kDnsEnd = 3,
  kReferenceEnd = 4,
  kClientEnd = 5,
  kEnds = 6
};
inline constexpr int kHosts = 3;  // Monitor and sites.
inline int end_of(int site) { return kFirstSite + site; }

// A host's CLOCK_BOOTTIME: its own rate, which may change at any moment, and its own zero.
class HostClock final : public Clock {
 public:
  explicit HostClock(const Instant& truth) : truth_(truth), since_(truth) {}

  Instant now() const override { return local(truth_ + ahead); }
  WallTime wall() const override { return {truth_.ns + 1'700'000'000'000'000'000}; }

  Instant local(Instant t) const { return base_ + scaled(t - since_, kMillion + ppm_, kMillion); }
  // The true time that `d` of this clock takes at its present rate, rounded up.
  Duration real(Duration d) const { return scaled(d, kMillion, kMillion + ppm_) + Duration(1); }
  Instant when(Instant local_time) const { return truth_ + real(local_time - local(truth_)); }

  void set_rate(int ppm) {
    base_ = local(truth_);
    since_ = truth_;
    ppm_ = ppm;
  }
  void reboot(Instant base) {
    base_ = base;
    since_ = truth_;
  }

  Duration ahead{0};  // Of a call under way: what it does takes place later by this.

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  static Duration scaled(Duration d, std::int64_t by, std::int64_t of) {
    const std::int64_t whole = d.count() / of;
    return Duration(whole * by + d.count() % of * by / of);
  }

  const Instant& truth_;
  Instant since_;
  Instant base_{50'000'000'000};
  std::int64_t ppm_ = 0;
};

// A kernel that slept lets pass what it did before, until the agent has woken up and closed it:
// told as a limit in docs/safety.md.
inline constexpr Duration kWaking = 600ms;

struct SimHost {
  explicit SimHost(const Instant& truth) : clock(truth) {}

  HostClock clock;
  bool up = true;           // The machine; its stores and kernel too.
  bool running = false;     // Our process on it.
  std::uint64_t run = 0;    // Grows with each start and end of the process.
  Instant frozen_until{0};  // True time.
  Instant asleep_until{0};  // The whole machine.
  Instant woke_at{0};
  bool doomed = false;  // Dies as soon as the event at hand is over.
  int crash_armed = 0;  // Dies at the n-th crash point from here.
};

// A value that changes at known instants, also ones to come.
template <typename T>
class Track {
 public:
  explicit Track(T first) { changes_.push_back({Instant{0}, std::move(first)}); }

  void set(Instant at, T value) {
    while (changes_.size() > 1 && changes_.back().at > at) changes_.pop_back();
    if (changes_.size() > 16) changes_.erase(changes_.begin(), changes_.end() - 8);
    changes_.push_back({at, std::move(value)});
  }
  const T& at(Instant t) const {
    for (auto it = changes_.rbegin(); it != changes_.rend(); ++it) {
      if (it->at <= t) return it->value;
    }
    return changes_.front().value;
  }

 private:
  struct Change {
    Instant at;
    T value;
  };
  std::vector<Change> changes_;
};

}  // namespace pointsman
