#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/world.h"

// The second phase: faults end, a person helps where only a person can, and then everything must
// come to rest, stay at rest, and still do its work.

namespace pointsman {
namespace {

constexpr Duration kSettleWithin = 420s;
constexpr Duration kCalm = 20s;

}  // namespace

void World::end_faults() {
  healed = true;
  net.heal();
  vip.heal();
  if (monitor.dry) kill_process(kMonitorEnd);
  monitor.dry = false;
  for (const int host : {kMonitorEnd, kFirstSite, kSecondSite}) {
    SimHost& one = hosts.at(static_cast<std::size_t>(host));
    one.crash_armed = 0;
    host_up(host);
    start_process(host);
  }
  monitor.disk_fails = false;
  monitor.disk_slow = Duration{0};
  zone.down = zone.stale_reads = false;
  zone.lost_replies = 0;
  zone.late_by = Duration{0};
  renewal_freeze = {};
  for (SimSite& site : sites) {
    site.disk_fails = false;
    site.slow_verbs = Duration{0};
  }
  for (std::size_t k = 0; k < stores.size(); ++k) {
    app_up[k] = {true, true};
    for (SimStore& one : stores[k]) {
      const Role role = sites.at(static_cast<std::size_t>(one.site)).disk(one.service).role;
      if (!one.up) one.writable = one.writable && role == Role::kNone;
      one.up = true;
      one.hung = one.applier_stopped = false;
    }
  }
}

std::string World::unsettled(int service) {
  const ServiceState* state = monitor.state(service);
  if (state == nullptr) return "no monitor";
  for (const SimHost& host : hosts) {
    if (host.running && host.frozen_until > line.now()) return "a process is frozen";
  }
  if (state->phase != Phase::kSteady || state->move) {
    return fmt::format("phase {}{}", to_string(state->phase), state->move ? ", a move is on" : "");
  }
  const int primary = state->primary;
  if (state->appointment) return "a move is appointed";
  if (state->publish) return "still publishing";
  if (state->hold.on) return "held";
  if (zone.is_foreign(service)) return "a record holds a human's value";
  if (!policy(service).agents) {
    // A monitor that lost its memory half way knows what the record named when it began anew; a
    // write of before that is applied late is told as a drift, and is a person's to settle.
    if (setting.forgetful) return "";
    return zone.agrees(service, primary) ? "" : "DNS does not name the site in power";
  }
  if (!takes_writes(service, primary)) return fmt::format("site {} takes no writes", primary);
  // keepalived that came back may still move it, and power after it.
  if (policy(service).vip_silent > Duration::zero() && vip.has_left(service, primary)) {
    return "the virtual address is not where power is, or has just come back";
  }
  if (state->published >= 0 && state->published == primary && !zone.agrees(service, primary)) {
    return "DNS does not name the site in power";
  }
  const GuardRecord& other = sites.at(static_cast<std::size_t>(1 - primary)).disk(service);
  if (other.role != Role::kStandby || other.reign != state->reign || other.prepared) {
    return fmt::format("site {} is {}, no standby", 1 - primary, to_string(other.role));
  }
  if (!store(service, 1 - primary).replica) return "the standby replicates nothing";
  const SiteView& own = state->sites.at(static_cast<std::size_t>(primary));
  if (own.agent.lone) return "a lone lease is held";
  return "";
}

void World::settle() {
  const Instant end = line.now() + kSettleWithin;
  std::string why;
  while (line.now() < end && !failed()) {
    turn_until(line.now() + 3s);
    why.clear();
    for (int k = 0; k < static_cast<int>(stores.size()); ++k) {
      const std::string one = unsettled(k);
      if (!one.empty()) why = policy(k).name + ": " + one;
      if (!one.empty()) people.repair(k, true);
    }
    if (why.empty()) return;
  }
  fail("L2", "not at rest " + format_duration(kSettleWithin) + " after the last fault: " + why);
}

// L3, L4: nothing happens when nothing happens.
void World::stay_calm() {
  turn_until(line.now() + 3s);  // What was decided before may still leave.
  const std::uint64_t orders = oracles.orders();
  const int written = zone.written();
  const Instant end = line.now() + kCalm;
  while (line.now() < end && !failed()) {
    turn_until(line.now() + 200ms);
    for (int k = 0; k < static_cast<int>(stores.size()); ++k) {
      const ServiceState* state = monitor.state(k);
      if (policy(k).agents && !takes_writes(k, state->primary)) {
        fail("L3", "a healthy site in power was closed");
      }
    }
  }
  if (oracles.orders() != orders) fail("L4", "orders leave while nothing happens");
  if (zone.written() != written) fail("L4", "DNS is written while nothing happens");
}

// L1: the site in power dies for good.
void World::lose_primary() {
  const ServicePolicy& first = policy(0);
  const ServiceState* state = monitor.state(0);
  const int primary = state->primary;
  for (int k = 0; k < static_cast<int>(stores.size()); ++k) {
    const ServiceState* each = monitor.state(k);
    if (each->primary != primary || policy(k).mode != Mode::kAuto) return;
    OperatorAsked ack;
    ack.actor = "person";
    monitor.ask(k, ack);
    oracles.on_ack(k);
  }
  if (static_cast<int>(stores.size()) > setting.moves_at_once) return;
  turn_until(line.now() + setting.breaker_window * 100 / 88 + 2s);
  if (failed() || !setting.references) return;
  host_down(end_of(primary));
  const Duration detection =
      first.interval + (first.fall - 1) * first.suspect_interval + first.timeout;
  // By its own arithmetic: what is judged must not judge.
  const Duration promise = first.lease * 5 / 4 + 6s;
  const Duration bound = (detection + promise + first.publish_wait + 2 * first.interval) * 5 / 4;
  turn_until(line.now() + bound + 12s);
  for (int k = 0; !failed() && k < static_cast<int>(stores.size()); ++k) {
    if (policy(k).agents && !takes_writes(k, 1 - primary)) {
      fail("L1", fmt::format("{} is not in power {:.0f} s after the other site died",
                             policy(k).sites.at(static_cast<std::size_t>(1 - primary)).name,
                             seconds(bound) + 12));
    }
  }
  turn_until(line.now() + 40s);
  for (int k = 0; !failed() && k < static_cast<int>(stores.size()); ++k) {
    if (!zone.agrees(k, 1 - primary)) fail("L1", "DNS does not name the new site in power");
  }
}

std::uint64_t World::losses(int service) {
  const ServiceState* state = monitor.state(service);
  if (state == nullptr || !state->has_primary() || !policy(service).agents) return 0;
  const SimStore& holder = store(service, state->primary);
  std::uint64_t lost = 0;
  for (std::size_t origin = 0; origin < clients.origins(service); ++origin) {
    const std::size_t held = origin < holder.executed.size() ? holder.executed[origin] : 0;
    const std::size_t acknowledged = clients.acks(service, origin).size();
    if (acknowledged > held) lost += acknowledged - held;
  }
  return lost;
}

void World::count_losses() {
  for (int k = 0; k < static_cast<int>(stores.size()); ++k) figures.lost += losses(k);
}

void World::heal() {
  note("healing");
  end_faults();
  settle();
  if (!failed()) stay_calm();
  if (!failed()) lose_primary();
  count_losses();
}

}  // namespace pointsman
