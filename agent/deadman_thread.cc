#include "agent/deadman_thread.h"

#include <algorithm>
#include <utility>

namespace pointsman {

DeadmanThread::DeadmanThread(DeadmanKeeper keeper, const Clock& clock)
    : keeper_(std::move(keeper)), clock_(clock) {}

DeadmanThread::~DeadmanThread() { stop(); }

void DeadmanThread::start() {
  thread_ = std::thread([this] { run(); });
}

void DeadmanThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DeadmanThread::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void DeadmanThread::run() {
  for (;;) {
    last_turn_ns_ = clock_.now().ns;
    const Instant next = keeper_.turn();
    std::unique_lock lock(mutex_);
    const Duration pause = std::max<Duration>(next - clock_.now(), 1ms);
    wake_.wait_for(lock, pause, [&] { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

}  // namespace pointsman
