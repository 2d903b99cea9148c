#include "test/unit/agent/guard_scene.h"

#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::scene;

TEST_CASE("first run: an agent that never reigned touches nothing, then adopts") {
  Agent hz("hz", "sh", at(0s));
  CHECK_EQ(hz.level(at(0s)), "untouched");
  auto adopt = Pair::order(Verb::kAdopt, hz, {1, "hz", at(1s)});
  CHECK_EQ(hz.order(adopt, at(1s)),
           "no: only a first run whose stores are writable may be adopted before the other site "
           "acknowledged its fence");
  GuardSight sight;
  sight.stores_writable = true;
  adopt.sequence = 9;
  CHECK_EQ(hz.order(adopt, at(1s), sight), "yes, save: adopted: in power in epoch 1");
  // An adopt order is a vouch too: nothing closes.
  CHECK_EQ(hz.level(at(1s)), "promote");
  CHECK(hz.guard().on_promotion_read_back(reign(1)).accepted);
  CHECK_EQ(hz.level(at(3999ms)), "open");
  CHECK_EQ(hz.level(at(4s)), "closed");
  CHECK_EQ(hz.order(adopt, at(2s), sight), "yes: adopted already");
  CHECK_EQ(hz.level(at(4s)), "closed");  // And the repeated order grants nothing more.

  Agent sh("sh", "hz", at(0s));
  CHECK_EQ(Pair().tell(Verb::kPrepare, sh, {2, "sh", at(1s)}),
           "no: this agent was not adopted yet");
  CHECK_EQ(Pair().tell(Verb::kAdopt, sh, {5000, "hz", at(1s)}),
           "yes, save: hz is in power in epoch 5000");
  CHECK_EQ(sh.level(at(1s)), "standby");
}

TEST_CASE("an order counts only when it is addressed here, in sequence and fresh") {
  Pair pair;
  auto order = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(0s)});
  order.site = "hz";
  CHECK_EQ(pair.sh.order(order, at(1s)), "no: addressed to hz, this is sh");
  order.site = "sh";
  CHECK_EQ(pair.sh.order(order, at(5001ms)), "no: token is 5001 ms old, more than 5s allowed");
  CHECK_EQ(pair.sh.order(order, at(-1ms)), "no: token of the future");
  order.token.incarnation = 99;
  CHECK_EQ(pair.sh.order(order, at(1s)), "no: token of another run of this agent");
  order.token.incarnation = 100;
  order.sequence = 1;
  CHECK_EQ(pair.sh.order(order, at(1s)), "no: older than a message already received");
  order.sequence = 50;
  order.power = "bj";
  CHECK_EQ(pair.sh.order(order, at(1s)), "no: bj is no site of this service");
  order.power = "sh";
  order.run = "m2";  // The monitor restarted: its former run has no more to say.
  order.sequence = 1;
  CHECK_EQ(pair.sh.order(order, at(1s)), "yes, save: prepared; vouching stopped");
  order.run = "m1";
  order.sequence = 51;
  CHECK_EQ(pair.sh.order(order, at(1s)), "no: older than a message already received");
}

TEST_CASE("an old message sent again is not the beginning of a new run") {
  Pair pair;
  auto living = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  living.run = "m2";
  CHECK(pair.sh.guard().in_sequence(living.sender, living.run, 3));
  auto old = living;
  old.run = "m1";  // Of before this agent was started: it does not know that run.
  old.token.incarnation = 99;
  CHECK_EQ(pair.sh.order(old, at(1s)), "no: token of another run of this agent");
  CHECK_EQ(pair.sh.order(living, at(1s)), "yes, save: prepared; vouching stopped");
}

TEST_CASE("numbers only grow, and an equal number with another id is somebody else's") {
  Pair pair;
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {1002, "sh", at(1s)}),
           "no, ALARM: epoch 1002 is more than 1000 above 1, the highest seen");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {5, "sh", at(1s)}),
           "yes, save: prepared; vouching stopped");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {4, "sh", at(1s)}),
           "no: epoch 4 is below 5, the highest seen");
  auto other = Pair::order(Verb::kPromote, pair.sh, {5, "sh", at(1s)});
  other.reign.id = "ffffffffffffffff";
  other.old_fenced = true;
  CHECK_EQ(pair.sh.order(other, at(1s)),
           "no, ALARM: epoch 5 is reign 0000000000000023 here, not ffffffffffffffff");
  other = Pair::order(Verb::kPromote, pair.sh, {5, "sh", at(1s)});
  other.move = "another";
  other.old_fenced = true;
  CHECK_EQ(pair.sh.order(other, at(1s)), "no, ALARM: epoch 5 belongs to move move-5, not another");
  CHECK_EQ(pair.sh.record().highest, 5U);
}

