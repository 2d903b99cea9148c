#include <fmt/format.h>

#include <thread>

#include "agent/drivers/drivers.h"
#include "agent/drivers/redis_connection.h"
#include "agent/drivers/redis_driver.h"
#include "test/lab/drivers/servers.h"

#include "test/lab/drivers/must.h"

// The Redis driver on real servers.

namespace pointsman {
namespace {

using lab::eventually;
using lab::now;
using lab::Redis;

struct Client {
  explicit Client(const Redis& server) : connection(server.address(), server.agent().password) {}
  // The answer, or the error's text.
  std::string run(const std::vector<std::string>& command) {
    auto reply = connection.run(command, now() + 5s);
    return reply ? reply->text : reply.error().message;
  }
  bool refused(const std::vector<std::string>& command) {
    return run(command).find("NOREPLICAS") != std::string::npos;
  }
  std::string config(const std::string& name) {
    auto reply = connection.run({"CONFIG", "GET", name}, now() + 5s);
    return reply && reply->elements.size() == 2 ? reply->elements[1] : "?";
  }
  RedisConnection connection;
};

struct Pair {
  explicit Pair(const std::vector<std::string>& options = {})
      : a(options), b(options), at_a(driver_of(a)), at_b(driver_of(b)), to_a(a), to_b(b) {
    MUST(at_b->follow({a.address()}, 20s));
  }
  std::unique_ptr<Driver> driver_of(const Redis& server) const {
    return make_redis_driver(server.agent(), state.path());
  }
  bool caught_up() {
    return eventually(10s, [&] {
      return at_b->contains(at_b->report(1s).executed, at_a->report(1s).executed) == true;
    });
  }

