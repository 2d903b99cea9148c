#pragma once

#include <optional>
#include <string_view>

namespace pointsman {

struct TextPlace {
  int line = 1;
  int column = 1;
};

// Where the first character that is not ASCII stands outside the quotes and comments of a TOML text
// (but for a byte order mark at its very beginning). No TOML may hold one there, and toml++ 3 runs
// into undefined behaviour at it instead of saying so.
std::optional<TextPlace> bare_non_ascii(std::string_view text);

}  // namespace pointsman
