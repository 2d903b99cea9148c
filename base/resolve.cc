#include "base/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"

namespace pointsman {
namespace {

using Addresses = Result<std::vector<std::string>>;

constexpr int kLookupsMost = 16;
constexpr Duration kWaitMost = 1min;  // Also keeps the sum with a clock from overflowing.

// Lookups under way, each on a thread of its own because getaddrinfo() cannot be stopped. The mutex
// joins those threads with the callers that wait, or have ceased to.
struct Lookups {
  std::mutex mutex;
  std::condition_variable finished;
  std::map<std::uint64_t, std::optional<Addresses>> awaited;
  std::uint64_t last_id = 0;
  int running = 0;
};

// Never destroyed: a lookup may outlive main().
Lookups& lookups() {
  static auto* const all = new Lookups;
  return *all;
}

std::optional<std::string> literal(const std::string& host) {
  unsigned char raw[sizeof(in6_addr)];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, host.c_str(), raw) == 1) return host;
  }
  return std::nullopt;
}

Addresses look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failure != 0) {
    const bool absent = failure == EAI_NONAME || failure == EAI_NODATA;
    return Error{absent ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                 fmt::format("resolving {}: {}", printable(host), gai_strerror(failure))};
  }
  std::vector<std::string> out;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      char text[NI_MAXHOST];
      if (at->ai_family != family) continue;
      if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) !=
          0) {
        continue;
      }
      if (std::find(out.begin(), out.end(), text) == out.end()) out.emplace_back(text);
    }
  }
  freeaddrinfo(list);
  return out;
}

void run_lookup(const std::string& host, std::uint64_t id) {
  Addresses answer = look_up(host);
  Lookups& all = lookups();
  const std::lock_guard lock(all.mutex);
  --all.running;
  const auto waiter = all.awaited.find(id);
  if (waiter != all.awaited.end()) waiter->second = std::move(answer);
  all.finished.notify_all();
}

}  // namespace

Result<std::vector<std::string>> resolve_host(const std::string& host, Duration within) {
  if (const auto address = literal(host)) return std::vector<std::string>{*address};
  Lookups& all = lookups();
  std::unique_lock lock(all.mutex);
  if (all.running >= kLookupsMost) {
    return Error{ErrorCode::kInternal, fmt::format("resolving {}: {} lookups hang already",
                                                   printable(host), kLookupsMost)};
  }
  const std::uint64_t id = ++all.last_id;
  all.awaited[id] = std::nullopt;
  ++all.running;
  try {
    std::thread(run_lookup, host, id).detach();
  } catch (const std::system_error& e) {
    --all.running;
    all.awaited.erase(id);
    return Error{ErrorCode::kInternal, fmt::format("resolving {}: {}", host, e.what())};
  }
  all.finished.wait_for(lock, std::min<Duration>(within, kWaitMost),
                        [&] { return all.awaited[id].has_value(); });
  const std::optional<Addresses> answer = std::move(all.awaited[id]);
  all.awaited.erase(id);
  if (answer) return *answer;
  return Error{ErrorCode::kTimeout, fmt::format("resolving {}: no answer within {}",
                                                printable(host), format_duration(within))};
}

}  // namespace pointsman
