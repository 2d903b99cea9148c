#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ostream>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/lease.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/offline/preflight.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultConfig = "/etc/pointsman/pointsman.toml";

Json error_json(const ConfigError& error) {
  return Json::object({{"file", error.file},
                       {"line", error.line},
                       {"column", error.column},
                       {"key", error.key},
                       {"found", error.found},
                       {"allowed", error.allowed},
                       {"message", error.message}});
}

Json worst_json(const ServiceSettings& service) {
  const WorstCase worst = worst_case(service);
  return Json::object({{"service", service.name},
                       {"detection_s", seconds(worst.detection)},
                       {"promise_s", seconds(worst.promise)},
                       {"promise_unarmed_s", seconds(worst.promise_unarmed)},
                       {"publish_s", seconds(worst.publish)},
                       {"publish_slow_s", seconds(worst.publish_slow)},
                       {"total_s", seconds(worst.total)},
                       {"ttl_s", static_cast<std::int64_t>(worst.ttl.count())},
                       {"rto_goal_s", seconds(service.rto_goal)}});
}

// The inequality that keeps two sites from both taking writes, with its numbers.
std::string promise_line(const ServiceSettings& service, const Paint& paint) {
  const auto promise = [&](Duration bound) {
    return seconds(promise_length({service.lease, bound}));
  };
  return paint(Tone::kDim,
               fmt::format("  {}: LEASE OVER = {:.3f} x lease {} + {:.2f} x fence bound {} + {} = "
                           "{:.3f} s ({}: {:.3f} s)",
                           service.name, (1 + kRho) / (1 - kRho), format_duration(service.lease),
                           1 + kRho, format_duration(kFenceBoundArmed), format_duration(kEpsilon),
                           promise(kFenceBoundArmed), format_duration(kFenceBoundUnarmed),
                           promise(kFenceBoundUnarmed))) +
         "\n";
}

std::string worst_text(const MonitorConfig& config, const Paint& paint) {
  if (config.services.empty()) return "";
  std::vector<std::vector<Cell>> rows = {{{"SERVICE", Tone::kDim},
                                          {"DETECTED", Tone::kDim},
                                          {"PUBLISHED", Tone::kDim},
                                          {"(SLOW)", Tone::kDim},
                                          {"LEASE OVER", Tone::kDim},
                                          {"(UNARMED)", Tone::kDim},
                                          {"WRITABLE", Tone::kDim},
                                          {"GOAL", Tone::kDim},
                                          {"TTL", Tone::kDim}}};
  for (const ServiceSettings& service : config.services) {
    const WorstCase worst = worst_case(service);
    const bool agents = service.has_agents();
    const auto cell = [](Duration d) { return Cell{shown_seconds(seconds(d)), Tone::kPlain}; };
    const Cell none{"-", Tone::kDim};
    const bool late = worst.total > service.rto_goal;
    rows.push_back({{service.name, Tone::kStrong},
                    cell(worst.detection),
                    cell(worst.publish),
                    cell(worst.publish_slow),
                    agents ? cell(worst.promise) : none,
                    agents ? cell(worst.promise_unarmed) : none,
                    {shown_seconds(seconds(worst.total)), late ? Tone::kBad : Tone::kGood},
                    cell(service.rto_goal),
                    cell(worst.ttl)});
  }
  std::string text = "\nA failover at its slowest, by these settings:\n" + laid_out(rows, paint, 2);
  for (const ServiceSettings& service : config.services) {
    if (service.has_agents()) text += promise_line(service, paint);
  }
  return text +
         "  LEASE OVER counts from the last contact; UNARMED: without the dead-man switch, whose\n"
         "  fence bound is 5s. Clients may hold the old address for TTL after PUBLISHED. SLOW: a\n"
         "  provider that takes all the time its `timeout` lets it; promotion does not wait for "
         "it.\n";
}

struct Reading {
  ConfigOutcome<MonitorConfig> outcome;
  bool with_credentials = false;
};

// With the credentials when they may be read; else says that they were not checked.
Reading read_all(const std::string& path) {
  Reading reading{read_monitor_config(path, false)};
  if (!reading.outcome.config) return reading;
  const std::string credentials = reading.outcome.config->credentials;
  if (::access(credentials.c_str(), R_OK) != 0 && errno == EACCES) {
    reading.outcome.warnings.push_back(credentials + ": not checked, permission denied");
    return reading;
  }
  return {read_monitor_config(path, true), true};
}

