#include "orchestrator/shell/lane.h"

#include <pthread.h>

#include <algorithm>

namespace pointsman {
namespace {

constexpr std::size_t kWaitingMost = 64;  // Of each rank.
constexpr int kSoonInARowMost = 2;

}  // namespace

Lane::Lane(std::string name) : name_(std::move(name)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    while (auto task = pop()) (*task)();
  });
}

Lane::~Lane() { end(); }

void Lane::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Lane::push(Rank rank, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || waiting_[rank].size() >= kWaitingMost) return false;
    waiting_[rank].push_back(std::move(task));
  }
  ready_.notify_one();
  return true;
}

std::optional<Lane::Task> Lane::pop() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] {
    return ended_ || std::any_of(waiting_.begin(), waiting_.end(),
                                 [](const auto& tasks) { return !tasks.empty(); });
  });
  if (ended_) return std::nullopt;
  const bool turn = soon_in_a_row_ >= kSoonInARowMost && !waiting_[kInTurn].empty();
  const Rank rank = !waiting_[kFirst].empty()           ? kFirst
                    : !waiting_[kSoon].empty() && !turn ? kSoon
                    : !waiting_[kInTurn].empty()        ? kInTurn
                                                        : kSoon;
  if (rank == kSoon) ++soon_in_a_row_;
  if (rank == kInTurn) soon_in_a_row_ = 0;
  std::optional<Task> task(std::move(waiting_[rank].front()));
  waiting_[rank].pop_front();
  return task;
}

}  // namespace pointsman
