#include <unistd.h>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/core_dumps.h"
#include "base/http.h"
#include "orchestrator/cli/run.h"

namespace {

std::atomic<bool> stopped{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// The second signal ends at once: whatever we wait for, the operator waits no longer.
void on_signal(int signal) {
  if (stopped.exchange(true)) _exit(128 + signal);
}

// From now on a signal asks to stop, and what is shown live is left in order. No SA_RESTART: a
// question must end, too.
void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool colours(bool terminal) {
  const char* none = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  return terminal && (none == nullptr || *none == '\0') && kind != nullptr &&
         std::string(kind) != "dumb";
}

}  // namespace

int main(int argc, char** argv) {
  pointsman::forbid_core_dumps();
  std::signal(SIGPIPE, SIG_IGN);
  pointsman::http_global_init();
  pointsman::Terminal terminal{std::cout, std::cerr, std::cin};
  terminal.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  terminal.in_is_terminal = isatty(STDIN_FILENO) == 1;
  terminal.colour = colours(terminal.out_is_terminal);
  terminal.stopped = &stopped;
  terminal.catch_signals = catch_signals;
  return pointsman::run_cli(std::vector<std::string>(argv + 1, argv + argc), terminal);
}
