#include <algorithm>
#include <array>

#include "orchestrator/sim/world.h"

// Ambushes: faults that wait for a move to come into a phase. What a move meets in its midst is
// rare when faults fall anywhere; here it is aimed at.

namespace pointsman {
namespace {

constexpr std::array kPhasesAimedAt{Phase::kPreparing, Phase::kFencing,    Phase::kPromoting,
                                    Phase::kVerifying, Phase::kPublishing, Phase::kStuck,
                                    Phase::kCatchingUp};

enum class Trap {
  kCancel,        // A person undoes the move; says that the new site is off, where it is.
  kMonitorAway,   // Long enough for a prepare to run out.
  kNewSiteAway,   // Until well after a promotion has become late, or shortly.
  kOldSiteBack,   // The old site comes back at once.
  kCut,           // The monitor from the new site.
  kNewAppDown,    // The new site does not pass its probes.
  kDnsAway,       // Until the record is given up waiting for.
  kRestoreLater,  // The state of now comes back when the move is over.
};
constexpr int kTraps = 8;

struct Ambush {
  Phase phase;
  Trap trap;
  Duration delay;
};

Ambush ambush_of(const Fault& f) {
  return {kPhasesAimedAt.at(f.amount % kPhasesAimedAt.size()),
          static_cast<Trap>(f.amount / 64 % kTraps),
          Duration(static_cast<std::int64_t>(f.amount / 1024 % 1000) * 1'000'000)};
}

Fault as(Fault f, FaultKind kind, int where, Duration lasting) {
  f.kind = kind;
  f.where = where;
  f.lasting = lasting;
  return f;
}

// Away, and a while later a person who believes that it stays so.
void cancel(World& world, int service, const Fault& f, int to) {
  const bool away = f.amount % 2 == 0;
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

void trap(World& world, int service, const Fault& f, const Move& move) {
  const Duration long_time = f.lasting + 60s;
  const int new_end = end_of(move.to);
  switch (ambush_of(f).trap) {
    case Trap::kCancel: return cancel(world, service, f, move.to);
    case Trap::kMonitorAway:
      return strike(world, as(f, FaultKind::kKill, kMonitorEnd, f.lasting + 12s));
    case Trap::kNewSiteAway:
      return strike(
          world, as(f, FaultKind::kHostDown, new_end, f.amount % 2 == 0 ? long_time : f.lasting));
    case Trap::kOldSiteBack: {
      const int old = end_of(1 - move.to);
      world.host_up(old);
      for (auto& up : world.app_up) up.at(static_cast<std::size_t>(1 - move.to)) = true;
      return;
    }
    case Trap::kCut: {
      Fault cut = f;
      cut.other = new_end;
      return strike(world, as(cut, FaultKind::kCutPair, kMonitorEnd, f.lasting + 12s));
    }
    case Trap::kNewAppDown: {
      Fault down = f;
      down.amount = f.amount / 3 * 3;  // Of all services there.
      return strike(world, as(down, FaultKind::kAppDown, new_end, long_time));
    }
    case Trap::kDnsAway: return strike(world, as(f, FaultKind::kDnsDown, 0, f.lasting + 5min));
    case Trap::kRestoreLater: return restore_later(world, f);
  }
}

}  // namespace

void spring(World& world, int service, const ServiceState& state) {
  if (!state.move || world.healed) return;
  const auto found =
      std::find_if(world.ambushes.begin(), world.ambushes.end(),
                   [&](const Fault& f) { return ambush_of(f).phase == state.phase; });
  if (found == world.ambushes.end()) return;
  const Fault f = *found;
  world.ambushes.erase(found);
  world.note("ambush " + f.text());
  after(world, ambush_of(f).delay,
        [&world, service, f, move = *state.move] { trap(world, service, f, move); });
}

}  // namespace pointsman
