#include "base/time.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include "base/clock.h"

namespace pointsman {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t ns;
};
constexpr std::array<Unit, 7> kUnits{{{"d", 86'400'000'000'000},
                                      {"h", 3'600'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"s", 1'000'000'000},
                                      {"ms", 1'000'000},
                                      {"us", 1'000},
                                      {"ns", 1}}};

class SystemClock final : public Clock {
 public:
  Instant now() const override {
    timespec ts{};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return {ts.tv_sec * std::int64_t{1'000'000'000} + ts.tv_nsec};
  }
  WallTime wall() const override {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return {ts.tv_sec * std::int64_t{1'000'000'000} + ts.tv_nsec};
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock kClock;
  return kClock;
}

std::optional<Duration> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr double kTenYears = 10.0 * 366 * 86'400e9;
  for (const Unit& unit : kUnits) {
    if (unit.suffix != suffix) continue;
    const double ns = number * static_cast<double>(unit.ns);
    if (ns > kTenYears) return std::nullopt;
    return Duration(std::llround(ns));
  }
  return std::nullopt;
}

std::string format_duration(Duration d) {
  const std::int64_t ns = d.count();
  if (ns == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (ns % unit.ns == 0) return fmt::format("{}{}", ns / unit.ns, unit.suffix);
  }
  return fmt::format("{}ns", ns);
}

std::string format_wall(WallTime t) {
  const std::time_t whole = t.ns / 1'000'000'000;
  std::tm tm{};
  gmtime_r(&whole, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (t.ns / 1'000'000) % 1000);
}

}  // namespace pointsman
