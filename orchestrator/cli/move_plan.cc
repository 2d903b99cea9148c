#include "orchestrator/cli/move_plan.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/config_reader.h"
#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

// An operator's failover does not ask these; the daemon has the last word.
constexpr std::array<std::string_view, 7> kNotAsked = {"mode",    "held",    "hold-down", "ceiling",
                                                       "breaker", "witness", "prepare"};

bool is_planned(const Invocation& asked) { return asked.command != "failover"; }

// The fence of a planned move is what nothing is lost by.
bool never_forced(const Invocation& asked, const std::string& gate) {
  return gate == "leader" || gate == "adopted" || (gate == "fence" && is_planned(asked));
}

bool forced(const Invocation& asked, const std::string& gate) {
  return std::find(asked.force.begin(), asked.force.end(), gate) != asked.force.end();
}

std::vector<Cell> consequence(const Invocation& asked, const std::string& gate) {
  if (forced(asked, gate)) return {{"overridden by --force", Tone::kDoubt}};
  if (std::find(kNotAsked.begin(), kNotAsked.end(), gate) != kNotAsked.end()) {
    return {{"not asked of an operator", Tone::kDim}};
  }
  if (gate == "fence" && !asked.assert_off.empty()) {
    return {{"answered by --assert-off", Tone::kDoubt}};
  }
  if (never_forced(asked, gate)) return {{"refuses, and cannot be overridden", Tone::kBad}};
  return {{"refuses (--force " + gate + " overrides it)", Tone::kBad}};
}

std::string gates_text(const Invocation& asked, const Json& explain, const Paint& paint) {
  std::vector<std::vector<Cell>> rows;
  for (const Json& gate : explain.array_or_empty("gates")) {
    if (gate.bool_or("open")) continue;
    const std::string name = gate.string_or("name");
    rows.push_back({{name, Tone::kStrong}});
    const auto means = consequence(asked, name);
    rows.back().insert(rows.back().end(), means.begin(), means.end());
    rows.back().push_back({gate.string_or("reason"), Tone::kPlain});
  }
  if (rows.empty()) return paint(Tone::kDim, "  gates   ") + paint(Tone::kGood, "all open") + "\n";
  return paint(Tone::kDim, "  gates   ") + "these are shut:\n" + laid_out(rows, paint, 10);
}

const Json* site_of(const Json& services, const std::string& service, const std::string& site) {
  const Json* one = service_named(services, service);
  if (one == nullptr) return nullptr;
  for (const Json& candidate : one->array_or_empty("sites")) {
    if (candidate.string_or("name") == site) return &candidate;
  }
  return nullptr;
}

std::string loss_line(const MovePlan& plan, const Json& services, const Paint& paint) {
  const Json* to = site_of(services, plan.service, plan.to);
  const std::string label = paint(Tone::kDim, "  loss    ");
  if (to != nullptr && to->string_or("agent", "none") == "none") {
    return label + paint(Tone::kPlain, "no stores here: DNS alone moves") + "\n";
  }
  const Json* lag = to != nullptr ? to->find("lag_s") : nullptr;
  if (lag == nullptr || !lag->is_number()) {
    return label +
           paint(Tone::kDoubt, fmt::format("how far {} is behind is not known: what may be lost "
                                           "cannot be told",
                                           plan.to)) +
           "\n";
  }
  return label +
         paint(Tone::kPlain, fmt::format("{} is {} behind: writes of that long may be lost",
                                         plan.to, shown_seconds(lag->as_number()))) +
         "\n";
}

// How long resolvers may keep the old address: the longest TTL that a server gave.
std::int64_t longest_ttl(const Json& services, const std::string& service) {
  std::int64_t ttl = 0;
  const Json* one = service_named(services, service);
  if (one == nullptr) return ttl;
  for (const Json& record : one->array_or_empty("record")) {
    for (const Json& server : record.array_or_empty("servers")) {
      ttl = std::max(ttl, server.int_or("ttl"));
    }
  }
  return ttl;
}

// The steps of a planned move, in their order.
std::string steps_text(const MovePlan& plan, const Told& told, const Paint& paint) {
  const std::string budget = shown_seconds(told.explain.number_or("budget_s", 0));
  const std::vector<std::vector<Cell>> rows{
      {{"prepare"}, {fmt::format("{} stops vouching for {}", plan.to, plan.from)}},
      {{"fence"}, {fmt::format("{} takes no more writes; where it ended is noted", plan.from)}},
      {{"catch up"},
       {fmt::format("{} applies all of it within {}, or {} is opened again", plan.to, budget,
                    plan.from)}},
      {{"promote"}, {fmt::format("{} takes writes; from here on there is no way back", plan.to)}},
      {{"publish"}, {fmt::format("the record names {}", plan.to)}},
      {{"verify"}, {fmt::format("{} passes its probes", plan.to)}},
      {{"follow"}, {fmt::format("{} becomes the standby of {}", plan.from, plan.to)}}};
  return paint(Tone::kDim, "  steps") + "\n" + laid_out(rows, paint, 10);
}

