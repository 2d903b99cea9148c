#pragma once

#include <string>
#include <vector>

#include "orchestrator/cli/control.h"
#include "orchestrator/cli/invocation.h"
#include "orchestrator/cli/terminal.h"

// The commands. Each prints, and returns the exit code.

namespace pointsman {

// The whole program. `arguments` without the program's name.
int run_cli(std::vector<std::string> arguments, const Terminal& terminal);

// What a command works with.
struct Session {
  const Invocation& asked;
  Control& control;
  const Terminal& terminal;
  Paint paint;

  int fail(const Failure& failure) const;
  int fail(Exit exit, std::string text, std::string hint = "") const;
  // The text for people, or with --json the JSON, on a line.
  int print(const std::string& text, const Json& json) const;
  // An unknown service gets the known names as its hint.
  Failure with_names(Failure failure) const;
};

int run_status(const Session& session);
int run_explain(const Session& session);
int run_history(const Session& session);
// Names of services, of the sites of one, or of its gates, a line each; nothing on failure.
int run_complete(const Session& session);

// failover, switchover: plan, confirmation, live progress.
int run_move(const Session& session);
// The way back of a site: what it holds alone, confirmation, live progress.
int run_rejoin(const Session& session);
// True when `word` was typed.
bool confirmed(const Session& session, const std::string& word);
// Follows the move until it ends, the time to wait is over, or a signal; shows it live.
int follow(const Session& session, const std::string& move, double expected_s);
// Prints what an order led to, and follows the move when it led to one.
int conclude(const Session& session, const Answer& answer);

// adopt, cancel, pause, resume, ack: one request, one sentence.
int run_order(const Session& session);

int run_check(const Invocation& asked, const Terminal& terminal);
// Asks, or reads flags; writes a first configuration and says what comes next.
int run_init(const Invocation& asked, const Terminal& terminal);
int run_certs(const Invocation& asked, const Terminal& terminal);
// Becomes the simulator; comes back only when that cannot be started.
int run_simulate(const Invocation& asked, const Terminal& terminal);
// A test through every channel of notices, or through one.
int run_notify_test(const Invocation& asked, const Terminal& terminal);
// A pair of configurations of keepalived, one a site.
int run_render(const Invocation& asked, const Terminal& terminal);
// Whom Prometheus asks, a file a job.
int run_render_prometheus(const Invocation& asked, const Terminal& terminal);

// With the daemon down: asks the agents that the configuration names. Says what it found, for
// people; appends it to `agents` for scripts.
std::string ask_agents(const std::string& config, Json& agents);

}  // namespace pointsman
