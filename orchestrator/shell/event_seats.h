#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "base/time.h"

// How many event streams there may be: a book, which takes `now`. Below what the listener allows,
// so that the rest of the API is never without a thread.

namespace pointsman {

class EventSeats {
 public:
  static constexpr std::size_t kMost = 12;
  // A browser keeps six connections to one host, for all of its tabs: some must be left.
  static constexpr std::size_t kMostOfOne = 3;
  static constexpr Duration kSilentMost = 20s;  // A stream that was not turned for so long is gone.

  // A seat for one more stream of `who`; his oldest gives up its seat when he has as many as one
  // may. nullopt: all are taken.
  std::optional<std::uint64_t> take(const std::string& who, Instant now);

  // The stream lives. False: its seat was given away.
  bool keep(std::uint64_t seat, Instant now);

  void leave(std::uint64_t seat);
  std::size_t count() const { return seats_.size(); }

 private:
  struct Seat {
    std::uint64_t number = 0;
    std::string who;
    Instant seen{0};
  };
  std::list<Seat> seats_;  // The oldest first.
  std::uint64_t last_ = 0;
};

}  // namespace pointsman