  lab::Folder state;
  Redis a, b;
  std::unique_ptr<Driver> at_a, at_b;
  Client to_a, to_b;
};

}  // namespace

TEST_CASE("redis: a pair tells its roles and positions") {
  Pair pair;
  CHECK(pair.to_a.run({"SET", "k", "v"}) == "OK");
  CHECK(pair.caught_up());
  const auto a = pair.at_a->report(2s);
  const auto b = pair.at_b->report(2s);
  CHECK(a.liveness == Liveness::kUp);
  CHECK(a.writable);
  CHECK_FALSE(a.replica);
  CHECK(b.replica);
  CHECK_FALSE(b.writable);
  CHECK(b.receiver_running);
  CHECK(b.applier_running);
  CHECK(b.source == pair.a.address());
  CHECK(pair.at_a->contains(b.received, a.executed) == true);
  MUST(pair.at_b->follow({pair.a.address()}, 5s));
  CHECK(pair.at_a->render("fence").front() == "CONFIG SET min-replicas-to-write 2000000000");
  CHECK(pair.at_b->render("promote").back() == "REPLICAOF NO ONE");
  CHECK(pair.at_b->render("follow").front() == "CONFIG SET masterauth ***");
  CHECK(pair.at_a->report(2s).writable);  // Nothing was sent.
  pair.b.process().freeze();
  for (int i = 0; i < 10; ++i) pair.to_a.run({"INCR", "n"});
  const auto ahead = pair.at_a->report(2s);
  CHECK(pair.at_a->contains(b.received, ahead.executed) == false);
  pair.b.process().thaw();
}

TEST_CASE("redis: a fence refuses writes, ends clients, keeps the replica") {
  Pair pair;
  CHECK(pair.to_a.run({"CONFIG", "SET", "min-replicas-to-write", "1"}) == "OK");
  CHECK(eventually(5s, [&] { return pair.to_a.run({"SET", "k", "1"}) == "OK"; }));
  CHECK(pair.caught_up());
  const Timed fence;
  MUST(pair.at_a->fence(FenceDepth::kLease, 2s));
  MESSAGE("fence took " << fence.ms() << " ms");
  CHECK_FALSE(pair.at_a->report(2s).writable);
  CHECK(pair.to_a.refused({"SET", "k", "2"}));
  CHECK(pair.to_a.refused({"EVAL", "return redis.call('set','k','2')", "0"}));
  CHECK(pair.to_a.run({"GET", "k"}) == "1");
  CHECK(pair.at_b->report(2s).receiver_running);
  MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
  // The former setting outlives the agent, and a fence made twice does not lose it.
  pair.at_a = pair.driver_of(pair.a);
  MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
  MUST(pair.at_a->unfence(2s));
  CHECK(pair.to_a.config("min-replicas-to-write") == "1");
  CHECK(pair.to_a.run({"SET", "k", "3"}) == "OK");
}

TEST_CASE("redis: a blocked client gets nothing after the fence") {
  Pair pair;
  CHECK(pair.to_a.run({"CONFIG", "SET", "min-replicas-max-lag", "0"}) == "OK");  // Rule off.
  Client waiting(pair.a);
  CHECK(waiting.run({"PING"}) == "PONG");
  auto got = waiting.connection.run({"BLPOP", "queue", "0"}, now() + 200ms);
  CHECK_FALSE(got.ok());
  MUST(pair.at_a->fence(FenceDepth::kLease, 2s));
  CHECK(pair.to_a.refused({"RPUSH", "queue", "x"}));
  MUST(pair.at_a->unfence(2s));
  CHECK(pair.to_a.config("min-replicas-max-lag") == "0");
  CHECK(pair.to_a.run({"SET", "k", "1"}) == "OK");
}

TEST_CASE("redis: a promotion has all that was received and takes writes alone") {
  Pair pair({"--min-replicas-to-write", "1"});
  CHECK(eventually(5s, [&] { return pair.to_a.run({"SET", "k", "1"}) == "OK"; }));
  for (int i = 0; i < 500; ++i) pair.to_a.run({"INCR", "n"});
  CHECK(pair.caught_up());
  SUBCASE("source killed") { pair.a.process().kill_hard(); }
  SUBCASE("source frozen") { pair.a.process().freeze(); }
  SUBCASE("source fenced") { MUST(pair.at_a->fence(FenceDepth::kOrder, 2s)); }
  SUBCASE("cut off after leaving the source") {
    pair.a.process().kill_hard();
    CHECK(pair.to_b.run({"REPLICAOF", "NO", "ONE"}) == "OK");
  }
  SUBCASE("cut off, and fenced in between") {
    pair.a.process().kill_hard();
    CHECK(pair.to_b.run({"REPLICAOF", "NO", "ONE"}) == "OK");
    MUST(pair.at_b->fence(FenceDepth::kLease, 2s));
  }
  const Timed promotion;
  MUST(pair.at_b->promote(5s));
  MESSAGE("promotion took " << promotion.ms() << " ms");
  CHECK(pair.to_b.run({"GET", "n"}) == "500");
  CHECK(pair.to_b.run({"SET", "k", "2"}) == "OK");
  const auto b = pair.at_b->report(2s);
  CHECK(b.writable);
  CHECK_FALSE(b.replica);
  MUST(pair.at_b->promote(5s));
}

TEST_CASE("redis: the copy of a source that came back empty is not promoted") {
  Pair pair;
  CHECK(pair.to_a.run({"SET", "k", "1"}) == "OK");
  CHECK(pair.caught_up());
  CHECK(pair.at_b->report(2s).liveness == Liveness::kUp);
  pair.a.start();  // Killed, and started without its data.
  CHECK(eventually(15s, [&] {
    return pair.to_b.run({"DBSIZE"}) == "0" && pair.at_b->report(1s).receiver_running;
  }));
  pair.a.process().kill_hard();
  pair.at_b = pair.driver_of(pair.b);
  const auto promoted = pair.at_b->promote(5s);
  REQUIRE_FALSE(promoted.ok());
  CHECK(promoted.error().code == ErrorCode::kConflict);
}

TEST_CASE("redis: what the application emptied itself is promoted") {
  Pair pair;
  CHECK(pair.to_a.run({"SET", "k", "1"}) == "OK");
  CHECK(pair.caught_up());
  CHECK(pair.at_b->report(2s).liveness == Liveness::kUp);
  CHECK(pair.to_a.run({"FLUSHALL"}) == "OK");
  CHECK(pair.caught_up());
  MUST(pair.at_b->promote(5s));
}

TEST_CASE("redis: an old primary follows the new one, unless it holds writes of its own") {
  Pair pair;
  CHECK(pair.to_a.run({"SET", "k", "1"}) == "OK");
  CHECK(pair.caught_up());
  SUBCASE("it follows") {
    MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
    const std::string ended = pair.at_a->report(2s).executed;  // What a planned move waits for.
    CHECK(eventually(
        5s, [&] { return pair.at_b->contains(pair.at_b->report(1s).executed, ended) == true; }));
    MUST(pair.at_b->promote(5s));
    CHECK(pair.at_b->contains(pair.at_b->report(1s).executed, ended) == true);
    CHECK(pair.to_b.run({"SET", "k", "2"}) == "OK");
    MUST(pair.at_a->follow({pair.b.address()}, 10s));
    CHECK(eventually(5s, [&] { return pair.to_a.run({"GET", "k"}) == "2"; }));
    CHECK_FALSE(pair.at_a->report(2s).writable);
    // And back again.
    MUST(pair.at_b->fence(FenceDepth::kOrder, 2s));
    MUST(pair.at_a->promote(5s));
    CHECK(pair.to_a.run({"SET", "k", "3"}) == "OK");
    MUST(pair.at_b->follow({pair.a.address()}, 10s));
  }
  SUBCASE("pings after the fence are no writes") {
    pair.to_a.run({"CONFIG", "SET", "repl-ping-replica-period", "1"});
    MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
    CHECK(pair.caught_up());
    pair.b.process().freeze();
    std::this_thread::sleep_for(2500ms);  // Pings to a replica that does not hear them.
    pair.at_a = pair.driver_of(pair.a);
    CHECK(pair.to_a.run({"CLIENT", "KILL", "TYPE", "replica"}) == "1");
    pair.b.process().thaw();
    MUST(pair.at_b->promote(5s));
    MUST(pair.at_a->follow({pair.b.address()}, 10s));
  }
  SUBCASE("it holds writes of its own") {
    pair.b.process().freeze();
    for (int i = 0; i < 5; ++i) CHECK(pair.to_a.run({"SET", "mine", "1"}) == "OK");
    pair.a.process().freeze();
    pair.b.process().thaw();
    // Those five stood in the replica's socket: they count as received. The next ones do not.
    MUST(pair.at_b->promote(5s));
    pair.a.process().thaw();
    CHECK(pair.to_b.run({"GET", "mine"}) == "1");
    for (int i = 0; i < 5; ++i) CHECK(pair.to_a.run({"SET", "other", "1"}) == "OK");
    const auto followed = pair.at_a->follow({pair.b.address()}, 5s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kConflict);
    CHECK_FALSE(pair.at_a->report(2s).writable);
    CHECK(pair.to_a.run({"GET", "other"}) == "1");
    MUST(pair.at_a->follow({pair.b.address(), true}, 10s));  // A person gave them up.
    CHECK(pair.to_a.run({"GET", "other"}) == "");
  }
  SUBCASE("the source is empty") {
    MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
    pair.b.start();
    const auto followed = pair.at_a->follow({pair.b.address()}, 5s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kConflict);
    CHECK(pair.to_a.run({"GET", "k"}) == "1");
  }
  SUBCASE("the source cannot be asked") {
    pair.b.process().kill_hard();
    const auto followed = pair.at_a->follow({pair.b.address()}, 2s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kUnavailable);
  }
}

TEST_CASE("redis: a frozen server costs each call its deadline; a stopped one is told apart") {
  Pair pair;
  CHECK(pair.at_b->report(2s).liveness == Liveness::kUp);
  pair.b.process().freeze();
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    const Timed report;
    CHECK(pair.at_b->report(250ms).liveness == Liveness::kHung);
    CHECK(report.ms() >= 240);
    CHECK(report.ms() < 450);
    for (const char* verb : {"fence", "promote", "unfence", "keep_standby", "follow"}) {
      CAPTURE(verb);
      const std::string name = verb;
      const Timed took;
      Result<void> result;
      if (name == "fence") result = pair.at_b->fence(FenceDepth::kLease, 250ms);
      if (name == "promote") result = pair.at_b->promote(250ms);
      if (name == "unfence") result = pair.at_b->unfence(250ms);
      if (name == "keep_standby") result = pair.at_b->keep_standby(250ms);
      if (name == "follow") result = pair.at_b->follow({pair.a.address()}, 250ms);
      REQUIRE_FALSE(result.ok());
      CHECK(result.error().code == ErrorCode::kTimeout);
      CHECK(took.ms() < 450);
    }
    pair.at_b = pair.driver_of(pair.b);
  }
  pair.b.process().thaw();
  CHECK(eventually(5s, [&] { return pair.at_b->report(1s).liveness == Liveness::kUp; }));
  pair.b.process().kill_hard();
  CHECK(pair.at_b->report(1s).liveness == Liveness::kStopped);
  MUST(pair.at_b->fence(FenceDepth::kOrder, 1s));
  CHECK_FALSE(pair.at_b->promote(1s).ok());
}

