#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "agent/drivers/drivers.h"
#include "agent/drivers/endpoint.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"

// Units: systemd's by systemctl, others by the operator's argument lists.

namespace pointsman {
namespace {

constexpr Duration kLook = 50ms;

struct UnitState {
  bool active = false;
  bool ended = false;  // Neither it nor a main process of it is there.
  std::string text;
};

std::string first_line(const std::string& text) {
  return printable(text.substr(0, std::min<std::size_t>(text.find('\n'), 200)));
}

std::string value_of(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with(key + "=")) return line.substr(key.size() + 1);
  }
  return "";
}

class UnitDriver : public Driver {
 public:
  explicit UnitDriver(const UnitSettings& settings) : settings_(settings) {}

  std::string name() const override { return settings_.name; }
  bool is_store() const override { return false; }
  StoreReport report(Duration within) override;
  Result<void> fence(FenceDepth depth, Duration within) override;
  Result<void> unfence(Duration within) override { return start(within); }
  Result<void> promote(Duration within) override { return start(within); }
  Result<void> follow(const FollowTarget&, Duration) override { return {}; }
  Result<void> keep_standby(Duration within) override { return fence(FenceDepth::kOrder, within); }
  std::vector<std::string> render(const std::string& verb) override;
  std::optional<bool> contains(const std::string&, const std::string&) const override {
    return std::nullopt;
  }

 private:
  bool by_systemd() const { return settings_.status.empty(); }
  std::vector<std::string> argv(const std::string& verb) const;
  Result<UnitState> read_state(Instant deadline);
  Result<void> start(Duration within);
  Result<void> run(const std::string& verb, Instant deadline);
  // Until it is as wanted, or the deadline.
  Result<void> confirm(bool wanted, Instant deadline);

  const UnitSettings settings_;
};

std::vector<std::string> UnitDriver::argv(const std::string& verb) const {
  if (verb == "start" && !settings_.start.empty()) return settings_.start;
  if (verb == "stop" && !settings_.stop.empty()) return settings_.stop;
  if (verb == "status") {
    if (!by_systemd()) return settings_.status;
    return {"systemctl", "show", "--property=LoadState,ActiveState,SubState,MainPID", "--",
            settings_.name};
  }
  return {"systemctl", "--no-ask-password", verb, "--", settings_.name};
}

Result<UnitState> UnitDriver::read_state(Instant deadline) {
  auto ran = run_process(argv("status"), "", deadline - system_clock().now());
  if (!ran) return Error{ran.error().code, settings_.name + ": " + ran.error().message};
  UnitState state;
  if (!by_systemd()) {
    // As of the Linux Standard Base: 0 runs, 1 to 3 do not, anything else is no answer.
    state.active = ran->exit_code == 0;
    state.ended = ran->exit_code >= 1 && ran->exit_code <= 3;
    state.text = first_line(ran->out);
    if (!state.active && !state.ended) {
      return {ErrorCode::kUnavailable,
              fmt::format("{}: {} ended with {}: {}", settings_.name, settings_.status[0],
                          ran->exit_code, first_line(ran->err))};
    }
    return state;
  }
  if (ran->exit_code != 0) {
    return {ErrorCode::kUnavailable, fmt::format("{}: systemctl ended with {}: {}", settings_.name,
                                                 ran->exit_code, first_line(ran->err))};
  }
  if (value_of(ran->out, "LoadState") == "not-found") {
    return {ErrorCode::kNotFound, settings_.name + ": systemd knows no such unit"};
  }
  const std::string active = value_of(ran->out, "ActiveState");
  const std::string pid = value_of(ran->out, "MainPID");
  state.text = active + " (" + value_of(ran->out, "SubState") + ")";
  state.active = active == "active" || active == "reloading";
  state.ended = (active == "inactive" || active == "failed") && (pid.empty() || pid == "0");
  return state;
}

StoreReport UnitDriver::report(Duration within) {
  StoreReport report;
  report.name = settings_.name;
  const auto state = read_state(system_clock().now() + within);
  if (!state) {
    report.detail = state.error().message;
    return report;
  }
  if (state->active) report.liveness = Liveness::kUp;
  if (state->ended) report.liveness = Liveness::kStopped;
  report.detail = state->text;
  return report;
}

Result<void> UnitDriver::run(const std::string& verb, Instant deadline) {
  const Duration within = std::min(settings_.timeout, deadline - system_clock().now());
  auto ran = run_process(argv(verb), "", within);
  if (!ran) {
    return Error{ran.error().code,
                 fmt::format("{}: {}: {}", settings_.name, verb, ran.error().message)};
  }
  if (ran->exit_code == 0) return {};
  return {ErrorCode::kRefused, fmt::format("{}: {} ended with {}: {}", settings_.name, verb,
                                           ran->exit_code, first_line(ran->err))};
}

Result<void> UnitDriver::confirm(bool wanted, Instant deadline) {
  std::string last = "not known";
  for (;;) {
    const auto state = read_state(deadline);
    if (state) {
      if (wanted ? state->active : state->ended) return {};
      last = state->text;
    } else if (!passed(deadline)) {
      return state.error();
    }
    // A reading that the deadline left no time for is no news: what was read before it counts.
    if (passed(deadline)) {
      return {ErrorCode::kTimeout, fmt::format("{}: is {} and not {}", settings_.name, last,
                                               wanted ? "started" : "stopped")};
    }
    std::this_thread::sleep_for(kLook);
  }
}

Result<void> UnitDriver::fence(FenceDepth depth, Duration within) {
  if (depth == FenceDepth::kLease || !settings_.only_primary) return {};
  const Instant deadline = system_clock().now() + within;
  const auto state = read_state(deadline);
  if (state && state->ended) return {};
  if (!state && state.error().code != ErrorCode::kUnavailable) return state.error();
  RETURN_IF_ERROR(run("stop", deadline));
  return confirm(false, deadline);
}

Result<void> UnitDriver::start(Duration within) {
  if (!settings_.only_primary) return {};
  const Instant deadline = system_clock().now() + within;
  const auto state = read_state(deadline);
  if (!state) return state.error();
  if (state->active) return {};
  RETURN_IF_ERROR(run("start", deadline));
  return confirm(true, deadline);
}

std::vector<std::string> UnitDriver::render(const std::string& verb) {
  if (!settings_.only_primary) return {};
  std::string action;
  if (verb == "fence" || verb == "keep_standby") action = "stop";
  if (verb == "promote" || verb == "unfence") action = "start";
  if (action.empty()) return {};
  std::string line;
  for (const auto& word : argv(action)) line += (line.empty() ? "" : " ") + word;
  return {line};
}

}  // namespace

std::unique_ptr<Driver> make_unit_driver(const UnitSettings& settings) {
  return std::make_unique<UnitDriver>(settings);
}

}  // namespace pointsman
