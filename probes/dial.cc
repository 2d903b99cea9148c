#include "probes/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

namespace pointsman {
namespace {

std::string words(int error_number) { return std::generic_category().message(error_number); }

const sockaddr* raw(const Place& place) {
  return reinterpret_cast<const sockaddr*>(&place.address);
}

Error ours(const Place& place, std::string_view step, int error_number) {
  return {ErrorCode::kInternal, fmt::format("cannot ask {}: {}: {} (on this host)", place.where,
                                            step, words(error_number))};
}

}  // namespace

Result<int> dial(const Place& place) {
  const int fd =
      socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return ours(place, "socket", errno);
  if (connect(fd, raw(place), place.address_length) == 0 || errno == EINPROGRESS) return fd;
  const int error_number = errno;
  close(fd);
  // Said at once, only these can come from the far side (over loopback); the rest is our routing
  // table, our firewall or our lack of something.
  if (error_number == ECONNREFUSED || error_number == ECONNRESET || error_number == ETIMEDOUT) {
    return network_error(place, error_number);
  }
  return ours(place, "connect", error_number);
}

std::optional<Error> dial_failure(const Place& place, int fd) {
  int error_number = 0;
  socklen_t length = sizeof error_number;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &length) != 0) error_number = errno;
  if (error_number == 0) return std::nullopt;
  return network_error(place, error_number);
}

Error network_error(const Place& place, int error_number) {
  switch (error_number) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EACCES:
    case EPERM:
    case EAFNOSUPPORT: return ours(place, "connect", error_number);
    case ENETUNREACH:
    case EHOSTUNREACH:
      if (!has_route(place)) return ours(place, "connect", error_number);
      break;
    default: break;
  }
  return {ErrorCode::kUnavailable, fmt::format("{}: {}", place.where, words(error_number))};
}

bool has_route(const Place& place) {
  // Connecting a datagram socket sends nothing: it only looks the way up.
  const int fd = socket(place.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool found = connect(fd, raw(place), place.address_length) == 0;
  close(fd);
  return found;
}

}  // namespace pointsman
