#pragma once

#include <string_view>

// Named places at which a test ends, or freezes, the process from within: before and after each
// effect and each durable record. They exist only where PM_CRASH_POINTS is defined (the programs
// that test/lab/crash_tests.cmake builds); everywhere else a point is nothing, and neither it nor
// its name is left in the program.

namespace pointsman {

#ifdef PM_CRASH_POINTS
// Passes the point `when`/`what` + `of`, or ends there; see test/lab/crash_point.cc.
void crash_point(std::string_view when, std::string_view what, std::string_view of = "");
#else
constexpr void crash_point(std::string_view, std::string_view, std::string_view = "") {}
#endif

}  // namespace pointsman
