#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>

#include "agent/boot_command.h"
#include "agent/program.h"
#include "agent/take_command.h"
#include "agent/vip_command.h"
#include "agent/witness_probes.h"
#include "base/core_dumps.h"
#include "base/descriptor_limit.h"
#include "base/http.h"
#include "base/log.h"
#include "base/notify.h"

// pointsman-agent: wires the parts and waits for signals.

namespace pointsman {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr Duration kLeaveWithin = 3s;

constexpr const char* kUsage =
    "usage: pointsman-agent [--config FILE] [--dry-run] [--version]\n"
    "       pointsman-agent take SERVICE --assert-off SITE --reason TEXT [--yes] [--config FILE]\n"
    "       pointsman-agent vip SERVICE fit|holds|yields [--config FILE]\n"
    "       pointsman-agent check|boot [--config FILE]\n"
    "  take  as root, when the monitor's host is dead too: this site takes power by your word "
    "that\n"
    "        SITE is off\n"
    "  vip   for keepalived's scripts: is this site fit to serve; what became of the address\n"
    "  check tell every mistake of the configuration\n"
    "  boot  before the network: close the ports of every service in which this site had a role\n";

struct Arguments {
  std::string config = "/etc/pointsman/agent.toml";
  std::optional<TakeAsked> take;
  std::optional<VipAsked> vip;
  bool check = false;
  bool boot = false;
  bool dry_run = false;
  bool version = false;
  bool good = true;
};

// One word of `take`, or false.
bool read_take(TakeAsked& take, int argc, char** argv, int& k) {
  const std::string word = argv[k];
  if (word == "--yes") {
    take.yes = true;
  } else if (word == "--assert-off" && k + 1 < argc) {
    take.off = argv[++k];
  } else if (word == "--reason" && k + 1 < argc) {
    take.reason = argv[++k];
  } else if (!word.starts_with("-") && take.service.empty()) {
    take.service = word;
  } else {
    return false;
  }
  return true;
}

// One word of `vip`, or false.
bool read_vip(VipAsked& vip, const std::string& word) {
  if (vip.service.empty()) {
    vip.service = word;
    return !word.starts_with("-");
  }
  if (!vip.word.empty()) return false;
  vip.word = word;
  return word == "fit" || word == "holds" || word == "yields";
}

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int k = 1; k < argc; ++k) {
    const std::string word = argv[k];
    if (word == "--config" && k + 1 < argc) {
      arguments.config = argv[++k];
    } else if (word == "take" && k == 1) {
      arguments.take.emplace();
    } else if (word == "vip" && k == 1) {
      arguments.vip.emplace();
    } else if (arguments.vip) {
      arguments.good = read_vip(*arguments.vip, word) && arguments.good;
    } else if (arguments.take) {
      arguments.good = read_take(*arguments.take, argc, argv, k) && arguments.good;
    } else if (word == "check" && k == 1) {
      arguments.check = true;
    } else if (word == "boot" && k == 1) {
      arguments.boot = true;
    } else if (word == "--dry-run") {
      arguments.dry_run = true;
    } else if (word == "--version") {
      arguments.version = true;
    } else {
      arguments.good = false;
    }
  }
  if (arguments.take) {
    const TakeAsked& take = *arguments.take;
    arguments.good =
        arguments.good && !take.service.empty() && !take.off.empty() && !take.reason.empty();
    arguments.take->config = arguments.config;
  }
  if (arguments.vip) {
    arguments.good = arguments.good && !arguments.vip->word.empty();
    arguments.vip->config = arguments.config;
  }
  return arguments;
}

sigset_t our_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// Until SIGTERM or SIGINT. The watchdog is fed only while every thread that a lease hangs on turns.
void serve(AgentProgram& program, const sigset_t& signals) {
  const Duration period = std::min(watchdog_period().value_or(1s), Duration(1s));
  const timespec wait{period / 1s, (period % 1s).count()};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) return;
    if (signal == SIGHUP) program.reload_certificates();
    if (program.is_turning()) {
      notify_supervisor("WATCHDOG=1");
    } else {
      log(LogLevel::kError, "agent-stuck", {});
    }
  }
}

// As the agent would read it; what an upgrade asks before it goes on with a new version.
int run_check(const std::string& path) {
  const auto outcome = read_agent_config(path);
  for (const ConfigError& error : outcome.errors) std::printf("%s\n", error.text().c_str());
  for (const std::string& warning : outcome.warnings) std::printf("warning: %s\n", warning.c_str());
  if (!outcome.config) return kExitUsage;
  std::printf("%s is sound: site %s, %zu service(s)\n", path.c_str(), outcome.config->site.c_str(),
              outcome.config->services.size());
  return 0;
}

int run(const Arguments& arguments) {
  const auto outcome = read_agent_config(arguments.config);
  for (const std::string& warning : outcome.warnings) {
    log(LogLevel::kWarning, "configuration", {{"reason", warning}});
  }
  for (const ConfigError& error : outcome.errors) {
    std::fprintf(stderr, "%s\n", error.text().c_str());
  }
  if (!outcome.config) return kExitUsage;
  umask(0077);
  http_global_init();
  if (const auto few = too_few_descriptors(raise_descriptor_limit()); !few.empty()) {
    log(LogLevel::kError, "start-failed", {{"reason", few}});
    return kExitFailed;
  }
  const sigset_t signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto witness = make_probe_witness(system_clock());
  AgentProgram program(*outcome.config, witness.get(), system_clock(), arguments.dry_run);
  const auto started = program.start();
  if (!started) {
    log(LogLevel::kError, "start-failed", {{"reason", started.error().message}});
    return kExitFailed;
  }
  log(LogLevel::kNotice, "started",
      {{"site", outcome.config->site},
       {"listen", outcome.config->listen},
       {"services", outcome.config->services.size()},
       {"dry_run", arguments.dry_run}});
  notify_supervisor("READY=1");
  serve(program, signals);
  notify_supervisor("STOPPING=1");
  program.leave(kLeaveWithin);
  log(LogLevel::kNotice, "stopped", {{"site", outcome.config->site}});
  return 0;
}

}  // namespace
}  // namespace pointsman

int main(int argc, char** argv) {
  pointsman::forbid_core_dumps();
  const auto arguments = pointsman::read_arguments(argc, argv);
  if (!arguments.good) {
    std::fputs(pointsman::kUsage, stderr);
    return pointsman::kExitUsage;
  }
  if (arguments.version) {
    std::puts("pointsman-agent " PM_VERSION);
    return 0;
  }
  if (arguments.vip) return pointsman::run_vip(*arguments.vip, std::cout);
  if (arguments.check) return pointsman::run_check(arguments.config);
  if (arguments.boot) {
    const auto deadman = pointsman::make_nft_deadman(pointsman::system_clock());
    return pointsman::run_boot(arguments.config, *deadman, std::cerr);
  }
  if (arguments.take) return pointsman::run_take(*arguments.take, std::cin, std::cout);
  try {
    return pointsman::run(arguments);
  } catch (const std::system_error& error) {  // Each part starts threads of its own.
    pointsman::log(pointsman::LogLevel::kError, "start-failed",
                   {{"reason", std::string("no thread can be started: ") + error.what()}});
    return pointsman::kExitFailed;
  }
}
