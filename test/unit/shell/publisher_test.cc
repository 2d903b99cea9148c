// What a publisher and the pre-flights do round one provider.

#include "orchestrator/shell/publisher.h"

#include <doctest/doctest.h>

#include <future>
#include <set>
#include <thread>

#include "orchestrator/shell/executor.h"
#include "orchestrator/shell/preflights.h"
#include "orchestrator/shell/rounds.h"
#include "test/support/captured.h"
#include "test/unit/shell/publisher_scene.h"

using namespace pointsman;
using namespace pointsman::publishing;

namespace {

class StandingClock final : public Clock {
 public:
  std::atomic<std::int64_t> at{1'000'000'000'000};
  Instant now() const override { return {at.load()}; }
  WallTime wall() const override { return {0}; }
};

}  // namespace

TEST_CASE(
    "authoritative servers are looked for again at each publication, and kept when none is found") {
  Scene scene;
  REQUIRE(scene.publisher->read(0, 1s).readable);
  scene.publisher->find_authorities(1s);
  scene.publisher->find_authorities(1s);
  CHECK_EQ(scene.provider.searches, 1);
  CHECK(scene.ask("").agreed);
  CHECK_EQ(scene.asked, std::vector<std::string>{"192.0.2.53:53"});

  scene.provider.servers = {"198.51.100.53:53"};
  REQUIRE(scene.publish("m-1").accepted);
  CHECK_FALSE(scene.ask("m-1").agreed);  // Not on the word of the old ones.
  CHECK(scene.asked.empty());
  scene.publisher->find_authorities(1s);
  CHECK(scene.ask("m-1").agreed);
  CHECK_EQ(scene.asked, std::vector<std::string>{"198.51.100.53:53"});
  REQUIRE(scene.publish("m-1").accepted);  // Once a move.
  scene.publisher->find_authorities(1s);
  CHECK_EQ(scene.provider.searches, 2);

  scene.provider.servers.clear();
  REQUIRE(scene.publish("m-2").accepted);
  scene.publisher->find_authorities(1s);
  CHECK(scene.ask("m-2").agreed);
  CHECK_EQ(scene.asked, std::vector<std::string>{"198.51.100.53:53"});
}

TEST_CASE("a provider that names no servers takes none away, and is asked again") {
  Scene scene;
  scene.publisher->find_authorities(1s);
  scene.provider.servers.clear();
  scene.provider.names_none = true;
  REQUIRE(scene.publish("m-1").accepted);
  scene.publisher->find_authorities(1s);
  CHECK(scene.ask("m-1").agreed);
  CHECK_EQ(scene.asked, std::vector<std::string>{"192.0.2.53:53"});
  scene.publisher->find_authorities(1s);
  CHECK_EQ(scene.provider.searches, 3);

  Publisher fresh(scene.service, scene.record, scene.provider);
  fresh.find_authorities(1s);
  const AuthoritiesAnswered answered = fresh.ask({0, 1, ""}, 1s);
  CHECK_FALSE(answered.agreed);
  CHECK_NE(answered.detail.find("not known: the provider names none"), std::string::npos);
}

TEST_CASE("a sound pre-flight looks for the authoritative servers again; those configured stay") {
  Scene scene;
  scene.publisher->find_authorities(1s);
  REQUIRE(scene.publisher->preflight(1s).ok());
  scene.publisher->find_authorities(1s);
  CHECK_EQ(scene.provider.searches, 2);
  scene.record.authorities = {"203.0.113.53:53"};
  Publisher given(scene.service, scene.record, scene.provider);
  REQUIRE(given.preflight(1s).ok());
  given.find_authorities(1s);
  CHECK_EQ(scene.provider.searches, 2);
}

