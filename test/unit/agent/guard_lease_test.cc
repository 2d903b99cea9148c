#include "test/unit/agent/guard_scene.h"

#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::scene;

TEST_CASE("a lease counts from its anchor, and the later of two voters holds") {
  Pair pair;
  CHECK_EQ(pair.monitor_vouches(pair.hz, 1, at(1s), at(2s)), "yes: ");
  CHECK_EQ(pair.hz.guard().lease_until(), at(4s));
  const Vouch peer{1, reign(1), pair.hz.token(at(2s)), 3s, false};
  CHECK(pair.hz.guard().on_peer_vouch(peer, at(3s)).accepted);
  CHECK_EQ(pair.hz.guard().lease_until(), at(5s));
  CHECK_EQ(pair.hz.level(at(4999ms)), "open");
  CHECK_EQ(pair.hz.level(at(5s)), "closed");
  // Expiry is softer than an order: a vouch for the same reign opens again.
  CHECK_EQ(pair.monitor_vouches(pair.hz, 1, at(9s), at(9s)), "yes: ");
  CHECK_EQ(pair.hz.level(at(9s)), "open");
}

TEST_CASE("late, repeated and foreign vouches grant nothing") {
  Pair pair;
  const auto vouch = [&](std::uint64_t number, Instant read) {
    return Vouch{number, reign(1), pair.hz.token(read), 3s, false};
  };
  CHECK_EQ(pair.hz.vouch(vouch(7, at(5s)), at(5s)), "yes: ");
  CHECK_EQ(pair.hz.vouch(vouch(7, at(6s)), at(6s)), "no: older than a vouch already received");
  CHECK_EQ(pair.hz.vouch(vouch(6, at(6s)), at(6s)), "no: older than a vouch already received");
  CHECK_EQ(pair.hz.vouch(vouch(8, at(7s)), at(6s)),
           "no: its token is of another run or of the future");
  // Delayed by a minute: it replaces, and grants what its anchor says, which is over.
  CHECK_EQ(pair.hz.vouch(vouch(9, at(5s)), at(65s)), "yes: ");
  CHECK_EQ(pair.hz.level(at(65s)), "closed");
  // A monitor that restarted counts anew; its former run is over.
  CHECK_EQ(pair.hz.vouch(vouch(1, at(65s)), at(65s), "m2"), "yes: ");
  CHECK_EQ(pair.hz.vouch(vouch(10, at(64s)), at(66s), "m1"),
           "no: older than a vouch already received");
  // Not even the first that comes of a run which died unheard; and the living one goes on.
  CHECK_EQ(pair.hz.vouch(vouch(1, at(64s)), at(66s), "m0"),
           "no: older than a vouch already received");
  CHECK_EQ(pair.hz.report(at(66s)).monitor_vouch, 1U);
  CHECK_EQ(pair.hz.report(at(66s)).monitor_run, "m2");
  // To another incarnation nothing is granted.
  Vouch old = vouch(2, at(66s));
  pair.hz.restart(at(67s));
  CHECK_EQ(pair.hz.vouch(old, at(67s), "m2"), "no: its token is of another run or of the future");
  CHECK_EQ(pair.hz.level(at(67s)), "closed");
}

TEST_CASE("a vouch never begins a reign") {
  Agent fresh("hz", "sh", at(0s));
  CHECK_EQ(fresh.vouch({1, reign(1), fresh.token(at(0s)), 3s, false}, at(0s)),
           "no: vouches for a reign that is not ours");
  CHECK_EQ(fresh.vouch({1, {}, fresh.token(at(0s)), 3s, false}, at(0s)),
           "no: vouches for a reign that is not ours");
  CHECK_EQ(fresh.level(at(0s)), "untouched");
  Pair pair;
  CHECK_EQ(pair.monitor_vouches(pair.sh, 1, at(0s), at(0s)),
           "no: vouches for a reign that is not ours");
}

TEST_CASE("a new reign ends the leases of the former one") {
  Pair pair;
  pair.monitor_vouches_lone(pair.hz, 1, at(1s));
  pair.tell(Verb::kPromote, pair.hz, {2, "hz", at(1s)});
  CHECK_EQ(pair.hz.level(at(1s)), "closed");
  CHECK_FALSE(pair.hz.guard().lone(at(1s)));
}

TEST_CASE("a restarted agent takes the rest of its lease from the kernel set") {
  Pair pair;
  pair.monitor_vouches(pair.hz, 1, at(1s), at(1s));
  pair.hz.restart(at(2s), 2s);
  CHECK_EQ(pair.hz.level(at(2s)), "promote");  // Goes on; its stores are read back.
  CHECK_EQ(pair.hz.level(at(4s)), "closed");
  pair.hz.restart(at(5s));
  CHECK_EQ(pair.hz.level(at(5s)), "closed");
  // A long rest can only be a lone lease, and the first short vouch replaces it.
  pair.hz.restart(at(6s), 20h);
  CHECK(pair.hz.guard().lone(at(6s)));
  const Vouch peer{1, reign(1), pair.hz.token(at(6s)), 3s, false};
  CHECK(pair.hz.guard().on_peer_vouch(peer, at(6s)).accepted);
  CHECK(pair.hz.guard().lone(at(6s)));
  pair.monitor_vouches(pair.hz, 1, at(7s), at(7s));
  CHECK_FALSE(pair.hz.guard().lone(at(7s)));
  CHECK_EQ(pair.hz.guard().lease_until(), at(10s));
  // What the kernel holds counts only for a site in power.
  pair.sh.restart(at(8s), 3s);
  CHECK_EQ(pair.sh.level(at(8s)), "standby");
}

