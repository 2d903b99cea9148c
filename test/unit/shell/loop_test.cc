// The order of things in the loop: decided, durable, told.

#include "orchestrator/shell/loop.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "test/unit/shell/blank_store.h"

using namespace pointsman;

namespace {

// Saves when it may.
class MoodyStore final : public BlankStore {
 public:
  std::atomic<bool> saves{true};
  std::atomic<int> saved{0};

  Result<void> save(const SaveBatch&) override {
    if (!saves) return {ErrorCode::kUnavailable, "no space left"};
    ++saved;
    return {};
  }
};

class CountingExecutor final : public Executor {
 public:
  std::map<std::string, std::atomic<int>> started;
  CountingExecutor() { started["a"] = started["b"] = 0; }
  void start(const std::string& service, const Command&) override { ++started.at(service); }
};

ServicePolicy policy_of(const std::string& name) {
  ServicePolicy policy;
  policy.name = name;
  policy.agents = false;
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  return policy;
}

template <typename Done>
bool within(Duration most, Done done) {
  const Instant end = system_clock().now() + most;
  while (system_clock().now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return done();
}

}  // namespace

TEST_CASE("agents are told no counter that is not durable, whichever service is ahead") {
  MoodyStore store;
  store.saves = false;
  CountingExecutor executor;
  Saver saver(system_clock(), store);
  SharedBook shared("run");
  Loop loop({system_clock(), executor, shared, saver, 10, 3, 1min, "monitor"});
  loop.add(policy_of("a"), std::nullopt);
  loop.add(policy_of("b"), std::nullopt);
  loop.start();
  const auto told = [&] {
    return shared.with([](VouchBook& book) { return book.request("m", {}).counter; });
  };
  OperatorAsked pause;
  pause.kind = AskKind::kPause;
  CHECK_FALSE(loop.ask("a", pause, 200ms).ok());  // Cannot be saved.
  // b goes on reading its record, which needs no save.
  const int before = executor.started.at("b");
  loop.post({"b", RecordRead{0, false, -1, 0, "", "no answer"}, nullptr});
  REQUIRE(within(5s, [&] { return executor.started.at("b") > before; }));
  CHECK_EQ(told(), 10);
  store.saves = true;
  CHECK(within(5s, [&] { return told() == 11; }));
  loop.end();
}

TEST_CASE("what found the queue of saves full is never done, nor what came after it") {
  MoodyStore store;
  store.saves = false;
  Saver saver(system_clock(), store, 2);
  const std::uint64_t first = saver.save({});
  std::uint64_t last = first;
  for (int k = 0; k < 8; ++k) last = saver.save({});
  CHECK_NE(saver.problem(), "");
  store.saves = true;
  REQUIRE(within(5s, [&] { return store.saved >= 2; }));
  CHECK(within(2s, [&] { return saver.done() >= first; }));
  const std::uint64_t later = saver.save({});
  CHECK_FALSE(within(200ms, [&] { return saver.done() >= later; }));
  CHECK_LT(saver.done(), last);
  CHECK_NE(saver.problem(), "");
}

TEST_CASE("a lane that ended runs nothing more and says so") {
  Lane lane("test");
  std::atomic<int> ran{0};
  CHECK(lane.give([&] { ++ran; }));
  REQUIRE(within(2s, [&] { return ran == 1; }));
  lane.end();
  CHECK_FALSE(lane.give([&] { ++ran; }));
  lane.end();
  CHECK_EQ(ran, 1);
}
