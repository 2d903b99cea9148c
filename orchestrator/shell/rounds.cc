#include "orchestrator/shell/rounds.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace pointsman {
namespace {

constexpr Duration kRestMost = 1s;  // However far the next turn: the clock may jump.

}  // namespace

Duration jittered(Duration usual, std::uint64_t chance) {
  return usual + usual / 4 * static_cast<std::int64_t>(chance % 1024) / 1024;
}

void Rounds::add(Work work) { pieces_.push_back({std::move(work)}); }

void Rounds::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "rounds");
    run();
  });
}

void Rounds::hasten() {
  const std::lock_guard lock(mutex_);
  hastened_ = true;
  wake_.notify_all();
}

void Rounds::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Rounds::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const bool all = std::exchange(hastened_, false);
    for (Piece& piece : pieces_) {
      if (ending_ || (!all && clock_.now() < piece.next)) continue;
      lock.unlock();
      piece.next = piece.work(clock_.now());
      lock.lock();
    }
    Duration rest = kRestMost;
    for (const Piece& piece : pieces_) rest = std::min(rest, piece.next - clock_.now());
    wake_.wait_for(lock, std::max<Duration>(rest, 1ms), [&] { return ending_ || hastened_; });
  }
}

}  // namespace pointsman
