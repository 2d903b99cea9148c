#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/time.h"

// Log: one line an event, on standard error, made for the system journal.
//
//   <4>move-refused service=im-api gate=replication reason="applier not running"
//
// The event's name is fixed and has an entry in docs/log-events.md; everything that varies is a
// key=value field. Under systemd ($JOURNAL_STREAM) the line begins with its level, elsewhere with
// time and level. Values are escaped: no control character, no line break, no terminal sequence.
// Thread-safe; never blocks for longer than one write; lines that standard error does not take at
// once are counted and the count is logged when it takes lines again.

namespace pointsman {

enum class LogLevel {
  kNone = 0,  // For set_log_level(): nothing is logged.
  kError = 3,
  kWarning = 4,
  kNotice = 5,
  kInfo = 6,
  kDebug = 7
};

// A field of a log line. Numbers and booleans are written as they are.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <typename N>
  requires std::is_arithmetic_v<N> LogField(std::string_view k, N v)
      : key(k), value(fmt::format("{}", v)) {}

  std::string_view key;
  std::string value;
};

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// One line a second, for what strangers can cause as often as they like. Thread-safe.
class LogPace {
 public:
  bool due(Instant now);

 private:
  std::atomic<std::int64_t> next_{0};
};

// Lines above `level` are dropped. Default kInfo.
void set_log_level(LogLevel level);

// `text` with control characters, invalid UTF-8 and terminal escapes made visible, for anything
// that reaches a terminal, a log or a page.
std::string printable(std::string_view text);

}  // namespace pointsman
