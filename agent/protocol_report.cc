#include <array>

#include <fmt/format.h>

#include "agent/codec.h"
#include "agent/protocol.h"

// ServiceReport and its parts.

namespace pointsman {
namespace {

constexpr std::size_t kPositionMost = 64 << 10;
constexpr std::size_t kDetailMost = 4096;
constexpr std::size_t kRejoinTextMost = 1024;
constexpr std::array<const char*, 4> kRoles = {"none", "standby", "primary", "fenced"};
constexpr std::array<const char*, 4> kLivenesses = {"unknown", "up", "hung", "stopped"};

Json store_json(const StoreReport& store) {
  Json json = Json::object({{"name", store.name},
                            {"liveness", kLivenesses[static_cast<std::size_t>(store.liveness)]},
                            {"writable", store.writable},
                            {"replica", store.replica},
                            {"source", store.source},
                            {"receiver_running", store.receiver_running},
                            {"applier_running", store.applier_running},
                            {"executed", store.executed},
                            {"received", store.received},
                            {"errant", store.errant},
                            {"semi_sync", store.semi_sync},
                            {"detail", store.detail},
                            {"age_ms", rounded_up(store.age)}});
  if (store.lag) json.set("lag_ms", rounded_up(*store.lag));
  if (store.semi_sync) json.set("semi_sync_for_ms", rounded_down(store.semi_sync_for));
  if (!store.unit.empty()) json.set("unit", store.unit);
  if (store.executed_count) json.set("executed_count", number_json(*store.executed_count));
  if (store.taken_over) json.set("taken_over", number_json(*store.taken_over));
  if (store.caught_up_age) json.set("caught_up_age_ms", rounded_up(*store.caught_up_age));
  if (store.told_age) json.set("told_age_ms", rounded_up(*store.told_age));
  return json;
}

// An unknown word is a newer agent's: nothing is known then.
Liveness liveness_from(std::string_view text) {
  for (std::size_t k = 0; k < kLivenesses.size(); ++k) {
    if (text == kLivenesses[k]) return static_cast<Liveness>(k);
  }
  return Liveness::kUnknown;
}

StoreReport read_store(Members& in) {
  StoreReport store;
  store.name = in.text("name");
  store.liveness = liveness_from(in.text("liveness"));
  store.writable = in.flag("writable");
  store.replica = in.flag("replica");
  store.source = in.text("source");
  store.receiver_running = in.flag("receiver_running");
  store.applier_running = in.flag("applier_running");
  store.executed = in.text("executed", kPositionMost);
  store.received = in.text("received", kPositionMost);
  store.errant = in.text("errant", kPositionMost);
  store.semi_sync = in.flag("semi_sync");
  store.detail = in.text("detail", kDetailMost);
  store.age = in.duration("age_ms", 0s, kLongest);
  if (in.has("semi_sync_for_ms")) {
    store.semi_sync_for = in.duration("semi_sync_for_ms", 0s, kLongest);
  }
  store.unit = in.text("unit", 16);
  if (in.has("executed_count")) store.executed_count = in.number("executed_count");
  if (in.has("taken_over")) store.taken_over = in.number("taken_over");
  if (in.has("lag_ms")) store.lag = in.duration("lag_ms", 0s, kLongest);
  if (in.has("caught_up_age_ms")) {
    store.caught_up_age = in.duration("caught_up_age_ms", 0s, kLongest);
  }
  if (in.has("told_age_ms")) store.told_age = in.duration("told_age_ms", 0s, kLongest);
  return store;
}

Json unit_json(const UnitReport& unit) {
  return Json::object({{"name", unit.name},
                       {"only_primary", unit.only_primary},
                       {"active", unit.active},
                       {"detail", unit.detail}});
}

UnitReport read_unit(Members& in) {
  UnitReport unit;
  unit.name = in.text("name");
  unit.only_primary = in.flag("only_primary");
  unit.active = in.flag("active");
  unit.detail = in.text("detail", kDetailMost);
  return unit;
}

Json witness_json(const WitnessCount& count) {
  return Json::object({{"site", count.site},
                       {"probe", count.probe},
                       {"fails", count.fails},
                       {"passes", count.passes},
                       {"last", count.last},
                       {"age_ms", rounded_up(count.age)},
                       {"detail", count.detail}});
}

WitnessCount read_witness(Members& in) {
  WitnessCount count;
  count.site = in.text("site");
  count.probe = in.text("probe", 1024);
  count.fails = in.count("fails", 0, 1'000'000'000);
  count.passes = in.count("passes", 0, 1'000'000'000);
  count.last = in.text("last", 16);
  count.age = in.duration("age_ms", 0s, kLongest);
  count.detail = in.text("detail", kDetailMost);
  return count;
}

Json rejoin_json(const RejoinReport& rejoin) {
  return Json::object({{"move", rejoin.move},
                       {"stage", rejoin.stage},
                       {"diverged", rejoin.diverged},
                       {"what", rejoin.what.substr(0, kRejoinTextMost)},
                       {"problem", rejoin.problem.substr(0, kRejoinTextMost)},
                       {"bundle", rejoin.bundle},
                       {"holds", rejoin.holds.substr(0, kRejoinTextMost)},
                       {"store", rejoin.store},
                       {"done", number_json(rejoin.done)},
                       {"total", number_json(rejoin.total)}});
}

RejoinReport read_rejoin(Members& in) {
  RejoinReport rejoin;
  rejoin.move = in.text("move", 64);
  rejoin.stage = in.text("stage", 16);
  rejoin.diverged = in.flag("diverged");
  rejoin.what = in.text("what", kDetailMost);
  rejoin.problem = in.text("problem", kDetailMost);
  rejoin.bundle = in.text("bundle", kDetailMost);
  rejoin.holds = in.text("holds", kDetailMost);
  rejoin.store = in.text("store", 64);
  rejoin.done = in.number("done");
  rejoin.total = in.number("total");
  return rejoin;
}

Role read_role(Members& in, std::string_view key) {
  const std::string word = in.text(key, 16);
  const auto role = word.empty() ? Role::kNone : role_from(word);
  if (!role) in.fail(key, fmt::format("unknown role \"{}\"", word));
  return role.value_or(Role::kNone);
}

PeerView read_peer(Members& in) {
  PeerView peer;
  peer.answers = in.flag("answers");
  peer.age = in.duration("age_ms", 0s, kLongest);
  peer.role = read_role(in, "role");
  peer.reign = in.reign("reign");
  peer.lone = in.flag("lone");
  return peer;
}

// The object under `key`, read by `read`; its mistakes become those of `outer`.
template <typename Read>
void read_object(Members& outer, std::string_view key, Read read) {
  if (!outer.has(key)) return;
  Members inner(*outer.raw(key), std::string(key), Absent::kDefault);
  read(inner);
  if (!inner.ok()) outer.adopt_error(inner.error());
}

template <typename T>
std::vector<T> read_list(Members& outer, std::string_view key, std::size_t most,
                         T (*read)(Members&)) {
  std::vector<T> items;
  for (const Json& item : outer.list(key, most)) {
    Members inner(item, std::string(key), Absent::kDefault);
    items.push_back(read(inner));
    if (!inner.ok()) outer.adopt_error(inner.error());
  }
  return items;
}

template <typename T>
Json list_json(const std::vector<T>& items, Json (*write)(const T&)) {
  Json list = Json::array();
  for (const T& item : items) list.push(write(item));
  return list;
}

// What guard and leases go by.
void write_standing(const ServiceReport& report, Json& json) {
  json.set("service", report.service)
      .set("site", report.site)
      .set("token", token_json(report.token));
  json.set("role", to_string(report.role)).set("reign", reign_json(report.reign));
  json.set("power", report.power).set("highest", number_json(report.highest));
  if (!report.highest_id.empty()) json.set("highest_id", report.highest_id.text());
  if (report.prepared) {
    json.set("prepared", Json::object({{"reign", reign_json(report.prepared->reign)},
                                       {"move", report.prepared->move},
                                       {"rest_ms", rounded_down(report.prepared->rest)}}));
  }
  json.set("voided", reign_json(report.voided));
  json.set("fenced", number_json(report.fenced));
  json.set("promoted", number_json(report.promoted));
  json.set("writable", report.writable).set("writable_known", report.writable_known);
  json.set("lease_rest_ms", rounded_down(report.lease_rest)).set("lone", report.lone);
  json.set("monitor_vouch", number_json(report.monitor_vouch));
  json.set("monitor_run", report.monitor_run);
  json.set("fence_bound_ms", rounded_up(report.fence_bound));
  json.set("deadman_armed", report.deadman_armed);
  json.set("deadman_available", report.deadman_available);
  json.set("promise_rest_ms", rounded_up(report.promise_rest));
  json.set("monitor_counter", number_json(report.monitor_counter));
}

void read_standing(Members& in, ServiceReport& report) {
  report.service = in.text("service");
  report.site = in.text("site");
  report.token = in.token("token");
  report.role = read_role(in, "role");
  report.reign = in.reign("reign");
  report.power = in.text("power");
  report.highest = in.number("highest");
  if (in.has("highest_id")) report.highest_id = in.text("highest_id", 64);
  read_object(in, "prepared", [&](Members& inner) {
    report.prepared = Prepared{inner.reign("reign"), inner.text("move", 64),
                               inner.duration("rest_ms", 0s, kLongest)};
  });
  report.voided = in.reign("voided");
  report.fenced = in.number("fenced");
  report.promoted = in.number("promoted");
  report.writable = in.flag("writable");
  report.writable_known = in.flag("writable_known");
  report.lease_rest = in.duration("lease_rest_ms", 0s, kLongest);
  report.lone = in.flag("lone");
  report.monitor_vouch = in.number("monitor_vouch");
  report.monitor_run = in.text("monitor_run", 64);
  // Told by nobody, the long bound holds.
  report.fence_bound =
      in.has("fence_bound_ms") ? in.duration("fence_bound_ms", 0s, 1h) : kFenceBoundUnarmed;
  report.deadman_armed = in.flag("deadman_armed");
  report.deadman_available = in.flag("deadman_available");
  report.promise_rest = in.duration("promise_rest_ms", 0s, kLongest);
  report.monitor_counter = in.number("monitor_counter");
}

}  // namespace

const char* to_string(Role role) { return kRoles[static_cast<std::size_t>(role)]; }

std::optional<Role> role_from(std::string_view text) {
  for (std::size_t k = 0; k < kRoles.size(); ++k) {
    if (text == kRoles[k]) return static_cast<Role>(k);
  }
  return std::nullopt;
}

Json to_json(const Taken& taken) {
  return Json::object({{"reign", reign_json(taken.reign)},
                       {"off", taken.by.off},
                       {"actor", taken.by.actor},
                       {"reason", taken.by.reason},
                       {"at", taken.by.at}});
}

Result<Taken> taken_from(const Json& json) {
  Members in(json, "taken", Absent::kRefused);
  Taken taken{in.reign("reign"),
              {in.text("off"), in.text("actor"), in.text("reason", kTakeTextMost), in.text("at")}};
  if (!in.ok()) return in.error();
  return taken;
}

Json to_json(const ServiceReport& report) {
  Json json = Json::object();
  write_standing(report, json);
  if (report.caught_up_age) json.set("caught_up_age_ms", rounded_up(*report.caught_up_age));
  json.set("stores", list_json(report.stores, store_json));
  json.set("units", list_json(report.units, unit_json));
  json.set("witness", list_json(report.witness, witness_json));
  Json advertise = Json::array();
  for (const auto& [name, address] : report.advertise) {
    advertise.push(Json::object({{"name", name}, {"address", address}}));
  }
  json.set("advertise", std::move(advertise));
  json.set("peer", Json::object({{"answers", report.peer.answers},
                                 {"age_ms", rounded_up(report.peer.age)},
                                 {"role", to_string(report.peer.role)},
                                 {"reign", reign_json(report.peer.reign)},
                                 {"lone", report.peer.lone}}));
  json.set("spec_version", number_json(report.spec_version));
  if (report.taken) json.set("taken", to_json(*report.taken));
  if (report.vip) {
    json.set("vip", Json::object({{"holds", report.vip->holds},
                                  {"since_ms", rounded_down(report.vip->since)},
                                  {"heard_ms", rounded_up(report.vip->heard)},
                                  {"told", report.vip->told}}));
  }
  if (report.prepare_refusal) {
    json.set("prepare_refusal", report.prepare_refusal->substr(0, kDetailMost / 4));
  }
  if (report.catch_up) {
    json.set("catch_up", Json::object({{"move", report.catch_up->move},
                                       {"held", report.catch_up->held},
                                       {"missing", report.catch_up->missing}}));
  }
  if (report.rejoin) json.set("rejoin", rejoin_json(*report.rejoin));
  json.set("host", report.host);
  json.set("trouble", report.trouble);
  return json;
}

Result<ServiceReport> service_report_from(const Json& json) {
  Members in(json, "report", Absent::kDefault);
  ServiceReport report;
  read_standing(in, report);
  if (in.ok() && (report.service.empty() || report.site.empty())) {
    in.fail("service", "a report must name its service and site");
  }
  if (in.has("caught_up_age_ms")) {
    report.caught_up_age = in.duration("caught_up_age_ms", 0s, kLongest);
  }
  report.stores = read_list(in, "stores", 32, read_store);
  report.units = read_list(in, "units", 256, read_unit);
  report.witness = read_list(in, "witness", 1024, read_witness);
  for (const Json& item : in.list("advertise", 32)) {
    Members inner(item, "advertise", Absent::kDefault);
    report.advertise.emplace_back(inner.text("name"), inner.text("address"));
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  read_object(in, "peer", [&](Members& inner) { report.peer = read_peer(inner); });
  report.spec_version = in.number("spec_version");
  if (in.has("taken")) {
    auto taken = taken_from(*in.raw("taken"));
    if (taken) {
      report.taken = std::move(*taken);
    } else {
      in.adopt_error(taken.error());
    }
  }
  read_object(in, "vip", [&](Members& inner) {
    report.vip = VipReport{inner.flag("holds"), inner.duration("since_ms", 0s, kLongest),
                           inner.duration("heard_ms", 0s, kLongest),
                           !inner.has("told") || inner.flag("told")};
  });
  if (in.has("prepare_refusal")) report.prepare_refusal = in.text("prepare_refusal", kDetailMost);
  read_object(in, "catch_up", [&](Members& inner) {
    report.catch_up =
        CaughtUp{inner.text("move", 64), inner.flag("held"), inner.text("missing", kDetailMost)};
  });
  read_object(in, "rejoin", [&](Members& inner) { report.rejoin = read_rejoin(inner); });
  report.host = in.text("host");
  report.trouble = in.text("trouble", kDetailMost);
  if (!in.ok()) return in.error();
  return report;
}

}  // namespace pointsman
