#pragma once

#include <string>
#include <vector>

#include "agent/rejoiner.h"
#include "base/result.h"

// A program that reads one file and writes another, for as long as it takes: its progress is
// watched, it is ended when it stands still, and when the watch says so.

namespace pointsman {

struct ChildFiles {
  std::string input;   // "": none.
  std::string output;  // Made anew, mode 0600, on disk when the program has ended well; "": none.
  std::uint64_t total =
      0;  // Expected size of the output; 0: not known. Of an input its own counts.
};

// Runs argv, by an argument list, in a process group of its own. A failure quotes its last words;
// kConflict when `watch` ended it, kTimeout when it moved nothing for minutes, kNotFound when there
// is no such program.
Result<void> run_child(const std::vector<std::string>& argv, const ChildFiles& files,
                       const WayBackWatch& watch);

}  // namespace pointsman
