// The plan as a whole: nothing forgotten, nothing unreachable, no phase without a way out.

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "orchestrator/core/machine.h"

using namespace pointsman;

namespace {

// In every phase that is not named here the trigger has no row, and this is why.
struct Meaning {
  Trigger trigger;
  std::set<Phase> phases;
  const char* elsewhere;
};

const std::set<Phase> kMoving{Phase::kPreparing, Phase::kFencing, Phase::kCatchingUp,
                              Phase::kPromoting, Phase::kStuck,   Phase::kVerifying,
                              Phase::kPublishing};

const std::set<Phase> kMovingOrAdopting = [] {
  std::set<Phase> all = kMoving;
  all.insert(Phase::kUnadopted);
  return all;
}();

std::vector<Meaning> meanings() {
  using P = Phase;
  return {
      {Trigger::kAdoptable, {P::kUnadopted}, "somebody is in power already"},
      {Trigger::kPrimaryDoubted, {P::kSteady}, "doubted already, or a move is on"},
      {Trigger::kPrimaryUp, {P::kSuspect, P::kPreparing}, "after a fence there is no way back"},
      {Trigger::kPrimaryDown, {P::kSuspect}, "doubt comes first, and one move at a time"},
      {Trigger::kFoundFenced, {P::kSteady}, "in doubt or in a move, that decides"},
      {Trigger::kPrepareAccepted, {P::kPreparing}, "asked for in this phase alone"},
      {Trigger::kPrepareLate, {P::kPreparing}, "asked for in this phase alone"},
      {Trigger::kRehearsed, {P::kPreparing}, "a dry run goes no further"},
      {Trigger::kStandbyVoided,
       {P::kPreparing, P::kFencing, P::kPromoting, P::kStuck},
       "a site that reigns voids nothing"},
      {Trigger::kCancelled,
       {P::kPreparing, P::kFencing, P::kCatchingUp, P::kPromoting, P::kStuck},
       "nothing to undo, or the new site reigns: it goes forward"},
      {Trigger::kPowerFree, {P::kUnadopted, P::kFencing}, "nobody waits for power"},
      {Trigger::kPromoted, {P::kPromoting, P::kStuck}, "nobody is being promoted"},
      {Trigger::kPromotionLate, {P::kPromoting}, "stuck already, or nobody is being promoted"},
      {Trigger::kServes, {P::kVerifying}, "asked after promotion alone"},
      {Trigger::kAgreed, {P::kPublishing}, "the move does not wait for the record"},
      {Trigger::kVerifyLate, {P::kVerifying, P::kPublishing}, "nothing is being verified"},
      {Trigger::kVoidedAfterFence, {P::kPreparing}, "elsewhere a fence has left in any case"},
      {Trigger::kCancelledAfterFence, {P::kPreparing}, "elsewhere a fence has left in any case"},
      {Trigger::kPrimaryBack, {P::kPreparing}, "the standby has agreed, or no fence has left"},
      {Trigger::kUndoneReigns, {P::kPromoting, P::kStuck}, "nothing is being undone"},
      {Trigger::kRestored, kMovingOrAdopting, "without a move, disowned says the same"},
      {Trigger::kAppointed, {P::kSteady}, "in doubt or in a move it waits, and is told missed"},
      {Trigger::kPositionsTold, {P::kFencing}, "asked for in this phase alone"},
      {Trigger::kCaughtUp, {P::kCatchingUp}, "nobody has to catch up"},
      {Trigger::kBudgetSpent,
       {P::kFencing, P::kCatchingUp},
       "nothing has left yet, or promotion has: it goes forward"},
      {Trigger::kPlanVoided,
       {P::kPreparing, P::kFencing, P::kCatchingUp, P::kPromoting, P::kStuck},
       "a site that reigns voids nothing"},
      {Trigger::kPromotionSure, {P::kPromoting}, "verified, it is published in any case"},
      {Trigger::kVipLeft, {P::kSteady, P::kSuspect}, "one move at a time"},
      {Trigger::kNumberTaken, {P::kSteady}, "in doubt or in a move, that decides"},
      {Trigger::kCrownLost, {P::kPromoting, P::kStuck}, "nobody is being crowned again"},
      {Trigger::kNewSiteDown, {P::kPublishing}, "it has not passed its probes yet"},
      {Trigger::kDisowned,
       {P::kSteady, P::kSuspect},
       "a move of ours explains it, or restored does"},
  };
}

}  // namespace

