#include "base/lease.h"

#include <algorithm>
#include <cmath>
#include "base/planted.h"

namespace pointsman {
namespace {
constexpr std::size_t kOwedMost = 64;
}  // namespace

Duration promise_length(const LeaseTerms& terms) {
  const double lease_ms = std::chrono::duration<double, std::milli>(terms.lease).count();
  const double fence_ms = std::chrono::duration<double, std::milli>(terms.fence_bound).count();
  const double eps_ms = std::chrono::duration<double, std::milli>(kEpsilon).count();
  double length = (1 + kRho) / (1 - kRho) * lease_ms + (1 + kRho) * fence_ms + eps_ms;
  if (planted(Plant::kShortPromise)) length = lease_ms;
  if (planted(Plant::kNoFenceTerm)) length -= (1 + kRho) * fence_ms + eps_ms;
  if (planted(Plant::kNoDrift)) length = lease_ms + fence_ms + eps_ms;
  return std::chrono::milliseconds(std::llround(std::ceil(length)));
}

Duration closing_length(Duration fence_bound) {
  const double fence_ms = std::chrono::duration<double, std::milli>(fence_bound).count();
  const double eps_ms = std::chrono::duration<double, std::milli>(kEpsilon).count();
  return std::chrono::milliseconds(std::llround(std::ceil((1 + kRho) * fence_ms + eps_ms)));
}

std::optional<Lease> grant(const Token& token, Duration lease, std::uint64_t incarnation,
                           Instant now) {
  const bool own = token.incarnation == incarnation || planted(Plant::kTokenOfAnyRun);
  if (!own || incarnation == 0) return std::nullopt;
  if (token.n > now || lease <= Duration::zero()) return std::nullopt;
  if (planted(Plant::kLeaseFromArrival)) return Lease{now + lease, false};
  return Lease{token.n + lease, false};
}

void Promise::made(std::uint64_t number, Instant received, const LeaseTerms& terms) {
  const Instant end = received + promise_length(terms);
  owed_.push_back({number, end});
  while (owed_.size() > kOwedMost) {
    const Instant oldest = owed_.front().end;
    owed_.pop_front();
    owed_.front().end = std::max(owed_.front().end, oldest);
  }
}

void Promise::assumed(Instant now, const LeaseTerms& terms) {
  if (planted(Plant::kNoWaitAfterRestart)) return;
  made(0, now, terms);
}

void Promise::superseded(std::uint64_t number, Instant silent_by) {
  Instant cut{0};
  std::erase_if(owed_, [&](const Owed& owed) {
    if (owed.number >= number) return false;
    cut = std::max(cut, owed.end);
    return true;
  });
  const Instant least = std::min(cut, silent_by);
  if (least > end() && !planted(Plant::kCutLeaseForgotten)) owed_.push_front({number, least});
}

void Promise::released() { owed_.clear(); }

Instant Promise::end() const {
  Instant last{0};
  for (const Owed& owed : owed_) last = std::max(last, owed.end);
  return last;
}

}  // namespace pointsman
