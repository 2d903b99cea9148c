#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/driver.h"
#include "base/clock.h"

// One driver on a thread of its own, so that a store that hangs delays nobody. It is told what its
// product shall be like, a level, and compares, acts and reads back until it is so, and again
// whenever it is found otherwise.

namespace pointsman {

enum class Aim {
  kNone,     // Only look.
  kOpen,     // Takes writes, follows nobody; a unit runs.
  kClosed,   // The lease ended: read-only, writers gone; a unit goes on.
  kFenced,   // By order: the same, and a unit is stopped.
  kStandby,  // Read-only replica; a unit is stopped.
};
const char* to_string(Aim aim);

struct Goal {
  Aim aim = Aim::kNone;
  Instant until{0};    // kOpen: nothing is opened that could come open later than this.
  std::string source;  // kStandby: whom to follow; "": whom it follows already.
};

struct DriverState {
  StoreReport report;  // Positions are those of the last sound reading.
  bool looked = false;
  Instant looked_at{0};  // When the last reading began.
  Instant sound_at{0};   // When the last one began in which the product answered.
  bool reached = false;  // The present goal was reached and read back.
  std::string trouble;   // Why it is not; "" when it is, or nothing was tried yet.
};

class DriverWorker {
 public:
  DriverWorker(std::unique_ptr<Driver> driver, std::string service, Duration verb_within,
               const Clock& clock);
  ~DriverWorker();  // Waits for the verb under way.
  DriverWorker(const DriverWorker&) = delete;
  DriverWorker& operator=(const DriverWorker&) = delete;

  // `changed` is called from the worker's thread after each round that found, or made, something
  // new, or has not reached its goal; it must not block.
  void attach(std::function<void()> changed) { changed_ = std::move(changed); }
  void start(std::function<void()> changed);
  void stop();

  // One round: takes up the goal; then acts and reads back, and returns how long to rest, before
  // jitter. For the worker's own thread, and for whoever turns it without one.
  void begin_round();
  Duration end_round();
  // Whether a goal waits that no round has taken up.
  bool has_fresh_goal() const;

  const std::string& name() const { return name_; }
  bool is_store() const { return is_store_; }

  // A goal of another aim or source is begun at once; the same with a later `until` goes on.
  void aim(const Goal& goal);
  DriverState state() const;
  // Reads the state where it lies, under the worker's lock.
  template <typename Read>
  auto read(Read read) const {
    const std::lock_guard lock(mutex_);
    return read(state_);
  }
  bool reached() const {
    return read([](const DriverState& state) { return state.reached; });
  }

  // Pure, from any thread.
  std::optional<bool> contains(const std::string& received, const std::string& executed) const {
    return driver_->contains(received, executed);
  }
  // What the verb would send; empty when the driver is busy for longer than `within`.
  std::vector<std::string> render(const std::string& verb, Duration within);

 private:
  struct Rendering {
    std::string verb;
    std::promise<std::vector<std::string>> lines;
  };

  void run();
  void look();
  Result<void> act(const Goal& goal);
  Result<void> open(const Goal& goal);
  bool is_reached(const Goal& goal) const;
  void work(const Goal& goal, bool fresh);
  void answer_rendering();
  Duration pause() const;

  const std::unique_ptr<Driver> driver_;
  const std::string service_;
  const Duration verb_within_;
  const Clock& clock_;
  const std::string name_;
  const bool is_store_;
  std::function<void()> changed_;

  // Goal in, state out: the only things that other threads touch.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  Goal goal_;
  std::uint64_t turn_ = 1;        // Grows with each new goal.
  std::uint64_t taken_turn_ = 0;  // The last that a round took up.
  DriverState state_;
  std::unique_ptr<Rendering> rendering_;

  // The worker's thread only.
  Goal taken_;          // The goal of this round.
  bool fresh_ = false;  // It is another than that of the round before.
  StoreReport report_;
  bool acted_ = false;    // The verb of this turn succeeded.
  bool settled_ = false;  // The goal of this turn was reached before.
  int failures_ = 0;      // In a row.
  std::string trouble_;
  std::thread thread_;
};

}  // namespace pointsman
