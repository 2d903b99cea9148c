#pragma once

#include <atomic>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

// Where the program speaks, and how it lays out what it says.

namespace pointsman {

// Exit codes; a contract with scripts.
enum Exit {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitUnreachable = 3,
  kExitRefused = 4,
  kExitPartial = 5,
};

struct Terminal {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  bool out_is_terminal = false;
  bool in_is_terminal = false;
  bool colour = false;
  const std::atomic<bool>* stopped = nullptr;  // Set by a signal, once catch_signals() was called.
  void (*catch_signals)() = nullptr;

  struct Size {
    int width = 80;
    int height = 24;
  };
  // Of the window now, when there is one.
  Size size() const;

  bool stop() const { return stopped != nullptr && stopped->load(); }
  // Waits; false when told to stop before the end.
  bool rest(Duration within) const;
};

enum class Tone { kPlain, kStrong, kDim, kGood, kDoubt, kBad };

// Text in a tone, coloured when `colour`. Control characters are made visible.
class Paint {
 public:
  explicit Paint(bool colour) : colour_(colour) {}
  std::string operator()(Tone tone, std::string_view text) const;

 private:
  bool colour_;
};

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

// Rows laid out in columns, two spaces apart, each line indented and ended; the last column is not
// padded. Rows may differ in length.
std::string laid_out(const std::vector<std::vector<Cell>>& rows, const Paint& paint, int indent);

// "0.2 s", "45 s", "12 min", "23 h 10 min", "3 d 4 h".
std::string shown_seconds(double seconds);

// "2026-11-22 03:04:05 UTC" of "2026-11-22T03:04:05.678Z"; anything else as it is.
std::string shown_time(std::string_view wall);

// The same with milliseconds, "2026-11-22 03:04:05.678 UTC": much happens within a second.
std::string shown_moment(std::string_view wall);

// `count` with its noun: "1 entry", "2 entries", "12 servers".
std::string counted(std::int64_t count, std::string_view one, std::string_view many);

// "a", "a and b", "a, b and c".
std::string listed(const std::vector<std::string>& words);

// `text` fit for a terminal: printable(), with backslashes left single, for what is shown must be
// what would be sent. Applying it twice changes nothing.
std::string shown(std::string_view text);

// `text` cut to a screen of `width` columns and `height` lines; colours do not count.
std::string fitted(std::string_view text, int width, int height);

// The texts of an array of texts; others are left out.
std::vector<std::string> texts_of(const Json& json, std::string_view key);

}  // namespace pointsman
