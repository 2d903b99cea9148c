#include "orchestrator/sim/planted.h"

#include "base/planted.h"

#ifdef PM_PLANTED

namespace pointsman {
namespace {

Plant in_force = Plant::kNone;

}  // namespace

bool planted(Plant plant) { return plant == in_force; }
void plant(Plant plant) { in_force = plant; }

const std::array<PlantedBug, kPlants - 1>& planted_bugs() {
  static const std::array<PlantedBug, kPlants - 1> kBugs{{
      {Plant::kShortPromise, "promise-as-short-as-the-lease"},
      {Plant::kNoFenceTerm, "promise-without-fence-term"},
      {Plant::kNoDrift, "promise-without-drift"},
      {Plant::kLeaseFromArrival, "lease-from-arrival"},
      {Plant::kNoWaitAfterRestart, "no-wait-after-restart"},
      {Plant::kVolatileIntent, "volatile-intent"},
      {Plant::kOrderGrantsLease, "order-grants-lease"},
      {Plant::kDnsEpochUnchecked, "dns-epoch-unchecked"},
      {Plant::kStoreAfterActing, "stored-after-acting"},
      {Plant::kUnknownIsDown, "unknown-is-down"},
      {Plant::kOneObserver, "one-observer-enough"},
      {Plant::kHoldDownInMemory, "hold-down-in-memory"},
      {Plant::kBreakerPerService, "breaker-per-service"},
      {Plant::kAutomaticFailback, "automatic-failback"},
      {Plant::kAgentDeathUnfenced, "agent-death-unfenced"},
      {Plant::kHumanOverwritten, "human-record-overwritten"},
      {Plant::kWidestForgotten, "largest-lease-forgotten"},
      {Plant::kAdoptUnfenced, "adopt-without-fence"},
      {Plant::kEpochReused, "epoch-reused"},
      {Plant::kFenceBeforeConsent, "fence-before-consent"},
      {Plant::kPrepareForever, "prepare-without-end"},
      {Plant::kStaleRenewal, "stale-kernel-renewal"},
      {Plant::kLoneUntold, "lone-lease-untold"},
      {Plant::kLapsedVouch, "restored-monitor-vouches"},
      {Plant::kOwnNumbersOnly, "number-not-above-agents"},
      {Plant::kTwoReigns, "vouch-for-two-reigns"},
      {Plant::kStandbyPromiseIgnored, "standby-promise-ignored"},
      {Plant::kMonitorPromiseIgnored, "monitor-promise-ignored"},
      {Plant::kFenceUnread, "fence-not-read-back"},
      {Plant::kHungFenceOpens, "hung-fence-opens-ports"},
      {Plant::kRunShutOut, "dead-run-shuts-out"},
      {Plant::kTokenOfAnyRun, "token-of-any-run"},
      {Plant::kWidestVolatile, "longest-lease-not-kept"},
      {Plant::kNewIdOnRetry, "new-id-on-retry"},
      {Plant::kPeerShutOut, "dead-peer-shuts-out"},
      {Plant::kReferenceEarly, "reference-asked-early"},
      {Plant::kNeverBack, "old-site-never-back"},
      {Plant::kCutLeaseForgotten, "cut-lease-forgotten"},
      {Plant::kOlderMoveGoesOn, "older-move-goes-on"},
      {Plant::kSleepUncounted, "sleep-uncounted"},
      {Plant::kPromoteBehind, "promoted-behind"},
      {Plant::kUndoWithoutVoid, "undone-without-void"},
      {Plant::kPublishEarly, "published-before-promotion"},
      {Plant::kFollowErrant, "follows-whatever-it-holds"},
  }};
  return kBugs;
}

}  // namespace pointsman

#endif
