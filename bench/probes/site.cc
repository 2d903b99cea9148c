#include "bench/probes/site.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace pointsman::bench {
namespace {

constexpr std::size_t kTargetsMost = 65'536;

std::int64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

int bound_socket(const char* address, int type, int& port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  inet_pton(AF_INET, address, &at.sin_addr);
  socklen_t length = sizeof at;
  CHECK(fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&at), length) == 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length);
  port = ntohs(at.sin_port);
  return fd;
}

}  // namespace

std::string address_of(int index, bool black_holed) {
  return std::string(black_holed ? "127.2." : "127.1.") + std::to_string(index / 256) + "." +
         std::to_string(index % 256);
}

AllTargets::AllTargets() : connected_us_(kTargetsMost) {
  listener_ = bound_socket("0.0.0.0", SOCK_STREAM | SOCK_NONBLOCK, port_);
  CHECK(listen(listener_, 4096) == 0);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{EPOLLIN, {.fd = listener_}};
  CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listener_, &event) == 0);
  thread_ = std::thread([this] { serve(); });
}

AllTargets::~AllTargets() {
  stopping_ = true;
  thread_.join();
  close(listener_);
  close(epoll_fd_);
}

void AllTargets::serve() {
  // A site is another host: it does not take the processor from the prober in the midst of a
  // connect. As a batch thread it never does, for any of the probers.
  const sched_param none{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
  std::array<epoll_event, 512> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_fd_, events.data(), events.size(), 100);
    for (int i = 0; i < count; ++i) {
      events[i].data.fd == listener_ ? accept_all() : answer(events[i].data.fd);
    }
  }
}

void AllTargets::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::int64_t at = now_us();
    sockaddr_in here{};
    socklen_t length = sizeof here;
    getsockname(fd, reinterpret_cast<sockaddr*>(&here), &length);
    const std::uint32_t address = ntohl(here.sin_addr.s_addr);
    {
      const std::lock_guard lock(mutex_);
      connected_us_[address & 0xffff].push_back(at);
    }
    epoll_event event{EPOLLIN, {.fd = fd}};
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  }
}

void AllTargets::answer(int fd) {
  static constexpr char kAnswer[] =
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  char request[4096];
  // Every client here sends its request in one piece.
  if (recv(fd, request, sizeof request, 0) > 0) {
    [[maybe_unused]] const auto sent = send(fd, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL);
    ++answered_;
  }
  close(fd);
}

void AllTargets::note_from_now() {
  const std::lock_guard lock(mutex_);
  for (auto& times : connected_us_) times.clear();
}

AllTargets::Gaps AllTargets::gaps(double interval_us) {
  std::vector<double> off;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& times : connected_us_) {
      for (std::size_t i = 1; i < times.size(); ++i) {
        off.push_back(std::abs(static_cast<double>(times[i] - times[i - 1]) - interval_us));
      }
    }
  }
  if (off.empty()) return {};
  std::sort(off.begin(), off.end());
  return {off[off.size() / 2], off[(off.size() - 1) * 99 / 100], off.size()};
}

BlackHole::BlackHole() {
  const int listener = bound_socket("0.0.0.0", SOCK_STREAM, port_);
  CHECK(listen(listener, 0) == 0);
  fds_.push_back(listener);
  // A backlog of 0 holds one or two connections; from then on every SYN is dropped.
  for (int i = 0; i < 4; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port_));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    [[maybe_unused]] const int begun = connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
    fds_.push_back(fd);
  }
}

BlackHole::~BlackHole() {
  for (const int fd : fds_) close(fd);
}

}  // namespace pointsman::bench
