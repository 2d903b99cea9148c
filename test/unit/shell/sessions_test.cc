#include "orchestrator/shell/sessions.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {
constexpr Instant kBegin{1'000'000'000'000};
}  // namespace

TEST_CASE("a session is known by its id alone, and the book does not keep that") {
  Sessions book;
  const auto opened = book.open(Entry::kOperator, kBegin);
  CHECK_EQ(opened.id.size(), 64U);
  CHECK_NE(opened.id, opened.csrf);
  const auto* found = book.find(opened.id, kBegin + 1s);
  REQUIRE(found != nullptr);
  CHECK_EQ(found->role, Entry::kOperator);
  CHECK_EQ(found->csrf, opened.csrf);
  CHECK_EQ(found->digest.find(opened.id), std::string::npos);
  CHECK_NE(found->key, opened.id);
  CHECK(book.find("", kBegin + 1s) == nullptr);
  CHECK(book.find(opened.csrf, kBegin + 1s) == nullptr);
  CHECK(book.find(opened.id.substr(1), kBegin + 1s) == nullptr);
  CHECK(book.find(found->key, kBegin + 1s) == nullptr);
  const auto other = book.open(Entry::kOperator, kBegin);
  CHECK_NE(other.id, opened.id);
  CHECK_NE(other.csrf, opened.csrf);
}

TEST_CASE("a session ends when it is not used, and at its age whatever it does") {
  Sessions book;
  const auto idle = book.open(Entry::kViewer, kBegin);
  CHECK(book.find(idle.id, kBegin + Sessions::kIdleMost - 1s) != nullptr);
  CHECK(book.find(idle.id, kBegin + 2 * Sessions::kIdleMost - 2s) != nullptr);
  CHECK(book.find(idle.id, kBegin + 3 * Sessions::kIdleMost - 2s) == nullptr);

  const auto busy = book.open(Entry::kViewer, kBegin);
  const std::string key = book.find(busy.id, kBegin)->key;
  for (Duration age = 0s; age < Sessions::kLifetime; age += 30min) {
    CHECK(book.find_key(key, kBegin + age) != nullptr);
  }
  CHECK(book.find(busy.id, kBegin + Sessions::kLifetime) == nullptr);
  CHECK_EQ(book.count(), 0U);
}

TEST_CASE("sessions are closed one by one, and by role") {
  Sessions book;
  const auto first = book.open(Entry::kViewer, kBegin);
  const auto second = book.open(Entry::kViewer, kBegin);
  const auto third = book.open(Entry::kOperator, kBegin);
  book.close(book.find(first.id, kBegin)->key);
  CHECK(book.find(first.id, kBegin) == nullptr);
  CHECK(book.find(second.id, kBegin) != nullptr);
  book.close_role(Entry::kViewer);
  CHECK(book.find(second.id, kBegin) == nullptr);
  CHECK(book.find(third.id, kBegin) != nullptr);
}

TEST_CASE("there are so many sessions of a role; the one unused for longest makes room") {
  Sessions book;
  const auto watchman = book.open(Entry::kOperator, kBegin);
  const auto first = book.open(Entry::kViewer, kBegin);
  const auto second = book.open(Entry::kViewer, kBegin + 1s);
  for (std::size_t k = 2; k < Sessions::kMostOfRole; ++k) book.open(Entry::kViewer, kBegin + 2s);
  CHECK(book.find(first.id, kBegin + 3s) != nullptr);  // Used: now the second is the oldest.
  for (int k = 0; k < 10; ++k) book.open(Entry::kViewer, kBegin + 4s);
  CHECK_EQ(book.count(), Sessions::kMostOfRole + 1);
  CHECK(book.find(second.id, kBegin + 5s) == nullptr);
  CHECK(book.find(first.id, kBegin + 5s) != nullptr);
  CHECK(book.find(watchman.id, kBegin + 5s) != nullptr);  // Viewers push no operator out.
}
