#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "probes/engine.h"

// Small sites on loopback, and an engine's observations gathered for tests.

namespace pointsman {

// Real time plus a shift, so that a test can suspend the host.
class ShiftClock final : public Clock {
 public:
  Instant now() const override { return {read(CLOCK_BOOTTIME) + shift_.load()}; }
  WallTime wall() const override { return {read(CLOCK_REALTIME)}; }
  void jump(Duration by) { shift_ += by.count(); }

 private:
  static std::int64_t read(clockid_t id) {
    timespec t{};
    clock_gettime(id, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
  std::atomic<std::int64_t> shift_{0};
};

// Accepts, and gives each connection to `serve` on a thread of its own, closing it afterwards.
class Site {
 public:
  using Serve = std::function<void(int fd)>;

  explicit Site(Serve serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    bind(listener_, reinterpret_cast<sockaddr*>(&at), length);
    listen(listener_, 128);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &length);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~Site() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (auto& server : servers_) server.join();
  }

  int port() const { return port_; }
  int accepted() const { return accepted_; }
  std::string url(const std::string& path = "/health") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      ++accepted_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      servers_.emplace_back([this, fd] {
        serve_(fd);
        const std::lock_guard done(mutex_);
        std::erase(open_, fd);
        close(fd);
      });
    }
  }

  const Serve serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> servers_;
  std::thread acceptor_;
};

inline void say(int fd, const std::string& text) {
  [[maybe_unused]] const auto sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// One request's head; "" when the peer has gone.
inline std::string hear(int fd) {
  std::string head;
  char byte = 0;
  while (head.find("\r\n\r\n") == std::string::npos && recv(fd, &byte, 1, 0) == 1) head += byte;
  return head;
}

inline void wait_for_end(int fd) {
  char bytes[512];
  while (recv(fd, bytes, sizeof bytes, 0) > 0) {
  }
}

inline Site::Serve answering(std::string status, std::string body) {
  return [status = std::move(status), body = std::move(body)](int fd) {
    while (!hear(fd).empty()) {
      say(fd, "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\n\r\n" + body);
    }
  };
}

inline ProbeSpec http_spec(const std::string& url) {
  ProbeSpec spec;
  spec.name = "app/site-a/0";
  spec.url = url;
  spec.interval = 50ms;
  spec.timeout = 400ms;
  spec.suspect_interval = 50ms;
  return spec;
}

// What an engine's sink was told.
class Notes {
 public:
  ProbeEngine::Sink sink() {
    return [this](EngineEvent event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      told_.notify_all();
    };
  }

  // False when `enough` did not come true within ten seconds.
  bool until(const std::function<bool(const std::vector<EngineEvent>&)>& enough) {
    std::unique_lock lock(mutex_);
    return told_.wait_for(lock, std::chrono::seconds(10), [&] { return enough(events_); });
  }

  bool until_count(Outcome outcome, std::size_t count) {
    return until([outcome, count](const auto& events) { return number(events, outcome) >= count; });
  }

  std::vector<EngineEvent> all() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

  static std::size_t number(const std::vector<EngineEvent>& events, Outcome outcome) {
    std::size_t found = 0;
    for (const auto& event : events) {
      const bool observed = event.kind == EngineEvent::Kind::kObservation;
      found += observed && event.observation.outcome == outcome ? 1 : 0;
    }
    return found;
  }
  std::size_t number(Outcome outcome) { return number(all(), outcome); }

  std::string last_detail() {
    const std::lock_guard lock(mutex_);
    return events_.empty() ? "" : events_.back().observation.detail;
  }

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  std::vector<EngineEvent> events_;
};

}  // namespace pointsman
