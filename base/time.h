#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

// Two times. `Instant` is monotonic, counts suspend (CLOCK_BOOTTIME) and decides; `WallTime` is for
// people, logs and signatures and is never compared with anything that decides. Pure types: nobody
// here reads a clock (base/clock.h does).

namespace pointsman {

using Duration = std::chrono::nanoseconds;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;

// A reading of this host's CLOCK_BOOTTIME. Readings of two hosts, or of one host before and after a
// reboot, have nothing to do with each other.
struct Instant {
  std::int64_t ns = 0;

  auto operator<=>(const Instant&) const = default;  // NOLINT(modernize-use-nullptr)
  static constexpr Instant never() { return {std::numeric_limits<std::int64_t>::max()}; }
};

// Saturating, so that `never()` stays never and hostile durations cannot wrap.
constexpr Instant operator+(Instant at, Duration by) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(at.ns, by.count(), &sum)) {
    return {by.count() > 0 ? std::numeric_limits<std::int64_t>::max()
                           : std::numeric_limits<std::int64_t>::min()};
  }
  return {at == Instant::never() ? at.ns : sum};
}
constexpr Instant operator-(Instant at, Duration by) { return at + Duration(-by.count()); }
constexpr Duration operator-(Instant a, Instant b) {
  std::int64_t gap = 0;
  if (__builtin_sub_overflow(a.ns, b.ns, &gap)) {
    gap = a.ns > b.ns ? std::numeric_limits<std::int64_t>::max()
                      : std::numeric_limits<std::int64_t>::min();
  }
  return Duration(gap);
}

// Nanoseconds since 1970, UTC, as the wall clock claims.
struct WallTime {
  std::int64_t ns = 0;
};

inline std::int64_t whole_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}
inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// "250ms", "1s", "1.5s", "10m", "24h", "30d". nullopt when it is none of these, negative, or above
// 10 years.
std::optional<Duration> parse_duration(std::string_view text);

// The shortest exact form that parse_duration reads: "1s", "250ms", "1500ms", "24h".
std::string format_duration(Duration d);

// "2026-11-22T03:04:05.678Z".
std::string format_wall(WallTime t);

}  // namespace pointsman
