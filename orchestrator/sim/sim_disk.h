#pragma once

#include <deque>

#include "orchestrator/sim/sim_monitor.h"

namespace pointsman {

// The monitor's disk: slow, full, and cut off by a crash at any moment. A batch becomes durable
// whole or not at all, as SQLite has it; one under way at a crash may be either.
class SimMonitor::SaverTwin final : public Saving {
 public:
  SaverTwin(World& world, SimMonitor& monitor) : world_(world), monitor_(monitor) {}
  ~SaverTwin() override;

  std::uint64_t save(SaveBatch batch) override;
  std::uint64_t done() const override { return done_; }
  std::string problem() const override { return problem_; }

 private:
  void begin();
  void finish();
  void write(const SaveBatch& batch);

  World& world_;
  SimMonitor& monitor_;
  std::deque<SaveBatch> queue_;
  std::uint64_t last_ = 0;
  std::uint64_t done_ = 0;
  bool busy_ = false;
  std::string problem_;
};

}  // namespace pointsman
