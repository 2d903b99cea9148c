#pragma once

#include <string>

#include "base/result.h"

// Listening sockets and who stands behind an accepted one.

namespace pointsman {

// A bound, listening, non-blocking socket; closes itself, and removes its path when it has one.
class ListenSocket {
 public:
  ListenSocket() = default;
  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&& other) noexcept;
  ~ListenSocket();

  // `address` as HttpServerOptions::listen. kInvalid when it is none, kUnavailable when it cannot
  // be had: taken, or not of this host. A socket file that nobody listens on is replaced.
  static Result<ListenSocket> open(const std::string& address, int unix_mode);

  int fd() const { return fd_; }
  int port() const { return port_; }
  bool is_unix() const { return !path_.empty(); }

 private:
  static Result<ListenSocket> open_unix(const std::string& path, int mode);
  static Result<ListenSocket> open_tcp(const std::string& address);

  int fd_ = -1;
  int port_ = 0;
  std::string path_;
};

struct Caller {
  std::string address;  // "192.0.2.1", "2001:db8::1", or "unix".
  std::string source;   // What is counted together: the address, of IPv6 the /64, or the process.
};

// Who called on the accepted socket `fd`; also sets the socket's options.
Caller caller_of(int fd);

}  // namespace pointsman
