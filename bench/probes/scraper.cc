#include "bench/probes/scraper.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "base/check.h"

namespace pointsman::bench {
namespace {

constexpr std::size_t kLines = 128;

std::int64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

// A whole answer: by length, or ended by the empty chunk.
bool whole(const std::string& heard) {
  const auto head = heard.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const auto length = heard.find("Content-Length: ");
  if (length < head) return heard.size() >= head + 4 + std::stoul(heard.substr(length + 16, 12));
  return heard.ends_with("\r\n0\r\n\r\n");
}

}  // namespace

Scraper::Scraper(int port, std::vector<std::string> places)
    : port_(port), places_(std::move(places)), lines_(kLines) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_fd_ >= 0);
  thread_ = std::thread([this] { run(); });
}

Scraper::~Scraper() {
  stopping_ = true;
  thread_.join();
  for (const Line& line : lines_) {
    if (line.fd >= 0) close(line.fd);
  }
  close(epoll_fd_);
}

std::string Scraper::account() const {
  return std::to_string(passed_) + " passed, " + std::to_string(failed_) + " failed, " +
         std::to_string(missed_) + " not asked in time";
}

void Scraper::connect_line(Line& line) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port_));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int tries = 0; tries < 200 && !stopping_; ++tries) {
    line.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(line.fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) break;
    close(line.fd);
    line.fd = -1;
    usleep(20'000);  // The exporter is still starting.
  }
  if (line.fd < 0) return;
  fcntl(line.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{EPOLLIN, {.u64 = static_cast<std::uint64_t>(&line - lines_.data())}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, line.fd, &event);
  free_.push_back(static_cast<std::size_t>(&line - lines_.data()));
}

void Scraper::run() {
  for (Line& line : lines_) connect_line(line);
  began_us_ = now_us();
  std::array<epoll_event, 128> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_fd_, events.data(), events.size(), 5);
    for (int i = 0; i < count; ++i) hear(lines_[events[i].data.u64]);
    ask_due();
  }
}

void Scraper::ask_due() {
  // Evenly over the second; what found no free connection in time is left out and counted.
  const auto rate = static_cast<std::int64_t>(places_.size());
  const auto due = static_cast<std::uint64_t>((now_us() - began_us_) * rate / 1'000'000);
  while (asked_ < due) {
    const std::string& place = places_[asked_ % places_.size()];
    ++asked_;
    if (free_.empty()) {
      ++missed_;
      continue;
    }
    Line& line = lines_[free_.back()];
    free_.pop_back();
    ask(line, place);
  }
}

bool Scraper::ask(Line& line, const std::string& place) {
  const std::string request = "GET /probe?module=http&target=http://" + place +
                              "/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  line.busy = true;
  line.heard.clear();
  return send(line.fd, request.data(), request.size(), MSG_NOSIGNAL) > 0;
}

void Scraper::hear(Line& line) {
  char bytes[16384];
  const auto got = recv(line.fd, bytes, sizeof bytes, 0);
  if (got == 0) {
    close(line.fd);
    connect_line(line);
    return;
  }
  if (got < 0 || !line.busy) return;
  line.heard.append(bytes, static_cast<std::size_t>(got));
  if (!whole(line.heard)) return;
  ++(line.heard.find("\nprobe_success 1") != std::string::npos ? passed_ : failed_);
  line.busy = false;
  free_.push_back(static_cast<std::size_t>(&line - lines_.data()));
}

}  // namespace pointsman::bench
