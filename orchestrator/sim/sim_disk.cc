#include "orchestrator/sim/sim_disk.h"

#include "orchestrator/sim/world.h"

namespace pointsman {

SimMonitor::SaverTwin::~SaverTwin() {
  // The process has died: the batch at hand may have become durable or not.
  if (busy_ && !queue_.empty() && !monitor_.disk_fails && world_.dice.chance(500)) {
    write(queue_.front());
  }
}

std::uint64_t SimMonitor::SaverTwin::save(SaveBatch batch) {
  ++last_;
  if (monitor_.dry) return done_ = last_;
  if (world_.crash_point(kMonitorEnd)) return last_;
  queue_.push_back(std::move(batch));
  begin();
  return last_;
}

void SimMonitor::SaverTwin::begin() {
  if (busy_ || queue_.empty()) return;
  busy_ = true;
  Duration takes = world_.dice.between(500us, 12ms);
  if (monitor_.disk_slow > Duration::zero()) takes += world_.dice.between(0s, monitor_.disk_slow);
  world_.on_host(kMonitorEnd, world_.line.now() + takes, [this] { finish(); });
}

void SimMonitor::SaverTwin::finish() {
  if (monitor_.disk_fails) {
    problem_ = "no space left";
    world_.on_host(kMonitorEnd, world_.line.now() + 500ms, [this] { finish(); });
    return;
  }
  problem_.clear();
  write(queue_.front());
  queue_.pop_front();
  busy_ = false;
  if (world_.crash_point(kMonitorEnd)) return;
  ++done_;
  begin();
  monitor_.turn(std::nullopt);
}

void SimMonitor::SaverTwin::write(const SaveBatch& batch) {
  for (const auto& [service, text] : batch.states) {
    monitor_.disk.states[service] = text;
    world_.oracles.on_durable(world_.index_of(service), text);
  }
  if (batch.counter) monitor_.disk.counter = *batch.counter;
}

}  // namespace pointsman
