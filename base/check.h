#pragma once

// Things that cannot be. Kept in release: a monitor that lost its own logic must stop, not guess.

namespace pointsman {

// Prints the condition and the place to standard error and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace pointsman

#define CHECK(condition)                               \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::pointsman::check_failed(#condition, __FILE__, __LINE__))
