#include "agent/service_runner.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/crypto.h"

using namespace pointsman;

namespace {

// What a store and its verbs did; shared by the test and the driver on its thread.
struct FakeStore {
  std::mutex mutex;
  StoreReport report;
  std::string verbs;  // One letter each: f(ence) u(nfence) p(romote) s(tandby) F(ollow).

  std::string did() {
    const std::lock_guard lock(mutex);
    return verbs;
  }
  void set(const std::function<void(StoreReport&)>& change) {
    const std::lock_guard lock(mutex);
    change(report);
  }
  bool writable() {
    const std::lock_guard lock(mutex);
    return report.writable;
  }
};

class FakeDriver : public Driver {
 public:
  explicit FakeDriver(FakeStore& store) : store_(store) {}
  std::string name() const override { return "mysql"; }
  bool is_store() const override { return true; }
  StoreReport report(Duration) override {
    const std::lock_guard lock(store_.mutex);
    return store_.report;
  }
  Result<void> fence(FenceDepth, Duration) override { return verb('f', false); }
  Result<void> unfence(Duration) override { return verb('u', true); }
  Result<void> promote(Duration) override {
    const std::lock_guard lock(store_.mutex);
    store_.report.replica = false;
    store_.report.writable = true;
    store_.verbs += 'p';
    return {};
  }
  Result<void> follow(const FollowTarget& target, Duration) override {
    const std::lock_guard lock(store_.mutex);
    store_.report.replica = true;
    store_.report.writable = false;
    store_.report.source = target.source;
    store_.verbs += 'F';
    return {};
  }
  Result<void> keep_standby(Duration) override { return verb('s', false); }
  std::vector<std::string> render(const std::string& verb) override { return {"would " + verb}; }
  std::optional<bool> contains(const std::string& received,
                               const std::string& executed) const override {
    return received >= executed;
  }

