#include "agent/drivers/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/clock.h"

namespace pointsman {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Result<Address> to_address(const Endpoint& endpoint) {
  Address address;
  if (!endpoint.unix_path.empty()) {
    auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (endpoint.unix_path.size() >= sizeof(un->sun_path)) {
      return {ErrorCode::kInvalid, endpoint.unix_path + ": path too long for a Unix socket"};
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, endpoint.unix_path.c_str(), endpoint.unix_path.size() + 1);
    address.length = sizeof(sockaddr_un);
    return address;
  }
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (inet_pton(AF_INET, endpoint.address.c_str(), &in->sin_addr) == 1) {
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<std::uint16_t>(endpoint.port));
    address.length = sizeof(sockaddr_in);
    return address;
  }
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET6, endpoint.address.c_str(), &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(static_cast<std::uint16_t>(endpoint.port));
    address.length = sizeof(sockaddr_in6);
    return address;
  }
  return {ErrorCode::kInvalid, endpoint.address + ": no numeric address"};
}

// Whether a living process still has a socket bound to this path: its file may have been removed.
bool bound_in_kernel(const std::string& path) {
  std::ifstream table("/proc/net/unix");
  std::string line;
  const std::string ending = " " + path;
  while (std::getline(table, line)) {
    if (line.ends_with(ending)) return true;
  }
  return false;
}

Error connect_error(const Endpoint& endpoint, int code) {
  const std::string what = fmt::format("connect to {}: {}", endpoint.text(), std::strerror(code));
  switch (code) {
    case ECONNREFUSED: return {ErrorCode::kNotFound, what};
    case ENOENT:
      if (bound_in_kernel(endpoint.unix_path)) {
        return {ErrorCode::kUnavailable, what + ", though a process is still bound to it"};
      }
      return {ErrorCode::kNotFound, what};
    case EAGAIN:
    case ETIMEDOUT: return {ErrorCode::kTimeout, what};
    default: return {ErrorCode::kUnavailable, what};
  }
}

}  // namespace

std::string Endpoint::text() const {
  if (!unix_path.empty()) return unix_path;
  const bool v6 = address.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

Result<HostPort> parse_host_port(const std::string& text) {
  const auto parsed = host_port_from(text);
  const bool good =
      parsed && parsed->port > 0 && (is_ip(parsed->host) || is_host_name(parsed->host));
  if (!good) return {ErrorCode::kInvalid, "\"" + text + "\": expected host:port"};
  return *parsed;
}

Result<Endpoint> parse_endpoint(const std::string& text) {
  Endpoint endpoint;
  if (text.starts_with("unix:")) return parse_endpoint(text.substr(5));
  if (text.starts_with("/")) {
    endpoint.unix_path = text;
    return endpoint;
  }
  auto parsed = parse_host_port(text);
  if (!parsed) return parsed.error();
  endpoint.address = parsed->host == "localhost" ? "127.0.0.1" : parsed->host;
  endpoint.port = parsed->port;
  if (auto address = to_address(endpoint); !address) {
    return {ErrorCode::kInvalid, "\"" + text + "\": a store is reached by numeric address"};
  }
  return endpoint;
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Socket::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int Socket::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

Result<Socket> connect_to(const Endpoint& endpoint, Instant deadline) {
  auto address = to_address(endpoint);
  if (!address) return address.error();
  const int family = address->storage.ss_family;
  Socket socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) {
    return {ErrorCode::kInternal,
            fmt::format("socket for {}: {}", endpoint.text(), std::strerror(errno))};
  }
  if (::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address->storage), address->length) ==
      0) {
    return socket;
  }
  if (errno != EINPROGRESS) return connect_error(endpoint, errno);
  pollfd wait{socket.fd(), POLLOUT, 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, poll_ms(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return connect_error(endpoint, ETIMEDOUT);
  int code = 0;
  socklen_t length = sizeof(code);
  if (ready < 0 || ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &code, &length) != 0) {
    code = errno;
  }
  if (code != 0) return connect_error(endpoint, code);
  return socket;
}

int poll_ms(Instant deadline) {
  const Duration left = deadline - system_clock().now();
  if (left <= Duration::zero()) return 0;
  return static_cast<int>(std::min<std::int64_t>((left.count() + 999'999) / 1'000'000, 60'000));
}

bool passed(Instant deadline) { return system_clock().now() >= deadline; }

}  // namespace pointsman
