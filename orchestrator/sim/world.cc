#include "orchestrator/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include "base/planted.h"

namespace pointsman {
namespace {

constexpr std::size_t kLinesKept = 60;

template <typename K>
void add_all(std::map<K, std::uint64_t>& to, const std::map<K, std::uint64_t>& from) {
  for (const auto& [key, count] : from) to[key] += count;
}

}  // namespace

void Figures::add(const Figures& other) {
  add_all(rows, other.rows);
  add_all(refusals, other.refusals);
  add_all(faults, other.faults);
  seeds += other.seeds;
  moves += other.moves;
  done += other.done;
  events += other.events;
  acknowledged += other.acknowledged;
  lost += other.lost;
  simulated += other.simulated;
}

World::World(Setting drawn, bool traces)
    : setting(std::move(drawn)),
      dice(setting.seed ^ 0x5bd1e995),
      net(*this, line, dice),
      hosts{SimHost(line.now()), SimHost(line.now()), SimHost(line.now())},
      zone(*this),
      oracles(*this, setting.services.size()),
      clients(*this),
      vip(*this),
      sites{SimSite(*this, 0), SimSite(*this, 1)},
      monitor(*this),
      people(*this),
      traces_(traces) {
  net.least = setting.net_least;
  net.most = setting.net_most;
  for (SimSite& site : sites) site.slow_verbs = setting.verbs_most;
  for (std::size_t k = 0; k < hosts.size(); ++k) {
    hosts.at(k).clock.reboot(Instant{0} + dice.between(10s, 1000s));
    hosts.at(k).clock.set_rate(setting.ppm.at(k));
  }
  for (int service = 0; service < static_cast<int>(setting.services.size()); ++service) {
    stores.emplace_back();
    kernels.push_back({Track<KernelState>({}), Track<KernelState>({})});
    app_up.push_back({true, true});
    for (int site = 0; site < kSites; ++site) {
      SimStore& made = store(service, site);
      made.service = service;
      made.site = site;
      made.writable = site == 0;
      made.replica = site == 1;
      made.origin = clients.new_origin(service);
    }
  }
}

// What waits refers to what the other members hold.
World::~World() { line.clear(); }

// --- Hosts and processes.

// Runs a task of the line, or says when it can run.
Instant World::run(const Owner& owner, Task& task) {
  if (owner.host < 0) {
    task();
    return Instant{0};
  }
  SimHost& host = host_at(owner.host);
  if (!host.running || host.run != owner.run) return Instant{0};
  if (line.now() < host.frozen_until) return host.frozen_until;
  task();
  if (host.doomed) crash(owner.host);
  return Instant{0};
}

void World::crash(int index) {
  note(fmt::format("crash of {}", index));
  kill_process(index);
  line.in(dice.between(20ms, 5s), [this, index] { start_process(index); });
}

bool World::crash_point(int index) {
  SimHost& host = hosts.at(static_cast<std::size_t>(index));
  if (host.crash_armed > 0 && --host.crash_armed == 0) host.doomed = true;
  return host.doomed;
}

void World::kill_process(int index) {
  SimHost& host = hosts.at(static_cast<std::size_t>(index));
  if (!host.running) return;
  host.running = false;
  host.doomed = false;
  host.crash_armed = 0;
  host.frozen_until = Instant{0};
  ++host.run;
  if (index == kMonitorEnd) {
    monitor.stop();
  } else {
    sites.at(static_cast<std::size_t>(index - kFirstSite)).stop();
  }
}

void World::start_process(int index) {
  SimHost& host = hosts.at(static_cast<std::size_t>(index));
  if (host.running || !host.up) return;
  host.running = true;
  ++host.run;
  note(fmt::format("start of {}", index));
  if (index == kMonitorEnd) {
    oracles.on_monitor_start(false);
    monitor.start();
  } else if (policy(0).agents) {
    sites.at(static_cast<std::size_t>(index - kFirstSite)).start();
  }
}

void World::host_down(int index) {
  SimHost& host = hosts.at(static_cast<std::size_t>(index));
  if (!host.up) return;
  kill_process(index);
  host.up = false;
  host.asleep_until = Instant{0};
  host.frozen_until = line.now();  // Since when it is down.
  note(fmt::format("host {} down", index));
}

// A host that boots: a new zero of its clock, stores read-only by their own configuration, ports
// closed until an agent says otherwise.
void World::host_up(int index) {
  SimHost& host = hosts.at(static_cast<std::size_t>(index));
  if (host.up) return;
  host.up = true;
  host.frozen_until = Instant{0};
  host.clock.reboot(Instant{0} + dice.between(1s, 300s));
  note(fmt::format("host {} up", index));
  if (index != kMonitorEnd) {
    oracles.on_boot(index - kFirstSite);
    sites.at(static_cast<std::size_t>(index - kFirstSite)).on_boot();
  }
  for (int service = 0; index != kMonitorEnd && service < static_cast<int>(stores.size());
       ++service) {
    const int site = index - kFirstSite;
    const bool reigned = sites.at(static_cast<std::size_t>(site)).disk(service).role != Role::kNone;
    SimStore& store = this->store(service, site);
    store.up = true;
    store.hung = false;
    store.writable = !reigned && site == 0 && !store.replica && policy(service).agents;
    set_kernel(service, site, line.now(),
               {reigned && setting.deadman ? DeadmanMode::kArmed : DeadmanMode::kUntouched, {}});
  }
  line.in(dice.between(50ms, 3s), [this, index] { start_process(index); });
}

void World::wake(int index, Instant fell_asleep) {
  SimHost& host = host_at(index);
  const Duration asleep = host.clock.local(line.now()) - fell_asleep;
  if (planted(Plant::kSleepUncounted)) host.clock.reboot(fell_asleep);
  host.woke_at = line.now();
  note(fmt::format("host {} wakes", index));
  for (int service = 0; index != kMonitorEnd && service < static_cast<int>(stores.size());
       ++service) {
    KernelState state = kernel(service, index - kFirstSite).at(line.now());
    if (state.until > fell_asleep && !planted(Plant::kSleepUncounted))
      state.until = state.until + asleep;
    set_kernel(service, index - kFirstSite, line.now(), state);
    line.in(kWaking, [this, service] { oracles.check_one_writer(service); });
  }
}

Duration World::freeze_in_renewal(int site) {
  return std::exchange(renewal_freeze.at(static_cast<std::size_t>(site)), Duration{0});
}

// --- Stores and ports.

void World::set_kernel(int service, int site, Instant at, const KernelState& state) {
  kernels.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(site)).set(at, state);
  if (traces_) {
    note(fmt::format("kernel {}/{} {} until {:.3f}, in {:.3f} s", service, site,
                     static_cast<int>(state.mode), seconds(state.until - Instant{0}),
                     seconds(at - line.now())));
  }
  line.at(at, [this, service] { oracles.check_one_writer(service); });
}

