#pragma once

// Planted bugs: each leaves out one rule that the proof needs, so that the simulator can show that
// it would be noticed. They exist only where PM_PLANTED is defined (the program
// pointsman-sim-planted); everywhere else planted() is false at compile time, and neither the bug
// nor its name is left in the program.

namespace pointsman {

enum class Plant {
  kNone,
  kShortPromise,      // W = L.
  kNoFenceTerm,       // No F in W.
  kNoDrift,           // rho = 0.
  kLeaseFromArrival,  // A lease counts from the arrival of its vouch.
  kNoWaitAfterRestart,
  kVolatileIntent,    // Commands start before their decision is durable.
  kOrderGrantsLease,  // A promote order is a lease.
  kDnsEpochUnchecked,
  kStoreAfterActing,  // An accepted promotion is not made durable first.
  kUnknownIsDown,
  kOneObserver,
  kHoldDownInMemory,
  kBreakerPerService,
  kAutomaticFailback,
  kAgentDeathUnfenced,
  kHumanOverwritten,
  kWidestForgotten,
  kAdoptUnfenced,
  kEpochReused,
  kFenceBeforeConsent,
  kPrepareForever,
  kStaleRenewal,
  kLoneUntold,      // A standby consents while a lone lease may be held.
  kLapsedVouch,     // A restored monitor vouches.
  kOwnNumbersOnly,  // Numbers are not above what the agents know.
  kTwoReigns,       // Vouches for whoever says that he reigns.
  kStandbyPromiseIgnored,
  kMonitorPromiseIgnored,
  kFenceUnread,        // A fence is acknowledged before it is read back.
  kHungFenceOpens,     // Found by simulation once.
  kRunShutOut,         // Found by simulation once.
  kTokenOfAnyRun,      // A token counts, whatever run of the agent gave it out.
  kWidestVolatile,     // A monitor that restarts has forgotten its longest lease.
  kNewIdOnRetry,       // An order sent again carries another move id.
  kPeerShutOut,        // Found by simulation once,
  kReferenceEarly,     // and this,
  kNeverBack,          // and this,
  kCutLeaseForgotten,  // and this,
  kOlderMoveGoesOn,    // and this.
  kSleepUncounted,     // An agent's clock stops while its host sleeps.
  kPromoteBehind,      // A planned move promotes a standby that has not applied all of it.
  kUndoWithoutVoid,    // An undo crowns the old site while the new one may still be promoted.
  kPublishEarly,       // A planned move publishes while it may still be undone.
  kFollowErrant,       // An old site follows whatever it holds.
};
inline constexpr int kPlants = 45;

#ifdef PM_PLANTED
bool planted(Plant plant);
void plant(Plant plant);  // Before any thread starts.
#else
constexpr bool planted(Plant) { return false; }
#endif

}  // namespace pointsman