std::string planned_text(const MovePlan& plan, const Invocation& asked, const Told& told,
                         const Paint& paint) {
  const auto& [explain, services] = told;
  const char* const word = asked.command == "failback" ? "Failback" : "Switchover";
  std::string text = paint(Tone::kStrong, fmt::format("{} of {}: {} -> {}{}", word, plan.service,
                                                      plan.from.empty() ? "?" : plan.from,
                                                      plan.to.empty() ? "?" : plan.to,
                                                      asked.at.empty() ? "" : ", at " + asked.at)) +
                     "\n" + steps_text(plan, told, paint) + paint(Tone::kDim, "  time    ");
  text += paint(Tone::kPlain,
                fmt::format("about {} in which nobody takes writes ({})",
                            shown_seconds(plan.expected_s), explain.string_or("expected_from")));
  if (const std::int64_t ttl = longest_ttl(services, plan.service); ttl > 0) {
    text += paint(Tone::kPlain, fmt::format("; resolvers may keep the old address for {} more",
                                            shown_seconds(static_cast<double>(ttl))));
  }
  const bool forced_replication = forced(asked, "replication");
  const Json* const service = service_named(services, plan.service);
  const Json* const back = service == nullptr ? nullptr : service->find("failback");
  if (asked.command == "failback" && back != nullptr && !back->bool_or("ready")) {
    text += "\n" + paint(Tone::kDim, "  stable  ") + paint(Tone::kBad, back->string_or("reason"));
  }
  text +=
      "\n" + paint(Tone::kDim, "  loss    ") +
      (forced_replication
           ? paint(Tone::kDoubt, "none of stores that can be compared; of others, not known")
           : paint(Tone::kGood, "none: it is promoted when it holds all, or the move is undone")) +
      "\n" + gates_text(asked, explain, paint);
  return text;
}

}  // namespace

MovePlan plan_of(const Invocation& asked, const Told& told) {
  const auto& [explain, services] = told;
  MovePlan plan;
  plan.service = asked.service;
  const Json* service = service_named(services, asked.service);
  if (service != nullptr) plan.from = service->string_or("primary");
  plan.to = asked.site.empty() ? explain.string_or("to") : asked.site;
  if (service != nullptr && plan.to.empty()) {
    for (const Json& site : service->array_or_empty("sites")) {
      if (site.string_or("name") != plan.from) plan.to = site.string_or("name");
    }
  }
  plan.expected_s = explain.number_or("expected_s", 0);
  return plan;
}

std::string plan_text(const MovePlan& plan, const Invocation& asked, const Told& told,
                      const Paint& paint) {
  if (is_planned(asked)) return planned_text(plan, asked, told, paint);
  const auto& [explain, services] = told;
  std::string text = paint(Tone::kStrong, fmt::format("Failover of {}: {} -> {}", plan.service,
                                                      plan.from.empty() ? "?" : plan.from,
                                                      plan.to.empty() ? "?" : plan.to)) +
                     "\n" + paint(Tone::kDim, "  time    ");
  text += plan.expected_s > 0 ? paint(Tone::kPlain, "about " + shown_seconds(plan.expected_s) +
                                                        " until the new primary takes writes")
                              : paint(Tone::kDoubt, "not known");
  text += "\n" + loss_line(plan, services, paint) + gates_text(asked, explain, paint);
  const Json* from = site_of(services, plan.service, plan.from);
  if (from != nullptr && from->string_or("verdict") == "up") {
    text += paint(Tone::kDim, "  note    ") +
            paint(Tone::kDoubt, plan.from + " is up: it will be fenced, and its users cut off") +
            "\n";
  }
  if (!asked.assert_off.empty()) {
    text += paint(Tone::kDim, "  note    ") +
            paint(Tone::kBad, "you assert that " + asked.assert_off +
                                  " is off and stays off: if it is not, two sites take writes") +
            "\n";
  }
  return text;
}

Failure force_problem(const Invocation& asked, const Json& explain) {
  std::vector<std::string> known;
  for (const Json& gate : explain.array_or_empty("gates")) known.push_back(gate.string_or("name"));
  for (const std::string& gate : asked.force) {
    if (never_forced(asked, gate)) {
      return {kExitUsage, "invalid", gate,
              fmt::format("--force {}: this gate cannot be overridden", gate),
              gate == "leader"  ? "ask the monitor that leads"
              : gate == "fence" ? "pointsman failover moves a service whose old site is away"
                                : "pointsman adopt comes first"};
    }
    if (std::find(known.begin(), known.end(), gate) != known.end()) continue;
    const std::string near = nearest_word(gate, known);
    return {kExitUsage, "invalid", "", fmt::format("--force {}: there is no such gate", gate),
            near.empty() ? "the gates are: " + listed(known) : "did you mean " + near + "?"};
  }
  return {};
}

}  // namespace pointsman
