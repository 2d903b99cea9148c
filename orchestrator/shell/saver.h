#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/queue.h"
#include "orchestrator/shell/store.h"

namespace pointsman {

// Where decisions become durable, one after the other. The simulator has a twin of it.
class Saving {
 public:
  virtual ~Saving() = default;

  // The ticket of the batch: durable once done() has reached it. Tickets begin at 1. Never blocks.
  virtual std::uint64_t save(SaveBatch batch) = 0;
  virtual std::uint64_t done() const = 0;

  // Why the store does not save; "" when it does.
  virtual std::string problem() const = 0;
};

// The store's thread. Batches are saved in the order given; a batch that fails is tried again for
// as long as it takes, and nothing behind it is saved meanwhile: what waits for it does not start.
class Saver final : public Saving {
 public:
  // A batch refused for `stuck_after` is an alarm.
  Saver(const Clock& clock, Store& store, std::size_t queued_most = 10'000,
        Duration stuck_after = 30s);
  ~Saver() override;  // Saves what is queued, if the store takes it at once.
  Saver(const Saver&) = delete;
  Saver& operator=(const Saver&) = delete;

  std::uint64_t save(SaveBatch batch) override;
  std::uint64_t done() const override;
  std::string problem() const override;

  // Reads the whole journal, on the caller's thread, in pieces between which saves go on.
  Result<ChainReport> verify();

  // Other calls of the store (history), on the caller's thread, one at a time.
  template <typename Use>
  auto with(Use use) {
    const std::lock_guard lock(store_mutex_);
    return use(store_);
  }

 private:
  struct Ticketed {
    std::uint64_t ticket = 0;
    SaveBatch batch;
  };
  struct Stuck {  // A batch that the store does not take.
    Instant since{0};
    Instant tell_at{0};
    int attempts = 0;
  };
  void run();
  bool save_one(const Ticketed& item);
  void note_stuck(const Ticketed& item, Stuck& stuck);

  const Clock& clock_;
  Store& store_;
  const Duration stuck_after_;
  std::mutex store_mutex_;  // The store serves one thread at a time: saving and reading history.
  Queue<Ticketed> queue_;
  std::uint64_t last_ticket_ = 0;
  std::atomic<std::uint64_t> done_{0};
  // The first ticket that found the queue full: neither it nor what came after it is ever done.
  std::atomic<std::uint64_t> lost_{std::numeric_limits<std::uint64_t>::max()};
  std::atomic<bool> ending_{false};
  mutable std::mutex problem_mutex_;  // Of the text alone.
  std::string problem_;
  std::string stuck_;  // Which batch, when it has lasted.
  std::thread thread_;
};

}  // namespace pointsman
