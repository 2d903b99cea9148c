#include <algorithm>
#include <istream>
#include <map>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/time_of_day.h"
#include "orchestrator/cli/move_plan.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

constexpr Duration kPollEvery = 150ms;
constexpr Duration kDaemonAwayMost = 30s;  // A restarted daemon goes on with its move.

std::string service_path(const Session& session) {
  return "/api/v1/services/" + encoded(session.asked.service);
}

Json body_of(const Invocation& asked) {
  Json body = Json::object();
  if (!asked.site.empty()) body.set("to", asked.site);
  if (asked.dry_run) body.set("dry_run", true);
  for (const std::string& gate : asked.force) {
    Json force = body.find("force") != nullptr ? *body.find("force") : Json::array();
    body.set("force", std::move(force.push(gate)));
  }
  if (!asked.assert_off.empty()) body.set("assert_off", asked.assert_off);
  if (!asked.reason.empty()) body.set("reason", asked.reason);
  return body;
}

// The time that --at names, as the API takes it; "" for now.
Result<std::string> when_asked(const Invocation& asked) {
  if (asked.at.empty()) return std::string();
  const WallTime now = system_clock().wall();
  const auto local = next_local(asked.at, now);
  const auto at = local ? local : parse_wall(asked.at);
  if (at) return format_wall(*at);
  return {ErrorCode::kInvalid,
          fmt::format("--at \"{}\" is no time such as 03:30 or 2026-11-28T03:30:00+08:00",
                      shown(asked.at))};
}

// Shows a move as it goes: redrawn in place on a terminal, a line for each change elsewhere.
class Progress {
 public:
  Progress(const Session& session, double expected_s)
      : session_(session), expected_s_(expected_s) {}

  void show(const Json& move) {
    if (session_.asked.json) return;
    if (session_.terminal.out_is_terminal) {
      redraw(move);
    } else {
      print_changes(move);
    }
  }

 private:
  void redraw(const Json& move) {
    const auto size = session_.terminal.size();
    const std::string text = fitted(move_text(move, expected_s_, session_.paint), size.width,
                                    std::max(size.height - 2, 3));
    std::ostream& out = session_.terminal.out;
    if (lines_ > 0) out << "\x1b[" << lines_ << "A\x1b[J";
    out << text << std::flush;
    lines_ = std::count(text.begin(), text.end(), '\n');
  }

  void print_changes(const Json& move) {
    for (const Json& step : move.array_or_empty("steps")) {
      const std::string name = step.string_or("name");
      const std::string state = step.string_or("state");
      std::string& before = states_[name];
      if (state == before || state == "waiting") continue;
      before = state;
      std::string line =
          fmt::format("{:>7}  {} {}", shown_seconds(move.number_or("took_s", 0)), name, state);
      const std::string detail = step.string_or("detail");
      if (!detail.empty()) line += ": " + detail;
      session_.terminal.out << shown(line) << "\n" << std::flush;
    }
  }

  const Session& session_;
  const double expected_s_;
  std::ptrdiff_t lines_ = 0;
  std::map<std::string, std::string> states_;
};

int end_of(const Session& session, const Json& move) {
  session.print(outcome_text(move, session.paint), move);
  return exit_of(move);
}

int still_running(const Session& session, const std::string& id, const Json& move) {
  session.print("", move.is_object() ? move : Json::object({{"id", id}, {"outcome", "running"}}));
  const std::string service = shown(session.asked.service);
  const bool rejoins = session.asked.command == "rejoin";
  session.terminal.err
      << fmt::format(
             "The {} {} goes on without us. Watch it: pointsman status {} --watch\n"
             "{}: pointsman cancel {}\n",
             rejoins ? "rejoin" : "move", shown(id), service,
             rejoins ? "Call it off while no store is replaced"
                     : "Undo it while nothing is promoted",
             service)
      << std::flush;
  return kExitPartial;
}

}  // namespace

bool confirmed(const Session& session, const std::string& word) {
  const Terminal& terminal = session.terminal;
  if (terminal.catch_signals != nullptr) terminal.catch_signals();
  terminal.out << session.paint(Tone::kStrong, "Type " + word + " to go on: ") << std::flush;
  std::string typed;
  if (!std::getline(terminal.in, typed)) terminal.out << "\n";
  while (!typed.empty() && (typed.back() == ' ' || typed.back() == '\r')) typed.pop_back();
  return !terminal.stop() && typed == word;
}