std::string online_text(const std::vector<PreflightItem>& items, const Paint& paint) {
  std::vector<std::vector<Cell>> rows;
  for (const PreflightItem& item : items) {
    Cell verdict = item.warning ? Cell{"look", Tone::kDoubt} : Cell{"ok", Tone::kGood};
    if (!item.ok) verdict = {"FAILED", Tone::kBad};
    rows.push_back({std::move(verdict),
                    {item.name, Tone::kPlain},
                    {item.text, item.ok && !item.warning ? Tone::kDim : Tone::kPlain}});
  }
  return "\nWhat a move will need, asked now:\n" + laid_out(rows, paint, 2);
}

Json online_json(const std::vector<PreflightItem>& items) {
  Json list = Json::array();
  for (const PreflightItem& item : items) {
    list.push(Json::object(
        {{"name", item.name}, {"ok", item.ok}, {"warning", item.warning}, {"text", item.text}}));
  }
  return list;
}

std::string verdict_text(const std::string& path, const ConfigOutcome<MonitorConfig>& outcome,
                         const Paint& paint) {
  std::string text;
  for (const ConfigError& error : outcome.errors) text += paint(Tone::kPlain, error.text()) + "\n";
  for (const std::string& warning : outcome.warnings) {
    text += paint(Tone::kDoubt, "warning: " + warning) + "\n";
  }
  if (!outcome.config) {
    const auto count = static_cast<std::int64_t>(outcome.errors.size());
    return text + paint(Tone::kBad, path + ": " + counted(count, "error", "errors")) + "\n";
  }
  const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
  return text +
         paint(Tone::kGood,
               fmt::format("{} is sound: {}, {}", path,
                           counted(count(outcome.config->services), "service", "services"),
                           counted(count(outcome.config->providers), "provider", "providers"))) +
         "\n" + worst_text(*outcome.config, paint);
}

Json verdict_json(const std::string& path, const ConfigOutcome<MonitorConfig>& outcome) {
  Json errors = Json::array();
  for (const ConfigError& error : outcome.errors) errors.push(error_json(error));
  Json warnings = Json::array();
  for (const std::string& warning : outcome.warnings) warnings.push(warning);
  Json worst = Json::array();
  if (outcome.config) {
    for (const auto& service : outcome.config->services) worst.push(worst_json(service));
  }
  return Json::object({{"file", path},
                       {"sound", outcome.config.has_value()},
                       {"errors", std::move(errors)},
                       {"warnings", std::move(warnings)},
                       {"worst_case", std::move(worst)}});
}

}  // namespace

int run_check(const Invocation& asked, const Terminal& terminal) {
  const std::string path = asked.config.empty() ? kDefaultConfig : asked.config;
  const Paint paint(terminal.colour);
  const auto [outcome, with_credentials] = read_all(path);
  std::string text = verdict_text(path, outcome, paint);
  Json json = verdict_json(path, outcome);
  bool fine = true;
  if (asked.online && outcome.config) {
    if (!with_credentials) {
      return tell(
          {kExitFailed, "failed", "",
           "check --online needs the credentials, and may not read " + outcome.config->credentials,
           "run it as root"},
          asked.json, terminal);
    }
    const auto items = preflight(*outcome.config, system_clock());
    fine = std::all_of(items.begin(), items.end(), [](const auto& item) { return item.ok; });
    text += online_text(items, paint);
    json.set("online", online_json(items));
  }
  terminal.out << (asked.json ? json.dump() + "\n" : text) << std::flush;
  if (!outcome.config) return kExitUsage;
  return fine ? kExitDone : kExitFailed;
}

int run_certs(const Invocation& asked, const Terminal& terminal) {
  const std::string folder = asked.dir.empty() ? "." : asked.dir;
  const bool init = asked.command == "certs init";
  const auto written = init ? certs_init(folder) : certs_issue(folder, asked.names, asked.renew);
  if (!written.ok()) {
    const bool usage = written.error().code == ErrorCode::kInvalid;
    return tell({usage ? kExitUsage : kExitFailed, usage ? "invalid" : "failed", "",
                 written.error().message, ""},
                asked.json, terminal);
  }
  Json files = Json::array();
  std::string text;
  for (const std::string& file : *written) {
    files.push(file);
    text += "wrote " + shown(file) + "\n";
  }
  text += init ? "Keep ca.key here, on one safe host. Next: pointsman certs issue NAME...\n"
               : "Copy each NAME.pem and NAME.key, and ca.pem, to its host; ca.key stays here.\n";
  terminal.out << (asked.json ? Json::object({{"written", std::move(files)}}).dump() + "\n" : text)
               << std::flush;
  return kExitDone;
}

}  // namespace pointsman