TEST_CASE("where the API has the last word, it is asked, and no name server is") {
  Scene scene;
  scene.provider.servers = {kApiAuthority};
  CHECK_FALSE(scene.publisher->asks_api());
  CHECK_FALSE(scene.publisher->ask_api({0, 1, ""}, 1s).agreed);  // Not known so far.
  scene.publisher->find_authorities(1s);
  REQUIRE(scene.publisher->asks_api());
  REQUIRE(scene.publisher->read(0, 1s).readable);
  // What was read is what people are shown.
  REQUIRE_EQ(scene.publisher->answers().size(), 1U);
  CHECK_EQ(scene.publisher->answers()[0].server, "api");
  CHECK_EQ(scene.publisher->answers()[0].values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(scene.publisher->answers()[0].ttl.count(), 60);

  REQUIRE(scene.publish("m-1").accepted);
  CHECK_FALSE(scene.publisher->ask_api({0, 1, "m-1"}, 1s).agreed);  // Looked for again first.
  scene.publisher->find_authorities(1s);
  const int before = scene.provider.reads_for_moves;
  const auto by_servers = scene.ask("m-1");
  CHECK_FALSE(by_servers.agreed);
  CHECK(scene.asked.empty());
  CHECK_EQ(scene.provider.reads_for_moves, before);
  const auto agreed = scene.publisher->ask_api({0, 1, "m-1"}, 1s);
  CHECK(agreed.agreed);
  CHECK_EQ(agreed.detail, "api.example.test A: published at api");
  CHECK_EQ(agreed.move, "m-1");
  CHECK_EQ(agreed.site, 1);

  scene.zone.put({scene.publisher->key(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
  const auto differs = scene.publisher->ask_api({0, 1, "m-1"}, 1s);
  CHECK_FALSE(differs.agreed);
  CHECK_FALSE(differs.any_agreed);
  CHECK_NE(differs.detail.find("not yet at api says 192.0.2.10"), std::string::npos);
  scene.provider.mute = true;
  CHECK_NE(scene.publisher->ask_api({0, 1, "m-1"}, 1s).detail.find("api no answer"),
           std::string::npos);
  CHECK_FALSE(scene.publisher->answers()[0].answered);

  // The record is no longer proxied, say: servers have the last word again.
  scene.provider.mute = false;
  scene.provider.servers = {"192.0.2.53:53"};
  REQUIRE(scene.publisher->preflight(1s).ok());
  scene.publisher->find_authorities(1s);
  CHECK_FALSE(scene.publisher->asks_api());
  CHECK_FALSE(scene.publisher->ask_api({0, 1, "m-1"}, 1s).agreed);
  CHECK(scene.ask("m-1").agreed);
}

TEST_CASE("a set with several marks is completed when all are ours and none is newer") {
  Scene scene;
  const auto mark = [](const char* service, int epoch) {
    return format_mark({service, {static_cast<std::uint64_t>(epoch), "0000000000000001"}, "hz"});
  };
  const auto publish_over = [&](const std::string& marks) {
    scene.zone.put({scene.publisher->key(), {"192.0.2.10"}, std::chrono::seconds(60), marks});
    return scene.publish("m-1");
  };
  CHECK(publish_over(mark("im-api", 0) + "\n" + mark("im-api", 1)).accepted);
  for (const std::string& marks :
       {mark("im-api", 1) + "\n" + mark("im-api", 3), mark("im-api", 1) + "\n" + mark("other", 1),
        mark("im-api", 1) + "\n", "\n" + mark("im-api", 1), mark("im-api", 1) + "\nhello",
        std::string("\n")}) {
    const auto refused = publish_over(marks);
    CHECK_FALSE(refused.accepted);
    CHECK(refused.for_good);
  }
}

TEST_CASE("a publication reads nothing beside what the provider's change reads") {
  Scene scene;
  scene.provider.mute = true;
  REQUIRE(scene.publish("m-1").accepted);
  CHECK_EQ(scene.provider.reads_for_moves, 0);
  CHECK_EQ(scene.zone.writes(), 1);
}

TEST_CASE("the executor asks the API on the provider's lane and the servers on another") {
  Scene scene;
  scene.provider.servers = {kApiAuthority};
  scene.publisher->find_authorities(1s);
  REQUIRE(scene.publish("").accepted);
  Lane lane("dns-test");
  std::map<std::string, ServiceOutside> outside;
  for (std::size_t k = 0; k < kSites; ++k) {
    outside["im-api"].policy.sites.at(k).name = scene.service.sites[k].name;
  }
  outside["im-api"].publishers.push_back(std::move(scene.publisher));
  outside["im-api"].publisher_lanes.push_back(&lane);
  SharedBook book("run");
  std::mutex mutex;
  std::vector<AuthoritiesAnswered> told;
  const auto ask = [&](RealExecutor& executor, std::size_t answers) {
    executor.start("im-api", AskAuthorities{0, 1, ""});
    const Instant until = system_clock().now() + 10s;
    for (;; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
      REQUIRE_LT(system_clock().now(), until);
      const std::lock_guard lock(mutex);
      if (told.size() == answers) return;
    }
  };
  std::promise<std::thread::id> name;
  lane.give([&] { name.set_value(std::this_thread::get_id()); });
  const std::thread::id on_lane = name.get_future().get();
  scene.provider.readers.clear();
  {
    RealExecutor executor({system_clock(),
                           outside,
                           book,
                           {},
                           "monitor",
                           [&](const std::string&, decltype(Event::what) what) {
                             const std::lock_guard lock(mutex);
                             told.push_back(std::get<AuthoritiesAnswered>(what));
                           }});
    ask(executor, 1);
    CHECK(told[0].agreed);
    CHECK_EQ(scene.provider.readers, std::set<std::thread::id>{on_lane});
    scene.provider.servers = {"192.0.2.53:53"};
    REQUIRE(outside["im-api"].publishers[0]->preflight(1s).ok());
    outside["im-api"].publishers[0]->find_authorities(1s);
    const int before = scene.provider.reads_for_moves;
    ask(executor, 2);
    CHECK(told[1].agreed);
    CHECK_EQ(scene.asked, std::vector<std::string>{"192.0.2.53:53"});
    CHECK_EQ(scene.provider.reads_for_moves, before);
    lane.end();
  }
}

TEST_CASE("pre-flights are repeated each minute while refused, each day while well") {
  Scene scene;
  StandingClock clock;
  Lane lane("dns-test");
  std::map<std::string, ServiceOutside> outside;
  outside["im-api"].publishers.push_back(std::move(scene.publisher));
  outside["im-api"].publisher_lanes.push_back(&lane);
  std::mutex mutex;
  std::vector<ProviderJudged> judged;
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return judged.size();
  };
  Preflights preflights({clock, outside,
                         [&](const std::string&, ProviderJudged one) {
                           const std::lock_guard lock(mutex);
                           judged.push_back(std::move(one));
                         },
                         [] { return std::uint64_t{0}; }});
  const auto turn = [&](std::size_t judgements) {
    preflights.turn(clock.now());
    for (int k = 0; k < 1000 && count() < judgements; ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    REQUIRE_EQ(count(), judgements);
    lane.give([] {});
  };
  const auto pass = [&](Duration time) { clock.at += time.count(); };

  scene.provider.refuses = true;
  turn(1);
  CHECK_FALSE(judged.back().well);
  CHECK_EQ(judged.back().problem, "BADKEY");
  pass(59s);
  turn(1);
  pass(2s);
  turn(2);
  CHECK_FALSE(judged.back().well);
  // An accepted publication opens the gate; the next pre-flight comes in a day.
  preflights.published("im-api", 0);
  REQUIRE_EQ(count(), 3U);
  CHECK(judged.back().well);
  preflights.published("im-api", 0);
  CHECK_EQ(count(), 3U);
  pass(1h);
  turn(3);
  // Credentials that were revoked since are found within a day and a bit.
  pass(24h);
  turn(4);
  CHECK_FALSE(judged.back().well);
  scene.provider.refuses = false;
  pass(61s);
  turn(5);
  CHECK(judged.back().well);
  pass(2h);
  turn(5);
  preflights.afresh();
  turn(6);
  lane.end();
  CHECK_GE(scene.provider.searches, 1);  // A sound one looks for the servers at once.
}

TEST_CASE("servers of the world that serve something else are told once, and shut no gate") {
  Scene scene;
  StandingClock clock;
  std::map<std::string, ServiceOutside> outside;
  Lane lane("dns-test");
  outside["im-api"].publishers.push_back(std::move(scene.publisher));
  outside["im-api"].publisher_lanes.push_back(&lane);
  std::atomic<int> asked{0};
  std::atomic<bool> elsewhere{true};
  const auto world = [&](const RecordKey& key, Duration) {
    CHECK_EQ(key.name, "api.example.test");
    AuthorityAnswer answer;
    answer.server = "ns1.example.net:53";
    answer.answered = true;
    answer.values = {elsewhere ? "203.0.113.7" : "192.0.2.10"};
    ++asked;
    return Result<std::vector<AuthorityAnswer>>(std::vector<AuthorityAnswer>{answer});
  };
  std::string told;
  {
    const Captured captured;
    std::atomic<int> well{0};
    Preflights preflights(
        {clock, outside,
         [&](const std::string&, const ProviderJudged& one) { well += one.well ? 1 : 0; },
         [] { return std::uint64_t{0}; }, world});
    for (int day = 1; day <= 3; ++day) {
      preflights.afresh();
      preflights.turn(clock.now());
      for (int k = 0; k < 1000 && asked < day; ++k) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      REQUIRE_EQ(asked, day);
      elsewhere = day < 2;
    }
    lane.end();
    CHECK_EQ(well, 3);
    told = captured.text();
  }
  const auto first = told.find("delegation-differs");
  CHECK_NE(first, std::string::npos);
  CHECK_EQ(told.find("delegation-differs", first + 1), std::string::npos);
  CHECK_NE(told.find("ns1.example.net:53 says 203.0.113.7"), std::string::npos);
}

TEST_CASE("publications pass the reads that wait, in their own order, and neither is unbounded") {
  Lane lane("dns-test");
  std::promise<void> release;
  std::string order;
  REQUIRE(lane.give([&] { release.get_future().wait(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  REQUIRE(lane.give([&] { order += 'r'; }));
  REQUIRE(lane.give([&] { order += 'r'; }));
  REQUIRE(lane.give_first([&] { order += '1'; }));
  REQUIRE(lane.give_first([&] { order += '2'; }));
  int reads = 2;
  int firsts = 2;
  while (reads < 1000 && lane.give([] {})) ++reads;
  CHECK_LT(reads, 1000);
  while (firsts < 1000 && lane.give_first([] {})) ++firsts;
  CHECK_LT(firsts, 1000);
  release.set_value();
  for (int k = 0; k < 400 && !lane.give([] {}); ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  lane.end();
  CHECK_EQ(order, "12rr");
}

TEST_CASE("what comes soon again and again lets one that waits in turn pass after two") {
  Lane lane("dns-test");
  std::promise<void> release;
  std::promise<void> done;
  std::string order;
  REQUIRE(lane.give([&] { release.get_future().wait(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (int k = 0; k < 3; ++k) REQUIRE(lane.give([&] { order += 'r'; }));
  for (int k = 0; k < 5; ++k) {
    REQUIRE(lane.give_soon([&] {
      order += 'a';
      if (order.size() < 10) REQUIRE(lane.give_soon([&] { order += 'A'; }));
    }));
  }
  REQUIRE(lane.give_first([&] { order += '1'; }));
  REQUIRE(lane.give([&] { done.set_value(); }));
  release.set_value();
  done.get_future().wait();
  lane.end();
  CHECK_EQ(order.substr(0, 9), "1aaraaraA");
}

TEST_CASE("rounds turn each piece when it wants, all at once when hastened") {
  std::atomic<int> often{0};
  std::atomic<int> seldom{0};
  Rounds rounds(system_clock());
  rounds.add([&](Instant now) {
    ++often;
    return now + 5ms;
  });
  rounds.add([&](Instant now) {
    ++seldom;
    return now + 1h;
  });
  rounds.start();
  for (int k = 0; k < 1000 && often < 5; ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK_GE(often, 5);
  CHECK_EQ(seldom, 1);
  rounds.hasten();
  for (int k = 0; k < 1000 && seldom < 2; ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK_EQ(seldom, 2);
  rounds.end();
}