TEST_CASE("prepare: the gates that only the standby itself can hold") {
  Pair pair;
  auto prepare = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  GuardSight sight;
  sight.peer_seen_up = true;
  prepare.automatic = true;
  CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "no, save: we see the site in power up");
  sight.peer_seen_up = false;
  sight.replication_refusal = "mysql: applier not running";
  CHECK_EQ(pair.sh.order(prepare, at(1s), sight),
           "no: mysql: applier not running");  // Seen already: nothing to keep.
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "hz", at(1s)}),
           "no: prepare names hz as the site to come");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.hz, {2, "hz", at(1s)}), "no: this site is in power");
  CHECK_EQ(pair.sh.record().highest, 2U);  // Seen, though refused for now.
  prepare.replication_forced = true;
  prepare.automatic = false;
  sight.peer_seen_up = true;  // A person may move away from a site that is up.
  CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "yes, save: prepared; vouching stopped");
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(1s)).vouch.has_value());
}

TEST_CASE("a planned move promotes nobody who has not applied all of it") {
  Pair pair;
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(2s)});
  promote.old_fenced = true;
  GuardSight sight;
  sight.behind = "mysql is at 0-1-7, the old site ended at 0-1-12";
  CHECK_EQ(pair.sh.order(promote, at(2s), sight), "no: " + sight.behind);
  CHECK(pair.sh.record().prepared.has_value());  // It may still be undone, or come in time.
  sight.behind.clear();
  CHECK_EQ(pair.sh.order(promote, at(2s), sight),
           "yes, save: promoted in epoch 2; open with the first vouch");
}

TEST_CASE("a planned move promotes nobody who is behind, though he reigned before") {
  Pair pair;
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  pair.hz.guard().on_fence_read_back(2);
  auto promote = Pair::order(Verb::kPromote, pair.hz, {3, "hz", at(2s)});
  promote.old_fenced = true;
  GuardSight sight;
  sight.behind = "mysql is at 0-1-7, the old site ended at 0-1-12";
  CHECK_EQ(pair.hz.order(promote, at(2s), sight), "no: " + sight.behind);
  sight.behind.clear();
  CHECK_EQ(pair.hz.order(promote, at(2s), sight),
           "yes, save: re-crowned in epoch 3; open with the first vouch");
}

TEST_CASE("prepare: what answers at a site that was fenced is no site in power") {
  Pair pair;
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  auto prepare = Pair::order(Verb::kPrepare, pair.sh, {3, "sh", at(1s)});
  prepare.automatic = true;
  GuardSight sight;
  sight.peer_seen_up = true;
  pair.sh_hears_hz(at(1s));  // Accepted is not read back.
  CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "no, save: we see the site in power up");
  pair.hz.guard().on_fence_read_back(2);
  pair.sh_hears_hz(at(2s));
  CHECK_EQ(pair.sh.order(prepare, at(2s), sight), "yes, save: prepared; vouching stopped");
}

TEST_CASE("prepare is refused while a lone lease may be held") {
  Pair pair;
  pair.monitor_vouches_lone(pair.hz, 1, at(0s));
  pair.sh_hears_hz(at(1s));
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)}),
           "no, save: the site in power holds a lone lease");
  // A short vouch replaces it, and the site says so.
  pair.monitor_vouches(pair.hz, 1, at(1s), at(1s));
  CHECK_FALSE(pair.hz.guard().lone(at(1s)));
  CHECK_EQ(pair.hz.guard().lease_until(), at(4s));
  // That word counts when it answers our own poll, not when it may have been on its way for long.
  pair.sh.guard().on_peer_report(pair.hz.report(at(1500ms)), at(1500ms), false);
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1500ms)}),
           "no: the site in power holds a lone lease");
  pair.sh_hears_hz(at(2s));
  // Left alone by the monitor for longer than a lease, its last word is too old.
  pair.sh.guard().on_monitor_poll(3s, at(6s));
  const std::string untold =
      "no: the site in power has not told us since we were last out of touch whether it holds a "
      "lone lease";
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(6s)}), untold);
  pair.sh_hears_hz(at(6s));
  pair.sh.restart(at(7s));
  pair.sh.guard().on_monitor_poll(3s, at(7s));
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(7s)}), untold);
  auto asserted = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(7s)});
  asserted.asserted_off = true;
  CHECK_EQ(pair.sh.order(asserted, at(7s)), "yes, save: prepared; vouching stopped");
}

