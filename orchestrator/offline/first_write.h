#pragma once

#include <string>
#include <vector>

#include "orchestrator/offline/first_setup.h"

// Writes a first configuration, whole or not at all, and over nothing.

namespace pointsman {

struct FirstWritten {
  std::vector<std::string> files;     // As they are now; folders are told by their files.
  std::vector<std::string> problems;  // What is wrong with it, as `check` tells it; then no file.
};

// Everything is made in a folder of its own within `folder` (made when absent), checked there as
// the daemon would read it, and moved to its place, pointsman.toml last: before it is there, no
// daemon starts. kConflict names all that is there already; after any failure `folder` holds
// nothing of it (a crash while it is moved may leave some, and no pointsman.toml).
Result<FirstWritten> write_first(const std::string& folder, const FirstSetup& setup);

}  // namespace pointsman
