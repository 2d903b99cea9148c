#include "orchestrator/shell/agent_view.h"

#include <algorithm>

namespace pointsman {
namespace {

constexpr std::size_t kPositionMost = 4096;  // A longer one is none of a sound store.

int site_index(const ServicePolicy& policy, const std::string& name) {
  for (int k = 0; k < kSites; ++k) {
    if (policy.sites.at(static_cast<std::size_t>(k)).name == name) return k;
  }
  return -1;
}

SiteRole role_of(Role role) {
  switch (role) {
    case Role::kNone: return SiteRole::kNone;
    case Role::kStandby: return SiteRole::kStandby;
    case Role::kPrimary: return SiteRole::kPrimary;
    case Role::kFenced: return SiteRole::kFenced;
  }
  return SiteRole::kNone;
}

void read_stores(const ServiceReport& report, AgentView& view) {
  view.has_stores = !report.stores.empty();
  view.stores_well = true;
  view.replica = view.has_stores;
  view.applier_running = view.has_stores;
  for (const StoreReport& store : report.stores) {
    if (store.liveness != Liveness::kUp) {
      view.stores_well = false;
      view.stores_problem += (view.stores_problem.empty() ? "" : ", ") + store.name + " is " +
                             to_string(store.liveness);
    }
    view.stores.push_back(
        {store.name, store.liveness == Liveness::kUp, store.unit, store.executed_count,
         store.taken_over, store.semi_sync, store.semi_sync_for,
         store.executed.size() <= kPositionMost ? store.executed : "", store.writable});
    view.replica = view.replica && store.replica;
    view.applier_running = view.applier_running && store.applier_running;
    if (!store.errant.empty()) {
      view.errant += (view.errant.empty() ? "" : ", ") + store.name + " " + store.errant;
    }
    if (store.lag) view.lag = std::max(view.lag.value_or(Duration::zero()), *store.lag);
  }
}

// An unknown word is a newer agent's: nothing is known then.
void read_rejoin(const RejoinReport& report, AgentView& view) {
  const auto stage = rejoin_stage_from(report.stage);
  if (!stage) return;
  view.rejoin =
      RejoinView{report.move,   *stage,       report.diverged, report.what, report.problem,
                 report.bundle, report.holds, report.store,    report.done, report.total};
}

// The store that was furthest behind speaks for all; one that cannot be compared makes all unknown.
void read_positions(const ServicePolicy& policy, const ServiceReport& report, AgentView& view) {
  Duration worst{-1};
  for (const StoreReport& store : report.stores) {
    if (!store.caught_up_age || !store.told_age) {
      view.caught_up_age.reset();
      return;
    }
    const Duration behind = behind_at_contact(policy, *store.caught_up_age, *store.told_age);
    if (behind <= worst) continue;
    worst = behind;
    view.caught_up_age = store.caught_up_age;
    view.told_age = *store.told_age;
  }
}

}  // namespace

AgentView view_of(const ServicePolicy& policy, const ServiceReport& report) {
  AgentView view;
  view.role = role_of(report.role);
  view.reign = report.reign;
  view.power = report.power;
  view.highest = report.highest;
  view.highest_id = report.highest_id;
  if (report.prepared) {
    view.prepared = report.prepared->reign;
    view.prepared_move = report.prepared->move;
  }
  view.voided = report.voided;
  view.fenced = report.fenced;
  view.promoted = report.promoted;
  view.writable = report.writable;
  view.writable_known = report.writable_known;
  view.lease_rest = report.lease_rest;
  view.lone = report.lone;
  view.promise_rest = report.promise_rest;
  view.fence_bound = report.fence_bound;
  view.armed = report.deadman_armed;
  view.peer_answers = report.peer.answers;
  view.monitor_counter = report.monitor_counter;
  if (report.taken) view.taken = report.taken->by.actor + " (" + report.taken->by.reason + ")";
  view.prepare_refusal = report.prepare_refusal;
  if (report.vip) {
    const VipReport& vip = *report.vip;
    view.vip = VipView{vip.holds, vip.since, vip.heard, vip.told};
  }
  if (report.catch_up) {
    view.catch_up =
        CatchUpView{report.catch_up->move, report.catch_up->held, report.catch_up->missing};
  }
  if (report.rejoin) read_rejoin(*report.rejoin, view);
  view.host = report.host;
  view.trouble = report.trouble;
  read_stores(report, view);
  read_positions(policy, report, view);
  view.units_stopped_by_role =
      report.role == Role::kStandby &&
      std::any_of(report.units.begin(), report.units.end(),
                  [](const UnitReport& unit) { return unit.only_primary && !unit.active; });
  for (const WitnessCount& count : report.witness) {
    WitnessView seen;
    seen.site = site_index(policy, count.site);
    seen.fails = count.fails;
    seen.passed_last = count.last == "pass";
    seen.any = !count.last.empty() && count.last != "unknown";
    seen.age = count.age;
    view.witness.push_back(seen);
  }
  return view;
}

Order order_of(const ServicePolicy& policy, const SendOrder& order) {
  const auto name = [&](int site) { return policy.sites.at(static_cast<std::size_t>(site)).name; };
  Order wire;
  wire.service = policy.name;
  wire.site = name(order.site);
  switch (order.kind) {
    case OrderKind::kAdopt: wire.verb = Verb::kAdopt; break;
    case OrderKind::kPrepare: wire.verb = Verb::kPrepare; break;
    case OrderKind::kFence: wire.verb = Verb::kFence; break;
    case OrderKind::kPromote: wire.verb = Verb::kPromote; break;
    case OrderKind::kFollow: wire.verb = Verb::kFollow; break;
    case OrderKind::kVoid: wire.verb = Verb::kVoid; break;
    case OrderKind::kSurvey: wire.verb = Verb::kSurvey; break;
    case OrderKind::kReseed: wire.verb = Verb::kReseed; break;
  }
  wire.reign = order.reign;
  wire.power = name(order.power);
  wire.move = order.move;
  wire.automatic = order.automatic;
  wire.old_fenced = order.old_fenced;
  wire.asserted_off = order.asserted_off;
  wire.replication_forced = order.replication_forced;
  for (const StorePosition& position : order.positions) {
    wire.positions.emplace_back(position.store, position.text);
  }
  wire.lease = policy.lease;
  wire.order_ttl = policy.order_ttl;
  wire.prepare_ttl = policy.prepare_ttl;
  wire.max_lag = policy.max_lag;
  return wire;
}

}  // namespace pointsman
