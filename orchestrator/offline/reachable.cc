#include "orchestrator/offline/reachable.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/address.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/resolve.h"

namespace pointsman {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

// 0, or the errno of the failure; ETIMEDOUT at the deadline.
int connect_until(const addrinfo& to, Instant deadline) {
  const Descriptor socket(::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.any()) return errno;
  if (connect(socket.get(), to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  for (;;) {
    const std::int64_t rest = whole_ms(deadline - system_clock().now());
    if (rest <= 0) return ETIMEDOUT;
    pollfd waiting{socket.get(), POLLOUT, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(rest, 60'000)));
    if (ready < 0 && errno != EINTR) return errno;
    if (ready <= 0) continue;
    int failure = 0;
    socklen_t size = sizeof failure;
    if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return errno;
    return failure;
  }
}

}  // namespace

Result<Duration> reach(const std::string& reference, Duration within) {
  const auto url = url_parts_from(reference);
  if (!url) return Error{ErrorCode::kInvalid, reference + ": no reference"};
  const int port = url->port != 0 ? url->port : url->scheme == "https" ? 443 : 80;
  const Instant began = system_clock().now();
  const auto addresses = resolve_host(url->host, within);
  if (!addresses) return addresses.error();
  int failure = EHOSTUNREACH;
  for (const std::string& address : *addresses) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) continue;
    const std::unique_ptr<addrinfo, FreeAddresses> owned(list);
    failure = connect_until(*list, began + within);
    if (failure == 0) return system_clock().now() - began;
  }
  return Error{failure == ETIMEDOUT ? ErrorCode::kTimeout : ErrorCode::kUnavailable,
               fmt::format("{}: {}", reference, std::strerror(failure))};
}

}  // namespace pointsman
