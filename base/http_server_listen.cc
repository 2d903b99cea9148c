#include "base/http_server_listen.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pointsman {
namespace {

constexpr int kBacklog = 128;

Error cannot_listen(const std::string& address, int number) {
  return {ErrorCode::kUnavailable,
          fmt::format("listening on {}: {}", address, std::strerror(number))};
}

// A daemon that was killed leaves its socket file behind; one that lives answers on it.
bool is_stale(const sockaddr_un& address) {
  struct stat status {};
  if (lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool refused =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(fd);
  return refused;
}

// "127.0.0.1:80", "[::1]:80": host and port, both empty when it is neither.
std::pair<std::string, std::string> split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return {};
  std::string host = address.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return {};
  }
  return {host, address.substr(colon + 1)};
}

}  // namespace

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      port_(other.port_),
      path_(std::exchange(other.path_, {})) {}

ListenSocket& ListenSocket::operator=(ListenSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(port_, other.port_);
  std::swap(path_, other.path_);
  return *this;
}

ListenSocket::~ListenSocket() {
  if (fd_ < 0) return;
  close(fd_);
  if (!path_.empty()) unlink(path_.c_str());
}

Result<ListenSocket> ListenSocket::open(const std::string& address, int unix_mode) {
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix)) return open_unix(address.substr(kUnix.size()), unix_mode);
  return open_tcp(address);
}

Result<ListenSocket> ListenSocket::open_unix(const std::string& path, int mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return {ErrorCode::kInvalid,
            fmt::format("listening on unix:{}: a path of 1 to {} bytes is needed", path,
                        sizeof address.sun_path - 1)};
  }
  path.copy(address.sun_path, path.size());
  ListenSocket made;
  made.fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made.fd_ < 0) return cannot_listen("unix:" + path, errno);
  if (is_stale(address)) unlink(path.c_str());
  // Nobody can connect before listen(), so the mode is right before it matters.
  if (bind(made.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return cannot_listen("unix:" + path, errno);
  }
  made.path_ = path;
  if (chmod(path.c_str(), static_cast<mode_t>(mode)) != 0 || listen(made.fd_, kBacklog) != 0) {
    return cannot_listen("unix:" + path, errno);
  }
  return made;
}

Result<ListenSocket> ListenSocket::open_tcp(const std::string& address) {
  const auto [host, port] = split_address(address);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || port.empty() ||
      getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    return {ErrorCode::kInvalid,
            fmt::format("listening on {}: an address such as 127.0.0.1:8780, [::1]:8780 or "
                        "unix:/path is needed",
                        address)};
  }
  sockaddr_storage local{};
  socklen_t size = found->ai_addrlen;
  std::memcpy(&local, found->ai_addr, size);
  freeaddrinfo(found);
  ListenSocket made;
  made.fd_ = socket(local.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made.fd_ < 0) return cannot_listen(address, errno);
  const int on = 1;
  setsockopt(made.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(made.fd_, reinterpret_cast<const sockaddr*>(&local), size) != 0 ||
      listen(made.fd_, kBacklog) != 0) {
    return cannot_listen(address, errno);
  }
  size = sizeof local;
  getsockname(made.fd_, reinterpret_cast<sockaddr*>(&local), &size);
  made.port_ =
      ntohs(local.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(local).sin6_port
                                        : reinterpret_cast<const sockaddr_in&>(local).sin_port);
  return made;
}

Caller caller_of(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {"gone", "gone"};
  if (peer.ss_family == AF_UNIX) {
    ucred who{};
    socklen_t who_size = sizeof who;
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0;
    return {"unix", known ? fmt::format("process {}", who.pid) : "unix"};
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text.data(),
              text.size());
    return {text.data(), text.data()};
  }
  in6_addr address = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    inet_ntop(AF_INET, &address.s6_addr[12], text.data(), text.size());
    return {text.data(), text.data()};
  }
  inet_ntop(AF_INET6, &address, text.data(), text.size());
  Caller caller{text.data(), ""};
  std::memset(&address.s6_addr[8], 0, 8);  // One customer holds a whole /64.
  inet_ntop(AF_INET6, &address, text.data(), text.size());
  caller.source = text.data();
  return caller;
}

}  // namespace pointsman
