#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/time.h"
#include "orchestrator/core/machine.h"
#include "orchestrator/shell/store.h"

namespace pointsman {

// The flight recorder of one service: the last ten minutes of what was seen, in memory, until a
// decision makes them worth keeping. Bounded by time and by number.
class Flight {
 public:
  void note(const ServicePolicy& policy, const Event& event, Instant now, WallTime wall);

  // What has been noted since the last call and within the last ten minutes, oldest first.
  std::vector<FlightRow> take(const std::string& service, Instant now);

 private:
  struct Seen {
    Instant at;
    WallTime wall;
    std::string text;
  };
  std::deque<Seen> seen_;
};

}  // namespace pointsman
