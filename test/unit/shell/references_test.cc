#include "orchestrator/shell/references.h"

#include <doctest/doctest.h>

#include <deque>

using namespace pointsman;

namespace {

using Answer = Result<std::vector<std::string>>;

// A resolver that says what it is told to, in order; then nothing.
struct Resolver {
  std::deque<Answer> answers;
  int asked = 0;
  References::Resolve resolve() {
    return [this](const std::string&, Duration) -> Answer {
      ++asked;
      if (answers.empty()) return Error{ErrorCode::kTimeout, "no answer"};
      Answer answer = answers.front();
      answers.pop_front();
      return answer;
    };
  }
};

std::uint64_t no_chance() { return 0; }
Answer addresses(std::vector<std::string> list) { return Answer(std::move(list)); }

}  // namespace

TEST_CASE("literal references are probed at once and never looked up") {
  Resolver resolver;
  References references(resolver.resolve(), no_chance);
  references.set({"tcp://192.0.2.1:53", "https://[2001:db8::1]/", "tcp://192.0.2.2:7"});
  const auto specs = references.specs();
  REQUIRE_EQ(specs.size(), 3U);
  CHECK_EQ(specs[0].name, "reference/0");
  CHECK_EQ(specs[0].port, 53);
  CHECK_EQ(specs[1].address, "2001:db8::1");
  CHECK_EQ(specs[1].port, 443);
  CHECK_EQ(references.due(), Instant::never());
  CHECK_FALSE(references.look_up(Instant{} + 1h));
  CHECK_EQ(resolver.asked, 0);
}

TEST_CASE("a name is looked up with back-off until it is found, and afresh now and then") {
  Resolver resolver;
  References references(resolver.resolve(), no_chance);
  references.set({"tcp://192.0.2.1:53", "https://example.net/"});
  CHECK_EQ(references.specs().size(), 1U);
  Instant now = Instant{} + 100s;
  std::vector<Duration> waits;
  for (int k = 0; k < 9; ++k) {
    CHECK_FALSE(references.look_up(now));
    waits.push_back(references.due() - now);
    now = references.due();
  }
  const std::vector<Duration> expected{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s};
  CHECK(waits == expected);
  resolver.answers.push_back(addresses({"192.0.2.7", "192.0.2.8"}));
  CHECK(references.look_up(now));
  REQUIRE_EQ(references.specs().size(), 2U);
  CHECK_EQ(references.specs()[1].address, "192.0.2.7");
  CHECK_EQ(references.specs()[1].name, "reference/1");
  CHECK_EQ(references.due(), now + 10min);

  now = references.due();
  resolver.answers.push_back(addresses({"192.0.2.8", "192.0.2.7"}));  // Only the order differs.
  CHECK_FALSE(references.look_up(now));
  now = references.due();
  CHECK_FALSE(references.look_up(now));  // No answer: what is known stays.
  CHECK_EQ(references.specs()[1].address, "192.0.2.7");
  CHECK_EQ(references.due(), now + 1s);
  resolver.answers.push_back(addresses({"192.0.2.9"}));
  CHECK(references.look_up(references.due()));
  CHECK_EQ(references.specs()[1].address, "192.0.2.9");
}

TEST_CASE("a changed list keeps the addresses of what stays") {
  Resolver resolver;
  References references(resolver.resolve(), no_chance);
  references.set({"https://example.net/"});
  resolver.answers.push_back(addresses({"192.0.2.7"}));
  CHECK(references.look_up(Instant{} + 1s));
  references.set({"tcp://192.0.2.1:53", "https://example.net/", "https://example.org/"});
  CHECK_EQ(references.specs().size(), 2U);
  CHECK_EQ(references.count(), 3U);
  CHECK_EQ(references.due(), Instant{0});
}