TEST_CASE("a report of a dead run that comes late does not shut out the living peer") {
  Pair pair;
  const ServiceReport dead = pair.hz.report(at(1s));
  pair.hz.restart(at(2s), 2s);
  pair.sh_hears_hz(at(3s));
  // Sent with a poll before the restart, and the first that was heard of that run... twice.
  pair.sh.restart(at(4s));
  pair.sh_hears_hz(at(4s));
  CHECK(pair.sh.guard().on_peer_report(dead, at(5s), false).accepted);
  // What comes unasked may be late as well; what answers us is not.
  CHECK_EQ(line(pair.sh.guard().on_peer_report(pair.hz.report(at(6s)), at(6s), false)),
           "no: older than a report already received");
  CHECK(pair.sh.guard().on_peer_report(pair.hz.report(at(6s)), at(6s), true).accepted);
  CHECK_EQ(pair.sh.guard().vouch_for_peer(3s, at(6s)).vouch->token, pair.hz.token(at(6s)));
  CHECK_EQ(line(pair.sh.guard().on_peer_report(dead, at(7s), true)),
           "no: older than a report already received");
}

TEST_CASE("of the peer's vouches the longest holds, whatever their order and run") {
  Pair pair;
  const auto hears = [&](Instant read, Instant now) {
    const Vouch vouch{++pair.vouches, reign(1), pair.hz.token(read), 3s, false};
    return line(pair.hz.guard().on_peer_vouch(vouch, now));
  };
  CHECK_EQ(hears(at(2s), at(2s)), "yes: ");
  CHECK_EQ(hears(at(1s), at(2s)), "no: older than a vouch already received");
  CHECK_EQ(pair.hz.guard().lease_until(), at(5s));
  CHECK_EQ(hears(at(3s), at(3s)), "yes: ");
  CHECK_EQ(pair.hz.guard().lease_until(), at(6s));
  CHECK_EQ(hears(at(9s), at(4s)), "no: its token is of another run or of the future");
}

TEST_CASE("the standby vouches for the reign of its peer, and for one reign at a time") {
  Pair pair;
  pair.sh_hears_hz(at(1s));
  const auto out = pair.sh.guard().vouch_for_peer(3s, at(2s));
  REQUIRE(out.vouch.has_value());
  CHECK_EQ(out.vouch->reign, reign(1));
  CHECK_EQ(out.vouch->token, pair.hz.token(at(1s)));
  // The promise counts from the receipt of the token.
  CHECK_EQ(pair.sh.guard().promise_end(), at(1s) + 4497ms);
  // A site in power, or one whose peer is not, vouches for nobody.
  pair.hz_hears_sh(at(1s));
  CHECK_FALSE(pair.hz.guard().vouch_for_peer(3s, at(1s)).vouch.has_value());
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(2s)});
  pair.sh_hears_hz(at(2s));
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(2s)).vouch.has_value());
}

TEST_CASE("the fence acknowledgement of the peer ends our promise to it") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(1s)));
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  const ServiceReport before = pair.hz.report(at(1s));
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  pair.sh_hears_hz(at(1s));
  CHECK_GT(pair.sh.guard().promise_end(), at(1s));  // Accepted is not read back.
  pair.hz.guard().on_fence_read_back(2);
  pair.sh_hears_hz(at(1s) + 1ms);
  CHECK_LE(pair.sh.guard().promise_end(), at(1s));
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(1s) + 2ms}),
           "yes, save: promoted in epoch 2; open with the first vouch");
  // A report from before, late: ignored.
  CHECK_EQ(line(pair.sh.guard().on_peer_report(before, at(2s))),
           "no: older than a report already received");
}

TEST_CASE("an old fence does not end the promise to a site that was re-crowned since") {
  Pair pair;
  pair.tell(Verb::kFence, pair.hz, {2, "sh", at(1s)});
  pair.hz.guard().on_fence_read_back(2);
  pair.tell(Verb::kPromote, pair.hz, {3, "hz", at(1s)});
  REQUIRE(pair.sh_vouches(at(1s)));
  CHECK_EQ(pair.hz.report(at(1s)).fenced, 2U);
  pair.sh_hears_hz(at(2s));
  CHECK_EQ(pair.sh.guard().promise_end(), at(1s) + 4497ms);
}

