#pragma once

#include <string>

#include "base/json.h"
#include "orchestrator/cli/control.h"
#include "orchestrator/cli/invocation.h"
#include "orchestrator/cli/terminal.h"

// What an operator is told before a failover. Pure.

namespace pointsman {

struct MovePlan {
  std::string service, from, to;
  double expected_s = 0;  // 0: not known.
};

// What the daemon told.
struct Told {
  const Json& explain;
  const Json& services;
};

MovePlan plan_of(const Invocation& asked, const Told& told);

// From where to where, how long, what may be lost, which gates are shut and what that means here.
std::string plan_text(const MovePlan& plan, const Invocation& asked, const Told& told,
                      const Paint& paint);

// A gate that --force names and that cannot be overridden, or does not exist; no failure: text "".
Failure force_problem(const Invocation& asked, const Json& explain);

}  // namespace pointsman