TEST_CASE("a prepare runs out durably, and its number is burnt") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(1s)));
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  CHECK(pair.sh.guard().on_renewal({reign(2), "move-2"}, 10s, at(10s)).accepted);
  CHECK_FALSE(pair.sh.guard().on_renewal({reign(3), "move-2"}, 10s, at(11s)).accepted);
  CHECK_FALSE(pair.sh.guard().tick(at(19999ms)).save);
  CHECK_EQ(line(pair.sh.guard().tick(at(20s))),
           "yes, save: prepare of epoch 2 ran out and is void");
  CHECK_EQ(pair.sh.report(at(20s)).voided, reign(2));
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(20s)});
  promote.old_fenced = true;
  CHECK_EQ(pair.sh.order(promote, at(20s)), "no: this move was voided here");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(20s)}), "no: this move was voided here");
  CHECK(pair.sh_vouches(at(20s)));  // For the former reign, again.
}

TEST_CASE("a promote order that comes after the prepare ran out finds it void") {
  Pair pair;
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(11s)});
  promote.old_fenced = true;
  CHECK_EQ(pair.sh.order(promote, at(11s)), "no, save: this move was voided here");
  CHECK_FALSE(pair.sh.guard().on_renewal({reign(2), "move-2"}, 10s, at(11s)).accepted);
}

TEST_CASE("promote waits for our own promise, or for the fence of the old site") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(1s)));
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(2s)}), "no: our promise ends in 3.5 s");
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(1s) + 4496ms}),
           "no: our promise ends in 0.1 s");
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(1s) + 4497ms}),
           "yes, save: promoted in epoch 2; open with the first vouch");
  // In power, and closed until a vouch for this very reign comes.
  CHECK_EQ(pair.sh.level(at(6s)), "closed");
  CHECK_EQ(pair.monitor_vouches(pair.sh, 1, at(6s), at(6s)),
           "no: vouches for a reign that is not ours");
  CHECK_EQ(pair.monitor_vouches(pair.sh, 2, at(6s), at(6s)), "yes: ");
  CHECK_EQ(pair.sh.level(at(6s)), "promote");
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(6s)}),
           "yes: promotion accepted already");
  CHECK_EQ(pair.tell(Verb::kVoid, pair.sh, {2, "sh", at(6s)}),
           "no: its promotion was accepted: only a fence in a higher number ends it");
}

TEST_CASE("promote is at once after the old site acknowledged; a person's word skips no promise") {
  for (const bool fenced : {true, false}) {
    Pair pair;
    REQUIRE(pair.sh_vouches(at(1s)));
    pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
    auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(1s)});
    (fenced ? promote.old_fenced : promote.asserted_off) = true;
    const std::string promoted = "yes, save: promoted in epoch 2; open with the first vouch";
    CHECK_EQ(pair.sh.order(promote, at(1s)), fenced ? promoted : "no: our promise ends in 4.5 s");
    if (fenced) continue;
    promote.token = pair.sh.token(at(5500ms));
    CHECK_EQ(pair.sh.order(promote, at(5500ms)), promoted);
  }
}

TEST_CASE("adoption on a person's word waits for our own promise to the site he speaks of") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(1s)));
  auto adopt = Pair::order(Verb::kAdopt, pair.sh, {52, "sh", at(2s)});
  adopt.asserted_off = true;
  CHECK_EQ(pair.sh.order(adopt, at(2s)), "no: our promise ends in 3.5 s");
  adopt.token = pair.sh.token(at(6s));
  CHECK_EQ(pair.sh.order(adopt, at(6s)), "yes, save: adopted: in power in epoch 52");
}

TEST_CASE("a prepare refused for now is seen: its sender goes on above it, for ever if need be") {
  Pair pair;
  GuardSight sight;
  sight.replication_refusal = "mysql: the applier is not running";
  for (std::uint64_t epoch = 500; epoch < 3000; epoch += 500) {
    const auto prepare = Pair::order(Verb::kPrepare, pair.sh, {epoch, "sh", at(1s)});
    CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "no, save: " + sight.replication_refusal);
    CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "no: " + sight.replication_refusal);
  }
  CHECK(pair.sh_vouches(at(1s)));  // It goes on vouching for the site in power.
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {3000, "sh", at(1s)}),
           "yes, save: prepared; vouching stopped");
}

TEST_CASE("promote without prepare, or for another move, is refused") {
  Pair pair;
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(1s)});
  promote.old_fenced = true;
  CHECK_EQ(pair.sh.order(promote, at(1s)), "no: not prepared for this reign and move");
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  auto next = Pair::order(Verb::kPromote, pair.sh, {3, "sh", at(1s)});
  next.old_fenced = true;
  CHECK_EQ(pair.sh.order(next, at(1s)), "no: not prepared for this reign and move");
}

