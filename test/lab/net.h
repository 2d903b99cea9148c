#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the laboratory's app and clients share: options, one clock, sockets with deadlines, and an
// event log. They measure pointsman and thus use none of its code.

namespace pointsman::lab {

// CLOCK_MONOTONIC: one clock for all namespaces of this host, and for Python's time.monotonic_ns().
std::int64_t monotonic_ns();
inline constexpr std::int64_t kMs = 1'000'000;

// "--name value" pairs; ends the program with a sentence on anything else.
class Options {
 public:
  Options(int argc, char** argv, int first);
  std::string text(const std::string& name) const;  // Ends the program when absent.
  std::string text_or(const std::string& name, std::string fallback) const;
  int number_or(const std::string& name, int fallback) const;

 private:
  std::map<std::string, std::string> values_;
};

struct HostPort {
  std::string host;
  int port = 0;
};
HostPort host_port(std::string_view text);

// A socket that closes itself.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

// All of these give up at `deadline_ns` of monotonic_ns(); numeric IPv4 addresses only.
Socket connect_tcp(const HostPort& to, std::int64_t deadline_ns);
bool send_all(const Socket& socket, std::string_view data, std::int64_t deadline_ns);
// Appends what comes next to `into`; false at end of stream, failure or deadline.
bool receive_some(const Socket& socket, std::string& into, std::int64_t deadline_ns);
Socket listen_tcp(const HostPort& at);

struct Post {
  HostPort to;
  std::string host;  // In the Host header.
  std::string path;
  std::string body;
};

// One POST on a connection of its own; the status of the answer, or nullopt and `why`.
std::optional<int> http_post(const Post& post, std::int64_t deadline_ns, std::string& why);

// Asks `server` for the A records of `name`, without recursion. nullopt when no sound answer came.
std::optional<std::vector<std::string>> ask_a(const HostPort& server, const std::string& name,
                                              std::int64_t deadline_ns);

// A line per event, written at once so that nothing is lost when the program is killed.
class EventLog {
 public:
  explicit EventLog(const std::string& path);
  void line(const std::string& text);

 private:
  std::mutex mutex_;  // Many writers' threads share the file.
  std::ofstream out_;
};

}  // namespace pointsman::lab
