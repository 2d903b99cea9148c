#include "base/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <mutex>

#include "base/clock.h"
#include "base/utf8.h"

namespace pointsman {
namespace {

// A line no longer than PIPE_BUF goes into a pipe that poll() calls writable whole and at once.
constexpr std::size_t kLineMost = PIPE_BUF - 1;

std::atomic<int> level_most{static_cast<int>(LogLevel::kInfo)};

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kNone:
    case LogLevel::kError: return "error";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kNotice: return "notice";
    case LogLevel::kInfo: return "info";
    case LogLevel::kDebug: return "debug";
  }
  return "info";
}

// Whether standard error is the very stream that systemd connected to its journal.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

void append_value(std::string_view value, std::string& line) {
  const std::string shown = printable(value);
  if (is_plain(shown)) {
    line += shown;
    return;
  }
  line += '"';
  for (const char c : shown) {
    if (c == '"') line += '\\';
    line += c;
  }
  line += '"';
}

// Cuts at a whole UTF-8 sequence, marks the cut, ends the line.
void finish_line(std::string& line) {
  constexpr std::string_view kCut = " [cut]";
  if (line.size() > kLineMost) {
    std::size_t end = kLineMost - kCut.size();
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    line.resize(end);
    line += kCut;
  }
  line += '\n';
}

// Bytes that standard error took without waiting.
std::size_t write_now(std::string_view bytes) {
  ssize_t done = send(STDERR_FILENO, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (done < 0 && errno == ENOTSOCK) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return 0;
    done = write(STDERR_FILENO, bytes.data(), bytes.size());
  }
  return done < 0 ? 0 : static_cast<std::size_t>(done);
}

std::string make_line(LogLevel level, std::string_view event,
                      std::initializer_list<LogField> fields) {
  static const bool kJournal = stderr_is_journal();
  std::string line =
      kJournal ? fmt::format("<{}>", static_cast<int>(level))
               : fmt::format("{} {} ", format_wall(system_clock().wall()), level_name(level));
  line += event;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(field.value, line);
  }
  finish_line(line);
  return line;
}

// What standard error did not take. One at a time: lines must not mix.
struct Outlet {
  std::mutex mutex;
  std::uint64_t lost = 0;
  bool torn = false;  // The last line stopped halfway.
};
Outlet& outlet() {
  static Outlet one;
  return one;
}

}  // namespace

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (static_cast<int>(level) > level_most.load(std::memory_order_relaxed)) return;
  std::string line = make_line(level, event, fields);
  Outlet& out = outlet();
  const std::lock_guard lock(out.mutex);
  if (out.lost > 0) {
    const std::string told = (out.torn ? "\n" : "") +
                             make_line(LogLevel::kWarning, "log-lines-lost", {{"count", out.lost}});
    const std::size_t done = write_now(told);
    if (done == told.size()) {
      out.lost = 0;
      out.torn = false;
    } else {
      ++out.lost;
      out.torn = out.torn || done > 0;
      return;
    }
  }
  const std::size_t done = write_now(line);
  if (done < line.size()) {
    ++out.lost;
    out.torn = done > 0;
  }
}

void set_log_level(LogLevel level) {
  level_most.store(static_cast<int>(level), std::memory_order_relaxed);
}

bool LogPace::due(Instant now) {
  constexpr Duration kEvery = 1s;
  std::int64_t next = next_.load();
  return now.ns >= next && next_.compare_exchange_strong(next, now.ns + kEvery.count());
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const auto second = length == 2 ? static_cast<unsigned char>(text[1]) : 0;
    const std::string_view sequence = text.substr(0, std::max<std::size_t>(length, 1));
    // C1 controls (U+0080..U+009F) open terminal sequences too; U+2028..U+202E and U+2066..U+2069
    // break or reverse a line.
    const bool c1 = first == 0xC2 && second >= 0x80 && second <= 0x9F;
    const bool bidi = (sequence >= "\u2028" && sequence <= "\u202E") ||
                      (sequence >= "\u2066" && sequence <= "\u2069");
    if (length == 0 || first < 0x20 || first == 0x7F || c1 || (length == 3 && bidi)) {
      for (const char c : sequence) {
        shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    } else if (first == '\\') {
      shown += "\\\\";
    } else {
      shown += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  return shown;
}

}  // namespace pointsman
