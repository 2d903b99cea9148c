#pragma once

#include <string>
#include <vector>

#include "orchestrator/core/policy.h"
#include "orchestrator/sim/dice.h"

// What one seed is about: settings within what the configuration check accepts, classes of faults
// switched on or off (a swarm), and the faults themselves.

namespace pointsman {

enum class FaultKind {
  kCutPair,  // Both ways between two ends.
  kCutOneWay,
  kIsolate,  // One end from all others.
  kFlap,     // A pair is cut and healed again and again.
  kLoss,
  kSlow,
  kFreeze,         // A process stops and goes on.
  kFreezeRenewal,  // An agent stops within its next renewal of the kernel set.
  kKill,           // A process dies and starts again.
  kCrashPoint,     // A process dies at its n-th next save or command.
  kHostDown,
  kClockRate,
  kDiskFails,
  kDiskSlow,
  kAppDown,
  kStoreDown,
  kStoreHung,
  kApplierStops,
  kDnsDown,
  kDnsLostReplies,
  kDnsLate,
  kDnsStale,
  kHumanEdit,
  kPerson,         // An operator does something.
  kRestoreBackup,  // The monitor starts again from an old state.
  kLoseState,      // The monitor starts again without any.
  kFirmer,         // The monitor starts again with another lease.
  kAmbush,         // Waits for a move to come into a phase, and strikes there.
  kSuspend,        // A host sleeps, and its kernel's timeouts with it; CLOCK_BOOTTIME goes on.
  kVip,            // keepalived of a site is stopped, killed, hangs or does not hear the other.
  kDry,            // The monitor runs dry for a while.
};
inline constexpr int kFaultKinds = 31;
// A lease so long that a promotion is stuck before the promise of a restarted monitor has ended.
inline constexpr Duration kLeaseOfTheStuck = 45s;
const char* to_string(FaultKind kind);

struct Fault {
  Instant at;
  FaultKind kind = FaultKind::kCutPair;
  int where = 0;
  int other = 0;
  Duration lasting{0};
  std::uint64_t amount = 0;

  std::string text() const;
};

struct Setting {
  std::uint64_t seed = 0;
  std::vector<ServicePolicy> services;
  bool deadman = true;
  bool references = true;
  int moves_at_once = 3;
  Duration breaker_window{0};
  Duration safety{0};  // Length of the first phase.
  Duration net_least{0}, net_most{0};
  Duration write_every{0};
  Duration replicate_every{0};
  Duration verbs_most{0};  // What a round with a store may always take more.
  int late_servers = 100;  // Per mille of the changes that a name server shows up to 20 s later.
  int ttl_factor = 1;      // How much resolvers overstay; 0: for ever.
  bool tireless = true;    // People repair what is broken soon.
  // Moves come thick and fast, and ambushes with them; or memories are lost again and again.
  bool siege = false;
  bool forgetful = false;
  std::array<int, 3> ppm{};
  std::vector<Fault> faults;
};

Setting draw_setting(std::uint64_t seed, Duration minutes);

}  // namespace pointsman
