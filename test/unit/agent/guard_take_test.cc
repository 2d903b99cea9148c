#include "test/unit/agent/guard_scene.h"

#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::scene;

namespace {

const Take kWord{"hz", "root", "rack on fire", "2026-11-23T02:00:00Z"};

std::string begin(Agent& agent, Instant now, const Take& word = kWord) {
  return line(agent.guard().begin_take(word, "00000000000000ee", now));
}
std::string finish(Agent& agent, Instant now) {
  agent.guard().tick(now);
  return line(agent.guard().finish_take(now));
}

}  // namespace

TEST_CASE("take: power comes when every promise has ended, and the record says by whose word") {
  Pair pair;
  REQUIRE(pair.sh_vouches(at(0s)));  // A promise until 4.5 s.
  CHECK_EQ(begin(pair.sh, at(3100ms)),
           "yes, save: in power in epoch 51 when 4.5 s have passed: hz is off by the word of root");
  // From here on nobody is vouched for, and the lower numbers are over.
  CHECK_FALSE(pair.sh.guard().vouch_for_peer(3s, at(3100ms)).vouch.has_value());
  CHECK_EQ(pair.sh.record().highest, 51U);
  CHECK_EQ(pair.sh.guard().take_rest(at(4s)), 3597ms);
  CHECK_EQ(finish(pair.sh, at(7596ms)), "yes: ");
  CHECK_EQ(pair.sh.level(at(7596ms)), "standby");
  CHECK_EQ(finish(pair.sh, at(7597ms)),
           "yes, save: in power in epoch 51 by the word of root: rack on fire");
  CHECK_EQ(pair.sh.level(at(7597ms)), "promote");
  CHECK_EQ(pair.sh.record().power, "sh");
  CHECK(pair.sh.guard().lone(at(23h)));
  CHECK_EQ(pair.sh.level(at(7597ms + 24h)), "closed");
  const auto report = pair.sh.report(at(8s));
  REQUIRE(report.taken.has_value());
  CHECK_EQ(report.taken->reign, Reign{51, "00000000000000ee"});
  CHECK_EQ(report.taken->by.reason, "rack on fire");
  // A restart without a kernel set closes; the word is kept, and may be given again.
  pair.sh.restart(at(9s));
  CHECK_EQ(pair.sh.level(at(9s)), "closed");
  CHECK_EQ(pair.sh.report(at(9s)).taken->by.actor, "root");
  CHECK_EQ(begin(pair.sh, at(10s)),
           "yes, save: in power in epoch 101 when 4.5 s have passed: hz is off by the word of "
           "root");
}

TEST_CASE("take: a promise made long ago with wide terms is waited out") {
  Pair pair;
  pair.sh_hears_hz(at(0s));
  REQUIRE(pair.sh.guard().vouch_for_peer(60s, at(0s)).vouch.has_value());
  const Duration owed = promise_length({60s, kFenceBoundArmed});
  REQUIRE_EQ(pair.sh.guard().promise_end(), at(owed));
  REQUIRE(begin(pair.sh, at(5s)).starts_with("yes"));
  // W of the widest terms from now: not less than what is owed.
  CHECK_EQ(pair.sh.guard().take_rest(at(5s)), owed);
  CHECK_EQ(finish(pair.sh, at(owed)), "yes: ");
  CHECK(finish(pair.sh, at(5s + owed)).starts_with("yes, save: in power"));
}

TEST_CASE("take: whoever is heard is neither off nor dead") {
  Pair pair;
  CHECK_EQ(begin(pair.sh, at(1s)),
           "no: hz answers: it is not off; stop its agent or its host first");
  pair.sh.guard().on_monitor_poll(3s, at(4s));
  CHECK_EQ(begin(pair.sh, at(5s)),
           "no: a monitor polls this agent: use `pointsman failover` with --assert-off");
  // Heard while the promises run out: given up, the number is burnt and void.
  REQUIRE(begin(pair.sh, at(8s)).starts_with("yes"));
  pair.sh_hears_hz(at(9s));
  CHECK_EQ(finish(pair.sh, at(9s)),
           "no, save, ALARM: not taken: hz answers: it is not off; stop its agent or its host "
           "first");
  CHECK_EQ(pair.sh.record().voided, Reign{51, "00000000000000ee"});
  CHECK_EQ(finish(pair.sh, at(60s)), "yes: ");
  CHECK_EQ(pair.sh.level(at(60s)), "standby");
  CHECK(pair.sh.guard().vouch_for_peer(3s, at(60s)).vouch.has_value());
  REQUIRE(begin(pair.sh, at(70s)).starts_with("yes"));
  pair.sh.guard().on_monitor_poll(3s, at(71s));
  CHECK(finish(pair.sh, at(71s)).starts_with("no, save, ALARM: not taken: a monitor polls"));
}

