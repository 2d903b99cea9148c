#include "base/time_of_day.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

using namespace pointsman;

namespace {

std::int64_t seconds_of(std::string_view text) {
  const auto at = parse_wall(text);
  return at ? at->ns / 1'000'000'000 : -1;
}

// The time zone of this process, while it lives.
class Zone {
 public:
  explicit Zone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

}  // namespace

TEST_CASE("RFC 3339 is read with its offset") {
  CHECK_EQ(seconds_of("1970-01-01T00:00:00Z"), 0);
  CHECK_EQ(seconds_of("2026-11-28T03:30:00Z"), 1'795'836'600);
  CHECK_EQ(seconds_of("2026-11-28T03:30:00+08:00"), 1'795'836'600 - 8 * 3600);
  CHECK_EQ(seconds_of("2026-11-28T03:30-02:30"), 1'795'836'600 + 9000);
  CHECK_EQ(seconds_of("2026-11-28 03:30:00.250Z"), 1'795'836'600);
  CHECK_EQ(seconds_of("2024-02-29T00:00:00Z"), 1'709'164'800);
}

TEST_CASE("what is no point in time is refused") {
  for (const char* text :
       {"", "03:30", "2026-11-28", "2026-11-28T03:30:00", "2026-11-28T24:00:00Z",
        "2026-11-28T03:60:00Z", "2026-13-28T03:30:00Z", "2026-02-30T03:30:00Z",
        "2026-02-29T03:30:00Z", "2026-00-10T03:30:00Z", "2026-11-28T03:30:00Z ",
        "2026-11-28T03:30:00.Z", "2026-11-28T03:30:00+8", "26-11-28T03:30:00Z", "tomorrow"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_wall(text).has_value());
  }
}

TEST_CASE("a time of day is the next one of this host's zone") {
  const Zone zone("UTC-8");  // Eight hours east of Greenwich, as POSIX has it.
  const WallTime now{parse_wall("2026-11-28T03:30:30+08:00")->ns};
  CHECK_EQ(next_local("04:00", now)->ns, parse_wall("2026-11-28T04:00:00+08:00")->ns);
  CHECK_EQ(next_local("03:30", now)->ns, parse_wall("2026-11-29T03:30:00+08:00")->ns);
  CHECK_EQ(format_local(*next_local("04:00", now)), "2026-11-28 04:00 +0800");
  for (const char* text : {"", "4:00", "24:00", "04:60", "04:00:00", "0400"}) {
    CAPTURE(text);
    CHECK_FALSE(next_local(text, now).has_value());
  }
}