TEST_CASE("fence ends a reign for good and is acknowledged only when read back") {
  Pair pair;
  pair.monitor_vouches(pair.hz, 1, at(0s), at(0s));
  CHECK_EQ(pair.hz.level(at(1s)), "open");
  CHECK_EQ(pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)}), "yes, save: fenced in epoch 2");
  CHECK_EQ(pair.hz.level(at(1s)), "fenced");
  CHECK_EQ(pair.hz.report(at(1s)).lease_rest, 0s);
  CHECK_EQ(pair.hz.report(at(1s)).fenced, 0U);
  CHECK_EQ(pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)}), "yes: fence accepted already");
  CHECK_FALSE(pair.hz.guard().on_fence_read_back(1).accepted);
  CHECK(pair.hz.guard().on_fence_read_back(2).accepted);
  CHECK_EQ(pair.hz.report(at(1s)).fenced, 2U);
  // A vouch still on its way begins nothing.
  CHECK_EQ(pair.monitor_vouches(pair.hz, 1, at(1s), at(1s)),
           "no: vouches for a reign that is not ours");
  // After a restart the fence holds, and is acknowledged only when read back again.
  pair.hz.restart(at(2s), 2s);
  CHECK_EQ(pair.hz.level(at(2s)), "fenced");
  CHECK_EQ(pair.hz.report(at(2s)).fenced, 0U);
  CHECK_EQ(pair.tell(Verb::kFence, pair.hz, {3, "hz", at(2s)}),
           "no: a fence cannot name the site it fences as in power");
}

TEST_CASE("undo: the old site is re-crowned in a higher number without a wait") {
  Pair pair;
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  CHECK_EQ(pair.tell(Verb::kVoid, pair.sh, {2, "sh", at(2s)}), "yes, save: epoch 2 is void here");
  CHECK_EQ(pair.tell(Verb::kPromote, pair.hz, {3, "hz", at(2s)}),
           "yes, save: re-crowned in epoch 3; open with the first vouch");
  CHECK_EQ(pair.hz.level(at(2s)), "closed");
  CHECK_EQ(pair.monitor_vouches(pair.hz, 3, at(2s), at(2s)), "yes: ");
  CHECK_EQ(pair.hz.level(at(2s)), "promote");
  // The standby learns of it from the site itself, and vouches on.
  CHECK_EQ(pair.sh_hears_hz(at(2s)), "yes, save: hz is in power in epoch 3");
  CHECK(pair.sh_vouches(at(2s)));
  CHECK_EQ(pair.tell(Verb::kFence, pair.hz, {2, "sh", at(2s)}),
           "no: epoch 2 is below 3, the highest seen");
}

TEST_CASE("undo of an accepted promotion needs the fence of the site that accepted it") {
  Pair pair;
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(1s)});
  promote.old_fenced = true;
  pair.sh.order(promote, at(1s));
  pair.monitor_vouches(pair.sh, 2, at(1s), at(1s));
  // hz hears of the new reign, vouches for it, and is no longer simply the site of the last reign.
  CHECK_EQ(pair.hz_hears_sh(at(1s)), "yes, save: sh is in power in epoch 2");
  CHECK(pair.hz.guard().vouch_for_peer(3s, at(1s)).vouch.has_value());
  CHECK_EQ(pair.tell(Verb::kPromote, pair.hz, {3, "hz", at(1s)}),
           "no: not prepared for this reign and move");
  CHECK_EQ(pair.tell(Verb::kFence, pair.sh, {3, "hz", at(2s)}), "yes, save: fenced in epoch 3");
  CHECK(pair.sh.guard().on_fence_read_back(3).accepted);
  promote = Pair::order(Verb::kPromote, pair.hz, {3, "hz", at(2s)});
  promote.old_fenced = true;
  CHECK_EQ(pair.hz.order(promote, at(2s)),
           "yes, save: re-crowned in epoch 3; open with the first vouch");
}

TEST_CASE("a fence, late or early, in the number of a move keeps its promotion away") {
  Pair pair;
  CHECK_EQ(pair.tell(Verb::kFence, pair.sh, {3, "hz", at(1s)}), "yes, save: fenced in epoch 3");
  CHECK_EQ(pair.sh.level(at(1s)), "standby");  // Read-only as it was; replication goes on.
  CHECK(pair.sh.guard().on_fence_read_back(3).accepted);
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {3, "sh", at(1s)}), "no: fenced in this number");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)}),
           "no: epoch 2 is below 3, the highest seen");
  // A void that overtakes its prepare does the same.
  CHECK_EQ(pair.tell(Verb::kVoid, pair.sh, {4, "sh", at(1s)}), "yes, save: epoch 4 is void here");
  CHECK_EQ(pair.tell(Verb::kPrepare, pair.sh, {4, "sh", at(1s)}), "no: this move was voided here");
}