 private:
  Result<void> verb(char letter, bool writable) {
    const std::lock_guard lock(store_.mutex);
    store_.verbs += letter;
    if (store_.report.liveness != Liveness::kUp) return {ErrorCode::kTimeout, "mysql: hangs"};
    store_.report.writable = writable;
    return {};
  }
  FakeStore& store_;
};

Instant now() { return system_clock().now(); }

DeadmanState armed(bool closed, Instant holds = Instant{0}) {
  DeadmanState state;
  state.configured = state.available = state.armed = true;
  state.closed = closed;
  state.holds = holds;
  return state;
}

bool soon(const std::function<bool()>& holds) {
  for (const Instant end = now() + 5s; now() < end;) {
    if (holds()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return holds();
}

struct Folder {
  std::string path = "/tmp/pointsman-runner-" + random_id();
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

// Remembers what it was told to watch.
class LastWitness final : public Witness {
 public:
  std::string watched;
  Result<void> watch(const std::string&, const Json& targets) override {
    watched = targets.dump();
    return {};
  }
  void hurry(const std::string&, const std::string&) override {}
  std::vector<WitnessCount> counts(const std::string&) override { return {}; }
};

// One service at site hz, driven by hand.
struct Bench {
  Folder folder;
  FakeStore store;
  LastWitness witness;
  Queue<std::pair<std::string, std::string>> hooked{16};  // Event and order, as hooks got them.
  std::unique_ptr<ServiceRunner> runner;                  // Its threads use the above.
  std::uint64_t sequence = 0;
  std::uint64_t incarnation = 5;

  explicit Bench(const std::function<void(StoreReport&)>& change = [](StoreReport&) {}) {
    store.report.name = "mysql";
    store.report.liveness = Liveness::kUp;
    store.report.writable = true;
    change(store.report);
    start();
  }

  void start() {
    runner.reset();
    ServiceRunner::Parts parts;
    parts.site = "hz";
    parts.keep = record_keeper(folder.path, "im-api");
    parts.settings.name = "im-api";
    parts.settings.peer = "https://127.0.0.1:1";
    parts.stop_units_after = 1s;
    for (const char* on : {"fenced", "promoted"}) {
      parts.settings.hooks.push_back({on, {"/bin/true"}, 1s});
    }
    parts.run_hook = [this](const HookSettings& hook, const std::string& json) -> Result<void> {
      hooked.push({hook.on, json});
      return {};
    };
    parts.incarnation = ++incarnation;
    if (auto record = load_record(folder.path, "im-api")) parts.record = *record;
    parts.drivers.push_back({std::make_unique<FakeDriver>(store), true, 500ms});
    parts.clock = &system_clock();
    parts.witness = &witness;
    runner = std::make_unique<ServiceRunner>(std::move(parts));
    runner->start([] {});
  }

  Order order(Verb verb, std::uint64_t epoch, const std::string& power) {
    Order order;
    order.run = "m";
    order.sequence = ++sequence;
    order.sender = "monitor";
    order.service = "im-api";
    order.site = "hz";
    order.verb = verb;
    order.reign = {epoch, "00000000000000aa"};
    order.power = power;
    order.move = "move";
    order.token = runner->report().token;
    order.lease = 1s;
    return order;
  }
  OrderReply tell(Verb verb, std::uint64_t epoch, const std::string& power) {
    return runner->on_order(order(verb, epoch, power));
  }
  ServiceReport vouch(std::uint64_t epoch, Duration lease = 1s) {
    const Vouch vouch{
        ++sequence, {epoch, "00000000000000aa"}, runner->report().token, lease, false};
    ServicePoll poll;
    poll.service = "im-api";
    poll.lease = 1s;
    poll.vouch = vouch;
    return runner->on_monitor_poll({"m", sequence, "monitor", 0, {}}, poll);
  }
  // Adopts once the store has been read.
  OrderReply adopt() {
    soon([&] { return runner->report().writable_known; });
    return tell(Verb::kAdopt, 1, "hz");
  }
};

// A planned move: told where the old site ended, it says whether it has applied all of that, and is
// not promoted before.
void promote_when_caught_up(Bench& bench) {
  CHECK_FALSE(bench.runner->report().catch_up.has_value());
  Order ended = bench.order(Verb::kPrepare, 2, "hz");
  ended.positions = {{"mysql", "7"}};
  const OrderReply reply = bench.runner->on_order(ended);
  REQUIRE(reply.report.catch_up.has_value());
  CHECK_FALSE(reply.report.catch_up->held);
  CHECK_EQ(reply.report.catch_up->missing, "mysql is at 6, the old site ended at 7");
  Order promote = bench.order(Verb::kPromote, 2, "hz");
  promote.old_fenced = true;
  promote.positions = ended.positions;
  CHECK_EQ(bench.runner->on_order(promote).reason, "mysql is at 6, the old site ended at 7");
  bench.store.set([](StoreReport& report) { report.executed = "7"; });
  CHECK(soon([&] { return bench.runner->report().catch_up->held; }));
  promote.sequence = ++bench.sequence;
  promote.positions.emplace_back("redis", "1");
  promote.token = bench.runner->report().token;
  CHECK_EQ(bench.runner->on_order(promote).reason, "redis: there is no such store here");
  promote.positions.pop_back();
  promote.sequence = ++bench.sequence;
  REQUIRE(bench.runner->on_order(promote).accepted);
}

}  // namespace

TEST_CASE("an agent without a role only reads") {
  Bench bench;
  std::this_thread::sleep_for(400ms);
  CHECK_EQ(bench.store.did(), "");
  CHECK(bench.runner->report().writable);
}

TEST_CASE("adoption touches nothing that is open; the end of the lease closes, a vouch opens") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  CHECK(soon([&] { return bench.runner->report().promoted == 1; }));
  CHECK_EQ(bench.store.did(), "");
  CHECK(soon([&] { return !bench.store.writable(); }));
  CHECK_EQ(bench.store.did(), "f");
  CHECK_EQ(bench.runner->report().lease_rest, 0s);
  CHECK_GT(bench.vouch(1).lease_rest, 0s);
  CHECK(soon([&] { return bench.store.writable(); }));
  CHECK_EQ(bench.store.did(), "fu");
}

TEST_CASE("a fence is acknowledged in the reply to its order, and kept as a level") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  const OrderReply reply = bench.tell(Verb::kFence, 2, "sh");
  CHECK(reply.accepted);
  CHECK_FALSE(bench.store.writable());
  CHECK_EQ(reply.report.fenced, 2U);
  CHECK_EQ(reply.report.role, Role::kFenced);
  bench.store.set([](StoreReport& report) { report.writable = true; });  // Somebody opens it.
  CHECK(soon([&] { return !bench.store.writable(); }));
  // And after a restart of the agent as well.
  bench.start();
  bench.store.set([](StoreReport& report) { report.writable = true; });
  CHECK(soon([&] { return !bench.store.writable() && bench.runner->report().fenced == 2; }));
}

TEST_CASE("a hook hears of a fence when it was read back, and once") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.runner->on_deadman(armed(false));
  bench.store.set([](StoreReport& report) { report.liveness = Liveness::kHung; });
  REQUIRE(bench.tell(Verb::kFence, 2, "sh").accepted);
  CHECK_FALSE(bench.hooked.pop(300ms).has_value());
  bench.runner->on_deadman(armed(true));
  const auto first = bench.hooked.pop(5s);
  REQUIRE(first.has_value());
  CHECK_EQ(first->first, "fenced");
  const auto json = Json::parse(first->second);
  REQUIRE(json.ok());
  CHECK_EQ(json->string_or("event"), "fenced");
  CHECK_EQ(json->string_or("service"), "im-api");
  CHECK_EQ(json->string_or("site"), "hz");
  bench.tell(Verb::kFence, 2, "sh");
  CHECK_FALSE(bench.hooked.pop(300ms).has_value());
}

