#pragma once

#include <future>
#include <string>
#include <thread>

#include "base/queue.h"

namespace pointsman {

// A worker with a bounded queue: what goes down one lane is done one after the other. What it is
// given must have deadlines of its own.
class Lane {
 public:
  explicit Lane(std::string name);
  ~Lane();  // Finishes the job at hand, drops the rest.
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The same at once; give() refuses from here on. Again is harmless.
  void end();

  // False when the queue is full: the job will not run.
  template <typename Job>
  bool give(Job job) {
    return jobs_.push(std::packaged_task<void()>(std::move(job)));
  }
  // The same, before all that was given otherwise and waits; the job at hand is finished first.
  template <typename Job>
  bool give_first(Job job) {
    return jobs_.push_first(std::packaged_task<void()>(std::move(job)));
  }

 private:
  std::string name_;
  Queue<std::packaged_task<void()>> jobs_;
  std::thread thread_;
};

}  // namespace pointsman
