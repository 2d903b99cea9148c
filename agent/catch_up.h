#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"

// How far a standby is behind, judged by position and not by what a product claims: the primary
// told at some instant what it had executed; once that has been received whole, the standby has
// caught up with that instant. Pure.

namespace pointsman {

class CatchUp {
 public:
  // Whether `received` holds all of `executed`; nullopt when the two cannot be compared.
  using Contains =
      std::function<std::optional<bool>(const std::string& received, const std::string& executed)>;

  // The primary had executed this at `at` (or later).
  void primary_told(const std::string& store, const std::string& executed, Instant at);

  // Whether there is anything that standby_read() could confirm.
  bool waits_for(const std::string& store) const {
    const auto found = stores_.find(store);
    return found != stores_.end() && !found->second.open.empty();
  }

  // The standby holds this. Confirms what it can.
  void standby_read(const std::string& store, const std::string& received,
                    const Contains& contains);

  // The newest instant whose positions reached the standby whole.
  std::optional<Instant> caught_up(const std::string& store) const;
  // The newest instant of which the primary told.
  std::optional<Instant> told(const std::string& store) const;

  // Another site is in power: nothing of before counts.
  void forget() { stores_.clear(); }

 private:
  struct Position {
    Instant at;
    std::string executed;
  };
  struct Store {
    std::deque<Position> open;  // Told and not yet confirmed, oldest first.
    std::optional<Instant> caught_up;
    std::optional<Instant> told;
  };
  std::map<std::string, Store> stores_;
};

}  // namespace pointsman
