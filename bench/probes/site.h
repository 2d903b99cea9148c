#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pointsman::bench {

// The i-th target is 127.1.x.y; black-holed ones are 127.2.x.y.
std::string address_of(int index, bool black_holed = false);

// One socket for all targets: answers every request with 204 on a thread of its own, and notes when
// each target was connected to.
class AllTargets {
 public:
  AllTargets();
  ~AllTargets();

  int port() const { return port_; }
  std::uint64_t answered() const { return answered_; }

  // Forgets what was noted, and notes from now on.
  void note_from_now();

  struct Gaps {
    double p50_us = 0;
    double p99_us = 0;
    std::uint64_t count = 0;
  };
  // How far the time between two connections to one target was from `interval_us`.
  Gaps gaps(double interval_us);

 private:
  void serve();
  void accept_all();
  void answer(int fd);

  int listener_ = -1;
  int epoll_fd_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::mutex mutex_;
  std::vector<std::vector<std::int64_t>> connected_us_;  // By target.
  std::thread thread_;
};

// A port at which nothing is ever accepted and the queue is full: the kernel drops what comes.
class BlackHole {
 public:
  BlackHole();
  ~BlackHole();
  int port() const { return port_; }

 private:
  int port_ = 0;
  std::vector<int> fds_;
};

}  // namespace pointsman::bench