int follow(const Session& session, const std::string& id, double expected_s) {
  if (session.terminal.catch_signals != nullptr) session.terminal.catch_signals();
  const Clock& clock = system_clock();
  const Instant end = clock.now() + session.asked.wait;
  Instant heard = clock.now();
  Progress progress(session, expected_s);
  Json move;
  do {
    const Answer answer = session.control.get("/api/v1/moves/" + encoded(id));
    if (answer.ok()) {
      heard = clock.now();
      move = answer.body;
      progress.show(move);
      if (move.string_or("outcome", "running") != "running") return end_of(session, move);
    } else if ((answer.failure.exit != kExitUnreachable && answer.status < 500) ||
               clock.now() > heard + kDaemonAwayMost) {
      return session.fail(answer.failure);
    }
    if (clock.now() > end) return still_running(session, id, move);
  } while (session.terminal.rest(kPollEvery));
  return still_running(session, id, move);
}

int conclude(const Session& session, const Answer& answer) {
  if (!answer.ok()) return session.fail(session.with_names(answer.failure));
  const std::string move = answer.body.string_or("move");
  if (!move.empty()) return follow(session, move, 0);
  const Json* plan = answer.body.find("plan");
  if (plan != nullptr && plan->is_object()) {
    session.print(dry_run_text(*plan, session.paint), *plan);
    return exit_of_dry_run(*plan);
  }
  return session.print(shown(answer.body.string_or("text", "Done.")) + "\n", answer.body);
}

int run_move(const Session& session) {
  const Invocation& asked = session.asked;
  const Terminal& terminal = session.terminal;
  const bool asks = !asked.yes && !asked.dry_run;
  if (asks && (asked.json || !terminal.in_is_terminal)) {
    return session.fail(
        kExitUsage,
        asked.command + (asked.json ? " with --json cannot ask for a confirmation"
                                    : " asks for a confirmation, and standard input is no "
                                      "terminal"),
        "give --yes to move without asking, or --dry-run to see what it would do");
  }
  const auto at = when_asked(asked);
  if (!at.ok()) return session.fail(kExitUsage, at.error().message);
  Json body = body_of(asked);
  if (!at->empty()) body.set("at", *at);
  const char* const query =
      asked.command == "failover" ? "/explain?by=operator" : "/explain?kind=switchover";
  const Answer explain = session.control.get(service_path(session) + query);
  if (!explain.ok()) return session.fail(session.with_names(explain.failure));
  const Failure problem = force_problem(asked, explain.body);
  if (!problem.text.empty()) return session.fail(problem);
  const std::string path = service_path(session) + "/" + asked.command;
  if (asked.dry_run) return conclude(session, session.control.post(path, body, 120s));

  const Answer services = session.control.get("/api/v1/services");
  if (!services.ok()) return session.fail(services.failure);
  // Nowhere to go back to: the daemon says why.
  const Json* const service = service_named(services.body, asked.service);
  const Json* const back = service == nullptr ? nullptr : service->find("failback");
  if (asked.command == "failback" && (back == nullptr || !back->is_object())) {
    return conclude(session, session.control.post(path, body));
  }
  const Told told{explain.body, services.body};
  const MovePlan plan = plan_of(asked, told);
  if (!asked.json) {
    terminal.out << plan_text(plan, asked, told, session.paint) << std::flush;
  }
  if (asks && !confirmed(session, plan.to.empty() ? plan.service : plan.to)) {
    return session.fail(kExitFailed, "not confirmed: nothing was done");
  }
  const Answer started = session.control.post(path, body);
  const std::string move = started.ok() ? started.body.string_or("move") : "";
  return move.empty() ? conclude(session, started) : follow(session, move, plan.expected_s);
}

int run_order(const Session& session) {
  const Invocation& asked = session.asked;
  Json body = Json::object();
  if (asked.command == "adopt") body.set("primary", asked.site);
  if (!asked.hold_for.empty()) body.set("for", asked.hold_for);
  if (!asked.assert_off.empty()) body.set("assert_off", asked.assert_off);
  if (!asked.reason.empty()) body.set("reason", asked.reason);
  const std::string path = asked.service.empty() ? "/api/v1/" : service_path(session) + "/";
  return conclude(session, session.control.post(path + asked.command, body));
}

}  // namespace pointsman
