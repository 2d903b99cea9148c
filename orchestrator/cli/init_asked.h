#pragma once

#include <map>
#include <string>
#include <vector>

// What was told to `pointsman init` by flags.

namespace pointsman {

struct InitAsked {
  std::map<std::string, std::vector<std::string>> given;  // Flag without "--" -> values.
  std::string secrets;                                    // A file, "-", or "".
  bool no_agents = false;
  bool offline = false;
};

}  // namespace pointsman
