#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/http_server.h"
#include "orchestrator/shell/event_seats.h"

// GET /api/v1/events: the state of everything, whole, again and again, as server-sent events. A
// level and not a difference: whoever missed some has missed nothing.

namespace pointsman {

class Events {
 public:
  struct State {
    std::string text;   // JSON on one line.
    bool busy = false;  // Something goes on: people want to see each quarter of a second.
  };
  struct Parts {
    const Clock& clock;
    std::function<State()> state;  // Called by one stream for all, five times a second at most.
  };
  static constexpr Duration kEach = 1s;
  static constexpr Duration kEachBusy = 250ms;
  static constexpr Duration kStreamMost = 30min;  // The client connects again.

  explicit Events(Parts parts) : parts_(std::move(parts)) {}

  // One stream for `who`, while `stays` says that he may; 503 when all seats are taken.
  HttpReply open(const std::string& who, std::function<bool()> stays);

 private:
  using Write = std::function<bool(std::string_view)>;
  struct Stream {
    std::uint64_t seat = 0;
    std::function<bool()> stays;
    Instant until{0};
    Instant sent{0};
    bool was_busy = false;
  };
  bool turn(Stream& stream, const Write& write);
  bool keep(Stream& stream, Instant now);
  State state_now(Instant now);
  bool end(const Stream& stream);

  const Parts parts_;
  std::mutex
      mutex_;  // Streams run on threads of their own; all below, and one rendering at a time.
  EventSeats seats_;
  State state_;
  Instant made_{0};
};

}  // namespace pointsman
