#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "base/config_reader.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/cli/views.h"

// rejoin: what only that site holds is shown, with its host, role and number, before anything of it
// is given up; then its name must be typed.

namespace pointsman {
namespace {

const Json* site_of(const Json& service, const std::string& name) {
  for (const Json& site : service.array_or_empty("sites")) {
    if (site.string_or("name") == name) return &site;
  }
  return nullptr;
}

std::vector<std::string> sites_of(const Json& service) {
  std::vector<std::string> names;
  for (const Json& site : service.array_or_empty("sites")) {
    names.push_back(site.string_or("name"));
  }
  return names;
}

std::string plan_text(const Session& session, const Json& service, const Json& site,
                      const Json& plan) {
  const Invocation& asked = session.asked;
  const Paint& paint = session.paint;
  const std::string host = site.string_or("host");
  const std::string power = service.string_or("primary");
  const auto line = [&](const char* label, Tone tone, const std::string& text) {
    return paint(Tone::kDim, fmt::format("  {:<8}", label)) + paint(tone, text) + "\n";
  };
  std::string text =
      paint(Tone::kStrong, fmt::format("Rejoin of {}: {}", asked.service, asked.site)) + "\n" +
      line("site", Tone::kStrong, asked.site) +
      line("host", Tone::kStrong, host.empty() ? "not told by its agent" : host) +
      line("role", Tone::kPlain, site.string_or("role")) +
      line("epoch", Tone::kPlain, fmt::format("{}, in power: {}", service.int_or("epoch"), power));
  for (const Json& step : plan.array_or_empty("steps")) {
    if (step.string_or("name") == "survey") {
      for (const std::string& found : texts_of(step, "writes")) {
        const bool diverged = plan.bool_or("diverged");
        text += line("survey", diverged ? Tone::kBad : Tone::kGood, found);
      }
      continue;
    }
    text += line(step.string_or("name").c_str(), Tone::kPlain, step.string_or("detail"));
  }
  if (plan.bool_or("diverged") && !asked.discard_divergent) {
    text += line("then", Tone::kDoubt,
                 "refused: --discard-divergent gives that up, when you have looked at it");
  }
  if (plan.bool_or("diverged") && asked.discard_divergent) {
    text += line("loss", Tone::kBad,
                 fmt::format("all that {} holds is replaced; what only it holds will be found in "
                             "the bundle alone",
                             asked.site));
  }
  return text;
}

// The survey of a dry run, or why there is none.
Result<Json> survey(const Session& session, const std::string& path, Json body, Failure& failure) {
  body.set("dry_run", true);
  const Answer answer = session.control.post(path, body, 60s);
  const Json* plan = answer.ok() ? answer.body.find("plan") : nullptr;
  if (plan == nullptr) {
    failure = answer.ok() ? Failure{kExitFailed, "failed", "", "the daemon told no plan", ""}
                          : session.with_names(answer.failure);
    return {ErrorCode::kUnavailable, failure.text};
  }
  for (const Json& step : plan->array_or_empty("steps")) {
    if (step.string_or("state") != "failed") continue;
    failure = {
        kExitFailed, "failed", "",
        fmt::format("{} cannot be surveyed: {}", session.asked.site, step.string_or("detail")), ""};
    return {ErrorCode::kUnavailable, failure.text};
  }
  return *plan;
}

}  // namespace

int run_rejoin(const Session& session) {
  const Invocation& asked = session.asked;
  const Terminal& terminal = session.terminal;
  const bool asks = !asked.yes && !asked.dry_run;
  if (asks && (asked.json || !terminal.in_is_terminal)) {
    return session.fail(
        kExitUsage,
        std::string("rejoin ") + (asked.json ? "with --json cannot ask for a confirmation"
                                             : "asks for a confirmation, and standard input is no "
                                               "terminal"),
        "give --yes to begin without asking, or --dry-run to see what only that site holds");
  }
  const Answer services = session.control.get("/api/v1/services");
  if (!services.ok()) return session.fail(services.failure);
  const std::string path = "/api/v1/services/" + encoded(asked.service) + "/rejoin";
  Json body = Json::object({{"site", asked.site}});
  if (asked.discard_divergent) body.set("discard_divergent", true);
  if (!asked.reason.empty()) body.set("reason", asked.reason);
  const Json* service = service_named(services.body, asked.service);
  const Json* site = service == nullptr ? nullptr : site_of(*service, asked.site);
  if (service != nullptr && site == nullptr) {
    const auto names = sites_of(*service);
    const std::string near = nearest_word(asked.site, names);
    return session.fail(
        kExitUsage, fmt::format("{} has no site \"{}\"", asked.service, asked.site),
        near.empty() ? "its sites are: " + listed(names) : "did you mean " + near + "?");
  }
  // An unknown service, or the site in power: the daemon says so.
  const bool hopeless = service == nullptr || service->string_or("primary") == asked.site;
  if (asked.dry_run) {
    Json dry = body;
    dry.set("dry_run", true);
    return conclude(session, session.control.post(path, dry, 60s));
  }
  if (!hopeless && !asked.json) {
    Failure failure;
    const auto plan = survey(session, path, body, failure);
    if (!plan.ok() && asks) return session.fail(failure);
    terminal.out << plan_text(session, *service, *site, plan.ok() ? *plan : Json::object())
                 << std::flush;
    if (asks && !confirmed(session, asked.site)) {
      return session.fail(kExitFailed, "not confirmed: nothing was done");
    }
  }
  return conclude(session, session.control.post(path, body));
}

}  // namespace pointsman