TEST_CASE("every phase has a row for every trigger, or a sentence that says why not") {
  const auto all = meanings();
  REQUIRE_EQ(all.size(), static_cast<std::size_t>(kTriggers));
  for (const Meaning& meaning : all) {
    std::set<Phase> found;
    for (const Transition& row : transitions()) {
      if (row.on == meaning.trigger) found.insert(row.from);
    }
    CAPTURE(to_string(meaning.trigger));
    CHECK(std::string(meaning.elsewhere) != "");
    CHECK(found == meaning.phases);
  }
}

TEST_CASE("every phase is reached, and none is a dead end") {
  std::set<Phase> reached{Phase::kUnadopted};
  // An operator's order begins a move from rest, too.
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const Transition& row : transitions()) {
      if (reached.contains(row.from)) reached.insert(row.to);
    }
  }
  std::map<Phase, std::set<Phase>> ways;
  for (const Transition& row : transitions()) {
    if (row.from != row.to) ways[row.from].insert(row.to);
  }
  for (int k = 0; k < kPhases; ++k) {
    const auto phase = static_cast<Phase>(k);
    CAPTURE(to_string(phase));
    CHECK(reached.contains(phase));
    CHECK_FALSE(ways[phase].empty());
  }
}

TEST_CASE("a phase of a move ends by time, or by what time must bring") {
  // Fencing ends because every promise does; stuck is loud, retried, and a person's to end.
  const std::map<Phase, std::set<Trigger>> by_time{
      {Phase::kPreparing, {Trigger::kPrepareLate}},
      {Phase::kFencing, {Trigger::kPowerFree, Trigger::kBudgetSpent}},
      {Phase::kCatchingUp, {Trigger::kBudgetSpent}},
      {Phase::kPromoting, {Trigger::kPromotionLate}},
      {Phase::kStuck, {Trigger::kPromoted, Trigger::kCancelled, Trigger::kStandbyVoided}},
      {Phase::kVerifying, {Trigger::kVerifyLate}},
      {Phase::kPublishing, {Trigger::kVerifyLate}}};
  for (const auto& [phase, triggers] : by_time) {
    for (const Trigger trigger : triggers) {
      bool found = false;
      for (const Transition& row : transitions()) found |= row.from == phase && row.on == trigger;
      const std::string from = to_string(phase);  // clang 14 captures no structured binding.
      CAPTURE(from);
      CHECK(found);
    }
  }
}

TEST_CASE("rules have names of their own and say why") {
  std::set<std::string> rules;
  for (const Transition& row : transitions()) {
    CHECK(rules.insert(row.rule).second);
    CHECK_FALSE(std::string(row.why).empty());
  }
}

// Found by simulation: an agent polled often pushed out all that was known from before an attempt
// whose failure became known late, and every automatic move was refused.
TEST_CASE("evidence reaches back to before a failure that is known late") {
  ServicePolicy policy;
  policy.name = "s";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  policy.lease = 1s;
  policy.interval = policy.suspect_interval = 5s;
  ServiceState state = begin(policy, std::nullopt, Instant{} + 100s);
  state.phase = Phase::kSteady;
  state.primary = 0;
  Instant now = Instant{} + 100s;
  for (int k = 0; k < 200; ++k) {
    now = now + 160ms;
    Event event;
    event.what = AgentHeard{1, {}, now};
    state = step(policy, std::move(state), event, now).next;
  }
  const auto& evidence = state.sites[1].evidence;
  CHECK_LE(evidence.size(), 16U);
  CHECK_EQ(evidence.back().at, now);
  CHECK_LE(evidence.front().at, now - policy.suspect_interval - policy.timeout);
}
