#include <algorithm>

#include "orchestrator/core/gates.h"
#include "orchestrator/shell/api.h"
#include "orchestrator/shell/api_order.h"
#include "orchestrator/shell/state_codec.h"

// The way back over the API: a rejoin is shown as a move is, and a dry run of one is a survey.

namespace pointsman {
namespace {

constexpr Duration kSurveyWithin = 12s;

HttpReply json_reply(int status, const Json& json) {
  HttpReply reply;
  reply.status = status;
  reply.body = json.dump() + "\n";
  reply.headers = {{"cache-control", "no-store"}};
  return reply;
}

std::string name_of(const ServiceSnapshot& shot, int site) {
  return site < 0 ? "" : shot.policy.sites.at(static_cast<std::size_t>(site)).name;
}

}  // namespace

Json rejoin_json(const ServiceSnapshot& shot, WallTime wall) {
  const std::optional<RejoinJob>& job = shot.state.rejoin;
  if (!job) return {};
  Json json = move_json(shot.policy, job->move, shot.at, wall);
  json.set("discard_divergent", job->discard);
  const SiteView& view = shot.state.sites.at(static_cast<std::size_t>(job->move.to));
  const auto& told = view.agent.rejoin;
  if (told && told->move == job->move.id) {
    json.set("host", view.agent.host);
    json.set("diverged", told->what);
    json.set("bundle", told->bundle);
    json.set("bundle_holds", told->holds);
  }
  if (job->is_on() && (job->done != 0 || job->total != 0)) {
    json.set("progress", Json::object({{"done", job->done}, {"total", job->total}}));
  }
  return json;
}

Json failback_json(const ServiceSnapshot& shot) {
  const ServiceState& s = shot.state;
  const int to = preferred_site(shot.policy);
  if (to < 0 || !s.has_primary() || s.primary == to) return {};
  const Refusal early = unsettled(shot.policy, s, to, shot.at);
  return Json::object(
      {{"to", name_of(shot, to)},
       {"ready", !early.has_value()},
       {"reason", early.value_or("")},
       {"stable_s",
        s.sound_since == Instant{0} ? Json(0.0) : Json(seconds(shot.at - s.sound_since))}});
}

HttpReply Api::rehearse_rejoin(const ServiceSnapshot& shot, const OperatorAsked& asked) {
  const ServiceState& s = shot.state;
  if (asked.to == s.primary) {
    return problem(409, "Refused", name_of(shot, asked.to) + " is in power: nothing rejoins there");
  }
  if (!shot.policy.agents) return problem(409, "Refused", "the service has no stores");
  SendOrder survey;
  survey.site = asked.to;
  survey.kind = OrderKind::kSurvey;
  survey.reign = s.reign;
  survey.power = s.primary;
  survey.move = "dry-" + std::to_string(shot.at.ns);
  const RenderedStep found =
      parts_.executor.rehearse_survey(shot.policy.name, survey, kSurveyWithin);
  const bool diverged = std::any_of(
      found.writes.begin(), found.writes.end(),
      [](const std::string& each) { return each.find("diverged: ") != std::string::npos; });
  Json writes = Json::array();
  for (const std::string& text : found.writes) writes.push(text);
  Json steps = Json::array();
  steps.push(Json::object({{"name", "survey"},
                           {"state", found.problem.empty() ? "done" : "failed"},
                           {"detail", found.problem},
                           {"writes", std::move(writes)}}));
  const auto step = [&](const char* name, const std::string& detail) {
    steps.push(Json::object({{"name", name}, {"state", "waiting"}, {"detail", detail}}));
  };
  const std::string site = name_of(shot, asked.to);
  const std::string power = name_of(shot, s.primary);
  if (diverged) step("export", "what only " + site + " holds is written down on its host");
  if (diverged && asked.discard) {
    step("copy", "a copy of " + power + "'s stores is fetched to " + site);
    step("load", "the stores of " + site + " are emptied, and the copy put in");
  }
  if (!diverged || asked.discard) step("follow", site + " becomes the standby of " + power);
  Json plan = Json::object({{"service", shot.policy.name},
                            {"kind", "rejoin"},
                            {"outcome", "dry-run"},
                            {"from", power},
                            {"to", site},
                            {"epoch", s.reign.epoch},
                            {"diverged", diverged},
                            {"expected_s", 0},
                            {"steps", std::move(steps)},
                            {"gates", Json::array()}});
  plan.set("refused_by", diverged && !asked.discard ? Json("divergence") : Json());
  const SiteView& view = s.sites.at(static_cast<std::size_t>(asked.to));
  plan.set("host", view.agent.host);
  plan.set("role", to_string(view.agent.role));
  return json_reply(200, Json::object({{"plan", std::move(plan)}}));
}

}  // namespace pointsman
