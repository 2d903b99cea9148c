#include "probes/pace.h"

#include <algorithm>

namespace pointsman {

Pace::Pace(const ProbeSpec& spec, Instant first)
    : interval_(spec.interval),
      spacing_(spec.suspect_interval),
      fall_(spec.fall),
      next_fixed_(first) {}

Instant Pace::next() const { return std::min(next_fixed_, next_extra_); }

Pace::Due Pace::take(Instant now) {
  Due due{next_fixed_ <= now, next_extra_ <= now, next()};
  if (due.fixed) {
    const auto missed = (now - next_fixed_) / interval_;
    next_fixed_ = next_fixed_ + interval_ * (missed + 1);
  }
  if (due.extra) {
    --extra_left_;
    next_extra_ = extra_left_ > 0 ? now + spacing_ : Instant::never();
  }
  return due;
}

void Pace::passed(Instant started) {
  last_pass_ = std::max(last_pass_, started);
  doubted_ = false;
  extra_left_ = 0;
  next_extra_ = Instant::never();
}

void Pace::failed(Instant started, Instant now) {
  if (doubted_ || started < last_pass_) return;
  doubted_ = true;
  begin_burst(fall_ - 1, now);
}

bool Pace::unanswered(Instant started, Instant now) {
  if (doubted_ || started < last_pass_) return false;
  doubted_ = true;
  begin_burst(fall_ - 1, now);
  return true;
}

bool Pace::hurry(Instant now) { return begin_burst(std::max(1, fall_ - 1), now); }

bool Pace::begin_burst(int attempts, Instant now) {
  if (attempts == 0 || extra_left_ > 0) return false;
  extra_left_ = attempts;
  next_extra_ = now;
  return true;
}

}  // namespace pointsman