TEST_CASE("take: words that do not fit are refused") {
  Pair pair;
  CHECK_EQ(begin(pair.sh, at(9s), {"nbg", "root", "why not", ""}),
           "no: nbg is not the other site of this service, hz is");
  CHECK_EQ(begin(pair.sh, at(9s), {"hz", "root", "", ""}), "no: no reason given");
  Agent fresh("sh", "hz", at(0s));
  CHECK_EQ(begin(fresh, at(9s)),
           "no: this agent was never adopted: it knows neither peer nor number");
  pair.monitor_vouches_lone(pair.hz, 1, at(9s));
  CHECK_EQ(begin(pair.hz, at(20s), {"sh", "root", "why not", ""}),
           "no: this site is in power, and its lease holds");
}

TEST_CASE("take: a site in power that nobody vouches for opens again, and may ask for longer") {
  Pair pair;
  const Take word{"sh", "root", "sh burnt down", ""};
  REQUIRE_EQ(pair.hz.level(at(10s)), "closed");
  REQUIRE(begin(pair.hz, at(10s), word).starts_with("yes, save: in power in epoch 51"));
  CHECK_EQ(pair.hz.level(at(14s)), "closed");
  REQUIRE(finish(pair.hz, at(20s)).starts_with("yes, save"));
  CHECK_EQ(pair.hz.guard().lease_until(), at(20s + 24h));
  CHECK_EQ(begin(pair.hz, at(20h), word),
           "yes, save: still in power by a person's word; its lease begins anew");
  CHECK_EQ(pair.hz.guard().lease_until(), at(44h));
}

TEST_CASE("take: a crash before power came leaves a burnt number and nothing else") {
  Pair pair;
  REQUIRE(begin(pair.sh, at(5s)).starts_with("yes"));
  pair.sh.restart(at(6s));
  CHECK_EQ(finish(pair.sh, at(60s)), "yes: ");
  CHECK_EQ(pair.sh.level(at(60s)), "standby");
  CHECK_EQ(pair.sh.record().highest, 51U);
  CHECK_FALSE(pair.sh.report(at(60s)).taken.has_value());
}

TEST_CASE("take: the other site learns of it and fences itself; a monitor's adoption ends it") {
  Pair pair;
  REQUIRE(begin(pair.sh, at(5s)).starts_with("yes"));
  REQUIRE(finish(pair.sh, at(15s)).starts_with("yes, save"));
  CHECK(pair.hz_hears_sh(at(16s)).starts_with("yes, save, ALARM: sh is in power in epoch 51"));
  CHECK_EQ(pair.hz.level(at(16s)), "fenced");
  Order adopt = Pair::order(Verb::kAdopt, pair.sh, {52, "sh", at(20s)});
  adopt.old_fenced = true;
  CHECK_EQ(pair.sh.order(adopt, at(20s)), "yes, save: adopted: in power in epoch 52");
  CHECK_FALSE(pair.sh.report(at(20s)).taken.has_value());
  CHECK_EQ(pair.sh.guard().lease_until(), at(23s));
}

TEST_CASE("take: at both sites under one number, neither is believed") {
  Pair pair;
  REQUIRE(begin(pair.sh, at(5s)).starts_with("yes"));
  REQUIRE(
      line(pair.hz.guard().begin_take({"sh", "root", "no, mine", ""}, "00000000000000ff", at(5s)))
          .starts_with("yes"));
  REQUIRE(finish(pair.sh, at(15s)).starts_with("yes, save"));
  REQUIRE(finish(pair.hz, at(15s)).starts_with("yes, save"));
  CHECK(pair.hz_hears_sh(at(16s)).starts_with("no, ALARM: sh reigns in epoch 51 under another"));
  CHECK_EQ(pair.hz.level(at(16s)), "closed");
  CHECK(pair.sh_hears_hz(at(16s)).starts_with("no, ALARM: hz reigns in epoch 51 under another"));
  CHECK_EQ(pair.sh.level(at(16s)), "closed");
}
