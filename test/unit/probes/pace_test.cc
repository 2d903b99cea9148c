#include "probes/pace.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr Instant at(std::int64_t ms) { return Instant{ms * 1'000'000}; }

ProbeSpec spec() {
  ProbeSpec spec;
  spec.interval = 1s;
  spec.suspect_interval = 250ms;
  spec.fall = 3;
  return spec;
}

// Starts of the next `until` milliseconds.
std::vector<std::int64_t> starts(Pace& pace, std::int64_t until) {
  std::vector<std::int64_t> seen;
  while (pace.next() < at(until)) {
    const Instant now = pace.next();
    const auto due = pace.take(now);
    for (const bool one : {due.fixed, due.extra}) {
      if (one) seen.push_back(now.ns / 1'000'000);
    }
  }
  return seen;
}

using Starts = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("the schedule is fixed") {
  Pace pace(spec(), at(100));
  CHECK_EQ(starts(pace, 3500), Starts{100, 1100, 2100, 3100});
}

TEST_CASE("missed times are left out") {
  Pace pace(spec(), at(100));
  CHECK(pace.take(at(5200)).fixed);
  CHECK_EQ(pace.next(), at(6100));
}

TEST_CASE("a first failure after a pass brings fall - 1 attempts, the first at once") {
  Pace pace(spec(), at(0));
  pace.take(at(0));
  pace.passed(at(0));
  pace.take(at(1000));
  pace.failed(at(1000), at(1010));
  CHECK_EQ(starts(pace, 2500), Starts{1010, 1260, 2000});
}

TEST_CASE("further failures bring no further burst until a pass") {
  Pace pace(spec(), at(0));
  pace.passed(at(0));
  pace.take(at(0));
  pace.failed(at(0), at(5));
  CHECK_EQ(starts(pace, 900), Starts{5, 255});
  pace.failed(at(5), at(905));
  CHECK_EQ(starts(pace, 1500), Starts{1000});
  pace.passed(at(1000));
  pace.failed(at(1400), at(1500));
  CHECK_EQ(starts(pace, 1900), Starts{1500, 1750});
}

TEST_CASE("nothing is doubted before the first pass") {
  Pace pace(spec(), at(0));
  pace.take(at(0));
  pace.failed(at(0), at(1));
  CHECK_FALSE(pace.unanswered(at(0), at(250)));
  CHECK_EQ(starts(pace, 900), Starts{});
}

TEST_CASE("silence is doubted once, and its failure brings nothing more") {
  Pace pace(spec(), at(0));
  pace.passed(at(-1000));
  pace.take(at(0));
  CHECK(pace.unanswered(at(0), at(250)));
  CHECK_EQ(starts(pace, 900), Starts{250, 500});
  CHECK_FALSE(pace.unanswered(at(250), at(500)));
  pace.failed(at(0), at(1000));
  CHECK_EQ(starts(pace, 1900), Starts{1000});
}

TEST_CASE("a pass ends the burst") {
  Pace pace(spec(), at(0));
  pace.passed(at(-1000));
  pace.take(at(0));
  pace.unanswered(at(0), at(250));
  CHECK(pace.take(at(250)).extra);
  pace.passed(at(250));
  CHECK_EQ(pace.next(), at(1000));
}

TEST_CASE("an attempt older than the last that passed raises no doubt") {
  Pace pace(spec(), at(0));
  pace.passed(at(500));
  pace.failed(at(100), at(600));
  CHECK_FALSE(pace.unanswered(at(100), at(600)));
  CHECK_EQ(starts(pace, 900), Starts{0});
}

TEST_CASE("hurry begins a burst unless one runs, and of one attempt at least") {
  Pace pace(spec(), at(1000));
  CHECK(pace.hurry(at(10)));
  CHECK_FALSE(pace.hurry(at(20)));
  CHECK_EQ(starts(pace, 900), Starts{10, 260});
  ProbeSpec once = spec();
  once.fall = 1;
  Pace short_pace(once, at(1000));
  CHECK(short_pace.hurry(at(10)));
  CHECK_EQ(starts(short_pace, 900), Starts{10});
}
