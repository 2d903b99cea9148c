#include "orchestrator/cli/run.h"

#include <ostream>
#include <utility>

#include <fmt/format.h>

#include "base/config_reader.h"
#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";
constexpr const char* kDefaultControl = "/run/pointsman/control.sock";

// By --control, else by the configuration. Only the one key is read: a daemon whose file was broken
// after its start must stay within reach.
Result<std::string> control_path(const Invocation& asked) {
  if (!asked.control.empty()) return asked.control;
  const bool named = !asked.config.empty();
  std::vector<ConfigError> errors;
  auto file = ConfigFile::load(named ? asked.config : kDefaultConfig, errors);
  if (file == nullptr) {
    if (!named) return std::string(kDefaultControl);
    return Error{ErrorCode::kInvalid,
                 errors.empty() ? asked.config + ": cannot be read" : errors.front().text()};
  }
  return file->root().table("monitor").text("control", kDefaultControl);
}

}  // namespace

int Session::fail(const Failure& failure) const { return tell(failure, asked.json, terminal); }

int Session::fail(Exit exit, std::string text, std::string hint) const {
  const char* code = exit == kExitUsage ? "invalid" : "failed";
  return fail(Failure{exit, code, "", std::move(text), std::move(hint)});
}

int Session::print(const std::string& text, const Json& json) const {
  terminal.out << (asked.json ? json.dump() + "\n" : text) << std::flush;
  return kExitDone;
}

Failure Session::with_names(Failure failure) const {
  if (failure.code != "not-found" || asked.service.empty()) return failure;
  const Answer services = control.get("/api/v1/services");
  if (!services.ok() || service_named(services.body, asked.service) != nullptr) return failure;
  const auto names = service_names(services.body);
  const std::string near = nearest_word(asked.service, names);
  failure.text = fmt::format("there is no service \"{}\"", asked.service);
  failure.hint = near.empty() ? "the services are: " + listed(names) : "did you mean " + near + "?";
  return failure;
}

int run_cli(std::vector<std::string> arguments, const Terminal& terminal) {
  auto read = read_arguments(std::move(arguments));
  if (const auto* printed = std::get_if<Printed>(&read)) {
    (printed->exit == 0 ? terminal.out : terminal.err) << printed->text << std::flush;
    return printed->exit;
  }
  const Invocation& asked = std::get<Invocation>(read);
  if (asked.command == "check") return run_check(asked, terminal);
  if (asked.command == "init") return run_init(asked, terminal);
  if (asked.command.rfind("certs", 0) == 0) return run_certs(asked, terminal);
  if (asked.command == "simulate") return run_simulate(asked, terminal);
  if (asked.command == "notify test") return run_notify_test(asked, terminal);
  if (asked.command == "render keepalived") return run_render(asked, terminal);
  if (asked.command == "render prometheus") return run_render_prometheus(asked, terminal);
  const auto path = control_path(asked);
  if (!path.ok()) {
    return tell({kExitUsage, "invalid", "", path.error().message, ""}, asked.json, terminal);
  }
  Control control(*path);
  const Session session{asked, control, terminal, Paint(terminal.colour)};
  if (asked.command == "status") return run_status(session);
  if (asked.command == "explain") return run_explain(session);
  if (asked.command == "history") return run_history(session);
  if (asked.command == "complete") return run_complete(session);
  for (const char* move : {"failover", "switchover", "failback"}) {
    if (asked.command == move) return run_move(session);
  }
  if (asked.command == "rejoin") return run_rejoin(session);
  return run_order(session);
}

}  // namespace pointsman
