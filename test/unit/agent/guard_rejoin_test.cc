// What a guard allows on the way back of a site: never of the site in power, never under another
// reign than the one in force, never beside a move; and a site whose stores may have been touched
// comes to no power until they are whole.

#include "test/unit/agent/guard_scene.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::scene;

namespace {

// sh has taken over in epoch 2; hz is fenced and has heard of it.
struct Over : Pair {
  Over() {
    tell(Verb::kPrepare, sh, {2, "sh", at(1s)});
    tell(Verb::kFence, hz, {2, "sh", at(1s)});
    hz.guard().on_fence_read_back(2);
    Order promote = order(Verb::kPromote, sh, {2, "sh", at(2s)});
    promote.old_fenced = true;
    sh.order(promote, at(2s));
    hz_hears_sh(at(3s));
  }
  std::string tell_as(Verb verb, const std::string& move, Instant now) {
    Order one = order(verb, hz, {2, "sh", now});
    one.move = move;
    return hz.order(one, now);
  }
};

bool yes(const std::string& answer) { return answer.starts_with("yes"); }

}  // namespace

TEST_CASE("a survey is for a site without power, of the reign in force") {
  Over over;
  CHECK(over.tell_as(Verb::kSurvey, "r-1", at(4s)) == "yes: its stores are looked at");
  CHECK_FALSE(yes(over.tell(Verb::kSurvey, over.sh, {2, "sh", at(4s)})));
  Order of_hz = Pair::order(Verb::kSurvey, over.sh, {2, "hz", at(4s)});
  CHECK(over.sh.order(of_hz, at(4s)) == "no: this site is in power");
  for (const std::uint64_t epoch : {std::uint64_t{1}, std::uint64_t{3}}) {
    CHECK_FALSE(yes(over.tell(Verb::kSurvey, over.hz, {epoch, "sh", at(4s)})));
    CHECK_FALSE(yes(over.tell(Verb::kReseed, over.hz, {epoch, "sh", at(4s)})));
  }
}

TEST_CASE("a reseed fences the site until it is told to follow") {
  Over over;
  CHECK(yes(over.tell(Verb::kFollow, over.hz, {2, "sh", at(4s)})));
  CHECK(over.hz.level(at(4s)) == "standby");
  CHECK(over.tell_as(Verb::kReseed, "r-1", at(5s)) ==
        "yes, save: its stores are replaced by a copy of sh's");
  CHECK(over.hz.level(at(5s)) == "fenced");
  CHECK(over.tell_as(Verb::kReseed, "r-1", at(5s)) == "yes: its stores are being replaced");
  over.hz.restart(at(6s));
  CHECK(over.hz.level(at(6s)) == "fenced");
}

TEST_CASE("stores that may have been touched come to no power, over restarts too") {
  Over over;
  CHECK_FALSE(over.hz.guard().on_spoil("r-1", "/b").accepted);  // Nobody ordered it.
  over.tell_as(Verb::kReseed, "r-1", at(4s));
  CHECK_FALSE(over.hz.guard().on_spoil("r-2", "/b").accepted);
  CHECK(over.hz.guard().on_spoil("r-1", "/b").save);
  over.hz.restart(at(5s));
  over.hz_hears_sh(at(20s));
  REQUIRE(over.hz.record().reseed.has_value());
  CHECK(over.hz.record().reseed->bundle == "/b");
  const std::string why =
      "no: the stores of this site are being replaced by a copy of sh's and "
      "are not whole";
  CHECK(over.tell_as(Verb::kFollow, "move-2", at(20s)) == why);
  const Instant late = at(40s);
  Order prepare = Pair::order(Verb::kPrepare, over.hz, {3, "hz", late});
  prepare.asserted_off = prepare.replication_forced = true;
  CHECK_FALSE(yes(over.hz.order(prepare, late)));
  Order promote = Pair::order(Verb::kPromote, over.hz, {4, "hz", late});
  promote.asserted_off = true;
  CHECK(over.hz.order(promote, late) == why);
  Order adopt = Pair::order(Verb::kAdopt, over.hz, {5, "hz", late});
  adopt.asserted_off = true;
  CHECK(over.hz.order(adopt, late) == why);
  CHECK_FALSE(over.hz.guard().begin_take({"sh", "root", "fire", ""}, "00aa", at(90s)).accepted);
  CHECK(over.hz.level(at(90s)) == "fenced");
  // Another order goes on with it; the first bundle is what was written down.
  CHECK(yes(over.tell_as(Verb::kReseed, "r-2", late)));
  CHECK(over.hz.record().reseed->bundle == "/b");
}

TEST_CASE("a reseed that was ordered again keeps what it knows, and ends when all is whole") {
  Over over;
  over.tell_as(Verb::kReseed, "r-1", at(4s));
  over.hz.guard().on_spoil("r-1", "/b");
  CHECK(yes(over.tell_as(Verb::kReseed, "r-2", at(5s))));
  CHECK(over.hz.record().reseed->spoiled);
  CHECK_FALSE(over.hz.guard().on_reseeded("r-1").accepted);
  CHECK(over.hz.guard().on_spoil("r-2", "/other").accepted);
  CHECK(over.hz.record().reseed->bundle == "/b");
  CHECK(over.hz.guard().on_reseeded("r-2").save);
  CHECK(yes(over.tell_as(Verb::kFollow, "move-2", at(6s))));
  CHECK(over.hz.level(at(6s)) == "standby");
}

TEST_CASE("a move that comes first ends a reseed that has touched nothing") {
  Over over;
  over.tell_as(Verb::kReseed, "r-1", at(4s));
  Order adopt = Pair::order(Verb::kAdopt, over.hz, {9, "hz", at(30s)});
  adopt.asserted_off = true;
  CHECK(yes(over.hz.order(adopt, at(30s))));
  CHECK_FALSE(over.hz.record().reseed.has_value());
  CHECK_FALSE(over.hz.guard().on_spoil("r-1", "/b").accepted);
}
