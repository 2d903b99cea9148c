#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Child processes by argument list, never by a shell.

namespace pointsman {

struct ProcessOutcome {
  int exit_code = 0;  // 128 + signal when it was ended by one.
  std::string out;    // Capped; "[cut]" is appended when more came.
  std::string err;
};

// What a program that has ended in time may leave running in its process group.
enum class Leftovers {
  kLiveOn,  // A service that it started.
  kKilled,  // Nothing: what it began may not go on behind the back of its answer.
};

struct ProcessBounds {
  std::size_t output_most = 64 << 10;  // Of each of the two outputs; what comes beyond is dropped.
  Leftovers leftovers = Leftovers::kLiveOn;
};

// Runs argv[0] (absolute path, or found in PATH) with `input` on standard input, in a process group
// of its own that is killed whole at `within` (kTimeout). When this returns the program has ended.
// Children that left the group (setsid) are out of reach. The environment is PATH, LANG and HOME
// only; no other descriptor is inherited, nor a limit of descriptors that we raised. kNotFound: no
// such program.
Result<ProcessOutcome> run_process(const std::vector<std::string>& argv, const std::string& input,
                                   Duration within, ProcessBounds bounds = {});

}  // namespace pointsman
