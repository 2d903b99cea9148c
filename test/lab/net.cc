#include "test/lab/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace pointsman::lab {

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

namespace {

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(2);
}

sockaddr_in ipv4(const HostPort& at) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(at.port));
  if (inet_pton(AF_INET, at.host.c_str(), &address.sin_addr) != 1) {
    usage("not an IPv4 address: " + at.host);
  }
  return address;
}

// Waits until `fd` is ready for `events`; false at the deadline.
bool wait_for(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) return false;
    pollfd one{fd, events, 0};
    int ready = ::poll(&one, 1, static_cast<int>((left + kMs - 1) / kMs));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

Options::Options(int argc, char** argv, int first) {
  for (int i = first; i < argc; i += 2) {
    std::string name = argv[i];
    if (name.rfind("--", 0) != 0 || i + 1 >= argc) usage("expected --name value, found " + name);
    values_[name.substr(2)] = argv[i + 1];
  }
}

std::string Options::text(const std::string& name) const {
  auto found = values_.find(name);
  if (found == values_.end()) usage("--" + name + " is missing");
  return found->second;
}

std::string Options::text_or(const std::string& name, std::string fallback) const {
  auto found = values_.find(name);
  return found == values_.end() ? std::move(fallback) : found->second;
}

int Options::number_or(const std::string& name, int fallback) const {
  auto found = values_.find(name);
  return found == values_.end() ? fallback : std::atoi(found->second.c_str());
}

HostPort host_port(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) usage("expected host:port, found " + std::string(text));
  return {std::string(text.substr(0, colon)),
          std::atoi(std::string(text.substr(colon + 1)).c_str())};
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

Socket connect_tcp(const HostPort& to, std::int64_t deadline_ns) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.ok()) return Socket();
  sockaddr_in address = ipv4(to);
  if (::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  if (errno != EINPROGRESS || !wait_for(socket.fd(), POLLOUT, deadline_ns)) return Socket();
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Socket();
  return socket;
}

bool send_all(const Socket& socket, std::string_view data, std::int64_t deadline_ns) {
  while (!data.empty()) {
    ssize_t sent = ::send(socket.fd(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(socket.fd(), POLLOUT, deadline_ns)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool receive_some(const Socket& socket, std::string& into, std::int64_t deadline_ns) {
  char buffer[4096];
  for (;;) {
    if (!wait_for(socket.fd(), POLLIN, deadline_ns)) return false;
    ssize_t got = ::recv(socket.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      into.append(buffer, static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) return false;
  }
}

Socket listen_tcp(const HostPort& at) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int on = 1;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = ipv4(at);
  if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.fd(), 256) != 0) {
    usage("cannot listen on " + at.host + ":" + std::to_string(at.port) + ": " +
          std::strerror(errno));
  }
  return socket;
}

std::optional<int> http_post(const Post& post, std::int64_t deadline_ns, std::string& why) {
  Socket socket = connect_tcp(post.to, deadline_ns);
  if (!socket.ok()) {
    why = "no-connection";
    return std::nullopt;
  }
  std::string request =
      "POST " + post.path + " HTTP/1.1\r\nHost: " + post.host +
      "\r\nConnection: close\r\nContent-Length: " + std::to_string(post.body.size()) + "\r\n\r\n" +
      post.body;
  std::string answer;
  if (!send_all(socket, request, deadline_ns)) {
    why = "not-sent";
    return std::nullopt;
  }
  while (answer.find("\r\n") == std::string::npos && answer.size() < 4096) {
    if (!receive_some(socket, answer, deadline_ns)) {
      why = "no-answer";
      return std::nullopt;
    }
  }
  if (answer.size() < 12 || answer.rfind("HTTP/1.", 0) != 0) {
    why = "bad-answer";
    return std::nullopt;
  }
  return std::atoi(answer.c_str() + 9);
}

namespace {

std::string a_query(std::uint16_t id, const std::string& name) {
  std::string message;
  auto u16 = [&message](unsigned value) {
    message.push_back(static_cast<char>(value >> 8));
    message.push_back(static_cast<char>(value & 0xff));
  };
  for (unsigned field : {unsigned{id}, 0u, 1u, 0u, 0u, 0u}) u16(field);
  for (std::size_t at = 0; at < name.size();) {
    std::size_t dot = std::min(name.find('.', at), name.size());
    message.push_back(static_cast<char>(dot - at));
    message.append(name, at, dot - at);
    at = dot + 1;
  }
  message.push_back('\0');
  u16(1);
  u16(1);
  return message;
}

unsigned u16_at(const std::string& message, std::size_t at) {
  if (at + 2 > message.size()) return 0;
  return static_cast<unsigned>(static_cast<unsigned char>(message[at])) << 8 |
         static_cast<unsigned char>(message[at + 1]);
}

std::size_t after_name(const std::string& message, std::size_t at) {
  while (at < message.size() && message[at] != '\0') {
    auto length = static_cast<unsigned char>(message[at]);
    if (length >= 0xc0) return at + 2;
    at += 1u + length;
  }
  return at + 1;
}

std::vector<std::string> a_records(const std::string& message, std::size_t question_end) {
  std::vector<std::string> addresses;
  std::size_t at = question_end;
  for (unsigned left = u16_at(message, 6); left > 0; --left) {
    at = after_name(message, at);
    unsigned type = u16_at(message, at);
    unsigned length = u16_at(message, at + 8);
    at += 10;
    if (at + length > message.size()) break;
    if (type == 1 && length == 4) {
      char text[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, message.data() + at, text, sizeof text);
      addresses.emplace_back(text);
    }
    at += length;
  }
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

}  // namespace

std::optional<std::vector<std::string>> ask_a(const HostPort& server, const std::string& name,
                                              std::int64_t deadline_ns) {
  static thread_local std::mt19937 random{std::random_device{}()};
  auto id = static_cast<std::uint16_t>(random());
  std::string query = a_query(id, name);
  Socket socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = ipv4(server);
  if (!socket.ok() ||
      ::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      !send_all(socket, query, deadline_ns)) {
    return std::nullopt;
  }
  std::string answer;
  if (!receive_some(socket, answer, deadline_ns)) return std::nullopt;
  bool sound = answer.size() >= query.size() && u16_at(answer, 0) == id &&
               (u16_at(answer, 2) & 0x8000) != 0 && (u16_at(answer, 2) & 0xf) == 0;
  if (!sound) return std::nullopt;
  return a_records(answer, query.size());
}

EventLog::EventLog(const std::string& path) : out_(path, std::ios::app) {
  if (!out_) usage("cannot write " + path);
}

void EventLog::line(const std::string& text) {
  std::lock_guard hold(mutex_);
  out_ << text << '\n' << std::flush;
}

}  // namespace pointsman::lab
