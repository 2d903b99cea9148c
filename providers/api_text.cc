#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

#include "base/text.h"
#include "providers/api_call.h"

// What HTTP writes as text: escapes and times.

namespace pointsman {
namespace {

constexpr Duration kRetryAfterMost = 5min;

std::optional<int> number(std::string_view text) {
  int out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size() || out < 0) {
    return std::nullopt;
  }
  return out;
}

std::string_view header_of(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

std::optional<int> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<int>(found - kMonths.begin());
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  // Fixed places: "Sun, 06 Nov 1994 08:49:37 GMT".
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" ||
      text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  const auto month = month_of(text.substr(8, 3));
  const auto day = number(text.substr(5, 2));
  const auto year = number(text.substr(12, 4));
  const auto hour = number(text.substr(17, 2));
  const auto minute = number(text.substr(20, 2));
  const auto second = number(text.substr(23, 2));
  if (!month || !day || !year || !hour || !minute || !second) return std::nullopt;
  if (*day < 1 || *day > 31 || *year < 1970 || *year > 2200 || *hour > 23 || *minute > 59 ||
      *second > 60) {
    return std::nullopt;
  }
  std::tm parts{};
  parts.tm_mday = *day;
  parts.tm_mon = *month;
  parts.tm_year = *year - 1900;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  return WallTime{static_cast<std::int64_t>(timegm(&parts)) * 1'000'000'000};
}

std::optional<Duration> retry_after(const HttpHeaders& headers, WallTime wall) {
  const std::string_view text = trimmed(header_of(headers, "retry-after"));
  if (text.empty()) return std::nullopt;
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    // Digits that are no int are more than the most.
    const auto whole = number(text);
    return whole ? std::min<Duration>(std::chrono::seconds(*whole), kRetryAfterMost)
                 : kRetryAfterMost;
  }
  const auto until = parse_http_date(text);
  if (!until) return std::nullopt;
  const auto told = parse_http_date(trimmed(header_of(headers, "date")));
  const Duration rest(until->ns - (told ? told->ns : wall.ns));
  return std::clamp(rest, Duration(0), kRetryAfterMost);
}

}  // namespace pointsman
