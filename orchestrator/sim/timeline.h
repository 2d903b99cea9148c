#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "orchestrator/sim/task.h"

// Virtual time: what happens next, in order of time and, at one instant, of asking.

namespace pointsman {

// Whose task it is: nobody's, or that of one run of a host's process.
struct Owner {
  int host = -1;
  std::uint64_t run = 0;
};

class Timeline {
 public:
  struct Due {
    Owner owner;
    Task task;
  };

  const Instant& now() const { return now_; }

  // A time that has passed means now.
  void at(Instant when, Task what) { at(when, Owner{}, std::move(what)); }
  void in(Duration d, Task what) { at(now_ + d, Owner{}, std::move(what)); }
  void at(Instant when, Owner owner, Task what) {
    order_.push_back({std::max(when, now_), ++asked_, place(owner, std::move(what))});
    std::push_heap(order_.begin(), order_.end(), later);
  }

  // Goes on to the next task that is due before `end`; else time is `end` and there is none.
  std::optional<Due> turn(Instant end) {
    if (order_.empty() || order_.front().when >= end) {
      now_ = std::max(now_, end);
      return std::nullopt;
    }
    std::pop_heap(order_.begin(), order_.end(), later);
    const Place next = order_.back();
    order_.pop_back();
    now_ = next.when;
    ++ran_;
    free_.push_back(next.slot);
    return std::move(slots_[next.slot]);
  }
  std::uint64_t ran() const { return ran_; }

 private:
  // The heap moves places, not tasks.
  struct Place {
    Instant when;
    std::uint64_t number;
    std::size_t slot;
  };
  static bool later(const Place& a, const Place& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }
  std::size_t place(Owner owner, Task what) {
    if (free_.empty()) {
      slots_.push_back({owner, std::move(what)});
      return slots_.size() - 1;
    }
    const std::size_t slot = free_.back();
    free_.pop_back();
    slots_[slot].owner = owner;
    slots_[slot].task = std::move(what);
    return slot;
  }

  Instant now_{1'000'000'000'000};
  std::uint64_t asked_ = 0;
  std::uint64_t ran_ = 0;
  std::vector<Place> order_;
  std::vector<Due> slots_;
  std::vector<std::size_t> free_;
};

}  // namespace pointsman
