#include "orchestrator/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kSlice = 20ms;

const char* code_of(Tone tone) {
  switch (tone) {
    case Tone::kStrong: return "1";
    case Tone::kDim: return "2";
    case Tone::kGood: return "32";
    case Tone::kDoubt: return "33";
    case Tone::kBad: return "1;31";
    case Tone::kPlain: break;
  }
  return "";
}

// Code points: near enough to columns for names, numbers and Latin text.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

Terminal::Size Terminal::size() const {
  winsize window{};
  if (!out_is_terminal || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 ||
      window.ws_row == 0) {
    return {};
  }
  return {window.ws_col, window.ws_row};
}

bool Terminal::rest(Duration within) const {
  for (Duration left = within; left > Duration(0); left -= kSlice) {
    if (stop()) return false;
    std::this_thread::sleep_for(std::min(left, kSlice));
  }
  return !stop();
}

std::string Paint::operator()(Tone tone, std::string_view text) const {
  std::string safe = shown(text);
  if (!colour_ || tone == Tone::kPlain || safe.empty()) return safe;
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(tone), safe);
}

std::string laid_out(const std::vector<std::vector<Cell>>& rows, const Paint& paint, int indent) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns(shown(row[i].text)));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line(static_cast<std::size_t>(indent), ' ');
    std::size_t owed = 0;  // Padding is written only when something follows.
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!row[i].text.empty()) {
        line += std::string(owed, ' ') + paint(row[i].tone, row[i].text);
        owed = 0;
      }
      owed += widths[i] - columns(shown(row[i].text)) + 2;
    }
    out += line + "\n";
  }
  return out;
}

std::string shown_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) return "-" + shown_seconds(-seconds);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 119.5) return fmt::format("{:.0f} s", seconds);
  const std::int64_t minutes = std::llround(std::min(seconds, 1e15) / 60);
  if (minutes < 60) return fmt::format("{} min", minutes);
  constexpr std::int64_t kTwoDays = 2880;
  if (minutes < kTwoDays) {
    return minutes % 60 == 0 ? fmt::format("{} h", minutes / 60)
                             : fmt::format("{} h {} min", minutes / 60, minutes % 60);
  }
  const std::int64_t hours = minutes / 60;
  return hours % 24 == 0 ? fmt::format("{} d", hours / 24)
                         : fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string shown_time(std::string_view wall) {
  if (wall.size() < 20 || wall[10] != 'T' || wall.back() != 'Z') return std::string(wall);
  return fmt::format("{} {} UTC", wall.substr(0, 10), wall.substr(11, 8));
}

std::string shown_moment(std::string_view wall) {
  if (wall.size() < 20 || wall[10] != 'T' || wall.back() != 'Z') return std::string(wall);
  return fmt::format("{} {} UTC", wall.substr(0, 10), wall.substr(11, wall.size() - 12));
}

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += words[i];
  }
  return out;
}

std::string shown(std::string_view text) {
  const std::string safe = printable(text);
  std::string out;
  for (std::size_t i = 0; i < safe.size(); ++i) {
    out += safe[i];
    if (safe[i] == '\\' && i + 1 < safe.size() && safe[i + 1] == '\\') ++i;
  }
  return out;
}

std::string fitted(std::string_view text, int width, int height) {
  std::string out;
  int column = 0;
  int line = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\x1b') {
      const std::size_t end = std::min(text.find('m', i), text.size() - 1);
      out += text.substr(i, end - i + 1);
      i = end;
    } else if (c == '\n') {
      if (++line > height) return out;
      out += c;
      column = 0;
    } else if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) {
      if (column <= width) out += c;
    } else if (++column <= width) {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> texts_of(const Json& json, std::string_view key) {
  std::vector<std::string> texts;
  for (const Json& item : json.array_or_empty(key)) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

}  // namespace pointsman