void World::set_writable(SimStore& store, bool writable) {
  if (store.writable == writable) return;
  store.writable = writable;
  note(fmt::format("store {}/{} {}", store.service, store.site, writable ? "opens" : "closes"));
  if (writable) oracles.on_open(store.service, store.site);
}

bool World::ports_pass(int service, int site) {
  const KernelState& state = kernel(service, site).at(line.now());
  if (planted(Plant::kAgentDeathUnfenced) && state.until != Instant{0}) return true;
  return state.mode != DeadmanMode::kArmed || site_host(site).clock.local(line.now()) < state.until;
}

bool World::takes_writes(int service, int site) {
  const SimStore& store = this->store(service, site);
  const bool serves = !policy(service).agents || store.writable;
  return is_awake(end_of(site)) && store.up && !store.hung && serves && ports_pass(service, site);
}

// --- The run.

void World::note(const std::string& text) {
  hash_ = (hash_ ^ static_cast<std::uint64_t>(line.now().ns)) * 1099511628211U;
  for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211U;
  if (traces_) fmt::print("{:10.4f} {}\n", seconds(line.now() - Instant{0}) - 1000, text);
  last_.push_back(fmt::format("{:10.4f} {}", seconds(line.now() - Instant{0}) - 1000, text));
  if (last_.size() > kLinesKept) last_.pop_front();
}

void World::fail(const std::string& invariant, const std::string& what) {
  note("VIOLATION " + invariant + " " + what);
  if (failed()) return;
  result_.invariant = invariant;
  result_.what = fmt::format("at {:.3f} s: {}", seconds(line.now() - Instant{0}) - 1000, what);
}

void World::replicate() {
  line.in(dice.between(setting.replicate_every / 2, setting.replicate_every * 3 / 2),
          [this] { replicate(); });
  for (auto& pair : stores) {
    for (SimStore& to : pair) {
      const SimStore& from = pair.at(static_cast<std::size_t>(1 - to.site));
      if (to.writable) to.received = to.executed;
      if (!to.replica || !to.up || to.hung || !from.up || from.hung) continue;
      if (!is_awake(end_of(0)) || !is_awake(end_of(1))) continue;
      if (!net.passes(end_of(0), end_of(1)) || !net.passes(end_of(1), end_of(0))) continue;
      if (!holds_all(from.executed, to.executed)) {
        to.errant = "errant";
        continue;
      }
      to.received = from.executed;
      if (!to.applier_stopped) to.executed = to.received;
    }
  }
}

void World::turn_until(Instant end) {
  const auto one = [this](const Owner& owner, Task& task) { return run(owner, task); };
  while (!failed() && line.turn(end, one)) {
  }
}

std::string World::violation() const {
  return failed() ? result_.invariant + " " + result_.what : "";
}

void World::begin() {
  for (const int host : {kMonitorEnd, kFirstSite, kSecondSite}) {
    line.in(dice.between(0s, 2s), [this, host] { start_process(host); });
  }
  clients.start();
  vip.start();
  replicate();
}

// One after the other: what waits is kept short.
void World::strike_at(std::size_t k) {
  if (k == setting.faults.size()) return;
  line.at(setting.faults[k].at, [this, k] {
    const Fault& fault = setting.faults[k];
    strike_at(k + 1);
    ++figures.faults[to_string(fault.kind)];
    note("fault " + fault.text());
    strike(*this, fault);
  });
}

SeedResult World::run() {
  const Instant started = line.now();
  begin();
  people.start();
  strike_at(0);
  turn_until(started + setting.safety);
  if (!failed()) heal();
  figures.seeds = 1;
  figures.events = line.ran();
  figures.simulated = line.now() - started;
  result_.seed = setting.seed;
  result_.hash = hash_ ^ line.ran();
  result_.figures = figures;
  result_.last.assign(last_.begin(), last_.end());
  return result_;
}

}  // namespace pointsman