TEST_CASE("a store that hangs is fenced only when its ports are closed in the kernel") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.runner->on_deadman(armed(false));
  bench.store.set([](StoreReport& report) { report.liveness = Liveness::kHung; });
  CHECK_EQ(bench.tell(Verb::kFence, 2, "sh").report.fenced, 0U);
  CHECK_NE(bench.runner->report().trouble, "");
  bench.runner->on_deadman(armed(true));
  CHECK(soon([&] { return bench.runner->report().fenced == 2; }));
}

// Found by simulation: such a store went on taking writes of its own host when it woke up.
TEST_CASE("ports stay closed after such a fence until the store is found closed") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.runner->on_deadman(armed(true));
  bench.store.set([](StoreReport& report) { report.liveness = Liveness::kHung; });
  bench.tell(Verb::kFence, 2, "sh");
  REQUIRE(soon([&] { return bench.runner->report().fenced == 2; }));
  std::this_thread::sleep_for(300ms);
  CHECK_EQ(bench.runner->deadman_goal().mode, DeadmanMode::kArmed);
  CHECK_EQ(bench.runner->deadman_goal().until, Instant{0});
  bench.store.set([](StoreReport& report) { report.liveness = Liveness::kUp; });
  CHECK(soon([&] { return bench.runner->deadman_goal().mode == DeadmanMode::kStandby; }));
  CHECK_FALSE(bench.store.writable());
}

TEST_CASE("what cannot be kept is not accepted") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  const GuardRecord before = *load_record(bench.folder.path, "im-api");
  std::filesystem::remove_all(bench.folder.path);
  const OrderReply reply = bench.tell(Verb::kFence, 2, "sh");
  CHECK_FALSE(reply.accepted);
  CHECK_EQ(reply.report.role, Role::kPrimary);
  CHECK_EQ(reply.report.highest, before.highest);
  std::filesystem::create_directory(bench.folder.path);
  CHECK(bench.tell(Verb::kFence, 2, "sh").accepted);
}

