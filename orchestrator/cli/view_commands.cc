#include <algorithm>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

constexpr Duration kWatchEvery = 1s;
constexpr const char* kServices = "/api/v1/services";

// With a service named: only that one.
Json only(const Json& answer, const std::string& service) {
  if (service.empty()) return answer;
  Json some = answer;
  Json services = Json::array();
  const Json* one = service_named(answer, service);
  if (one != nullptr) services.push(*one);
  some.set("services", std::move(services));
  return some;
}

Failure no_such_service(const Session& session, const Json& answer) {
  Failure failure{kExitUsage, "not-found", "", "", ""};
  failure.text = fmt::format("there is no service \"{}\"", session.asked.service);
  const auto names = service_names(answer);
  failure.hint = names.empty() ? "none is configured" : "the services are: " + listed(names);
  return failure;
}

int status_without_daemon(const Session& session, const Failure& failure) {
  Json agents = Json::array();
  const std::string found = ask_agents(session.asked.config, agents);
  const Terminal& terminal = session.terminal;
  if (session.asked.json) {
    terminal.out
        << Json::object({{"error", failure_json(failure)}, {"agents", std::move(agents)}}).dump()
        << "\n";
  } else {
    terminal.out << found;
  }
  terminal.out << std::flush;
  return tell(failure, false, terminal);
}

// The alternate screen, left again whatever happens.
class Screen {
 public:
  explicit Screen(std::ostream& out) : out_(out) { out_ << "\x1b[?1049h\x1b[?25l" << std::flush; }
  ~Screen() { out_ << "\x1b[?25h\x1b[?1049l" << std::flush; }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void draw(const std::string& text) {
    out_ << "\x1b[H";
    for (const char c : text) {
      if (c == '\n') out_ << "\x1b[K";
      out_ << c;
    }
    out_ << "\x1b[K\x1b[J" << std::flush;
  }

 private:
  std::ostream& out_;
};

int watch_screen(const Session& session) {
  const Terminal& terminal = session.terminal;
  Screen screen(terminal.out);
  std::string text;
  do {
    const Answer answer = session.control.get(kServices);
    const std::string now = shown_time(format_wall(system_clock().wall()));
    const std::string head = session.paint(Tone::kDim, now + "   Ctrl-C ends this") + "\n\n";
    if (answer.ok()) {
      text = status_text(answer.body, session.asked.service, session.paint);
      screen.draw(fitted(head + text, terminal.size().width, terminal.size().height));
    } else {
      const std::string why = session.paint(Tone::kBad, answer.failure.text) + "\n\n";
      const std::string old = text.empty() ? "" : session.paint(Tone::kDim, "before that:") + "\n";
      screen.draw(fitted(head + why + old + text, terminal.size().width, terminal.size().height));
    }
  } while (terminal.rest(kWatchEvery));
  return kExitDone;
}

// For pipes and logs: a line for each change.
int watch_lines(const Session& session) {
  const Terminal& terminal = session.terminal;
  std::vector<std::string> before;
  do {
    const Answer answer = session.control.get(kServices);
    const auto lines = answer.ok() ? status_lines(answer.body, session.asked.service)
                                   : std::vector<std::string>{answer.failure.text};
    if (lines == before) continue;
    if (session.asked.json) {
      const Json json = answer.ok() ? only(answer.body, session.asked.service)
                                    : Json::object({{"error", failure_json(answer.failure)}});
      terminal.out << json.dump() << "\n";
    } else {
      const std::string now = shown_time(format_wall(system_clock().wall()));
      for (const std::string& line : lines) {
        if (std::find(before.begin(), before.end(), line) != before.end()) continue;
        terminal.out << now << "  " << shown(line) << "\n";
      }
    }
    terminal.out << std::flush;
    if (!terminal.out) return kExitFailed;  // Nobody reads any more.
    before = lines;
  } while (terminal.rest(kWatchEvery));
  return kExitDone;
}

}  // namespace

int run_status(const Session& session) {
  const Answer answer = session.control.get(kServices);
  if (!answer.ok() && answer.failure.exit == kExitUnreachable && !session.asked.watch) {
    return status_without_daemon(session, answer.failure);
  }
  if (!answer.ok()) return session.fail(answer.failure);
  if (!session.asked.service.empty() &&
      service_named(answer.body, session.asked.service) == nullptr) {
    return session.fail(no_such_service(session, answer.body));
  }
  if (session.asked.watch) {
    if (session.terminal.catch_signals != nullptr) session.terminal.catch_signals();
    const bool screen = session.terminal.out_is_terminal && !session.asked.json;
    return screen ? watch_screen(session) : watch_lines(session);
  }
  return session.print(status_text(answer.body, session.asked.service, session.paint),
                       only(answer.body, session.asked.service));
}

int run_explain(const Session& session) {
  const Answer answer =
      session.control.get(fmt::format("{}/{}/explain", kServices, encoded(session.asked.service)));
  if (!answer.ok()) return session.fail(session.with_names(answer.failure));
  return session.print(explain_text(answer.body, session.paint), answer.body);
}

int run_complete(const Session& session) {
  const bool gates = session.asked.site == "gates";
  const std::string& service = session.asked.service;
  const Answer answer = session.control.get(
      gates ? fmt::format("{}/{}/explain", kServices, encoded(service)) : kServices, 1s);
  if (!answer.ok()) return kExitUnreachable;
  const Json* of = gates ? &answer.body : service_named(answer.body, service);
  const bool services = session.asked.site == "services";
  if (services) of = &answer.body;
  const char* list = gates ? "gates" : (services ? "services" : "sites");
  if (of == nullptr) return kExitFailed;
  for (const Json& one : of->array_or_empty(list)) {
    session.terminal.out << shown(one.string_or("name")) << "\n";
  }
  session.terminal.out << std::flush;
  return kExitDone;
}

int run_history(const Session& session) {
  if (session.asked.verify) {
    // A long journal takes its time.
    const Answer answer = session.control.get("/api/v1/history/verify", 120s);
    if (!answer.ok()) return session.fail(answer.failure);
    const bool sound = answer.body.bool_or("sound");
    const std::string entries = counted(answer.body.int_or("entries"), "entry", "entries");
    session.print(sound
                      ? session.paint(Tone::kGood, "The journal is sound: " + entries + ".") + "\n"
                      : session.paint(Tone::kBad, "The journal is NOT sound, after " + entries +
                                                      ": " + answer.body.string_or("problem")) +
                            "\n",
                  answer.body);
    return sound ? kExitDone : kExitFailed;
  }
  std::string path = fmt::format("/api/v1/history?limit={}", session.asked.limit);
  if (!session.asked.service.empty()) path += "&service=" + encoded(session.asked.service);
  const Answer answer = session.control.get(path, 30s);
  if (!answer.ok()) return session.fail(session.with_names(answer.failure));
  if (!session.asked.json) return session.print(history_text(answer.body, session.paint), {});
  for (const Json& entry : history_in_order(answer.body)) {
    session.terminal.out << entry.dump() << "\n";
  }
  session.terminal.out << std::flush;
  return kExitDone;
}

}  // namespace pointsman
