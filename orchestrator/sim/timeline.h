#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/time.h"

// Virtual time: what happens next, in order of time and, at one instant, of asking.

namespace pointsman {

class Timeline {
 public:
  const Instant& now() const { return now_; }

  // A time that has passed means now.
  void at(Instant when, std::function<void()> what) {
    events_.push_back({std::max(when, now_), ++asked_, std::move(what)});
    std::push_heap(events_.begin(), events_.end(), later);
  }
  void in(Duration d, std::function<void()> what) { at(now_ + d, std::move(what)); }

  // Runs the next event if it is due before `end`; else time is `end` and nothing ran.
  bool turn(Instant end) {
    if (events_.empty() || events_.front().when >= end) {
      now_ = std::max(now_, end);
      return false;
    }
    std::pop_heap(events_.begin(), events_.end(), later);
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.when;
    ++ran_;
    event.what();
    return true;
  }
  std::uint64_t ran() const { return ran_; }

 private:
  struct Event {
    Instant when;
    std::uint64_t number;
    std::function<void()> what;
  };
  static bool later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }

  Instant now_{1'000'000'000'000};
  std::uint64_t asked_ = 0;
  std::uint64_t ran_ = 0;
  std::vector<Event> events_;
};

}  // namespace pointsman
