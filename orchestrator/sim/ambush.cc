#include <algorithm>
#include <array>
#include <span>

#include "orchestrator/sim/world.h"

// Ambushes: faults that wait for a move to come into a phase. What a move meets in its midst is
// rare when faults fall anywhere; here it is aimed at.

namespace pointsman {
namespace {

enum class Trap {
  kCancel,        // A person undoes the move; says that the new site is off, where it is.
  kMonitorAway,   // Long enough for a prepare to run out.
  kNewSiteAway,   // Until well after a promotion has become late, or shortly.
  kOldSiteBack,   // The old site comes back at once.
  kCut,           // The monitor from the new site.
  kNewAppDown,    // The new site does not pass its probes.
  kDnsAway,       // Until the record is given up waiting for.
  kRestoreLater,  // The state of now comes back when the move is over.
  kRepliesLost,   // The new site's, for long enough for a prepare to run out, or a promotion.
  kMonitorDies,   // And is back at once.
  kUndoneAnew,    // The new site dies, the monitor restarts, a person undoes the move; it is back.
};

// What may be met where; named twice, it is met twice as often.
constexpr std::array kOfPreparing{Trap::kCancel,      Trap::kMonitorAway, Trap::kNewSiteAway,
                                  Trap::kOldSiteBack, Trap::kCut,         Trap::kRestoreLater,
                                  Trap::kRepliesLost, Trap::kMonitorDies};
constexpr std::array kOfPreparingAgain{Trap::kCancel, Trap::kMonitorAway, Trap::kRepliesLost};
constexpr std::array kOfFencing{Trap::kCancel,  Trap::kMonitorAway,  Trap::kNewSiteAway,
                                Trap::kCut,     Trap::kOldSiteBack,  Trap::kRepliesLost,
                                Trap::kDnsAway, Trap::kRestoreLater, Trap::kMonitorDies};
constexpr std::array kOfCatchingUp{Trap::kCancel, Trap::kMonitorAway, Trap::kNewSiteAway,
                                   Trap::kRepliesLost, Trap::kRestoreLater};
constexpr std::array kOfPromoting{Trap::kCancel,     Trap::kMonitorAway, Trap::kNewSiteAway,
                                  Trap::kCut,        Trap::kCut,         Trap::kUndoneAnew,
                                  Trap::kUndoneAnew, Trap::kRepliesLost, Trap::kRestoreLater};
constexpr std::array kOfStuck{Trap::kCancel,     Trap::kCancel,      Trap::kNewSiteAway,
                              Trap::kUndoneAnew, Trap::kMonitorDies, Trap::kRestoreLater};
constexpr std::array kOfVerifying{Trap::kNewAppDown, Trap::kNewSiteAway, Trap::kDnsAway,
                                  Trap::kMonitorDies, Trap::kRestoreLater};
constexpr std::array kOfPublishing{Trap::kDnsAway, Trap::kDnsAway, Trap::kNewAppDown,
                                   Trap::kMonitorDies, Trap::kRestoreLater};

struct Aim {
  Phase phase;
  bool fence_left;  // Only where the old site may be fenced already.
  std::span<const Trap> traps;
};
const std::array kAims{
    Aim{Phase::kPreparing, false, kOfPreparing},   Aim{Phase::kFencing, false, kOfFencing},
    Aim{Phase::kPromoting, false, kOfPromoting},   Aim{Phase::kVerifying, false, kOfVerifying},
    Aim{Phase::kPublishing, false, kOfPublishing}, Aim{Phase::kStuck, false, kOfStuck},
    Aim{Phase::kCatchingUp, false, kOfCatchingUp}, Aim{Phase::kPreparing, true, kOfPreparingAgain}};

struct Ambush {
  Aim aim;
  Trap trap;
  Duration delay;
};

// Before anything of the phase has left, while its first messages are under way, or later.
Duration delay_of(std::int64_t chance) {
  if (chance < 300) return Duration{0};
  return chance < 700 ? Duration((chance - 300) * 250'000) : Duration(chance * 1'000'000);
}

Ambush ambush_of(const Fault& f) {
  const Aim& aim = kAims.at(f.amount % kAims.size());
  return {aim, aim.traps[f.amount / 64 % aim.traps.size()],
          delay_of(static_cast<std::int64_t>(f.amount / 1024 % 1000))};
}

// One of eight ways to spring the same trap.
int way_of(const Fault& f) { return static_cast<int>(f.amount / 8 % 8); }

Fault as(Fault f, FaultKind kind, int where, Duration lasting) {
  f.kind = kind;
  f.where = where;
  f.lasting = lasting;
  return f;
}

// Away, and a while later a person who believes that it stays so.
void cancel(World& world, int service, const Fault& f, int to) {
  const bool away = way_of(f) < 4;
  if (away) strike(world, as(f, FaultKind::kHostDown, end_of(to), f.lasting + 20s));
  after(world, away ? Duration(8s) : Duration(0s),
        [&world, service] { world.people.cancel(service); });
}

void restore_later(World& world, const Fault& f) {
  after(world, f.lasting + 15s, [&world, then = world.monitor.disk] {
    world.kill_process(kMonitorEnd);
    world.monitor.disk = then;
    world.oracles.on_monitor_start(true);
    after(world, 1s, [&world] { world.start_process(kMonitorEnd); });
  });
}

// A person is wrong within the seconds that a monitor without memory must wait for.
void undo_anew(World& world, int service, const Fault& f, int to) {
  const bool stuck_before = world.policy(service).lease > kLeaseOfTheStuck;
  const Duration back = (stuck_before ? Duration(61s) : Duration(2500ms)) + f.lasting / 16;
  strike(world, as(f, FaultKind::kHostDown, end_of(to), back));
  strike(world, as(f, FaultKind::kKill, kMonitorEnd, 100ms));
  after(world, 1500ms, [&world, service] { world.people.cancel(service); });
}

void cut_replies(World& world, const Fault& f, int to) {
  Fault cut = as(f, FaultKind::kCutOneWay, to, f.lasting + 12s);
  if (way_of(f) < 2) cut.lasting += 70s;
  cut.other = kMonitorEnd;
  strike(world, cut);
  if (way_of(f) >= 6) return;
  std::swap(cut.where, cut.other);  // Nothing renews it either, from here on.
  after(world, 400ms, [&world, cut] { strike(world, cut); });
}

void trap(World& world, int service, const Fault& f, const Move& move) {
  const Duration long_time = f.lasting + 60s;
  const int new_end = end_of(move.to);
  switch (ambush_of(f).trap) {
    case Trap::kCancel: return cancel(world, service, f, move.to);
    case Trap::kMonitorAway:
      return strike(world, as(f, FaultKind::kKill, kMonitorEnd, f.lasting + 12s));
    case Trap::kNewSiteAway:
      return strike(world,
                    as(f, FaultKind::kHostDown, new_end, way_of(f) < 4 ? long_time : f.lasting));
    case Trap::kOldSiteBack: {
      const int old = end_of(1 - move.to);
      world.host_up(old);
      for (auto& up : world.app_up) up.at(static_cast<std::size_t>(1 - move.to)) = true;
      return;
    }
    case Trap::kCut: {
      Fault cut = f;
      cut.other = new_end;
      return strike(world, as(cut, FaultKind::kCutPair, kMonitorEnd,
                              f.lasting + (way_of(f) < 2 ? Duration(75s) : Duration(12s))));
    }
    case Trap::kNewAppDown: {
      Fault down = f;
      down.amount = f.amount / 3 * 3;  // Of all services there.
      return strike(world, as(down, FaultKind::kAppDown, new_end, long_time));
    }
    case Trap::kDnsAway: return strike(world, as(f, FaultKind::kDnsDown, 0, f.lasting + 5min));
    case Trap::kRestoreLater: return restore_later(world, f);
    case Trap::kRepliesLost: return cut_replies(world, f, new_end);
    case Trap::kMonitorDies:
      return strike(world, as(f, FaultKind::kKill, kMonitorEnd, f.lasting / 64));
    case Trap::kUndoneAnew: return undo_anew(world, service, f, move.to);
  }
}

bool fits(const Aim& aim, const ServiceState& state) {
  return aim.phase == state.phase && (!aim.fence_left || state.move->fence_left);
}

}  // namespace

void spring(World& world, int service, const ServiceState& state) {
  if (!state.move || world.healed) return;
  const auto waits_for = [&](bool second) {
    return std::find_if(world.ambushes.begin(), world.ambushes.end(), [&](const Fault& f) {
      const Ambush ambush = ambush_of(f);
      return ambush.aim.fence_left == second && fits(ambush.aim, state);
    });
  };
  auto found = waits_for(true);  // The rarer one first.
  if (found == world.ambushes.end()) found = waits_for(false);
  if (found == world.ambushes.end()) return;
  const Fault f = *found;
  world.ambushes.erase(found);
  world.note("ambush " + f.text());
  after(world, ambush_of(f).delay,
        [&world, service, f, move = *state.move] { trap(world, service, f, move); });
}

}  // namespace pointsman
