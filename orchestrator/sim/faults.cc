#include <algorithm>

#include "orchestrator/sim/world.h"

// What each fault does, and how it ends. After healing no end does anything any more.

namespace pointsman {

void after(World& world, Duration lasting, std::function<void()> end) {
  world.line.in(lasting, [&world, end = std::move(end)] {
    if (!world.healed) end();
  });
}

namespace {

void cut(World& world, const Fault& f, bool both) {
  const auto set = [&world, f, both](int by) {
    world.net.cut(f.where, f.other, by);
    if (both) world.net.cut(f.other, f.where, by);
  };
  set(1);
  after(world, f.lasting, [set] { set(-1); });
}

void isolate(World& world, const Fault& f) {
  const auto set = [&world, f](int by) {
    for (int end = 0; end < kEnds; ++end) {
      if (end == f.where) continue;
      world.net.cut(f.where, end, by);
      world.net.cut(end, f.where, by);
    }
  };
  set(1);
  after(world, f.lasting, [set] { set(-1); });
}

void flap(World& world, const Fault& f) {
  const ServicePolicy& policy = world.policy(0);
  const Duration period = std::max<Duration>(policy.fall * policy.interval, 500ms);
  Fault one = f;
  one.lasting = period / 2;
  for (int k = 0; k < 8; ++k) {
    after(world, k * period, [&world, one] { cut(world, one, true); });
  }
}

void freeze(World& world, int host, Duration lasting) {
  SimHost& frozen = world.hosts.at(static_cast<std::size_t>(host));
  if (frozen.running) {
    frozen.frozen_until = std::max(frozen.frozen_until, world.line.now() + lasting);
  }
}

// The agent counts the time asleep; what the kernel holds does not run out meanwhile.
void suspend(World& world, const Fault& f) {
  SimHost& host = world.host_at(f.where);
  if (!host.up || host.asleep_until > world.line.now()) return;
  const Instant wakes = world.line.now() + f.lasting;
  const Instant fell_asleep = host.clock.local(world.line.now());
  host.asleep_until = wakes;
  freeze(world, f.where, f.lasting);
  world.line.at(wakes, [&world, where = f.where, wakes, fell_asleep] {
    if (world.host_at(where).asleep_until == wakes) world.wake(where, fell_asleep);
  });
}

void kill(World& world, const Fault& f) {
  world.kill_process(f.where);
  after(world, f.lasting, [&world, f] { world.start_process(f.where); });
}

void restart_monitor(World& world, const Fault& f) {
  SimMonitor& monitor = world.monitor;
  world.kill_process(kMonitorEnd);
  bool lost = false;
  if (f.kind == FaultKind::kRestoreBackup && !monitor.backups.empty()) {
    monitor.disk = monitor.backups.at(f.amount % monitor.backups.size());
    lost = true;
  }
  if (f.kind == FaultKind::kLoseState) {
    monitor.disk = {};
    lost = true;
  }
  if (f.kind == FaultKind::kFirmer) {
    for (ServicePolicy& policy : world.setting.services) {
      const Duration lease = 1s + Duration(static_cast<std::int64_t>(f.amount % 8'000'000'000));
      policy.lease = lease;
      policy.prepare_ttl = std::max<Duration>(policy.prepare_ttl, lease + 2s);
      policy.order_ttl = std::max<Duration>(policy.order_ttl, lease / 6 + 500ms);
      policy.max_lag = std::max<Duration>(policy.max_lag, policy.poll_interval() + 500ms);
      policy.lone_lease = std::max<Duration>(policy.lone_lease, 2 * lease);
    }
  }
  if (lost) world.oracles.on_monitor_start(true);
  after(world, std::min<Duration>(f.lasting, 5s), [&world] { world.start_process(kMonitorEnd); });
}

void app_down(World& world, const Fault& f) {
  // Of one service, or of all at the site together.
  for (std::size_t k = 0; k < world.app_up.size(); ++k) {
    if (f.amount % 3 != 0 && k != f.amount % world.app_up.size()) continue;
    bool& up = world.app_up[k].at(static_cast<std::size_t>(f.where - kFirstSite));
    up = false;
    after(world, f.lasting, [&up] { up = true; });
  }
}

// A person tries what the monitor would do, in its place: often by taking an application down.
void run_dry(World& world, const Fault& f) {
  const ServiceState* state = world.monitor.state(0);
  Fault down = f;
  down.where = end_of(state != nullptr && state->primary == 1 ? 1 : 0);
  down.amount = 0;  // Of all services there.
  down.lasting = f.lasting + 20s;
  world.kill_process(kMonitorEnd);
  world.monitor.dry = true;
  world.start_process(kMonitorEnd);
  if (f.amount % 4 != 0) after(world, 4s, [&world, down] { app_down(world, down); });
  after(world, f.lasting + 15s, [&world] {
    world.kill_process(kMonitorEnd);
    world.monitor.dry = false;
    world.start_process(kMonitorEnd);
  });
}

void at_vip(World& world, const Fault& f) {
  const int site = static_cast<int>(f.amount / 4 % kSites);
  switch (f.amount % 4) {
    case 0: return world.vip.stop(site, f.lasting);
    case 1: return world.vip.kill(site, f.lasting);
    case 2: return world.vip.hang(site, f.lasting);
    default: return world.vip.part(f.lasting);
  }
}

void at_store(World& world, const Fault& f) {
  const int site = f.where - kFirstSite;
  const int service = static_cast<int>(f.amount % world.setting.services.size());
  SimStore& store = world.store(service, site);
  if (f.kind == FaultKind::kStoreDown) {
    store.up = false;
    after(world, f.lasting, [&store, &world] {
      store.up = true;
      const Role role =
          world.sites.at(static_cast<std::size_t>(store.site)).disk(store.service).role;
      store.writable = store.writable && role == Role::kNone;
    });
  } else {
    store.hung = true;
    after(world, f.lasting, [&store] { store.hung = false; });
  }
}

void at_disk(World& world, const Fault& f) {
  if (f.where == kMonitorEnd) {
    SimMonitor& monitor = world.monitor;
    if (f.kind == FaultKind::kDiskFails) {
      monitor.disk_fails = true;
      after(world, f.lasting, [&monitor] { monitor.disk_fails = false; });
    } else {
      monitor.disk_slow = 5s;
      after(world, f.lasting, [&monitor] { monitor.disk_slow = Duration{0}; });
    }
    return;
  }
  SimSite& site = world.sites.at(static_cast<std::size_t>(f.where - kFirstSite));
  if (f.kind == FaultKind::kDiskFails) {
    site.disk_fails = true;
    after(world, f.lasting, [&site] { site.disk_fails = false; });
  } else {
    site.slow_verbs = std::max<Duration>(site.slow_verbs,
                                         1500ms);  // Within the bound that an unarmed site tells.
    after(world, f.lasting, [&world, &site] { site.slow_verbs = world.setting.verbs_most; });
  }
}

void at_dns(World& world, const Fault& f) {
  SimZone& zone = world.zone;
  switch (f.kind) {
    case FaultKind::kDnsDown:
      zone.down = true;
      after(world, f.lasting, [&zone] { zone.down = false; });
      break;
    case FaultKind::kDnsLostReplies: zone.lost_replies = static_cast<int>(f.amount % 3) + 1; break;
    case FaultKind::kDnsLate: zone.late_by = f.lasting; break;
    case FaultKind::kDnsStale:
      zone.stale_reads = true;
      after(world, f.lasting, [&zone] { zone.stale_reads = false; });
      break;
    default: {
      const int service = static_cast<int>(f.amount % world.setting.services.size());
      zone.edit(service, 0, -1);
      world.oracles.on_human_edit(service);
    }
  }
}

void one_way_or_lossy(World& world, const Fault& f) {
  Network& net = world.net;
  if (f.kind == FaultKind::kLoss) {
    net.loss = static_cast<int>(f.amount % 400) + 50;
    after(world, f.lasting, [&net] { net.loss = 0; });
  } else {
    net.slow_most = Duration(static_cast<std::int64_t>(f.amount % 4'000'000'000)) + 200ms;
    if (f.amount % 10 == 0) net.slow_most = 40s;
    after(world, f.lasting, [&net] { net.slow_most = Duration{0}; });
  }
}

void at_site(World& world, const Fault& f) {
  const auto site = static_cast<std::size_t>(f.amount % 2);
  if (f.kind == FaultKind::kFreezeRenewal) {
    world.renewal_freeze.at(site) = f.lasting;
    return;
  }
  for (auto& pair : world.stores) {
    SimStore& store = pair.at(site);
    store.applier_stopped = true;
    after(world, f.lasting, [&store] { store.applier_stopped = false; });
  }
}

}  // namespace

void strike(World& world, const Fault& f) {
  switch (f.kind) {
    case FaultKind::kCutPair: return cut(world, f, true);
    case FaultKind::kCutOneWay: return cut(world, f, false);
    case FaultKind::kIsolate: return isolate(world, f);
    case FaultKind::kFlap: return flap(world, f);
    case FaultKind::kLoss:
    case FaultKind::kSlow: return one_way_or_lossy(world, f);
    case FaultKind::kFreeze: return freeze(world, f.where, f.lasting);
    case FaultKind::kKill: return kill(world, f);
    case FaultKind::kCrashPoint:
      world.hosts.at(static_cast<std::size_t>(f.where)).crash_armed =
          static_cast<int>(f.amount % 6) + 1;
      return;
    case FaultKind::kHostDown:
      world.host_down(f.where);
      return after(world, f.lasting, [&world, f] { world.host_up(f.where); });
    case FaultKind::kClockRate:
      return world.hosts.at(static_cast<std::size_t>(f.where))
          .clock.set_rate(f.amount % 2 == 0 ? 110'000 : -110'000);
    case FaultKind::kDiskFails:
    case FaultKind::kDiskSlow: return at_disk(world, f);
    case FaultKind::kAppDown: return app_down(world, f);
    case FaultKind::kStoreDown:
    case FaultKind::kStoreHung: return at_store(world, f);
    case FaultKind::kFreezeRenewal:
    case FaultKind::kApplierStops: return at_site(world, f);
    case FaultKind::kDnsDown:
    case FaultKind::kDnsLostReplies:
    case FaultKind::kDnsLate:
    case FaultKind::kDnsStale:
    case FaultKind::kHumanEdit: return at_dns(world, f);
    case FaultKind::kPerson:
      return world.people.do_something(static_cast<int>(f.amount % world.setting.services.size()),
                                       f.amount / 8);
    case FaultKind::kRestoreBackup:
    case FaultKind::kLoseState:
    case FaultKind::kFirmer: return restart_monitor(world, f);
    case FaultKind::kAmbush: return world.ambushes.push_back(f);
    case FaultKind::kSuspend: return suspend(world, f);
    case FaultKind::kVip: return at_vip(world, f);
    case FaultKind::kDry: return run_dry(world, f);
  }
}

}  // namespace pointsman
