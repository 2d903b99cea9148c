#include "orchestrator/shell/state_codec.h"

#include <algorithm>
#include <array>

#include "orchestrator/shell/loss_codec.h"
#include "orchestrator/shell/outlook.h"

namespace pointsman {
namespace {

constexpr int kVersion = 1;

std::string name_of(const ServicePolicy& policy, int site) {
  return site < 0 ? "" : policy.sites.at(static_cast<std::size_t>(site)).name;
}

int site_of(const ServicePolicy& policy, const std::string& name) {
  for (int k = 0; k < kSites; ++k) {
    if (policy.sites.at(static_cast<std::size_t>(k)).name == name) return k;
  }
  return -1;
}

Json reign_json(const Reign& reign) {
  return Json::object({{"epoch", std::to_string(reign.epoch)}, {"id", reign.id.text()}});
}

// What the reading of one state needs: the names and the present.
struct Reading {
  const ServicePolicy& policy;
  Instant now;

  Instant at(const Json& json, std::string_view key) const {
    return Instant{std::min(json.int_or(key), now.ns)};
  }
  int site(const Json& json, std::string_view key) const {
    return site_of(policy, json.string_or(key));
  }
  static Reign reign(const Json* json) {
    if (json == nullptr) return {};
    return {std::strtoull(json->string_or("epoch", "0").c_str(), nullptr, 10),
            json->string_or("id")};
  }
};

Json steps_json(const Move& move) {
  Json steps = Json::array();
  for (const Step& step : move.steps) {
    steps.push(Json::object({{"name", step.name},
                             {"state", to_string(step.state)},
                             {"started", step.started.ns},
                             {"ended", step.ended.ns},
                             {"detail", step.detail}}));
  }
  return steps;
}

Json forced_json(const std::set<std::string>& gates) {
  Json forced = Json::array();
  for (const std::string& gate : gates) forced.push(gate);
  return forced;
}

Json positions_json(const std::vector<StorePosition>& positions) {
  Json all = Json::array();
  for (const StorePosition& position : positions) {
    all.push(Json::object(
        {{"store", position.store}, {"position", position.text}, {"unit", position.unit}}));
  }
  return all;
}

Json durable_move(const ServicePolicy& policy, const Move& move) {
  Json json = Json::object({{"id", move.id},
                            {"kind", to_string(move.kind)},
                            {"automatic", move.automatic},
                            {"actor", move.actor},
                            {"from", name_of(policy, move.from)},
                            {"to", name_of(policy, move.to)},
                            {"reign", reign_json(move.reign)},
                            {"former", reign_json(move.former)},
                            {"trigger", move.trigger.ns},
                            {"begun", move.begun.ns},
                            {"ended", move.ended.ns},
                            {"outcome", move.outcome},
                            {"reason", move.reason},
                            {"asserted_off", move.asserted_off},
                            {"assert_reason", move.assert_reason},
                            {"fence_left", move.fence_left},
                            {"promote_left", move.promote_left},
                            {"cancel_asked", move.cancel_asked},
                            {"void_first", reign_json(move.void_first)},
                            {"lost", loss_json(move.lost)},
                            {"closed_at", move.closed_at.ns},
                            {"lease_ms", move.lease / 1ms},
                            {"steps", steps_json(move)}});
  Json timeline = Json::array();
  for (const TimelineMark& mark : move.timeline) {
    timeline.push(Json::object({{"at", mark.at.ns}, {"what", mark.what}}));
  }
  json.set("timeline", std::move(timeline));
  if (move.arrived_until) json.set("arrived_until", move.arrived_until->ns);
  if (move.positions) json.set("positions", positions_json(*move.positions));
  json.set("forced", forced_json(move.forced));
  return json;
}

StepState step_state_from(const std::string& text) {
  for (const StepState state : {StepState::kWaiting, StepState::kRunning, StepState::kDone,
                                StepState::kFailed, StepState::kSkipped}) {
    if (text == to_string(state)) return state;
  }
  return StepState::kWaiting;
}

std::set<std::string> gates_from(const Json& json) {
  std::set<std::string> gates;
  for (const Json& gate : json.array_or_empty("forced")) {
    if (gate.is_string()) gates.insert(gate.as_string());
  }
  return gates;
}

Result<Move> move_from(const Reading& reading, const Json& json) {
  Move move;
  const auto kind = move_kind_from(json.string_or("kind"));
  if (!kind) return {ErrorCode::kInvalid, "state: unknown kind of move"};
  move.id = json.string_or("id");
  move.kind = *kind;
  move.automatic = json.bool_or("automatic");
  move.actor = json.string_or("actor");
  move.from = reading.site(json, "from");
  move.to = reading.site(json, "to");
  if (move.to < 0)
    return {ErrorCode::kInvalid, "state: a move names a site that is not configured"};
  move.reign = Reading::reign(json.find("reign"));
  move.former = Reading::reign(json.find("former"));
  move.trigger = reading.at(json, "trigger");
  move.begun = reading.at(json, "begun");
  move.ended = reading.at(json, "ended");
  move.outcome = json.string_or("outcome");
  move.reason = json.string_or("reason");
  move.asserted_off = json.bool_or("asserted_off");
  move.assert_reason = json.string_or("assert_reason");
  move.fence_left = json.bool_or("fence_left");
  move.promote_left = json.bool_or("promote_left");
  move.cancel_asked = json.bool_or("cancel_asked");
  move.void_first = Reading::reign(json.find("void_first"));
  move.lost = loss_from(json.find("lost"));
  move.closed_at = reading.at(json, "closed_at");
  move.lease = std::chrono::milliseconds(static_cast<std::int64_t>(json.number_or("lease_ms")));
  if (json.find("arrived_until") != nullptr) move.arrived_until = reading.at(json, "arrived_until");
  for (const Json& step : json.array_or_empty("steps")) {
    move.steps.push_back({step.string_or("name"), step_state_from(step.string_or("state")),
                          reading.at(step, "started"), reading.at(step, "ended"),
                          step.string_or("detail")});
  }
  for (const Json& mark : json.array_or_empty("timeline")) {
    move.timeline.push_back({reading.at(mark, "at"), mark.string_or("what")});
  }
  move.forced = gates_from(json);
  if (const Json* found = json.find("positions"); found != nullptr && found->is_array()) {
    move.positions.emplace();
    for (const Json& each : found->as_array()) {
      move.positions->push_back(
          {each.string_or("store"), each.string_or("position"), each.string_or("unit")});
    }
  }
  return move;
}

Json publish_json(const ServicePolicy& policy, const PublishJob& job) {
  Json json = Json::object({{"to", name_of(policy, job.to)},
                            {"reign", reign_json(job.reign)},
                            {"move", job.move},
                            {"since", job.since.ns}});
  Json records = Json::array();
  for (const RecordProgress& record : job.records) {
    records.push(Json::object({{"accepted", record.accepted}, {"agreed", record.agreed}}));
  }
  json.set("records", std::move(records));
  return json;
}

Result<PublishJob> publish_from(const Reading& reading, const Json& json) {
  PublishJob job;
  job.to = reading.site(json, "to");
  if (job.to < 0) return {ErrorCode::kInvalid, "state: a publication names a site not configured"};
  job.reign = Reading::reign(json.find("reign"));
  job.move = json.string_or("move");
  job.since = reading.at(json, "since");
  for (const Json& record : json.array_or_empty("records")) {
    RecordProgress progress;
    progress.accepted = record.bool_or("accepted");
    progress.agreed = record.bool_or("agreed");
    job.records.push_back(progress);
  }
  return job;
}

Json evidence_json(const SiteView& view) {
  Json all = Json::array();
  for (const Evidence& evidence : view.evidence) {
    Json json = Json::object({{"at", evidence.at.ns},
                              {"applier_running", evidence.applier_running},
                              {"has_stores", evidence.has_stores},
                              {"errant", evidence.errant},
                              {"told_age", evidence.told_age.count()}});
    if (evidence.caught_up_age) json.set("caught_up_age", evidence.caught_up_age->count());
    all.push(std::move(json));
  }
  return all;
}

void read_evidence(const Reading& reading, const Json& json, SiteView& view) {
  for (const Json& each : json.as_array()) {
    Evidence evidence;
    evidence.at = Instant{each.int_or("at")};
    // Of a former boot of this host: how old it is cannot be told, and it must not look new.
    if (evidence.at > reading.now) continue;
    evidence.applier_running = each.bool_or("applier_running");
    evidence.has_stores = each.bool_or("has_stores");
    evidence.errant = each.string_or("errant");
    evidence.told_age = Duration(each.int_or("told_age"));
    if (const Json* age = each.find("caught_up_age"); age != nullptr && age->is_int()) {
      evidence.caught_up_age = Duration(age->as_int());
    }
    view.evidence.push_back(std::move(evidence));
  }
}

Json follow_json(const ServicePolicy& policy, const FollowJob& job) {
  return Json::object({{"site", name_of(policy, job.site)},
                       {"reign", reign_json(job.reign)},
                       {"move", job.move},
                       {"reached", job.reached}});
}

Json appointment_json(const ServicePolicy& policy, const Appointment& appointment) {
  return Json::object({{"to", name_of(policy, appointment.to)},
                       {"at_s", appointment.at_s},
                       {"at", appointment.at},
                       {"forced", forced_json(appointment.forced)},
                       {"actor", appointment.actor},
                       {"reason", appointment.reason}});
}

// Both name sites of the configuration, and mean nothing without them.
Result<void> read_planned(const Reading& reading, const Json& json, ServiceState& s) {
  if (const Json* found = json.find("follow")) {
    FollowJob job{reading.site(*found, "site"), Reading::reign(found->find("reign")),
                  found->string_or("move"),     reading.now,
                  found->bool_or("reached"),    false};
    if (job.site < 0) return {ErrorCode::kInvalid, "state: a follower is not configured"};
    s.follow = std::move(job);
  }
  if (const Json* found = json.find("appointment")) {
    Appointment due{reading.site(*found, "to"),
                    found->int_or("at_s"),
                    found->string_or("at"),
                    gates_from(*found),
                    found->string_or("actor"),
                    found->string_or("reason"),
                    ""};
    if (due.to < 0) return {ErrorCode::kInvalid, "state: a site appointed is not configured"};
    s.appointment = std::move(due);
  }
  return {};
}

void encode_jobs(const ServicePolicy& policy, const ServiceState& s, Json& json) {
  if (s.hold.on) {
    Json hold = Json::object({{"reason", s.hold.reason}, {"actor", s.hold.actor}});
    if (s.hold.lasting) hold.set("lasting", s.hold.lasting->count());
    json.set("hold", std::move(hold));
  }
  if (s.move) json.set("move", durable_move(policy, *s.move));
  if (s.last_move) json.set("last_move", durable_move(policy, *s.last_move));
  if (s.publish) json.set("publish", publish_json(policy, *s.publish));
  if (s.fence) {
    json.set("fence", Json::object({{"site", name_of(policy, s.fence->site)},
                                    {"reign", reign_json(s.fence->reign)},
                                    {"move", s.fence->move},
                                    {"acknowledged", s.fence->acknowledged}}));
  }
  if (s.follow) json.set("follow", follow_json(policy, *s.follow));
  if (s.appointment) json.set("appointment", appointment_json(policy, *s.appointment));
}

Result<void> decode_jobs(const Reading& reading, const Json& json, ServiceState& s) {
  if (const Json* hold = json.find("hold")) {
    s.hold = {true, hold->string_or("reason"), hold->string_or("actor"), {}, {}};
    if (const Json* lasting = hold->find("lasting"); lasting != nullptr && lasting->is_int()) {
      s.hold.lasting = Duration(lasting->as_int());
    }
  }
  for (auto [key, into] : {std::pair{"move", &s.move}, std::pair{"last_move", &s.last_move}}) {
    if (const Json* found = json.find(key)) {
      auto move = move_from(reading, *found);
      if (!move.ok()) return move.error();
      *into = std::move(*move);
    }
  }
  if (const Json* found = json.find("publish")) {
    auto job = publish_from(reading, *found);
    if (!job.ok()) return job.error();
    s.publish = std::move(*job);
  }
  if (const Json* found = json.find("fence")) {
    FenceJob job{reading.site(*found, "site"), Reading::reign(found->find("reign")),
                 found->string_or("move"), found->bool_or("acknowledged")};
    if (job.site < 0) return {ErrorCode::kInvalid, "state: a fence names a site not configured"};
    s.fence = std::move(job);
  }
  return read_planned(reading, json, s);
}

}  // namespace

std::string encode_state(const ServicePolicy& policy, const ServiceState& s, Duration widest) {
  Json json = Json::object({{"version", kVersion},
                            {"phase", to_string(s.phase)},
                            {"reign", reign_json(s.reign)},
                            {"primary", name_of(policy, s.primary)},
                            {"published", name_of(policy, s.published)},
                            {"issued", std::to_string(s.issued)},
                            {"restored", s.restored},
                            {"restored_why", s.restored_why},
                            {"widest", widest.count()}});
  encode_jobs(policy, s, json);
  Json moves = Json::array();
  for (const Instant at : s.automatic_moves) moves.push(at.ns);
  json.set("automatic_moves", std::move(moves));
  Json evidence = Json::object();
  for (std::size_t k = 0; k < kSites; ++k) {
    evidence.set(policy.sites[k].name, evidence_json(s.sites[k]));
  }
  json.set("evidence", std::move(evidence));
  return json.dump();
}

Result<KeptState> decode_state(const ServicePolicy& policy, const std::string& text, Instant now) {
  auto parsed = Json::parse(text);
  if (!parsed.ok()) return parsed.error();
  const Json& json = *parsed;
  if (json.int_or("version") != kVersion) {
    return {ErrorCode::kInvalid, "state of version " + std::to_string(json.int_or("version")) +
                                     "; this program reads version " + std::to_string(kVersion)};
  }
  const Reading reading{policy, now};
  KeptState kept;
  ServiceState& s = kept.state;
  const auto phase = phase_from(json.string_or("phase"));
  if (!phase) return {ErrorCode::kInvalid, "state: unknown phase"};
  s.phase = *phase;
  s.reign = Reading::reign(json.find("reign"));
  s.primary = reading.site(json, "primary");
  if (s.primary < 0 && !json.string_or("primary").empty()) {
    return {ErrorCode::kInvalid,
            "state: the site in power, " + json.string_or("primary") + ", is not configured"};
  }
  s.published = reading.site(json, "published");
  s.issued = std::strtoull(json.string_or("issued", "0").c_str(), nullptr, 10);
  s.restored = json.bool_or("restored");
  s.restored_why = json.string_or("restored_why");
  kept.widest = Duration(json.int_or("widest"));
  RETURN_IF_ERROR(decode_jobs(reading, json, s));
  for (const Json& at : json.array_or_empty("automatic_moves")) {
    if (at.is_int()) s.automatic_moves.push_back(Instant{std::min(at.as_int(), now.ns)});
  }
  if (const Json* evidence = json.find("evidence")) {
    for (std::size_t k = 0; k < kSites; ++k) {
      const Json* found = evidence->find(policy.sites[k].name);
      if (found != nullptr && found->is_array()) read_evidence(reading, *found, s.sites[k]);
    }
  }
  return kept;
}

Json move_json(const ServicePolicy& policy, const Move& move, Instant now, WallTime wall) {
  const auto wall_of = [&](Instant at) { return format_wall({wall.ns - (now - at).count()}); };
  const Instant end = move.ended == Instant{0} ? now : move.ended;
  Json json = Json::object({{"id", move.id},
                            {"service", policy.name},
                            {"kind", to_string(move.kind)},
                            {"outcome", move.outcome},
                            {"automatic", move.automatic},
                            {"actor", move.actor},
                            {"from", name_of(policy, move.from)},
                            {"to", name_of(policy, move.to)},
                            {"epoch", move.reign.epoch},
                            {"started", wall_of(move.trigger)},
                            {"took_s", seconds(end - move.trigger)},
                            {"reason", move.reason},
                            {"lost", loss_json(move.lost)}});
  Json steps = Json::array();
  for (const Step& step : move.steps) {
    Json one = Json::object({{"name", step.name}, {"state", to_string(step.state)}});
    if (step.started != Instant{0}) {
      const Instant ended = step.ended == Instant{0} ? now : step.ended;
      one.set("started", wall_of(step.started));
      one.set("at_s", seconds(step.started - move.trigger));
      one.set("took_s", seconds(ended - step.started));
    }
    if (const auto budget = step_budget(policy, move, step)) one.set("budget_s", seconds(*budget));
    one.set("detail", step.detail);
    steps.push(std::move(one));
  }
  json.set("steps", std::move(steps));
  Json timeline = Json::array();
  for (const TimelineMark& mark : move.timeline) {
    timeline.push(Json::object({{"at_s", seconds(mark.at - move.trigger)}, {"what", mark.what}}));
  }
  json.set("timeline", std::move(timeline));
  if (move.positions) json.set("positions", positions_json(*move.positions));
  const bool undoable = move.fence_left && !move.promote_left && move.outcome == "running";
  if (move.kind == MoveKind::kSwitchover && undoable) {
    const Duration left = policy.switchover_budget - (now - move.closing_since);
    json.set("budget_left_s", seconds(std::max(left, Duration::zero())));
  }
  return json;
}

}  // namespace pointsman
