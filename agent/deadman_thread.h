#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/deadman.h"
#include "agent/service_runner.h"
#include "base/clock.h"

// The one thread that owns the dead-man switch: it carries each lease into the kernel set at once,
// closes it with the lease, and looks after the table.

namespace pointsman {

class DeadmanThread {
 public:
  struct Guarded {
    ServiceRunner* runner;  // Outlives this.
    DeadmanPorts ports;
  };

  DeadmanThread(std::unique_ptr<Deadman> deadman, std::vector<Guarded> services,
                const Clock& clock);
  ~DeadmanThread();
  DeadmanThread(const DeadmanThread&) = delete;
  DeadmanThread& operator=(const DeadmanThread&) = delete;

  void start();
  void stop();
  void wake();

  Instant last_turn() const { return Instant{last_turn_ns_.load()}; }

 private:
  struct Entry {
    Guarded guarded;
    DeadmanMode mode = DeadmanMode::kUntouched;  // As set in the kernel by us, or found there.
    Instant renewed{0};                          // Until when the kernel lets pass.
    Instant looked_at{0};
    DeadmanState state;
    std::string said;
  };

  void run();
  void turn(Entry& entry, Instant now);
  Result<void> follow_goal(Entry& entry, const DeadmanGoal& goal, Instant now);
  Result<void> find(Entry& entry);
  Result<void> renew(Entry& entry, DeadmanGoal goal, Instant now);
  Result<void> close(Entry& entry);
  Result<void> set_up();
  void look(Entry& entry, const DeadmanGoal& goal, Instant now);
  void say(Entry& entry, const std::string& trouble);

  const std::unique_ptr<Deadman> deadman_;
  const Clock& clock_;
  std::vector<Entry> entries_;
  bool set_up_ = false;

  std::mutex mutex_;  // Of what wakes the thread.
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::atomic<std::int64_t> last_turn_ns_{0};
  std::thread thread_;
};

}  // namespace pointsman
