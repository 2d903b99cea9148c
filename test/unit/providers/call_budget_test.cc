#include "providers/call_budget.h"

#include <doctest/doctest.h>

#include <vector>

using namespace pointsman;

namespace {

constexpr Instant kStart{1'000'000'000'000};

}  // namespace

TEST_CASE("reads are refused first, then moves, and both come back as the window moves on") {
  CallBudget budget({10, 60s, 3});
  for (int k = 0; k < 7; ++k) CHECK(budget.take(kStart + k * 1s, false));
  CHECK_FALSE(budget.take(kStart + 7s, false));
  for (int k = 0; k < 3; ++k) CHECK(budget.take(kStart + 7s, true));
  CHECK_FALSE(budget.take(kStart + 8s, true));
  CHECK_EQ(budget.wait(kStart + 8s, true), 52s);   // The first of all goes at 60 s.
  CHECK_EQ(budget.wait(kStart + 8s, false), 55s);  // Of ten, four must go: the fourth was at 3 s.
  CHECK_FALSE(budget.take(kStart + 60s - 1ns, true));
  CHECK(budget.take(kStart + 60s, true));
  CHECK_FALSE(budget.take(kStart + 60s, true));
  CHECK(budget.take(kStart + 200s, false));
}

TEST_CASE("in no window are there more calls than allowed") {
  CallBudget budget({20, 30s, 5});
  std::vector<Instant> taken;
  std::uint64_t dice = 7;
  Instant now = kStart;
  for (int k = 0; k < 5000; ++k) {
    dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
    now = now + Duration(static_cast<std::int64_t>((dice >> 33) % 900'000'000));
    if (budget.take(now, (dice >> 60) % 2 == 0)) taken.push_back(now);
  }
  REQUIRE_GT(taken.size(), 100U);
  for (std::size_t k = 20; k < taken.size(); ++k) CHECK_GE(taken[k] - taken[k - 20], 30s);
}

TEST_CASE("asked to stay away, nobody calls, and a shorter request does not shorten it") {
  CallBudget budget({10, 60s, 3});
  budget.shut_until(kStart + 5s);
  budget.shut_until(kStart + 2s);
  CHECK_FALSE(budget.take(kStart + 4s, true));
  CHECK_EQ(budget.wait(kStart + 4s, true), 1s);
  CHECK(budget.take(kStart + 5s, true));
}
