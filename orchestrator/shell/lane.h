#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace pointsman {

// A worker with bounded queues: what goes down one lane is done one after the other. What it is
// given must have deadlines of its own.
class Lane {
 public:
  explicit Lane(std::string name);
  ~Lane();  // Finishes the job at hand, drops the rest.
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The same at once; give() refuses from here on. Again is harmless.
  void end();

  // In the order given. False when too many wait: the job will not run.
  template <typename Job>
  bool give(Job job) {
    return push(kInTurn, std::packaged_task<void()>(std::move(job)));
  }
  // The same, before those of give(); but after two of them one of give() that waits has its turn,
  // so that what comes soon again and again starves nobody.
  template <typename Job>
  bool give_soon(Job job) {
    return push(kSoon, std::packaged_task<void()>(std::move(job)));
  }
  // The same, before all others; the job at hand is finished first.
  template <typename Job>
  bool give_first(Job job) {
    return push(kFirst, std::packaged_task<void()>(std::move(job)));
  }

 private:
  using Task = std::packaged_task<void()>;
  enum Rank { kFirst, kSoon, kInTurn };

  bool push(Rank rank, Task task);
  // nullopt: the lane has ended.
  std::optional<Task> pop();

  const std::string name_;
  std::mutex mutex_;  // Whoever gives and the worker meet in the queues alone.
  std::condition_variable ready_;
  std::array<std::deque<Task>, 3> waiting_;
  int soon_in_a_row_ = 0;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace pointsman
