#include "orchestrator/shell/events.h"

#include <thread>

namespace pointsman {
namespace {

constexpr Duration kNap = 100ms;    // The listener wants each call back within half a second.
constexpr Duration kFresh = 200ms;  // So long one rendering serves every stream.

}  // namespace

Events::State Events::state_now(Instant now) {
  const std::lock_guard lock(mutex_);
  if (made_ == Instant{0} || now - made_ >= kFresh) {
    state_ = parts_.state();
    made_ = now;
  }
  return state_;
}

bool Events::keep(Stream& stream, Instant now) {
  const std::lock_guard lock(mutex_);
  return seats_.keep(stream.seat, now);
}

bool Events::end(const Stream& stream) {
  const std::lock_guard lock(mutex_);
  seats_.leave(stream.seat);
  return false;
}

// One turn of a stream, from its connection's thread; false ends it.
bool Events::turn(Stream& stream, const Write& write) {
  const Instant now = parts_.clock.now();
  if (!keep(stream, now)) {
    // So that two of his tabs do not take the seat from each other for ever.
    write("event: displaced\ndata: {}\n\n");
    return false;
  }
  if (now >= stream.until || !stream.stays()) return end(stream);
  const State state = state_now(now);
  const Duration each = state.busy ? kEachBusy : kEach;
  if (now - stream.sent < each && state.busy == stream.was_busy) {
    std::this_thread::sleep_for(kNap);
    return true;
  }
  if (!write("event: state\ndata: " + state.text + "\n\n")) return end(stream);
  stream.sent = now;
  stream.was_busy = state.busy;
  return true;
}

HttpReply Events::open(const std::string& who, std::function<bool()> stays) {
  const Instant now = parts_.clock.now();
  std::optional<std::uint64_t> seat;
  {
    const std::lock_guard lock(mutex_);
    seat = seats_.take(who, now);
  }
  if (!seat) {
    HttpReply reply = problem(503, "Service Unavailable",
                              "as many event streams run as are allowed: ask for the services");
    reply.headers.emplace_back("retry-after", "30");
    return reply;
  }
  HttpReply reply;
  reply.content_type = "text/event-stream";
  // A proxy that collects before it passes on would show the past.
  reply.headers = {{"cache-control", "no-store"}, {"x-accel-buffering", "no"}};
  Stream stream{*seat, std::move(stays), now + kStreamMost, {}, false};
  reply.stream = [this, stream](const Write& write) mutable { return turn(stream, write); };
  return reply;
}

}  // namespace pointsman
