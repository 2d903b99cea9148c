#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/deadman_keeper.h"

// The one thread that owns the dead-man switch.

namespace pointsman {

class DeadmanThread {
 public:
  DeadmanThread(DeadmanKeeper keeper, const Clock& clock);
  ~DeadmanThread();
  DeadmanThread(const DeadmanThread&) = delete;
  DeadmanThread& operator=(const DeadmanThread&) = delete;

  void start();
  void stop();
  void wake();

  Instant last_turn() const { return Instant{last_turn_ns_.load()}; }

 private:
  void run();

  DeadmanKeeper keeper_;
  const Clock& clock_;
  std::mutex mutex_;  // Of what wakes the thread.
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::atomic<std::int64_t> last_turn_ns_{0};
  std::thread thread_;
};

}  // namespace pointsman
