#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "orchestrator/cli/terminal.h"

// What the answers of the control API look like to people. Pure: JSON in, text out. Whatever
// comes from the JSON passes shown().

namespace pointsman {

// The service of that name in the answer to `services`, or nullptr.
const Json* service_named(const Json& answer, std::string_view name);
std::vector<std::string> service_names(const Json& answer);

// One calm screen; of one service only when `service` is set.
std::string status_text(const Json& answer, const std::string& service, const Paint& paint);

// What of it is worth a new line in a log: no ages, no seconds. A line each service.
std::vector<std::string> status_lines(const Json& answer, const std::string& service);

std::string explain_text(const Json& answer, const Paint& paint);

// The steps of a move, as far as it is; `expected_s` 0 when not known.
std::string move_text(const Json& move, double expected_s, const Paint& paint);

// The exact writes of a dry run, step by step.
std::string dry_run_text(const Json& move, const Paint& paint);

// Done, failed when a step would fail, refused when a gate would refuse it.
Exit exit_of_dry_run(const Json& move);

// "failover of im-api: hz -> sh".
std::string move_title(const Json& move);

// How it ended: outcome, what was lost, timeline, what is left for a human.
std::string outcome_text(const Json& move, const Paint& paint);
Exit exit_of(const Json& move);

// One line: "done in 3.9 s: prepare 0.1 s, fence 0.3 s, ...".
std::string move_summary(const Json& move);

// "at most 3 transactions / 0.8 s of writes may be missing (...)"; "" when nothing is told of it.
std::string loss_sentence(const Json& move);

// Oldest first, a line each.
std::string history_text(const Json& answer, const Paint& paint);

// The entries of a history, oldest first.
std::vector<Json> history_in_order(const Json& answer);

}  // namespace pointsman
