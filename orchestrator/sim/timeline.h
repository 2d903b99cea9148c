#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
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
  // Of one task that waits; what has run, or was dropped, it names no more.
  struct Ticket {
    std::uint32_t slot = 0;
    std::uint64_t number = 0;  // 0: of none.
  };

  Timeline() = default;
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  const Instant& now() const { return now_; }

  // A time that has passed means now.
  Ticket at(Instant when, Task what) { return at(when, Owner{}, std::move(what)); }
  Ticket in(Duration d, Task what) { return at(now_ + d, Owner{}, std::move(what)); }
  Ticket at(Instant when, Owner owner, Task what) {
    const std::uint32_t index = free_slot();
    Slot& slot = at_slot(index);
    slot.owner = owner;
    slot.task = std::move(what);
    slot.ticket = ++asked_;
    push({std::max(when, now_), slot.ticket, index});
    return {index, slot.ticket};
  }

  bool waits(const Ticket& ticket) const {
    return ticket.number != 0 && at_slot(ticket.slot).ticket == ticket.number;
  }

  // As if it had never been asked for.
  void drop(const Ticket& ticket) {
    if (!waits(ticket)) return;
    remove(at_slot(ticket.slot).place);
    release(ticket.slot);
  }

  // Goes on to the next task that is due before `end` and lets `run` have it, where it lies; else
  // time is `end`, and false. What `run` returns is when the task shall be looked at again, under
  // the same ticket; a time that has passed: never.
  template <typename Run>
  bool turn(Instant end, Run run) {
    if (heap_.empty() || heap_.front().when >= end) {
      now_ = std::max(now_, end);
      return false;
    }
    const Place next = heap_.front();
    remove(0);
    now_ = next.when;
    ++ran_;
    Slot& slot = at_slot(next.slot);
    const std::uint64_t ticket = std::exchange(slot.ticket, 0);
    const Instant again = run(slot.owner, slot.task);
    if (again > now_) {
      slot.ticket = ticket;
      push({again, ++asked_, next.slot});
    } else {
      release(next.slot);
    }
    return true;
  }
  std::uint64_t ran() const { return ran_; }

  // Drops all that waits.
  void clear() {
    heap_.clear();
    for (auto& block : blocks_) {
      for (Slot& slot : *block) slot.task = Task();
    }
    blocks_.clear();
    free_.clear();
  }

 private:
  static constexpr std::size_t kBlock = 64;
  static constexpr std::size_t kArity = 4;

  // The heap moves places, not tasks; tasks stay where they are until they have run.
  struct Place {
    Instant when;
    std::uint64_t number = 0;
    std::uint32_t slot = 0;
  };
  struct Slot {
    Owner owner;
    Task task;
    std::uint64_t ticket = 0;  // 0: it waits for nothing.
    std::size_t place = 0;     // In the heap.
  };
  using Block = std::array<Slot, kBlock>;

  static bool before(const Place& a, const Place& b) {
    return a.when != b.when ? a.when < b.when : a.number < b.number;
  }
  Slot& at_slot(std::uint32_t index) { return (*blocks_[index / kBlock])[index % kBlock]; }
  const Slot& at_slot(std::uint32_t index) const {
    return (*blocks_[index / kBlock])[index % kBlock];
  }

  std::uint32_t free_slot() {
    if (free_.empty()) {
      const auto first = static_cast<std::uint32_t>(blocks_.size() * kBlock);
      blocks_.push_back(std::make_unique<Block>());
      for (std::uint32_t k = kBlock; k > 0; --k) free_.push_back(first + k - 1);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  void release(std::uint32_t index) {
    Slot& slot = at_slot(index);
    slot.task = Task();
    slot.ticket = 0;
    free_.push_back(index);
  }

  void push(const Place& place) {
    heap_.push_back(place);
    rise(heap_.size() - 1, place);
  }

  void put(std::size_t at, const Place& place) {
    heap_[at] = place;
    at_slot(place.slot).place = at;
  }
  void rise(std::size_t at, const Place& place) {
    while (at > 0) {
      const std::size_t above = (at - 1) / kArity;
      if (!before(place, heap_[above])) break;
      put(at, heap_[above]);
      at = above;
    }
    put(at, place);
  }
  void sink(std::size_t at, const Place& place) {
    for (;;) {
      const std::size_t first = at * kArity + 1;
      if (first >= heap_.size()) break;
      const std::size_t end = std::min(first + kArity, heap_.size());
      std::size_t least = first;
      for (std::size_t k = first + 1; k < end; ++k) {
        if (before(heap_[k], heap_[least])) least = k;
      }
      if (!before(heap_[least], place)) break;
      put(at, heap_[least]);
      at = least;
    }
    put(at, place);
  }
  void remove(std::size_t at) {
    const Place last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    const bool up = at > 0 && before(last, heap_[(at - 1) / kArity]);
    up ? rise(at, last) : sink(at, last);
  }

  Instant now_{1'000'000'000'000};
  std::uint64_t asked_ = 0;
  std::uint64_t ran_ = 0;
  std::vector<Place> heap_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::uint32_t> free_;
};

}  // namespace pointsman
