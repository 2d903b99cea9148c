#include "orchestrator/shell/outlook.h"

#include <doctest/doctest.h>

#include "orchestrator/core/gates.h"

using namespace pointsman;

namespace {

constexpr Instant kNow{1'000'000'000'000};

ServicePolicy two_sites() {
  ServicePolicy policy;
  policy.name = "im-api";
  policy.agents = false;
  policy.records = 0;
  policy.probes = 1;
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  return policy;
}

ServiceState steady() {
  ServiceState state;
  state.phase = Phase::kSteady;
  state.primary = state.published = 0;
  state.reign = {1, "0000000000000001"};
  for (SiteView& site : state.sites) {
    Damper passing;
    passing.ever = true;
    passing.passes = 5;
    passing.last_pass = passing.heard = kNow;
    site.probes = {passing};
  }
  return state;
}

}  // namespace

TEST_CASE("ready means that nothing but the death of the site in power is missing") {
  const ServicePolicy policy = two_sites();
  ServiceState state = steady();
  Readiness found = readiness(policy, state, kNow);
  INFO(found.gate << ": " << found.reason);
  CHECK(found.ready);
  CHECK_EQ(found.to, 1);
  // The gate that asks for that death is shut all the same.
  CHECK_EQ(first_refusal(policy, state, automatic_move(state), kNow)->name, "witness");

  state.hold.on = true;
  state.hold.reason = "works";
  found = readiness(policy, state, kNow);
  CHECK_FALSE(found.ready);
  CHECK_EQ(found.gate, "held");
  CHECK_NE(found.reason, "");
}

TEST_CASE("not ready: a move is on, nobody is in power, the other site is down") {
  const ServicePolicy policy = two_sites();
  ServiceState state = steady();
  state.move.emplace();
  CHECK_FALSE(readiness(policy, state, kNow).ready);
  CHECK_EQ(readiness(policy, state, kNow).gate, "");

  ServiceState nobody;
  CHECK_FALSE(readiness(policy, nobody, kNow).ready);
  CHECK_EQ(readiness(policy, nobody, kNow).to, -1);

  state = steady();
  state.sites[1].probes[0].down = true;
  state.sites[1].probes[0].fails = 3;
  CHECK_EQ(readiness(policy, state, kNow).gate, "target");
}

TEST_CASE("every step that a move can have has its budget") {
  ServicePolicy policy = two_sites();
  policy.switchover_budget = 17s;
  Move move;
  for (const char* name :
       {"prepare", "fence", "catch up", "promote", "publish", "verify", "follow"}) {
    move.kind = MoveKind::kFailover;
    CHECK(step_budget(policy, move, {name, {}, {}, {}, ""}));
    move.kind = MoveKind::kSwitchover;
    CHECK(step_budget(policy, move, {name, {}, {}, {}, ""}));
  }
  CHECK_EQ(step_budget(policy, move, {"fence", {}, {}, {}, ""}), Duration(17s));
  move.kind = MoveKind::kFailover;
  policy.lease = 3s;
  CHECK_EQ(step_budget(policy, move, {"fence", {}, {}, {}, ""}),
           promise_length({3s, kFenceBoundUnarmed}));
  CHECK_FALSE(step_budget(policy, move, {"unheard of", {}, {}, {}, ""}));
}
