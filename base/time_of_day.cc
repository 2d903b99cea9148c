#include "base/time_of_day.h"

#include <fmt/format.h>

#include <ctime>

namespace pointsman {
namespace {

constexpr std::int64_t kNs = 1'000'000'000;

// Exactly `digits` of them at the head of `text`, which loses them.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t k = 0; k < digits; ++k) {
    if (text[k] < '0' || text[k] > '9') return std::nullopt;
    value = value * 10 + (text[k] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+HH:MM", in seconds east of Greenwich.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take(text, west ? '-' : '+')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (*hours * 3600 + *minutes * 60);
}

struct Clock24 {
  int hour = 0;
  int minute = 0;
};

std::optional<Clock24> take_hours(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  return Clock24{*hour, *minute};
}

std::optional<std::tm> take_date(std::string_view& text) {
  std::tm tm{};
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1) return std::nullopt;
  tm.tm_year = *year - 1900;
  tm.tm_mon = *month - 1;
  tm.tm_mday = *day;
  return tm;
}

}  // namespace

std::optional<WallTime> parse_wall(std::string_view text) {
  auto tm = take_date(text);
  if (!tm || (!take(text, 'T') && !take(text, 't') && !take(text, ' '))) return std::nullopt;
  const auto hours = take_hours(text);
  if (!hours) return std::nullopt;
  tm->tm_hour = hours->hour;
  tm->tm_min = hours->minute;
  if (take(text, ':')) {
    const auto second = take_digits(text, 2);
    if (!second || *second > 59) return std::nullopt;
    tm->tm_sec = *second;
    if (take(text, '.')) {
      if (!take_digits(text, 1)) return std::nullopt;
      while (take_digits(text, 1)) {
      }
    }
  }
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  const int day = tm->tm_mday;
  const std::time_t seconds = timegm(&*tm);  // Carries the 31st of a shorter month over.
  if (tm->tm_mday != day) return std::nullopt;
  return WallTime{(static_cast<std::int64_t>(seconds) - *offset) * kNs};
}

std::optional<WallTime> next_local(std::string_view text, WallTime now) {
  const auto hours = take_hours(text);
  if (!hours || !text.empty()) return std::nullopt;
  const std::time_t seconds = now.ns / kNs;
  std::tm tm{};
  localtime_r(&seconds, &tm);
  tm.tm_hour = hours->hour;
  tm.tm_min = hours->minute;
  tm.tm_sec = 0;
  for (int days = 0; days < 3; ++days) {
    std::tm then = tm;
    then.tm_mday += days;
    then.tm_isdst = -1;
    const std::time_t at = mktime(&then);
    if (at > seconds) return WallTime{static_cast<std::int64_t>(at) * kNs};
  }
  return std::nullopt;
}

std::string format_local(WallTime t) {
  const std::time_t seconds = t.ns / kNs;
  std::tm tm{};
  localtime_r(&seconds, &tm);
  char text[64] = "";
  if (std::strftime(text, sizeof text, "%Y-%m-%d %H:%M %z", &tm) == 0) return "";
  return text;
}

}  // namespace pointsman