TEST_CASE("amnesia is a promise: after a restart the widest terms are assumed") {
  Pair pair;
  auto out = pair.sh.guard().vouch_for_peer(6s, at(1s));
  CHECK(out.save);  // Wider than any before: durable before it leaves.
  CHECK_EQ(pair.sh.record().widest.lease, 6s);
  pair.sh.restart(at(2s));
  CHECK_EQ(pair.sh.guard().promise_end(), at(2s) + promise_length({6s, 500ms}));
  // Lowered only when the last wide vouch has surely ended.
  pair.sh_hears_hz(at(3s));
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(3s)).save);
  pair.sh_hears_hz(at(20s));
  CHECK(pair.sh.guard().vouch_for_peer(3s, at(20s)).save);
  CHECK_EQ(pair.sh.record().widest.lease, 3s);
  CHECK_EQ(pair.sh.record().widest.fence_bound, 500ms);
}

TEST_CASE("a prepared standby that restarts stays prepared and bound by its promise") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(1s)));
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  pair.sh.restart(at(2s));
  pair.sh_hears_hz(at(2s));
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(2s)).vouch.has_value());
  CHECK_EQ(pair.tell(Verb::kPromote, pair.sh, {2, "sh", at(3s)}), "no: our promise ends in 3.5 s");
  CHECK(pair.sh.guard().tick(at(12s)).save);
}

TEST_CASE("a former primary that hears of a higher reign is fenced by itself") {
  Pair pair;
  pair.monitor_vouches_lone(pair.hz, 1, at(0s));
  auto prepare = Pair::order(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  prepare.asserted_off = true;
  pair.sh.order(prepare, at(1s));
  auto promote = Pair::order(Verb::kPromote, pair.sh, {2, "sh", at(1s)});
  promote.asserted_off = true;
  pair.sh.order(promote, at(1s));
  CHECK_EQ(pair.hz_hears_sh(at(2s)), "yes, save, ALARM: sh is in power in epoch 2");
  CHECK_EQ(pair.hz.level(at(2s)), "fenced");
  CHECK_EQ(pair.hz.guard().lease_until(), Instant{0});
  // Then it is told by order, finds it done, and vouches for the new reign.
  CHECK_EQ(pair.tell(Verb::kFence, pair.hz, {2, "sh", at(3s)}), "yes: fence accepted already");
  CHECK(pair.hz.guard().on_fence_read_back(2).accepted);
  const auto out = pair.hz.guard().vouch_for_peer(3s, at(3s));
  REQUIRE(out.vouch.has_value());
  CHECK_EQ(out.vouch->reign, reign(2));
}

TEST_CASE("two sites that claim one number alarm and are not believed") {
  Pair pair;
  ServiceReport report = pair.hz.report(at(1s));
  report.reign.id = "ffffffffffffffff";
  CHECK_EQ(line(pair.sh.guard().on_peer_report(report, at(1s))),
           "no, ALARM: hz reigns in epoch 1 under another id than ours");
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(1s)).vouch.has_value());
  report.site = "sh";
  CHECK_EQ(line(pair.sh.guard().on_peer_report(report, at(1s))),
           "no, ALARM: a report of sh came as the peer's");
}

TEST_CASE("an agent without a role that knows the reign vouches, and touches nothing") {
  Pair pair;
  Agent lost("sh", "hz", at(1s));
  CHECK_EQ(line(lost.guard().on_peer_report(pair.hz.report(at(1s)), at(1s))),
           "yes, save: hz is in power in epoch 1");
  CHECK_EQ(lost.level(at(1s)), "untouched");
  CHECK(lost.guard().vouch_for_peer(3s, at(1s)).vouch.has_value());
  CHECK_EQ(pair.tell(Verb::kAdopt, lost, {1, "hz", at(1s)}),
           "yes, save: hz is in power in epoch 1");
  CHECK_EQ(lost.level(at(1s)), "standby");
}

TEST_CASE("the record survives the disk whole, and a broken one is no record") {
  Pair pair;
  pair.tell(Verb::kPrepare, pair.sh, {2, "sh", at(1s)});
  pair.sh.guard().on_monitor_counter(18446744073709551615U);
  const auto text = pair.sh.record().to_json().dump();
  const auto back = GuardRecord::from_json(*Json::parse(text));
  REQUIRE(back.ok());
  CHECK_EQ(*back, pair.sh.record());
  CHECK_FALSE(GuardRecord::from_json(Json::object()).ok());
  CHECK_FALSE(GuardRecord::from_json(Json(*Json::parse(text)).set("role", "king")).ok());
  CHECK_FALSE(GuardRecord::from_json(Json(*Json::parse(text)).set("highest", -1)).ok());
}

TEST_CASE("the monitor's counter and lease are kept") {
  Pair pair;
  CHECK(pair.sh.guard().on_monitor_counter(5).save);
  CHECK_FALSE(pair.sh.guard().on_monitor_counter(5).save);
  CHECK_FALSE(pair.sh.guard().on_monitor_counter(4).save);
  CHECK(pair.sh.guard().on_monitor_poll(6s, at(1s)).save);
  pair.sh.restart(at(2s));
  CHECK_EQ(pair.sh.record().lease, 6s);
  CHECK_EQ(pair.sh.report(at(2s)).monitor_counter, 5U);
}
