#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/deadman.h"
#include "agent/service_runner.h"
#include "base/clock.h"

// Looks after the dead-man switch: carries each lease into the kernel set at once, closes it with
// the lease, and mends the table. One caller at a time.

namespace pointsman {

class DeadmanKeeper {
 public:
  struct Guarded {
    ServiceRunner* runner;  // Outlives this.
    DeadmanPorts ports;
  };

  DeadmanKeeper(std::unique_ptr<Deadman> deadman, std::vector<Guarded> services,
                const Clock& clock);

  // Makes the kernel what the runners say. Returns when to come again, if nothing happens before.
  Instant turn();

 private:
  struct Entry {
    Guarded guarded;
    DeadmanMode mode = DeadmanMode::kUntouched;  // As set in the kernel by us, or found there.
    Instant renewed{0};                          // Until when the kernel lets pass.
    Instant looked_at{0};
    DeadmanState state;
    std::string said;
  };

  void turn(Entry& entry, Instant now);
  Result<void> follow_goal(Entry& entry, const DeadmanGoal& goal, Instant now);
  Result<void> find(Entry& entry);
  Result<void> renew(Entry& entry, DeadmanGoal goal, Instant now);
  Result<void> close(Entry& entry);
  Result<void> set_up();
  void look(Entry& entry, const DeadmanGoal& goal, Instant now);
  void say(Entry& entry, const std::string& trouble);

  std::unique_ptr<Deadman> deadman_;
  const Clock& clock_;
  std::vector<Entry> entries_;
  bool set_up_ = false;
};

}  // namespace pointsman
