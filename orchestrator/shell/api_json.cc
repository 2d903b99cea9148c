#include <algorithm>

#include "orchestrator/core/gates.h"
#include "orchestrator/shell/api.h"
#include "orchestrator/shell/outlook.h"

namespace pointsman {
namespace {

std::string name_of(const ServicePolicy& policy, int site) {
  return site < 0 ? "" : policy.sites.at(static_cast<std::size_t>(site)).name;
}

bool fresh(const ServiceSnapshot& shot, const SiteView& view) {
  return view.agent_heard && shot.at - view.agent_at <= std::max<Duration>(shot.policy.lease, 2s);
}

double lease_left(const ServiceSnapshot& shot, const SiteView& view) {
  const Duration left = view.agent.lease_rest - (shot.at - view.agent_at);
  return std::max(0.0, seconds(left));
}

Json site_json(const ServiceSnapshot& shot, int site) {
  const SiteView& view = shot.state.sites.at(static_cast<std::size_t>(site));
  const bool heard = fresh(shot, view);
  Json json = Json::object(
      {{"name", name_of(shot.policy, site)},
       {"verdict", to_string(verdict(shot.policy, shot.state, site, shot.at))},
       {"role", view.agent_heard ? to_string(view.agent.role) : "unknown"},
       {"writable", heard && view.agent.writable_known ? Json(view.agent.writable) : Json()},
       {"lease_s", heard ? lease_left(shot, view) : 0.0},
       {"lag_s", heard && view.agent.lag ? Json(seconds(*view.agent.lag)) : Json()},
       {"agent", !shot.policy.agents ? "none"
                 : heard             ? "up"
                                     : "down"},
       {"lone", heard && view.agent.lone},
       {"taken", heard ? view.agent.taken : ""},
       {"trouble", heard ? view.agent.trouble : view.agent_problem}});
  if (!shot.policy.agents) {
    json.set("role", site == shot.state.primary ? "primary" : "standby");
  }
  Json probes = Json::array();
  for (const Damper& damper : view.probes) probes.push(damper.detail);
  json.set("probe", view.probes.empty() ? "" : view.probes.front().detail);
  json.set("probes", std::move(probes));
  Json stores = Json::object({{"well", view.agent.stores_well},
                              {"problem", view.agent.stores_problem},
                              {"applier_running", view.agent.applier_running},
                              {"errant", view.agent.errant}});
  if (view.agent.has_stores) json.set("replication", std::move(stores));
  if (heard && view.agent.vip) json.set("vip", view.agent.vip->holds ? "holds" : "yields");
  return json;
}

Json records_json(const ServiceSnapshot& shot, const ServiceOutside& outside) {
  Json records = Json::array();
  for (std::size_t k = 0; k < outside.publishers.size(); ++k) {
    const Publisher& publisher = *outside.publishers[k];
    const RecordView& view = shot.state.records.at(k);
    Json servers = Json::array();
    for (const AuthorityAnswer& answer : publisher.answers()) {
      Json values = Json::array();
      for (const std::string& value : answer.values) values.push(value);
      const bool agrees = answer.answered && shot.state.published >= 0 &&
                          answer.values == publisher.values_of(shot.state.published);
      servers.push(Json::object({{"server", answer.server},
                                 {"answered", answer.answered},
                                 {"values", std::move(values)},
                                 {"ttl", static_cast<std::int64_t>(answer.ttl.count())},
                                 {"agrees", agrees},
                                 {"problem", answer.problem}}));
    }
    Json values = Json::array();
    for (std::string_view rest = view.values; !rest.empty();) {
      const auto end = std::min(rest.find(' '), rest.size());
      values.push(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    records.push(
        Json::object({{"name", publisher.key().name},
                      {"type", publisher.key().type},
                      {"readable", view.readable},
                      {"values", std::move(values)},
                      {"problem", view.problem},
                      {"age_s", view.at == Instant{0} ? Json() : Json(seconds(shot.at - view.at))},
                      {"servers", std::move(servers)}}));
  }
  return records;
}

// Who lends the site in power its lease right now.
Json vouchers_json(const ServiceSnapshot& shot, const std::string& monitor) {
  Json vouchers = Json::array();
  if (shot.vouch.site >= 0) vouchers.push(monitor);
  if (!shot.policy.agents || !shot.state.has_primary()) return vouchers;
  const int other = shot.state.other(shot.state.primary);
  const SiteView& view = shot.state.sites.at(static_cast<std::size_t>(other));
  if (fresh(shot, view) && view.agent.promise_rest > Duration::zero() &&
      view.agent.reign == shot.state.reign) {
    vouchers.push(name_of(shot.policy, other));
  }
  return vouchers;
}

bool restart_harmless(const ServiceSnapshot& shot) {
  if (!shot.policy.agents || !shot.state.has_primary()) return true;
  if (shot.state.move) return false;
  const SiteView& own = shot.state.sites.at(static_cast<std::size_t>(shot.state.primary));
  return own.agent.lone || vouchers_json(shot, "").as_array().size() >= 2;
}

std::string summary(const ServiceSnapshot& shot) {
  const ServiceState& s = shot.state;
  if (s.phase == Phase::kUnadopted && !s.move) {
    return "nobody is known to be in power: " + adoption(shot.policy, s, shot.at).refusal;
  }
  if (s.move) {
    return std::string(to_string(s.move->kind)) + " to " + name_of(shot.policy, s.move->to) + ": " +
           to_string(s.phase);
  }
  if (s.phase == Phase::kSuspect) {
    Wanted wanted;
    wanted.to = s.other(s.primary);
    const auto gate = first_refusal(shot.policy, s, wanted, shot.at);
    return name_of(shot.policy, s.primary) + " is in doubt" +
           (gate ? "; a move is refused by gate " + gate->name + ": " + gate->reason : "");
  }
  std::string text = name_of(shot.policy, s.primary) + " is in power";
  if (s.publish && !s.publish->agreed()) text += "; publishing goes on";
  return text;
}

// Until a standby that refused to be prepared is asked again; null when none did.
Json next_attempt(const ServiceSnapshot& shot) {
  const Unprepared& known = shot.state.unprepared;
  if (known.attempts == 0 || known.next == Instant::never()) return Json();
  return Json(std::max(0.0, seconds(known.next - shot.at)));
}

// How long nobody will take writes, and from what that is known.
struct Expected {
  Duration span{0};
  std::string from;
};

Expected expected_failover(const ServiceSnapshot& shot) {
  Expected expected{shot.policy.publish_first ? Duration(200ms) : Duration(0), "the settings"};
  if (!shot.policy.agents || !shot.state.has_primary()) return expected;
  const SiteView& old_site = shot.state.sites.at(static_cast<std::size_t>(shot.state.primary));
  const bool answers = old_site.agent_heard && shot.at - old_site.agent_at < shot.policy.lease;
  expected.span +=
      answers ? Duration(500ms) : promise_length({shot.policy.lease, old_site.agent.fence_bound});
  expected.span += 1s;
  if (answers) expected.from = "the agent of the site in power answers";
  return expected;
}

// As the last one took, from the fence to the promotion; else as such steps take.
Expected expected_planned(const ServiceSnapshot& shot) {
  if (!shot.policy.agents) return {Duration(0), "no store moves"};
  const std::optional<Move>& last = shot.state.last_move;
  if (last && last->kind == MoveKind::kSwitchover && last->lost) {
    Instant from{0};
    Instant until{0};
    for (const Step& step : last->steps) {
      if (step.name == "fence") from = step.started;
      if (step.name == "promote" && step.state == StepState::kDone) until = step.ended;
    }
    if (from != Instant{0} && until > from) return {until - from, "as the last switchover took"};
  }
  return {1500ms, "a fence, what is not applied yet, and a promotion"};
}

Json appointment_json(const ServiceSnapshot& shot) {
  const std::optional<Appointment>& due = shot.state.appointment;
  if (!due) return Json();
  return Json::object({{"kind", "switchover"},
                       {"to", name_of(shot.policy, due->to)},
                       {"at", format_wall({due->at_s * 1'000'000'000})},
                       {"actor", due->actor}});
}

}  // namespace

Json service_json(const ServiceSnapshot& shot, const ServiceOutside& outside, WallTime wall) {
  const ServiceState& s = shot.state;
  Json sites = Json::array();
  std::string writable;
  double lease = 0;
  for (int site = 0; site < kSites; ++site) {
    const SiteView& view = s.sites.at(static_cast<std::size_t>(site));
    sites.push(site_json(shot, site));
    if (fresh(shot, view) && view.agent.writable) writable = name_of(shot.policy, site);
    if (site == s.primary && fresh(shot, view)) lease = lease_left(shot, view);
  }
  Json json = Json::object({{"name", shot.policy.name},
                            {"phase", to_string(s.phase)},
                            {"held", s.hold.on},
                            {"held_reason", s.hold.reason},
                            {"mode", to_string(shot.policy.mode)},
                            {"epoch", s.reign.epoch},
                            {"primary", name_of(shot.policy, s.primary)},
                            {"published", name_of(shot.policy, s.published)},
                            {"writable", writable},
                            {"vouched_by", vouchers_json(shot, "monitor")},
                            {"restart_harmless", restart_harmless(shot)},
                            {"lease_s", lease},
                            {"summary", summary(shot)},
                            {"sites", std::move(sites)},
                            {"record", records_json(shot, outside)}});
  json.set("current_move", s.move ? move_json(shot.policy, *s.move, shot.at, wall) : Json());
  json.set("appointment", appointment_json(shot));
  const Readiness ready = readiness(shot.policy, s, shot.at);
  json.set("ready", Json::object({{"ready", ready.ready},
                                  {"to", name_of(shot.policy, ready.to)},
                                  {"gate", ready.gate.empty() ? Json() : Json(ready.gate)},
                                  {"reason", ready.reason}}));
  json.set("last_move", s.last_move ? move_json(shot.policy, *s.last_move, shot.at, wall) : Json());
  return json;
}

Json explain_json(const ServiceSnapshot& shot, const Wanted& wanted) {
  const bool down = shot.state.has_primary() && verdict(shot.policy, shot.state, shot.state.primary,
                                                        shot.at) == SiteVerdict::kDown;
  Json list = Json::array();
  for (const Gate& gate : gates(shot.policy, shot.state, wanted, shot.at)) {
    list.push(Json::object({{"name", gate.name},
                            {"open", gate.open},
                            {"reason", gate.reason},
                            {"value", gate.value},
                            {"age_s", gate.age_s < 0 ? Json() : Json(gate.age_s)}}));
  }
  const auto refusal = first_refusal(shot.policy, shot.state, wanted, shot.at);
  const Expected expected = wanted.planned ? expected_planned(shot) : expected_failover(shot);
  return Json::object({{"service", shot.policy.name},
                       {"would_move", !refusal.has_value() && (down || !wanted.automatic)},
                       {"refused_by", refusal ? Json(refusal->name) : Json()},
                       {"kind", wanted.planned ? "switchover" : "failover"},
                       {"from", name_of(shot.policy, shot.state.primary)},
                       {"to", name_of(shot.policy, wanted.to)},
                       {"phase", to_string(shot.state.phase)},
                       {"expected_s", seconds(expected.span)},
                       {"expected_from", expected.from},
                       {"budget_s", seconds(shot.policy.switchover_budget)},
                       {"next_attempt_s", next_attempt(shot)},
                       {"gates", std::move(list)}});
}

Json explain_json(const ServiceSnapshot& shot) {
  return explain_json(shot, automatic_move(shot.state));
}

}  // namespace pointsman
