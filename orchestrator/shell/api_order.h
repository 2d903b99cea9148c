#pragma once

#include "base/http_server.h"
#include "base/result.h"
#include "orchestrator/core/machine.h"

// What an operator orders, as it comes by HTTP: POST .../{verb} with a JSON object.

namespace pointsman {

struct ApiOrder {
  OperatorAsked asked;
  bool dry_run = false;
};

// Strict: a member that the verb does not know or of another type refuses all of it, for an order
// half understood ("dryrun": true) is another order. kNotFound: no such verb; kInvalid names the
// member and what is allowed.
Result<ApiOrder> read_order(const HttpCall& call, const ServicePolicy& policy);

}  // namespace pointsman
