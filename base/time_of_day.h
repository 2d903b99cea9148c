#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

// Points in time as people type them.

namespace pointsman {

// Of "2026-11-28T03:30:00+08:00" or "...Z" (RFC 3339; the seconds may be left out). nullopt when
// `text` is no such thing, or no date of the calendar.
std::optional<WallTime> parse_wall(std::string_view text);

// The next time after `now` at which the clock of this host's time zone shows `text`, "HH:MM".
std::optional<WallTime> next_local(std::string_view text, WallTime now);

// "2026-11-28 03:30 +0800", in this host's time zone.
std::string format_local(WallTime t);

}  // namespace pointsman
