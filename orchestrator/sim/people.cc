#include "orchestrator/sim/people.h"

#include <algorithm>

#include "orchestrator/sim/world.h"

namespace pointsman {
namespace {

OperatorAsked asked_by_a_person(AskKind kind) {
  OperatorAsked asked;
  asked.kind = kind;
  asked.actor = "person";
  asked.reason = "simulated";
  return asked;
}

}  // namespace

void People::start() {
  world_.line.in(5s, [this] { round(); });
}

void People::round() {
  world_.line.in(world_.dice.between(2s, 12s), [this] { round(); });
  if (world_.dice.chance(250)) world_.monitor.back_up();
  for (int k = 0; k < static_cast<int>(world_.setting.services.size()); ++k) {
    if (!world_.setting.tireless) continue;
    repair(k, false);
    maintain(k);
  }
}

// Where nothing is wrong, a host wants its kernel upgraded now and then. By the hour, not by
// chance: what a seed draws stays what it was.
void People::maintain(int service) {
  const ServiceState* state = world_.monitor.state(service);
  const auto hour = static_cast<std::uint64_t>(world_.line.now().ns / 1'000'000);
  if (!plans() || state == nullptr || hour % 7 != 0 || world_.healed) return;
  if (state->phase == Phase::kSteady && !state->move) switch_over(service, *state, hour / 7);
}

// The site that a person who has looked at both would put in power: the one whose store takes
// writes or reigned last.
int People::best_site(int service) const {
  if (!world_.policy(service).agents) return world_.zone.shown(service, 0) == 1 ? 1 : 0;
  const GuardRecord& a = world_.sites[0].disk(service);
  const GuardRecord& b = world_.sites[1].disk(service);
  const auto power = [&](const GuardRecord& record, int own) {
    return record.power == world_.policy(service).sites.at(static_cast<std::size_t>(own)).name;
  };
  if (a.reign.epoch == 0 && b.reign.epoch == 0) return world_.store(service, 1).writable ? 1 : 0;
  // The number of the later reign says who was crowned last.
  if (a.reign.epoch >= b.reign.epoch) return power(a, 0) ? 0 : 1;
  return power(b, 1) ? 1 : 0;
}

void People::adopt(int service, int site, bool assert_off) {
  OperatorAsked asked = asked_by_a_person(AskKind::kAdopt);
  asked.to = site;
  if (assert_off && seems_off(service, 1 - site)) asked.asserted_off = 1 - site;
  world_.monitor.ask(service, asked);
}

// Half of the seeds know no planned moves: failovers are rarer beside them.
bool People::plans() const { return world_.setting.seed % 2 == 0; }

bool People::errs() const { return world_.setting.seed % 8 == 6 || world_.setting.seed % 16 == 13; }

bool People::seems_off(int service, int site) {
  const int there = end_of(site);
  if (!world_.site_host(site).up) return true;
  if (!errs() || world_.oracles.may_hold_long(service, site)) return false;
  return !world_.net.passes(kMonitorEnd, there) || !world_.net.passes(there, kMonitorEnd);
}

// Nothing of the site is to be seen, and a person does not wait for what counts by itself.
void People::give_up(int service, int site) {
  Fault cut;
  cut.kind = FaultKind::kIsolate;
  cut.where = end_of(site);
  cut.lasting = world_.dice.between(5s, 40s);
  strike(world_, cut);
  after(world_, world_.dice.between(500ms, 4s), [this, service, site] {
    OperatorAsked asked = asked_by_a_person(AskKind::kFailover);
    asked.forced = {"connected", "fence"};
    if (seems_off(service, site)) asked.asserted_off = site;
    world_.note("people give site " + std::to_string(site) + " up");
    world_.monitor.ask(service, asked);
  });
}

// In a third of the seeds people leave that to us, in the others they do it by hand.
bool People::asks_to_rejoin() const { return world_.setting.seed % 3 == 0; }

void People::rebuild(int service, int site) {
  SimStore& store = world_.store(service, site);
  const SimStore& source = world_.store(service, 1 - site);
  store.executed = store.received = source.executed;
  store.origin = world_.clients.new_origin(service);
  store.errant.clear();
  store.applier_stopped = false;
  store.replica = true;
  world_.note("people rebuild " + std::to_string(service) + "/" + std::to_string(site));
}

// A fenced site follows again: its divergence is looked at first, and given up by a rebuild.
void People::rejoin(int service, const ServiceState& state) {
  const int site = 1 - state.primary;
  if (!world_.site_host(site).up || !world_.site_host(1 - site).up) return;
  SimStore& store = world_.store(service, site);
  const SimStore& source = world_.store(service, 1 - site);
  if (asks_to_rejoin()) {
    OperatorAsked asked = asked_by_a_person(AskKind::kRejoin);
    asked.to = site;
    asked.discard = true;
    world_.monitor.ask(service, asked);
    return;
  }
  if (!store.up || store.hung || store.writable) return;
  if (!holds_all(source.executed, store.executed)) rebuild(service, site);
  const bool made = state.last_move && state.last_move->reign == state.reign;
  SendOrder order;
  order.site = site;
  order.kind = OrderKind::kFollow;
  order.reign = state.reign;
  order.power = state.primary;
  order.move = made ? state.last_move->id : "newcomer-" + std::string(state.reign.id.text());
  world_.on_host(kMonitorEnd, world_.line.now(),
                 [this, service, order] { world_.monitor.order(service, order); });
}

void People::mend_record(int service, const ServiceState& state) {
  for (std::size_t k = 0; k < state.records.size(); ++k) {
    const RecordView& view = state.records[k];
    // Of no site; or of the other one, by a late write of a monitor that has lost its state.
    const bool drifted = state.phase == Phase::kSteady && !state.publish && view.readable &&
                         state.published == state.primary && view.site != state.primary &&
                         (view.mark >= state.reign.epoch || view.ours != state.reign);
    // Somebody's hand has changed what the monitor had published, and goes on waiting for.
    const bool changed = state.publish && view.readable && state.publish->records[k].accepted &&
                         view.site != state.publish->to && view.mark <= state.publish->reign.epoch;
    if (!view.read || (view.site >= 0 && !drifted && !changed)) continue;
    const int known = state.publish ? state.publish->to : state.published;
    world_.zone.edit(service, k, known < 0 ? best_site(service) : known);
    world_.oracles.on_human_edit(service);
  }
}

void People::repair(int service, bool eager) {
  const ServiceState* state = world_.monitor.state(service);
  if (state == nullptr || world_.hosts[kMonitorEnd].frozen_until > world_.line.now()) return;
  if (world_.monitor.dry) return;
  const auto later = [&](int per_mille) { return !eager && !world_.dice.chance(per_mille); };
  mend_record(service, *state);
  const Duration in_phase = world_.hosts[kMonitorEnd].clock.now() - state->phase_since;
  if (state->phase == Phase::kUnadopted && !state->move && in_phase > 15s && !later(300)) {
    return adopt(service, best_site(service), !eager);
  }
  if (state->hold.on && !later(100)) {
    world_.monitor.ask(service, asked_by_a_person(AskKind::kResume));
  }
  if (!state->automatic_moves.empty() && !later(30)) {
    world_.oracles.on_ack(service);
    world_.monitor.ask(service, asked_by_a_person(AskKind::kAck));
  }
  if (state->phase != Phase::kSteady || state->move || !state->has_primary()) return;
  if (!world_.policy(service).agents) return;
  const GuardRecord& other =
      world_.sites.at(static_cast<std::size_t>(1 - state->primary)).disk(service);
  const SimStore& store = world_.store(service, 1 - state->primary);
  const bool fenced = other.role == Role::kFenced;
  const bool alone = other.role == Role::kStandby && (!store.replica || !store.errant.empty());
  if ((fenced || alone) && !later(250)) rejoin(service, *state);
}

void People::cancel(int service) {
  const ServiceState* state = world_.monitor.state(service);
  if (state == nullptr) return;
  OperatorAsked asked = asked_by_a_person(AskKind::kCancel);
  const bool moves = state->move && state->move->to >= 0;
  if (moves && seems_off(service, state->move->to)) asked.asserted_off = state->move->to;
  world_.note("people cancel");
  world_.monitor.ask(service, asked);
}

// Now or soon; now and then to a site that is in power already.
void People::switch_over(int service, const ServiceState& state, std::uint64_t what) {
  OperatorAsked asked = asked_by_a_person(AskKind::kSwitchover);
  if (state.has_primary()) asked.to = what % 11 == 0 ? state.primary : state.other(state.primary);
  if (what % 5 == 0) asked.forced = {"replication"};
  if (what / 8 % 4 == 0) {
    const HostClock& clock = world_.hosts[kMonitorEnd].clock;
    asked.at_s = clock.wall().ns / 1'000'000'000 + static_cast<std::int64_t>(what / 32 % 20);
    asked.at = "soon";
  }
  world_.note("people switch over");
  world_.monitor.ask(service, asked);
}

void People::do_something(int service, std::uint64_t what) {
  const ServiceState* state = world_.monitor.state(service);
  if (state == nullptr) return;
  OperatorAsked asked = asked_by_a_person(AskKind::kAck);
  if (plans() && (what % 8 == 1 || what % 8 == 2)) return switch_over(service, *state, what);
  switch (what % 8) {
    case 0:
    case 1:
    case 2:
      asked.kind = AskKind::kFailover;
      if (what % 5 == 0) asked.forced = {"replication"};
      if (what % 7 == 0) asked.forced = {"fence", "witness", "connected"};
      if (!state->has_primary()) break;
      if (errs() && what / 64 % 2 == 0) return give_up(service, state->primary);
      if (seems_off(service, state->primary)) asked.asserted_off = state->primary;
      break;
    case 3:
    case 4: return cancel(service);
    case 5:
      asked.kind = AskKind::kPause;
      asked.lasting = 20s;
      break;
    case 6: asked.kind = AskKind::kResume; break;
    default:
      asked.kind = AskKind::kAdopt;
      asked.to = best_site(service);
      if (seems_off(service, 1 - asked.to)) asked.asserted_off = 1 - asked.to;
      break;
  }
  world_.note("people " + std::to_string(static_cast<int>(asked.kind)));
  world_.monitor.ask(service, asked);
}

}  // namespace pointsman
