#pragma once

#include <iosfwd>
#include <string>

// pointsman-agent take SERVICE --assert-off SITE --reason TEXT: the word of a person at this site,
// brought to the agent that runs here.

namespace pointsman {

struct TakeAsked {
  std::string config;
  std::string service;
  std::string off;
  std::string reason;
  bool yes = false;  // Do not ask to type the other site's name.
};

// 0: this site takes writes. 1: it failed, or was not confirmed. 2: usage or configuration. 3: the
// agent is not reached. 4: refused, with the reason.
int run_take(const TakeAsked& asked, std::istream& in, std::ostream& out);

}  // namespace pointsman
