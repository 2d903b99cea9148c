// pointsmand: reads its arguments, wires the daemon, waits for signals.

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include "base/clock.h"
#include "base/core_dumps.h"
#include "base/descriptor_limit.h"
#include "base/http.h"
#include "base/log.h"
#include "base/notify.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/shell/daemon.h"

namespace {

using namespace pointsman;

struct Arguments {
  std::string config = "/etc/pointsman/pointsman.toml";
  bool dry_run = false;
  bool wrong = false;
  bool version = false;
  bool help = false;
};

constexpr const char* kUsage =
    "usage: pointsmand [--config FILE] [--dry-run] [--debug] [--version]\n"
    "  --config FILE  default /etc/pointsman/pointsman.toml\n"
    "  --dry-run      probe and decide for real, write nothing: every write is rendered to the "
    "log\n"
    "  --debug        log everything\n";

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int k = 1; k < argc; ++k) {
    const std::string word = argv[k];
    if (word == "--config" && k + 1 < argc) {
      arguments.config = argv[++k];
    } else if (word == "--dry-run") {
      arguments.dry_run = true;
    } else if (word == "--debug") {
      set_log_level(LogLevel::kDebug);
    } else if (word == "--version") {
      arguments.version = true;
    } else if (word == "--help" || word == "-h") {
      arguments.help = true;
    } else {
      std::fprintf(stderr, "pointsmand: unknown argument \"%s\"\n", printable(word).c_str());
      arguments.wrong = true;
    }
  }
  return arguments;
}

// Waits for a signal, telling the watchdog meanwhile that the loop turns.
void serve(Daemon& daemon, const sigset_t& signals) {
  notify_supervisor("READY=1");
  while (true) {
    const timespec rest{1, 0};
    const int signal = sigtimedwait(&signals, nullptr, &rest);
    if (daemon.turns()) notify_supervisor("WATCHDOG=1");
    if (signal == SIGHUP) {
      daemon.reload();
    } else if (signal < 0) {
      daemon.reload_if_due();
    } else if (signal == SIGTERM || signal == SIGINT) {
      log(LogLevel::kNotice, "stopping", {{"signal", strsignal(signal)}});
      notify_supervisor("STOPPING=1");
      return;
    }
  }
}

int run(MonitorConfig config, bool dry_run, const sigset_t& signals) {
  Daemon daemon(system_clock(), dry_run);
  if (const auto started = daemon.start(std::move(config)); !started.ok()) {
    log(LogLevel::kError, "not-started", {{"problem", started.error().message}});
    return started.error().code == ErrorCode::kInvalid ? 2 : 1;
  }
  serve(daemon, signals);
  daemon.end();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  forbid_core_dumps();
  const Arguments arguments = read_arguments(argc, argv);
  if (arguments.version) {
    std::printf("pointsmand %s\n", PM_VERSION);
    return 0;
  }
  if (arguments.wrong || arguments.help) {
    std::fputs(kUsage, arguments.help ? stdout : stderr);
    return arguments.help ? 0 : 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  http_global_init();
  if (const auto few = too_few_descriptors(raise_descriptor_limit()); !few.empty()) {
    log(LogLevel::kError, "not-started", {{"problem", few}});
    return 1;
  }

  auto outcome = read_monitor_config(arguments.config);
  for (const std::string& warning : outcome.warnings) {
    log(LogLevel::kWarning, "configuration", {{"warning", warning}});
  }
  if (!outcome.config) {
    for (const ConfigError& error : outcome.errors) {
      std::fprintf(stderr, "%s\n", printable(error.text()).c_str());
    }
    return 2;
  }
  try {
    return run(std::move(*outcome.config), arguments.dry_run, signals);
  } catch (const std::system_error& error) {  // Each part starts threads of its own.
    log(LogLevel::kError, "not-started",
        {{"problem", std::string("no thread can be started: ") + error.what()}});
    return 1;
  }
}
