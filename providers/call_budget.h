#pragma once

#include <deque>
#include <string>

#include "base/time.h"

// So many calls in so much time, a part of them kept for moves: some APIs shut out an account for
// minutes when it asks too often, and that must not happen by looking.

namespace pointsman {

struct CallLimit {
  std::size_t most = 1000;
  Duration within = 5min;
  std::size_t kept_for_moves = 100;
};

// A sliding window. Pure; memory is bounded by `most`.
class CallBudget {
 public:
  // REQUIRES: kept_for_moves < most.
  explicit CallBudget(CallLimit limit);

  // Takes one call; false when there is none to take, and then nothing changed.
  bool take(Instant now, bool of_move);
  // How long until take() would succeed; zero when it would now.
  Duration wait(Instant now, bool of_move);
  // The far side asked to be left alone until then. A later instant stays.
  void shut_until(Instant until);

  // "1000 calls in 5m, 100 of them kept for moves".
  std::string text() const;

 private:
  void forget(Instant now);
  std::size_t most(bool of_move) const;

  const CallLimit limit_;
  std::deque<Instant> taken_;  // Oldest first.
  Instant shut_until_{};
};

}  // namespace pointsman
