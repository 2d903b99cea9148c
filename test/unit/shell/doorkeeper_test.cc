#include "orchestrator/shell/doorkeeper.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr const char* kOperatorToken = "Bearer operator-token-0123456789";
constexpr const char* kViewerToken = "Bearer viewer-token-0123456789";

Doorkeeper make() {
  return Doorkeeper(
      {{"operator", "operator-token-0123456789"}, {"viewer", "viewer-token-0123456789"}});
}

}  // namespace

TEST_CASE("doorkeeper: tokens are roles") {
  Doorkeeper door = make();
  const Instant now{1};
  CHECK(door.judge(kOperatorToken, "a", now) == Entry::kOperator);
  CHECK(door.judge(kViewerToken, "a", now) == Entry::kViewer);
  CHECK(door.judge("bEARER viewer-token-0123456789", "a", now) == Entry::kViewer);
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "Basic operator-token-0123456789", "operator-token-0123456789",
        "Bearer operator-token-012345678", "Bearer operator-token-01234567890"}) {
    CHECK_MESSAGE(door.judge(wrong, "b", now) == Entry::kStranger, wrong);
  }
  Doorkeeper empty(std::map<std::string, std::string>{{"operator", ""}});
  CHECK(empty.judge("Bearer ", "a", now) == Entry::kStranger);
}

TEST_CASE("doorkeeper: guessing ends, and shuts nobody else out") {
  Doorkeeper door = make();
  Instant now{1'000'000'000};
  CHECK(door.judge(kViewerToken, "shared", now) == Entry::kViewer);
  for (int i = 0; i < 10; ++i) {
    CHECK(door.judge("Bearer guess", "shared", now) == Entry::kStranger);
  }
  CHECK(door.judge("Bearer guess", "shared", now) == Entry::kTooMany);
  // A right guess is not told from a wrong one; who came in before still does.
  CHECK(door.judge(kOperatorToken, "shared", now) == Entry::kTooMany);
  CHECK(door.judge(kViewerToken, "shared", now) == Entry::kViewer);
  CHECK(door.judge(kOperatorToken, "elsewhere", now) == Entry::kOperator);
  CHECK(door.judge("", "shared", now) == Entry::kStranger);  // No guess, no cost.
  now = now + 7s;
  CHECK(door.judge(kOperatorToken, "shared", now) == Entry::kOperator);
  CHECK(door.judge("Bearer guess", "shared", now) == Entry::kStranger);
  CHECK(door.judge("Bearer guess", "shared", now) == Entry::kTooMany);
  CHECK(door.judge(kOperatorToken, "shared", now) == Entry::kOperator);
}

TEST_CASE("doorkeeper: what it remembers is bounded") {
  Doorkeeper door = make();
  const Instant now{1'000'000'000};
  for (int i = 0; i < 10; ++i) door.judge("Bearer guess", "first", now);
  CHECK(door.judge("Bearer guess", "first", now) == Entry::kTooMany);
  for (int i = 0; i < 1024; ++i) door.judge("Bearer guess", "source " + std::to_string(i), now);
  CHECK(door.judge("Bearer guess", "first", now) == Entry::kStranger);  // Forgotten.
}
