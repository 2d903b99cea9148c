#include "orchestrator/shell/event_seats.h"

#include <algorithm>

namespace pointsman {

std::optional<std::uint64_t> EventSeats::take(const std::string& who, Instant now) {
  seats_.remove_if([&](const Seat& seat) { return now - seat.seen >= kSilentMost; });
  const auto his = [&](const Seat& seat) { return seat.who == who; };
  if (static_cast<std::size_t>(std::count_if(seats_.begin(), seats_.end(), his)) >= kMostOfOne) {
    seats_.erase(std::find_if(seats_.begin(), seats_.end(), his));
  }
  if (seats_.size() >= kMost) return std::nullopt;
  seats_.push_back({++last_, who, now});
  return last_;
}

bool EventSeats::keep(std::uint64_t seat, Instant now) {
  for (Seat& one : seats_) {
    if (one.number != seat) continue;
    one.seen = now;
    return true;
  }
  return false;
}

void EventSeats::leave(std::uint64_t seat) {
  seats_.remove_if([&](const Seat& one) { return one.number == seat; });
}

}  // namespace pointsman
