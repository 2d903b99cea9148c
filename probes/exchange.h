#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "probes/place.h"
#include "probes/probe.h"

namespace pointsman {

struct HttpExchange;

// Speaks HTTP for the loop, which owns time, schedule and judgement. One thread. Its sockets sit in
// the loop's epoll set under kHttpEvent; it never waits and has no deadline: the loop cancels.
class HttpSpeaker {
 public:
  // In the data of every epoll event of its sockets; the loop's own never carry it.
  static constexpr std::uint64_t kHttpEvent = std::uint64_t{1} << 63;

  struct Finished {
    std::uint64_t attempt;
    Result<ProbeReply> reply;
  };

  struct Errand {
    std::uint64_t attempt = 0;
    std::uint32_t target = 0;
    const ProbeSpec& spec;
    const Place& place;
  };

  virtual ~HttpSpeaker() = default;

  // Begins an exchange on `fd`, connected, which it owns from now on; with -1 it uses a kept
  // connection or makes one. `spec` and `place` must live until it is finished or cancelled. What
  // it prepares for a target is kept under `target` until forget().
  virtual HttpExchange* begin(const Errand& errand, int fd) = 0;
  virtual void cancel(HttpExchange* exchange) = 0;
  // REQUIRES: no exchange of `target` is running.
  virtual void forget(std::uint32_t target) = 0;

  virtual void ready(std::uint64_t event, std::uint32_t epoll_events) = 0;
  // Does what is due without an event; appends what has finished since the last call.
  virtual void turn(Instant now, WallTime wall, std::vector<Finished>& finished) = 0;
  virtual Instant next_turn() const = 0;
};

}  // namespace pointsman