TEST_CASE("a number that was refused or voided does not keep a site from following") {
  Pair pair;
  auto prepare = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  GuardSight sight;
  sight.replication_refusal = "mysql is no replica here";
  CHECK_EQ(pair.sh.order(prepare, at(1s), sight), "no, save: mysql is no replica here");
  CHECK_EQ(pair.tell(Verb::kFollow, pair.sh, {1, "hz", at(2s)}), "yes: follows already");
  CHECK_EQ(pair.sh.record().highest, 2U);  // Never goes down.
  // Only whom the reign in force names.
  CHECK_EQ(pair.tell(Verb::kFollow, pair.sh, {1, "sh", at(2s)}),
           "no: epoch 1 is below 2, the highest seen");
  // The same of a site that was fenced and learned of the reign from its peer.
  pair.tell(Verb::kPrepare, pair.sh, {3, "sh", at(2s)});
  pair.tell(Verb::kFence, pair.hz, {3, "sh", at(2s)});
  pair.hz.guard().on_fence_read_back(3);
  pair.sh_hears_hz(at(3s));
  pair.tell(Verb::kPromote, pair.sh, {3, "sh", at(3s)});
  pair.hz_hears_sh(at(4s));
  prepare = Pair::order(Verb::kPrepare, pair.hz, {4, "hz", at(4s)});
  pair.hz.order(prepare, at(4s), sight);
  CHECK_EQ(pair.hz.record().highest, 4U);
  CHECK_EQ(pair.tell(Verb::kFollow, pair.hz, {3, "sh", at(4s)}),
           "yes, save: standby of sh in epoch 3");
  CHECK_EQ(pair.hz.record().highest, 4U);
}

TEST_CASE("follow makes a fenced site a standby, never a site in power") {
  Pair pair;
  CHECK_EQ(pair.tell(Verb::kFollow, pair.hz, {2, "sh", at(1s)}),
           "no: this site is in power: fence it first");
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  CHECK_EQ(pair.tell(Verb::kFollow, pair.hz, {2, "sh", at(1s)}),
           "yes, save: standby of sh in epoch 2");
  CHECK_EQ(pair.hz.level(at(1s)), "standby");
  CHECK_EQ(pair.tell(Verb::kFollow, pair.hz, {2, "sh", at(1s)}), "yes: follows already");
  CHECK_EQ(pair.tell(Verb::kFollow, pair.hz, {3, "hz", at(1s)}), "no: a site cannot follow itself");
}

TEST_CASE("adoption by a person: the other site's fence counts, the end of promises does not") {
  Pair pair;
  auto adopt = Pair::order(Verb::kAdopt, pair.sh, {2000, "sh", at(60s)});
  CHECK_EQ(pair.sh.order(adopt, at(60s)),
           "no: only a first run whose stores are writable may be adopted before the other site "
           "acknowledged its fence");
  adopt.asserted_off = true;
  CHECK_EQ(pair.sh.order(adopt, at(60s)), "yes, save: adopted: in power in epoch 2000");
  CHECK_EQ(pair.sh.level(at(60s)), "promote");
  // The site that reigned and hears that another is in power is fenced, not a standby.
  CHECK_EQ(pair.tell(Verb::kAdopt, pair.hz, {2000, "sh", at(61s)}),
           "yes, save: sh is in power in epoch 2000");
  CHECK_EQ(pair.hz.level(at(61s)), "fenced");
}

// Found by simulation: messages of a run that died before any of them arrived came late, took the
// living run's place, and shut it out for good.
TEST_CASE("the straggler of a dead run does not shut out the living one") {
  Pair pair;
  Guard& guard = pair.hz.guard();
  CHECK(guard.in_sequence("monitor", "living", 5));
  CHECK(guard.in_sequence("monitor", "dead", 9));  // Never heard before: who could tell?
  CHECK(guard.in_sequence("monitor", "living", 6));
  CHECK_FALSE(guard.in_sequence("monitor", "dead", 9));
  CHECK_FALSE(guard.in_sequence("monitor", "dead", 8));
  CHECK_FALSE(guard.in_sequence("monitor", "living", 4));
  CHECK_FALSE(guard.in_sequence("monitor", "dead", 10, false));  // Of orders, none.
  CHECK(guard.in_sequence("monitor", "living", 7));
}