TEST_CASE("a standby is kept read-only, caught up by position, prepared and promoted") {
  Bench bench([](StoreReport& report) {
    report.writable = false;
    report.replica = true;
    report.applier_running = true;
    report.received = "5";
    report.executed = "6";
  });
  REQUIRE(bench.tell(Verb::kAdopt, 1, "sh").accepted);
  CHECK(soon([&] { return bench.store.did() == "s"; }));
  ServiceReport peer;
  peer.service = "im-api";
  peer.site = "sh";
  peer.role = Role::kPrimary;
  peer.reign = {1, "00000000000000aa"};
  peer.power = "sh";
  peer.token = {77, Instant{1}};
  StoreReport theirs;
  theirs.name = "mysql";
  theirs.executed = "4";
  peer.stores.push_back(theirs);
  bench.runner->on_peer_reply(peer, now());
  CHECK(bench.runner->report().caught_up_age.has_value());
  // The primary's store hangs while its agent answers: what it told last grows old together with
  // what reached us.
  peer.token.n.ns = 2;
  peer.stores[0].age = 3s;
  bench.runner->on_peer_reply(peer, now());
  const ServiceReport hung = bench.runner->report();
  REQUIRE_EQ(hung.stores.size(), 1U);
  CHECK_EQ(hung.stores[0].caught_up_age, hung.stores[0].told_age);
  peer.stores[0].age = 0s;
  CHECK(bench.runner->poll_for_peer().vouch.has_value());
  // Ahead of us by more than max_lag: the gate of the agent itself.
  peer.token.n.ns = 3;
  peer.stores[0].executed = "9";
  bench.runner->on_peer_reply(peer, now() + 2s);
  Order prepare = bench.order(Verb::kPrepare, 2, "hz");
  prepare.asserted_off = true;
  prepare.automatic = true;
  CHECK_FALSE(bench.runner->report().prepare_refusal.has_value());
  OrderReply reply = bench.runner->on_order(prepare);
  CHECK_EQ(reply.reason.substr(0, 54), "mysql has not received what the site in power had exec");
  CHECK_EQ(bench.runner->report().prepare_refusal, reply.reason);
  bench.store.set([](StoreReport& report) { report.received = "9"; });
  // Reports tell that the reason is gone, so that nobody need ask in vain.
  CHECK(soon([&] { return bench.runner->report().prepare_refusal == ""; }));
  CHECK(soon([&] {
    prepare.sequence = ++bench.sequence;
    prepare.token = bench.runner->report().token;
    return bench.runner->on_order(prepare).accepted;
  }));
  CHECK_FALSE(bench.runner->report().prepare_refusal.has_value());
  CHECK_FALSE(bench.runner->poll_for_peer().vouch.has_value());
  promote_when_caught_up(bench);
  std::this_thread::sleep_for(300ms);
  CHECK_FALSE(bench.store.writable());  // Not before the first vouch of that reign.
  bench.vouch(2);
  CHECK(soon([&] { return bench.runner->report().promoted == 2; }));
  CHECK(bench.store.writable());
}

TEST_CASE("follow goes to where the peer advertises its store") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.tell(Verb::kFence, 2, "sh");
  ServiceReport peer;
  peer.service = "im-api";
  peer.site = "sh";
  peer.advertise = {{"mysql", "192.0.2.2:3306"}};
  peer.token = {77, Instant{1}};
  bench.runner->on_peer_reply(peer, now());
  REQUIRE(bench.tell(Verb::kFollow, 2, "sh").accepted);
  CHECK(soon([&] {
    const auto stores = bench.runner->report().stores;
    return stores[0].replica && stores[0].source == "192.0.2.2:3306";
  }));
}

TEST_CASE("a dry run of an order changes nothing and shows what would be sent") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  Order fence = bench.order(Verb::kFence, 2, "sh");
  fence.dry_run = true;
  const OrderReply reply = bench.runner->on_order(fence);
  CHECK(reply.accepted);
  CHECK_EQ(reply.rendered, std::vector<std::string>{"mysql: would fence"});
  CHECK_EQ(reply.report.role, Role::kPrimary);
  CHECK_EQ(load_record(bench.folder.path, "im-api")->highest, 1U);
}

