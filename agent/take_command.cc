#include "agent/take_command.h"

#include <unistd.h>

#include <cstdlib>
#include <istream>
#include <ostream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "agent/config.h"
#include "agent/guard.h"
#include "agent/local_agent.h"
#include "base/clock.h"

namespace pointsman {
namespace {

enum Exit { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3, kRefused = 4 };

constexpr Duration kAnswerWithin = 5s;
constexpr Duration kOpenWithin = 90s;  // After the wait: stores apply all that they received first.
constexpr Duration kLookEvery = 250ms;

int fail(std::ostream& out, int code, const std::string& text) {
  fmt::print(out, "pointsman-agent take: {}\n", text);
  return code;
}

int unreachable(std::ostream& out, const Error& error) {
  const bool known = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kRefused;
  return fail(out, known ? kRefused : kUnreachable, error.message);
}

std::string actor() {
  const char* sudo = std::getenv("SUDO_USER");
  return sudo == nullptr ? "root" : std::string(sudo).substr(0, 40) + " by sudo";
}

void show_plan(const ServiceReport& report, const TakeAsked& asked, std::ostream& out) {
  fmt::print(out, "{} at {}: {} in epoch {}; {} was last heard {}\n", asked.service, report.site,
             to_string(report.role), report.reign.epoch, asked.off,
             report.peer.reign.any() ? fmt::format("{:.0f} s ago", seconds(report.peer.age))
                                     : std::string("before this agent started"));
  if (report.caught_up_age) {
    fmt::print(
        out,
        "Everything that {} had executed {:.1f} s ago has arrived here; what it acknowledged "
        "later is missing.\n",
        asked.off, seconds(*report.caught_up_age));
  } else {
    fmt::print(out, "How far this site was behind {} is not known.\n", asked.off);
  }
  fmt::print(
      out,
      "\nThis gives {} power over {} by your word alone, when every promise has ended, until "
      "a\nmonitor adopts it, for at most {:.0f} h, and not beyond a restart of this host.\n"
      "{} must be OFF, and must be KEPT OFF until the monitor is back and has adopted this: "
      "else both\nsites take writes. No DNS record is changed: repoint it by hand.\n",
      report.site, asked.service, seconds(kTakenLease) / 3600, asked.off);
}

bool confirmed(const TakeAsked& asked, std::istream& in, std::ostream& out) {
  if (asked.yes) return true;
  fmt::print(out, "Type {} to go on: ", asked.off);
  out.flush();
  std::string typed;
  return static_cast<bool>(std::getline(in, typed)) && typed == asked.off;
}

// Until the stores are open, or for too long.
int await_power(LocalAgent& agent, const TakeAsked& asked, Duration wait, std::ostream& out) {
  const Instant deadline = system_clock().now() + wait + kOpenWithin;
  std::string trouble;
  while (system_clock().now() < deadline) {
    std::this_thread::sleep_for(kLookEvery);
    const auto report = agent.report(asked.service);
    if (!report) {
      trouble = report.error().message;
      continue;
    }
    trouble = report->trouble;
    const bool ours = report->taken && report->reign == report->taken->reign;
    if (!ours && !report->prepared) {
      return fail(out, kRefused,
                  "not taken: the other site, a monitor or another order was heard; "
                  "the agent's log says which");
    }
    if (!ours || report->role != Role::kPrimary || report->promoted != report->reign.epoch)
      continue;
    fmt::print(out,
               "{} takes writes in epoch {}, until {:.1f} h from now.\n"
               "Keep {} off. When the monitor is back: pointsman adopt {} --primary {} "
               "--assert-off {}\n",
               report->site, report->reign.epoch, seconds(report->lease_rest) / 3600, asked.off,
               asked.service, report->site, asked.off);
    return kDone;
  }
  return fail(out, kFailed,
              "power was taken or is being taken, but not everything is open: " +
                  (trouble.empty() ? "no reason given" : trouble));
}

}  // namespace

int run_take(const TakeAsked& asked, std::istream& in, std::ostream& out) {
  if (geteuid() != 0) return fail(out, kUsage, "only root may say that a site is off");
  const auto outcome = read_agent_config(asked.config);
  for (const ConfigError& error : outcome.errors) fmt::print(out, "{}\n", error.text());
  if (!outcome.config) return kUsage;
  if (outcome.config->control.empty()) {
    return fail(out, kUsage, asked.config + ": [agent] has no control socket");
  }
  http_global_init();
  LocalAgent agent(outcome.config->control, kAnswerWithin);
  const auto report = agent.report(asked.service);
  if (!report) return unreachable(out, report.error());
  show_plan(*report, asked, out);
  if (!confirmed(asked, in, out)) return fail(out, kFailed, "not confirmed; nothing was done");
  const auto answer = agent.ask("POST", "/v1/take",
                                Json::object({{"service", asked.service},
                                              {"off", asked.off},
                                              {"actor", actor()},
                                              {"reason", asked.reason},
                                              {"at", format_wall(system_clock().wall())}}));
  if (!answer) return unreachable(out, answer.error());
  const std::string reason = answer->string_or("reason");
  if (!answer->bool_or("accepted")) return fail(out, kRefused, "refused: " + reason);
  fmt::print(out, "{}\n", reason);
  out.flush();
  return await_power(agent, asked, std::chrono::milliseconds(answer->int_or("wait_ms")), out);
}

}  // namespace pointsman
