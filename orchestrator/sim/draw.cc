#include "orchestrator/sim/draw.h"

#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/sim_host.h"

namespace pointsman {
namespace {

constexpr int kRhoPpm = 110'000;

constexpr std::array<const char*, kFaultKinds> kFaultWords{
    "cut-pair",   "cut-one-way", "isolate",        "flap",      "loss",
    "slow",       "freeze",      "freeze-renewal", "kill",      "crash-point",
    "host-down",  "clock-rate",  "disk-fails",     "disk-slow", "app-down",
    "store-down", "store-hung",  "applier-stops",  "dns-down",  "dns-lost-replies",
    "dns-late",   "dns-stale",   "human-edit",     "person",    "restore-backup",
    "lose-state", "firmer",      "ambush",         "suspend",   "vip",
    "dry"};

// How often each kind is drawn, among those that are on.
constexpr std::array<int, kFaultKinds> kWeights{10, 6, 6, 3, 3, 4, 6, 3, 8, 8, 8, 3,  3, 3, 14, 4,
                                                3,  3, 4, 3, 3, 2, 1, 8, 1, 1, 2, 12, 4, 6, 1};

int weight_of(FaultKind kind, const Setting& s) {
  const int usual = kWeights.at(static_cast<std::size_t>(kind));
  switch (kind) {
    case FaultKind::kAmbush: return s.siege ? 4 * usual : usual;
    case FaultKind::kAppDown: return s.siege ? 3 * usual : usual;
    case FaultKind::kPerson:
    case FaultKind::kDry: return s.siege ? 2 * usual : usual;
    case FaultKind::kRestoreBackup:
    case FaultKind::kLoseState: return s.forgetful ? 8 * usual : usual;
    case FaultKind::kDnsLate:
    case FaultKind::kDnsStale: return s.forgetful ? 4 * usual : usual;
    default: return usual;
  }
}

ServicePolicy draw_policy(Dice& dice) {
  ServicePolicy p;
  p.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  p.agents = !dice.chance(40);
  p.fall = dice.pick(2, 5);
  p.rise = dice.pick(1, 4);
  p.interval = dice.between(500ms, 5s);
  p.suspect_interval = dice.between(200ms, p.interval);
  p.timeout = dice.between(300ms, std::min<Duration>(3s, p.fall * p.interval));
  p.lease = dice.between(1s, dice.chance(500) ? Duration(4s) : Duration(15s));
  p.lone_lease = dice.chance(500) ? Duration(24h) : dice.between(1min, 10min);
  p.max_lag = dice.between(p.poll_interval() + 500ms, 10s);
  p.prepare_ttl = p.lease + dice.between(2s, 15s);
  p.order_ttl = std::max<Duration>(p.lease / 6 + 500ms, dice.between(1s, 8s));
  p.publish_wait = dice.between(0s, 5s);
  p.switchover_budget = p.prepare_ttl / 2 + 2 * p.publish_wait;
  p.hold_down = dice.between(10s, 3min);
  p.max_moves_per_day = dice.pick(3, 40);
  p.unfenced_allowed = dice.chance(100);
  p.publish_first = dice.chance(600);
  p.quorum = p.agents ? (dice.chance(850) ? 2 : 1) : 1;
  p.probes = dice.chance(850) ? 1 : 2;
  p.records = dice.chance(850) ? 1 : 2;
  p.mode = dice.chance(30) ? Mode::kObserve : dice.chance(40) ? Mode::kPropose : Mode::kAuto;
  return p;
}

// Failures are found fast, and nothing but the gates that guard against harm keeps moves apart.
void hasten(ServicePolicy& p, std::uint64_t seed) {
  p.agents = true;
  p.mode = Mode::kAuto;
  p.fall = 2;
  p.rise = 1;
  p.interval = std::min<Duration>(p.interval, 1s);
  p.suspect_interval = std::min(p.suspect_interval, p.interval);
  p.timeout = std::min<Duration>(p.timeout, p.fall * p.interval);
  p.hold_down = 10s;
  p.max_moves_per_day = 40;
  if (seed % 32 == 5 || seed % 32 == 10) p.lease = kLeaseOfTheStuck + 3s;
  if (seed / 8 % 2 == 0) p.prepare_ttl = p.lease + 2s;
  p.prepare_ttl = std::max<Duration>(p.prepare_ttl, p.lease + 2s);
  p.order_ttl = std::max<Duration>(p.order_ttl, p.lease / 6 + 500ms);
  p.lone_lease = std::max<Duration>(p.lone_lease, 2 * p.lease);
  p.switchover_budget = p.prepare_ttl / 2 + 2 * p.publish_wait;
}

int any_pair_end(Dice& dice) { return dice.pick(0, 2); }

Fault draw_fault(Dice& dice, FaultKind kind, Instant at) {
  Fault f;
  f.at = at;
  f.kind = kind;
  f.lasting = dice.chance(700) ? dice.between(300ms, 20s) : dice.between(5s, 90s);
  f.amount = dice.next();
  f.where = any_pair_end(dice);
  f.other = (f.where + 1 + dice.pick(0, 1)) % kHosts;
  switch (kind) {
    case FaultKind::kCutPair:
    case FaultKind::kCutOneWay:
      // Now and then the monitor from the references or the DNS, or clients from a site.
      if (dice.chance(200)) f.other = dice.pick(kDnsEnd, kClientEnd);
      break;
    case FaultKind::kFreeze:
    case FaultKind::kFreezeRenewal:
    case FaultKind::kSuspend:
      f.lasting = dice.chance(600) ? dice.between(100ms, 5s) : dice.between(5s, 60s);
      break;
    case FaultKind::kKill:
    case FaultKind::kCrashPoint:
      f.lasting = dice.chance(600) ? dice.between(20ms, 2s) : dice.between(1s, 60s);
      break;
    case FaultKind::kVip:
    case FaultKind::kDry: f.lasting = dice.between(5s, 40s); break;
    case FaultKind::kAppDown:
    case FaultKind::kStoreDown:
    case FaultKind::kStoreHung: f.where = kFirstSite + dice.pick(0, 1); break;
    default: break;
  }
  return f;
}

// What a seed of its kind is about is always on.
void keep_on(const Setting& s, std::vector<bool>& on) {
  const auto set = [&](FaultKind kind, bool is_on) { on[static_cast<std::size_t>(kind)] = is_on; };
  if (s.siege) {
    set(FaultKind::kSuspend, false);
    for (const FaultKind kind :
         {FaultKind::kAmbush, FaultKind::kAppDown, FaultKind::kPerson, FaultKind::kHostDown}) {
      set(kind, true);
    }
  }
  if (s.forgetful) {
    for (const FaultKind kind : {FaultKind::kRestoreBackup, FaultKind::kDnsLate,
                                 FaultKind::kDnsStale, FaultKind::kAppDown}) {
      set(kind, true);
    }
    set(FaultKind::kLoseState, s.seed % 32 == 3);
  }
  const ServicePolicy& first = s.services.front();
  set(FaultKind::kVip, first.agents && first.vip_silent > Duration::zero());
}

std::vector<bool> draw_swarm(Dice& dice, const Setting& s) {
  std::vector<bool> on(kFaultKinds);
  const int wideness = dice.pick(150, 900);
  for (std::size_t k = 0; k < on.size(); ++k) on[k] = dice.chance(wideness);
  const auto off = [&](FaultKind kind) { on[static_cast<std::size_t>(kind)] = false; };
  // A lost memory needs a person each time: rare, or nothing else would be seen.
  if (!dice.chance(150)) off(FaultKind::kRestoreBackup);
  if (!dice.chance(100)) off(FaultKind::kLoseState);
  if (!dice.chance(300)) off(FaultKind::kHumanEdit);
  if (!dice.chance(s.siege ? 500 : 150)) off(FaultKind::kDry);
  on[static_cast<std::size_t>(dice.chance(500) ? FaultKind::kAppDown : FaultKind::kHostDown)] =
      true;
  if (!s.deadman) {
    // Without the switch an agent that is gone fences nobody, as the manual says.
    off(FaultKind::kFreeze);
    off(FaultKind::kFreezeRenewal);
    off(FaultKind::kKill);
    off(FaultKind::kCrashPoint);
    off(FaultKind::kStoreHung);
    off(FaultKind::kAmbush);
    off(FaultKind::kSuspend);
  }
  // A host that wakes from sleep has its site's leases as they were before it: the first thing that
  // runs must be its agent. One that dies or freezes just then is beyond what is promised.
  if (dice.chance(700)) off(FaultKind::kSuspend);
  keep_on(s, on);
  if (on[static_cast<std::size_t>(FaultKind::kSuspend)]) {
    for (const FaultKind kind : {FaultKind::kFreeze, FaultKind::kFreezeRenewal, FaultKind::kKill,
                                 FaultKind::kCrashPoint, FaultKind::kAmbush}) {
      off(kind);
    }
  }
  return on;
}

void draw_faults(Dice& dice, Setting& s, Instant begin) {
  const std::vector<bool> on = draw_swarm(dice, s);
  std::vector<FaultKind> bag;
  for (std::size_t k = 0; k < on.size(); ++k) {
    const auto kind = static_cast<FaultKind>(k);
    if (on[k]) bag.insert(bag.end(), static_cast<std::size_t>(weight_of(kind, s)), kind);
  }
  const Duration drawn = dice.chance(200) ? Duration(5s) : dice.between(8s, 35s);
  const Duration mean = s.siege || s.forgetful ? Duration(5s) : drawn;
  Instant at = begin + dice.between(5s, 25s);
  while (at < begin + s.safety) {
    s.faults.push_back(draw_fault(dice, bag[dice.below(bag.size())], at));
    // Faults come in bunches: what one leaves half done, the next one meets.
    at = at + (dice.chance(300) ? dice.between(0s, 2s) : dice.between(0s, 2 * mean));
  }
}

}  // namespace

const char* to_string(FaultKind kind) { return kFaultWords.at(static_cast<std::size_t>(kind)); }

std::string Fault::text() const {
  return fmt::format("{:9.3f} {} {} {} {:.3f}s {}", seconds(at - Instant{0}) - 1000,
                     to_string(kind), where, other, seconds(lasting), amount % 1000);
}

Setting draw_setting(std::uint64_t seed, Duration minutes) {
  Dice dice(seed * 0x9e3779b97f4a7c15U + 1);
  Setting s;
  s.seed = seed;
  s.safety = minutes;
  s.siege = seed % 8 == 5 || seed % 8 == 2;
  s.forgetful = seed % 16 == 3;
  ServicePolicy first = draw_policy(dice);
  if (s.siege || s.forgetful) hasten(first, seed);
  if (seed % 32 == 3) {  // The record alone remembers numbers.
    first.agents = false;
    first.quorum = 1;
  }
  if (first.agents && (seed % 16 == 7 || seed % 16 == 10 || seed % 16 == 13)) first.vip_silent = 9s;
  const int services = dice.chance(800) ? 1 : dice.chance(950) ? dice.pick(2, 5) : dice.pick(6, 40);
  if (services > 5) s.safety = s.safety * 5 / services;  // Each seed costs about as much.
  for (int k = 0; k < services; ++k) {
    s.services.push_back(first);
    s.services.back().name = "s" + std::to_string(k);
  }
  s.deadman = dice.chance(850) || s.siege;
  s.references = dice.chance(800);
  s.moves_at_once = dice.pick(1, 3);
  s.breaker_window = dice.between(20s, 90s);
  s.net_least = dice.between(1ms, 20ms);
  s.net_most = s.net_least + dice.between(5ms, 80ms);
  s.write_every = dice.between(200ms, 2s);
  s.replicate_every = dice.between(50ms, 300ms);
  s.ttl_factor = dice.chance(600) ? 1 : dice.chance(700) ? 10 : 0;
  s.tireless = dice.chance(900);
  for (int& ppm : s.ppm) {
    ppm = dice.chance(400) ? (dice.chance(500) ? kRhoPpm : -kRhoPpm) : dice.pick(-kRhoPpm, kRhoPpm);
  }
  if (!s.deadman && dice.chance(600)) {
    // What an unarmed site tells of its fence is used, and clocks are at their bounds.
    s.verbs_most = dice.between(500ms, 3s);
    for (int& ppm : s.ppm) ppm = ppm < 0 ? -kRhoPpm : kRhoPpm;
  }
  draw_faults(dice, s, Instant{1'000'000'000'000});
  return s;
}

}  // namespace pointsman