TEST_CASE("an agent that leaves without a kernel to close after it closes first") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.vouch(1, 60s);
  CHECK(soon([&] { return bench.runner->report().promoted == 1; }));
  bench.runner->begin_leaving();
  CHECK(soon([&] { return bench.runner->may_leave(); }));
  CHECK_FALSE(bench.store.writable());
}

TEST_CASE("with a living kernel set it leaves everything running") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  bench.vouch(1, 60s);
  bench.runner->on_deadman(armed(false));
  CHECK(soon([&] { return bench.runner->report().promoted == 1; }));
  bench.runner->begin_leaving();
  CHECK(bench.runner->may_leave());
  bench.runner->stop();
  CHECK(bench.store.writable());
}

TEST_CASE("a shorter lease is told only when the kernel holds no longer one") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  const auto vouched = [&](Duration lease, bool lone) {
    const Vouch vouch{
        ++bench.sequence, {1, "00000000000000aa"}, bench.runner->report().token, lease, lone};
    ServicePoll poll;
    poll.service = "im-api";
    poll.lease = 1s;
    poll.vouch = vouch;
    return bench.runner->on_monitor_poll({"m", bench.sequence, "monitor", 0, {}}, poll);
  };
  const ServiceReport lone = vouched(24h, true);
  CHECK(lone.lone);
  bench.runner->on_deadman(armed(false, now() + 24h));
  const ServiceReport shorter = vouched(2s, false);
  CHECK_LE(shorter.lease_rest, 2s);
  CHECK(shorter.lone);
  CHECK_EQ(shorter.monitor_vouch, lone.monitor_vouch);
  bench.runner->on_deadman(armed(false, Instant{0}));
  const ServiceReport after = bench.runner->report();
  CHECK_FALSE(after.lone);
  CHECK_EQ(after.monitor_vouch, bench.sequence);
}

TEST_CASE("a monitor that runs dry is answered and changes nothing") {
  Bench bench;
  REQUIRE(bench.adopt().accepted);
  const GuardRecord before = *load_record(bench.folder.path, "im-api");
  const auto target = [](const char* site) {
    Json targets = Json::array();
    targets.push(Json::object({{"site", site}}));
    return targets;
  };
  ServicePoll poll;
  poll.service = "im-api";
  poll.lease = 9s;
  poll.spec_version = 5;
  poll.witness = target("elsewhere");
  poll.vouch = Vouch{999, {1, "00000000000000aa"}, bench.runner->report().token, 1min, false};
  const ServiceReport told =
      bench.runner->on_monitor_poll({"dry", 1000, "monitor", 5000, {}, true}, poll);
  CHECK_EQ(told.role, Role::kPrimary);
  CHECK_LE(told.lease_rest, 1s);
  CHECK_EQ(told.monitor_counter, before.monitor_counter);
  const GuardRecord after = *load_record(bench.folder.path, "im-api");
  CHECK_EQ(after.monitor_counter, before.monitor_counter);
  CHECK_EQ(after.lease, before.lease);
  CHECK_EQ(after.peer, before.peer);
  // The monitor that was there is still heard, and alone says what to probe.
  CHECK_NE(bench.vouch(1).monitor_vouch, 999U);
  CHECK_EQ(bench.runner->report().monitor_vouch, bench.sequence);
  poll.vouch.reset();
  poll.lease = 1s;
  poll.spec_version = 6;
  poll.witness = target("sh");
  bench.runner->on_monitor_poll({"m", ++bench.sequence, "monitor", 0, {}}, poll);
  const std::string real = bench.witness.watched;
  poll.spec_version = 5;
  poll.witness = target("elsewhere");
  CHECK_EQ(
      bench.runner->on_monitor_poll({"dry", 1001, "monitor", 5000, {}, true}, poll).spec_version,
      6U);
  CHECK_EQ(bench.witness.watched, real);
}

TEST_CASE("a broken record starts nothing") {
  Folder folder;
  CHECK_EQ(load_record(folder.path, "im-api").error().code, ErrorCode::kNotFound);
  std::filesystem::create_directory(folder.path + "/im-api.json");
  CHECK_NE(load_record(folder.path, "im-api").error().code, ErrorCode::kNotFound);
}
