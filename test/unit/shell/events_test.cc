#include "orchestrator/shell/events.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr Instant kBegin{1'000'000'000'000};

struct HandClock final : Clock {
  Instant at = kBegin;
  Instant now() const override { return at; }
  WallTime wall() const override { return {at.ns}; }
};

// Streams as a listener would turn them.
struct Scene {
  HandClock clock;
  int renderings = 0;
  bool busy = false;
  Events events{{clock, [this] {
                   ++renderings;
                   return Events::State{R"({"n":)" + std::to_string(renderings) + "}", busy};
                 }}};
  std::string seen;
  bool writable = true;
  Events::State state;

  bool turn(HttpReply& reply) {
    return reply.stream([this](std::string_view bytes) {
      seen += bytes;
      return writable;
    });
  }
  std::string told(HttpReply& reply) {
    seen.clear();
    turn(reply);
    return seen;
  }
};

bool always() { return true; }

}  // namespace

TEST_CASE("a stream tells the whole state at once, each second, and more often while busy") {
  Scene scene;
  HttpReply reply = scene.events.open("one", always);
  CHECK_EQ(reply.content_type, "text/event-stream");
  CHECK_EQ(scene.told(reply), "event: state\ndata: {\"n\":1}\n\n");
  scene.clock.at = scene.clock.at + 400ms;
  CHECK_EQ(scene.told(reply), "");
  scene.clock.at = scene.clock.at + 600ms;
  CHECK_NE(scene.told(reply), "");
  scene.clock.at = scene.clock.at + 250ms;
  CHECK_EQ(scene.told(reply), "");
  scene.busy = true;
  scene.clock.at = scene.clock.at + 250ms;
  CHECK_NE(scene.told(reply), "");  // At once when it begins,
  scene.clock.at = scene.clock.at + 250ms;
  CHECK_NE(scene.told(reply), "");
  scene.busy = false;
  scene.clock.at = scene.clock.at + 200ms;
  CHECK_NE(scene.told(reply), "");  // and when it has ended.
}

TEST_CASE("one rendering serves all streams") {
  Scene scene;
  std::vector<HttpReply> replies;
  for (std::size_t k = 0; k < EventSeats::kMost; ++k) {
    replies.push_back(scene.events.open("guest " + std::to_string(k), always));
  }
  for (HttpReply& reply : replies) CHECK_NE(scene.told(reply), "");
  CHECK_EQ(scene.renderings, 1);
}

TEST_CASE("there are so many streams, and a place is free again when its client is gone") {
  Scene scene;
  std::vector<HttpReply> replies;
  for (std::size_t k = 0; k < EventSeats::kMost; ++k) {
    replies.push_back(scene.events.open("guest " + std::to_string(k), always));
    REQUIRE(replies.back().stream);
  }
  const HttpReply refused = scene.events.open("late", always);
  CHECK_EQ(refused.status, 503);
  CHECK_FALSE(refused.stream);
  scene.writable = false;
  CHECK_FALSE(scene.turn(replies.front()));
  scene.writable = true;
  CHECK(scene.events.open("late", always).stream);
}

TEST_CASE("one more stream than one may have takes the place of his oldest, which is told") {
  Scene scene;
  std::vector<HttpReply> replies;
  for (std::size_t k = 0; k <= EventSeats::kMostOfOne; ++k) {
    replies.push_back(scene.events.open("one", always));
    REQUIRE(replies.back().stream);
  }
  CHECK_FALSE(scene.turn(replies.front()));
  CHECK_EQ(scene.seen, "event: displaced\ndata: {}\n\n");
  for (std::size_t k = 1; k < replies.size(); ++k) CHECK(scene.turn(replies[k]));
}

TEST_CASE("a stream ends with its guest's session and at its age") {
  Scene scene;
  bool stays = true;
  HttpReply reply = scene.events.open("one", [&stays] { return stays; });
  CHECK(scene.turn(reply));
  stays = false;
  CHECK_FALSE(scene.turn(reply));

  HttpReply old = scene.events.open("two", always);
  for (Duration age = 0s; age < Events::kStreamMost; age += 10s) {
    scene.clock.at = scene.clock.at + 10s;
    if (!scene.turn(old)) break;
  }
  CHECK_FALSE(scene.turn(old));
}

TEST_CASE("a stream that was never turned, or hangs, holds its seat for a while only") {
  EventSeats seats;
  for (std::size_t k = 0; k < EventSeats::kMost; ++k) {
    CHECK(seats.take("guest " + std::to_string(k), kBegin));
  }
  CHECK_FALSE(seats.take("late", kBegin + EventSeats::kSilentMost - 1s));
  CHECK(seats.take("late", kBegin + EventSeats::kSilentMost));
  CHECK_EQ(seats.count(), 1U);
  CHECK_FALSE(seats.keep(1, kBegin + EventSeats::kSilentMost));
}
