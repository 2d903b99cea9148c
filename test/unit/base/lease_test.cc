#include "base/lease.h"

#include <doctest/doctest.h>

using namespace pointsman;

TEST_CASE("W covers lease, fence and clock rates: the figures of the design") {
  CHECK_EQ(promise_length({3s, 500ms}), 4497ms);
  CHECK_EQ(promise_length({3s, 5s}), 9492ms);
  CHECK_EQ(promise_length({6s, 0s}), 7684ms);
}

TEST_CASE("a vouch grants until its anchor plus the lease, whenever it arrives") {
  const Token token{7, Instant{} + 10s};
  const auto lease = grant(token, 3s, 7, Instant{} + 12s);
  REQUIRE(lease.has_value());
  CHECK_EQ(lease->until, Instant{} + 13s);
  CHECK_FALSE(lease->holds(Instant{} + 13s));
  CHECK(lease->holds(Instant{} + 12999ms));
}

TEST_CASE("a token of another run or of the future grants nothing") {
  CHECK_FALSE(grant({7, Instant{} + 10s}, 3s, 8, Instant{} + 12s).has_value());
  CHECK_FALSE(grant({7, Instant{} + 10s}, 3s, 7, Instant{} + 9s).has_value());
  CHECK_FALSE(grant({0, Instant{} + 10s}, 3s, 0, Instant{} + 12s).has_value());
}

TEST_CASE("a promise ends with the last vouch that may be held") {
  Promise promise;
  CHECK_EQ(promise.end(), Instant{0});
  promise.made(1, Instant{} + 1s, {24h, 500ms});
  promise.made(2, Instant{} + 2s, {3s, 500ms});
  CHECK_EQ(promise.end(), Instant{} + 1s + promise_length({24h, 500ms}));
  promise.superseded(2, Instant{} + 3s);
  CHECK_EQ(promise.end(), Instant{} + 2s + promise_length({3s, 500ms}));
  promise.released();
  CHECK_EQ(promise.end(), Instant{0});
}

TEST_CASE("a lease that a shorter one cut is closed before its promise ends") {
  Promise promise;
  promise.made(1, Instant{} + 1s, {24h, 5s});
  // By a token that is old: the lease it gives has ended when it arrives.
  promise.made(2, Instant{} + 1s, {1s, 5s});
  const Instant told = Instant{} + 60s;
  promise.superseded(2, told + closing_length(5s));
  CHECK_EQ(promise.end(), told + closing_length(5s));
  promise.superseded(2, told + 1s + closing_length(5s));
  CHECK_EQ(promise.end(), told + closing_length(5s));
  // Never longer than what was owed.
  Promise brief;
  brief.made(1, Instant{} + 2s, {2s, 500ms});
  brief.made(2, Instant{} + 1s, {1s, 500ms});
  brief.superseded(2, told);
  CHECK_EQ(brief.end(), Instant{} + 2s + promise_length({2s, 500ms}));
}

TEST_CASE("a promise stays bounded and never gets shorter by it") {
  Promise promise;
  promise.made(1, Instant{} + 1s, {24h, 500ms});
  for (std::uint64_t k = 2; k < 1000; ++k) promise.made(k, Instant{} + 2s, {3s, 500ms});
  CHECK_EQ(promise.end(), Instant{} + 1s + promise_length({24h, 500ms}));
}
