#pragma once

#include <string>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

// Where a store listens, and connecting to it within a deadline.

namespace pointsman {

// A Unix socket, or a numeric address and port. Names are refused, "localhost" excepted: asking a
// resolver that the fault has taken away would hold up a fence for seconds.
struct Endpoint {
  std::string unix_path;
  std::string address;
  int port = 0;

  std::string text() const;  // "/run/mysqld/mysqld.sock", "127.0.0.1:6379", "[::1]:6379".
};

// "127.0.0.1:6379", "[::1]:6379", "localhost:6379", "/path", "unix:/path".
Result<Endpoint> parse_endpoint(const std::string& text);

// Where a peer advertises a store, "host:port"; the host may be a name. kInvalid says how.
Result<HostPort> parse_host_port(const std::string& text);

// A descriptor that closes itself.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { reset(); }

  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void reset();
  int release();

 private:
  int fd_ = -1;
};

// A connected, non-blocking, close-on-exec stream. kNotFound: confirmed, nobody listens there (the
// port refuses; or the path is gone and no socket is bound to it). kTimeout: no answer by
// `deadline`, or the queue of connections is full. kUnavailable: anything else.
Result<Socket> connect_to(const Endpoint& endpoint, Instant deadline);

// Milliseconds for poll(): rounded up, 0 when `deadline` has passed, at most a minute.
int poll_ms(Instant deadline);
bool passed(Instant deadline);

}  // namespace pointsman
