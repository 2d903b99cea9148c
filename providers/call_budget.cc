#include "providers/call_budget.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"

namespace pointsman {

CallBudget::CallBudget(CallLimit limit) : limit_(limit) {
  CHECK(limit.kept_for_moves < limit.most);
}

void CallBudget::forget(Instant now) {
  while (!taken_.empty() && now - taken_.front() >= limit_.within) taken_.pop_front();
}

std::size_t CallBudget::most(bool of_move) const {
  return of_move ? limit_.most : limit_.most - limit_.kept_for_moves;
}

Duration CallBudget::wait(Instant now, bool of_move) {
  forget(now);
  const Duration shut = std::max(shut_until_ - now, Duration(0));
  const std::size_t allowed = most(of_move);
  if (taken_.size() < allowed) return shut;
  // Enough of the oldest must pass out of the window that one more fits.
  return std::max(shut, taken_[taken_.size() - allowed] + limit_.within - now);
}

bool CallBudget::take(Instant now, bool of_move) {
  if (wait(now, of_move) > Duration(0)) return false;
  taken_.push_back(now);
  return true;
}

void CallBudget::shut_until(Instant until) { shut_until_ = std::max(shut_until_, until); }

std::string CallBudget::text() const {
  return fmt::format("{} calls in {}, {} of them kept for moves", limit_.most,
                     format_duration(limit_.within), limit_.kept_for_moves);
}

}  // namespace pointsman