TEST_CASE("redis: a wrong password is told, without it") {
  Redis server;
  RedisSettings settings = server.agent();
  settings.password = "not-the-password";
  const auto report = make_redis_driver(settings)->report(2s);
  CHECK(report.liveness == Liveness::kUnknown);
  CHECK(report.detail.find("WRONGPASS") != std::string::npos);
  CHECK(report.detail.find("not-the-password") == std::string::npos);
  settings.password = "";
  CHECK(make_redis_driver(settings)->report(2s).detail.find("NOAUTH") != std::string::npos);
}

TEST_CASE("redis: a standby is made read-only, and left alone when it is") {
  Pair pair;
  MUST(pair.at_b->keep_standby(2s));
  // As long as it is no primary of ours it refuses writes even after REPLICAOF NO ONE by hand.
  CHECK(pair.to_b.config("min-replicas-to-write") == std::to_string(kFenceMark));
  CHECK(pair.to_b.run({"CONFIG", "SET", "min-replicas-to-write", "0"}) == "OK");
  MUST(pair.at_b->keep_standby(2s));
  CHECK(pair.to_b.config("min-replicas-to-write") == "0");
  pair.to_b.run({"CONFIG", "SET", "replica-read-only", "no"});
  CHECK(pair.at_b->report(2s).writable);
  MUST(pair.at_b->keep_standby(2s));
  CHECK_FALSE(pair.at_b->report(2s).writable);
  pair.to_b.run({"REPLICAOF", "NO", "ONE"});
  CHECK(pair.at_b->report(2s).writable);
  MUST(pair.at_b->keep_standby(2s));
  CHECK_FALSE(pair.at_b->report(2s).writable);
}

}  // namespace pointsman
