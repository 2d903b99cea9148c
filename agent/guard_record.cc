#include <array>

#include "agent/codec.h"
#include "agent/guard.h"

// The durable record of a guard, as JSON.

namespace pointsman {

const char* to_string(Level level) {
  constexpr std::array<const char*, 6> kLevels = {"untouched", "open",   "promote",
                                                  "closed",    "fenced", "standby"};
  return kLevels[static_cast<std::size_t>(level)];
}

bool GuardRecord::operator==(const GuardRecord& other) const {
  return to_json() == other.to_json();
}

Json GuardRecord::to_json() const {
  Json json = Json::object({{"role", to_string(role)},
                            {"reign", reign_json(reign)},
                            {"power", power},
                            {"peer", peer},
                            {"highest", number_json(highest)},
                            {"highest_reign", reign_json(highest_reign)},
                            {"highest_move", highest_move},
                            {"voided", reign_json(voided)},
                            {"fence_epoch", number_json(fence_epoch)},
                            {"widest_lease_ms", rounded_up(widest.lease)},
                            {"widest_fence_bound_ms", rounded_up(widest.fence_bound)},
                            {"lease_ms", rounded_up(lease)},
                            {"monitor_counter", number_json(monitor_counter)}});
  if (prepared) {
    json.set("prepared",
             Json::object({{"reign", reign_json(prepared->reign)}, {"move", prepared->move}}));
  }
  if (taken) json.set("taken", pointsman::to_json(*taken));
  if (reseed) {
    json.set("reseed", Json::object({{"reign", reign_json(reseed->reign)},
                                     {"move", reseed->move},
                                     {"spoiled", reseed->spoiled},
                                     {"bundle", reseed->bundle}}));
  }
  if (units_owed) json.set("units_owed", true);
  return json;
}

Result<GuardRecord> GuardRecord::from_json(const Json& json) {
  Members in(json, "record", Absent::kRefused);
  GuardRecord record;
  const std::string role = in.text("role", 16);
  if (in.ok() && !role_from(role)) in.fail("role", "unknown");
  record.role = role_from(role).value_or(Role::kNone);
  record.reign = in.reign("reign");
  record.power = in.text("power");
  record.peer = in.text("peer");
  record.highest = in.number("highest");
  record.highest_reign = in.reign("highest_reign");
  record.highest_move = in.text("highest_move", 64);
  record.voided = in.reign("voided");
  record.fence_epoch = in.number("fence_epoch");
  record.widest.lease = in.duration("widest_lease_ms", 0s, kLongest);
  record.widest.fence_bound = in.duration("widest_fence_bound_ms", 0s, kLongest);
  record.lease = in.duration("lease_ms", kLeaseLeast, kLeaseMost);
  record.monitor_counter = in.number("monitor_counter");
  if (in.has("prepared")) {
    Members inner(*in.raw("prepared"), "record.prepared", Absent::kRefused);
    record.prepared = PrepareRenewal{inner.reign("reign"), inner.text("move", 64)};
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  if (in.has("taken")) {
    auto taken = taken_from(*in.raw("taken"));
    if (taken) {
      record.taken = std::move(*taken);
    } else {
      in.adopt_error(taken.error());
    }
  }
  if (in.has("reseed")) {
    Members inner(*in.raw("reseed"), "record.reseed", Absent::kRefused);
    ReseedRecord reseed;
    reseed.reign = inner.reign("reign");
    reseed.move = inner.text("move", 64);
    reseed.spoiled = inner.flag("spoiled");
    reseed.bundle = inner.text("bundle", 4096);
    record.reseed = std::move(reseed);
    if (!inner.ok()) in.adopt_error(inner.error());
  }
  record.units_owed = in.has("units_owed") && in.flag("units_owed");
  if (!in.ok()) return in.error();
  return record;
}

}  // namespace pointsman
