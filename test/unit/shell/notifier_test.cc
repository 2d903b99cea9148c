#include "orchestrator/shell/notifier.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/time_of_day.h"
#include "orchestrator/shell/notice_facts.h"
#include "test/support/captured.h"
#include "test/support/fake_http.h"

using namespace pointsman;

namespace {

// This host's monotonic clock; the wall shows what it is told.
class WallClock final : public Clock {
 public:
  Instant now() const override { return system_clock().now(); }
  WallTime wall() const override { return {wall_ns.load()}; }
  std::atomic<std::int64_t> wall_ns{1'714'979'289'000'000'000};
};

class Folder {
 public:
  Folder() {
    path_ = (std::filesystem::temp_directory_path() / "pm-notifier-XXXXXX").string();
    REQUIRE(mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/notices.json"; }

 private:
  std::string path_;
};

// A receiver that keeps what it got.
class Receiver {
 public:
  std::atomic<int> status{200};
  std::atomic<bool> silent{false};

  std::string url() const { return http_.url(); }
  std::vector<std::string> titles() {
    const std::lock_guard lock(mutex_);
    return titles_;
  }
  int requests() const { return http_.requests(); }

 private:
  FakeReply answer(const FakeRequest& request) {
    const auto json = Json::parse(request.body);
    const std::lock_guard lock(mutex_);
    const bool titled = json.ok() && !json->string_or("title").empty();
    if (status == 200 && titled) titles_.push_back(json->string_or("title"));
    FakeReply reply{.status = status, .body = "{}"};
    if (silent) reply.way = FakeReply::Way::kSilent;
    return reply;
  }

  std::mutex mutex_;
  std::vector<std::string> titles_;
  FakeHttp http_{[this](const FakeRequest& request) { return answer(request); }};
};

NoticeSettings hook(const std::string& name, const Receiver& receiver) {
  NoticeSettings one;
  one.name = name;
  one.type = "webhook";
  one.language = "en";
  one.budget = {60, 1min};
  one.options["url"] = receiver.url() + "/";
  return one;
}

Notifier::Parts parts_of(const Clock& clock, const std::string& file = "") {
  return {.clock = clock,
          .file = file,
          .look = [] { return std::map<std::string, ServiceSnapshot>{}; },
          .turns = [] { return true; },
          .within = 1s};
}

// The rules of what the file keeps.
std::vector<std::string> kept_in(const std::string& file) {
  const auto text = read_file(file);
  REQUIRE(text.ok());
  const auto memory = notice_memory_from(*text);
  REQUIRE(memory.ok());
  std::vector<std::string> rules;
  for (const KeptNotice& kept : memory->kept) rules.push_back(kept.item.rule);
  return rules;
}

template <class Ask>
bool eventually(Ask ask) {
  for (int k = 0; k < 1500; ++k) {
    if (ask()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

const Notice kUrgent{NoticeLevel::kUrgent, "move-refused", "im-api: nothing moves"};

}  // namespace

TEST_CASE("notifier: whoever tells never waits, and what is too much is dropped and counted") {
  const WallClock clock;
  Notifier notifier(parts_of(clock));  // Nobody takes anything out of its queue.
  int taken = 0;
  for (int k = 0; k < 1500; ++k) taken += notifier.tell("im-api", kUrgent) ? 1 : 0;
  CHECK_EQ(taken, 1000);
  CHECK_EQ(notifier.counts().read().at({"", "dropped"}), 500);
}

TEST_CASE("notifier: a channel that hangs holds up no other") {
  const WallClock clock;
  Receiver dead, well;
  dead.silent = true;
  Notifier notifier(parts_of(clock));
  notifier.set({"monitor-1", "", {hook("dead", dead), hook("well", well)}, std::nullopt});
  notifier.start();
  notifier.tell("im-api", kUrgent);
  REQUIRE(eventually([&] { return dead.requests() == 1; }));
  notifier.tell("web", {NoticeLevel::kUrgent, "stuck", "web: stuck"});
  CHECK(eventually([&] { return well.titles().size() == 2; }));
  CHECK_EQ(well.titles().front(), "[URGENT] im-api: the primary is down, and nothing moves");
  CHECK_EQ(notifier.counts().read().at({"dead", "delivered"}), 0);
  notifier.end();
  CHECK_EQ(notifier.counts().read().at({"well", "delivered"}), 2);
}

TEST_CASE("notifier: a dry run renders, and sends nothing") {
  const WallClock clock;
  Receiver receiver;
  Notifier::Parts parts = parts_of(clock);
  parts.dry_run = true;
  const Captured captured;
  {
    Notifier notifier(std::move(parts));
    notifier.set(
        {"monitor-1", "", {hook("hook", receiver)}, HeartbeatSettings{receiver.url(), 5s}});
    notifier.start();
    notifier.tell("im-api", kUrgent);
    CHECK(eventually([&] { return notifier.counts().read().count({"hook", "rendered"}) == 1; }));
  }
  CHECK_EQ(receiver.requests(), 0);
  CHECK_NE(captured.text().find("notice-rendered channel=hook text=\"POST http://127.0.0.1"),
           std::string::npos);
}

TEST_CASE("notifier: what is urgent is on disk before it is sent, and sent by the next run") {
  const WallClock clock;
  const Folder folder;
  Receiver receiver;
  receiver.status = 503;
  {
    Notifier notifier(parts_of(clock, folder.file()));
    notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
    notifier.start();
    notifier.tell("im-api", {NoticeLevel::kNote, "hold-ended", "im-api: ran out"});
    notifier.tell("im-api", kUrgent);
    REQUIRE(eventually([&] { return receiver.requests() > 0; }));
    CHECK_EQ(kept_in(folder.file()), std::vector<std::string>{"move-refused"});
  }
  receiver.status = 200;
  Notifier next(parts_of(clock, folder.file()));
  next.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  next.start();
  CHECK(eventually([&] { return receiver.titles().size() == 1; }));
  next.end();
  CHECK(kept_in(folder.file()).empty());
}

TEST_CASE("notifier: what was told at the very end is kept, too") {
  const WallClock clock;
  const Folder folder;
  Receiver receiver;
  Notifier notifier(parts_of(clock, folder.file()));
  notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  notifier.start();
  notifier.tell("im-api", kUrgent);
  notifier.end();
  CHECK_FALSE(notifier.tell("im-api", kUrgent));
  CHECK_EQ(kept_in(folder.file()).size() + receiver.titles().size(), 1);
}

TEST_CASE("notifier: the end of a move that a crash kept from being told is told by the next run") {
  const WallClock clock;
  const Folder folder;
  NoticeMemory memory;
  memory.moves = {{"im-api", "m1"}, {"web", "w1"}};
  std::ofstream(folder.file()) << to_text(memory);
  ServiceSnapshot shot;
  shot.policy.sites[0].name = "hz";
  shot.policy.sites[1].name = "sh";
  shot.state.last_move = Move{};
  shot.state.last_move->outcome = "done";
  shot.state.last_move->from = 0;
  shot.state.last_move->to = 1;
  std::map<std::string, ServiceSnapshot> shots;
  const std::vector<std::pair<std::string, std::string>> moved{
      {"im-api", "m2"}, {"web", "w1"}, {"new", "n1"}};
  for (const auto& [service, move] : moved) {
    shot.state.last_move->id = move;
    shots[service] = shot;
  }
  Receiver receiver;
  Notifier::Parts parts = parts_of(clock, folder.file());
  parts.look = [&] { return shots; };
  Notifier notifier(std::move(parts));
  notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  notifier.start();
  REQUIRE(eventually([&] { return !receiver.titles().empty(); }));
  notifier.end();
  REQUIRE_EQ(receiver.titles().size(), 1);
  CHECK_EQ(receiver.titles().at(0), "[warning] im-api: failover to sh: done");
  const auto after = notice_memory_from(*read_file(folder.file()));
  REQUIRE(after.ok());
  CHECK_EQ(after->moves.at("im-api"), "m2");
  CHECK_EQ(after->moves.at("new"), "n1");
}

TEST_CASE("notifier: a broken file is told, and begun anew") {
  const WallClock clock;
  const Folder folder;
  std::ofstream(folder.file()) << "{\"version\":1,\"kept\":[{";
  Receiver receiver;
  const Captured captured;
  Notifier notifier(parts_of(clock, folder.file()));
  notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  notifier.start();
  notifier.tell("im-api", kUrgent);
  CHECK(eventually([&] { return receiver.titles().size() == 1; }));
  notifier.end();
  CHECK_NE(captured.text().find("notices-not-kept"), std::string::npos);
  CHECK(notice_memory_from(*read_file(folder.file())).ok());
}

TEST_CASE("notifier: a channel is tested once a week, in working hours") {
  CHECK(is_test_due(0, 1h, WallTime{3'600'000'000'000}, "1970-01-01 09:00 +0800"));
  CHECK_FALSE(is_test_due(0, 1h, WallTime{3'599'000'000'000}, "1970-01-01 09:00 +0800"));
  CHECK_FALSE(is_test_due(0, 1h, WallTime{3'600'000'000'000}, "1970-01-01 08:59 +0800"));
  CHECK_FALSE(is_test_due(0, 1h, WallTime{3'600'000'000'000}, "1970-01-01 17:00 +0800"));
  WallClock clock;
  while (format_local(clock.wall()).substr(11, 2) != "12") clock.wall_ns += 1'800'000'000'000;
  const Folder folder;
  NoticeMemory memory;
  memory.tested["hook"] = clock.wall().ns / 1'000'000'000 - 8 * 86'400;
  std::ofstream(folder.file()) << to_text(memory);
  Receiver receiver;
  Notifier notifier(parts_of(clock, folder.file()));
  notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  notifier.start();
  CHECK(eventually([&] { return receiver.titles().size() == 1; }));
  notifier.end();
  CHECK_EQ(receiver.titles().at(0), "[note] monitor-1: a test");
  const auto after = notice_memory_from(*read_file(folder.file()));
  REQUIRE(after.ok());
  CHECK_EQ(after->tested.at("hook"), clock.wall().ns / 1'000'000'000);
}

TEST_CASE("notifier: the heartbeat is sent while the daemon turns, and a failure of it is told") {
  const WallClock clock;
  Receiver receiver;
  receiver.status = 500;
  std::atomic<bool> turns{false};
  Notifier::Parts parts = parts_of(clock);
  parts.turns = [&] { return turns.load(); };
  const Captured captured;
  Notifier notifier(std::move(parts));
  notifier.set({"monitor-1", "", {}, HeartbeatSettings{receiver.url() + "/secret-path", 1s}});
  notifier.start();
  std::this_thread::sleep_for(100ms);
  CHECK_EQ(receiver.requests(), 0);
  turns = true;
  REQUIRE(eventually([&] { return receiver.requests() >= 2; }));
  receiver.status = 200;
  REQUIRE(eventually([&] { return receiver.requests() >= 4; }));
  notifier.end();
  const std::string log = captured.text();
  CHECK_NE(log.find("heartbeat-failed"), std::string::npos);
  CHECK_NE(log.find("heartbeat-sound"), std::string::npos);
  CHECK_EQ(log.find("secret-path"), std::string::npos);
}

TEST_CASE("notifier: a reload takes a channel away and brings another, under way or not") {
  const WallClock clock;
  Receiver before, after;
  before.silent = true;
  Notifier notifier(parts_of(clock));
  notifier.set({"monitor-1", "", {hook("before", before)}, std::nullopt});
  notifier.start();
  notifier.tell("im-api", kUrgent);
  REQUIRE(eventually([&] { return before.requests() == 1; }));
  notifier.set({"monitor-1", "", {hook("after", after)}, std::nullopt});
  CHECK(eventually([&] { return after.titles().size() == 1; }));
  notifier.end();
  CHECK_EQ(notifier.counts().read().at({"after", "delivered"}), 1);
}

TEST_CASE(
    "facts of a notice: who is in power, what moved and how long it took, what still stands") {
  ServiceSnapshot shot;
  shot.policy.sites[0].name = "hz";
  shot.policy.sites[1].name = "sh";
  ServiceState& state = shot.state;
  CHECK_EQ(facts_of(shot).primary, "");
  state.primary = state.published = 1;
  state.phase = Phase::kSteady;
  Move move;
  move.id = "m1";
  move.from = 0;
  move.to = 1;
  move.outcome = "done";
  move.trigger = Instant{5'000'000'000};
  move.begun = Instant{7'000'000'000};
  move.ended = Instant{11'100'000'000};
  state.last_move = move;
  const NoticeFacts facts = facts_of(shot);
  CHECK_EQ(facts.primary, "sh");
  CHECK_EQ(facts.other, "hz");
  CHECK_EQ(facts.kind, "failover");
  CHECK_EQ(facts.from, "hz");
  CHECK_EQ(facts.took, "6.1 s");
  CHECK_EQ(since_of("move-ended", state).ns, 5'000'000'000);
  CHECK_EQ(since_of("hold-ended", state).ns, 0);
  for (const RuleWords& rule : rule_words()) {
    CHECK_FALSE(still_stands(rule.rule, state));
  }
  state.phase = Phase::kSuspect;
  state.refusal = "witness";
  state.apart = true;
  CHECK(still_stands("move-refused", state));
  CHECK(still_stands("sites-apart", state));
  CHECK_EQ(facts_of(shot).gate, "witness");
  state.phase = Phase::kStuck;
  CHECK_FALSE(still_stands("move-refused", state));
  CHECK(still_stands("stuck", state));
  state.publish = PublishJob{};
  state.publish->records.resize(2);
  CHECK_FALSE(still_stands("publish-refused", state));
  state.publish->records[1].refused = true;
  CHECK(still_stands("publish-refused", state));
}

TEST_CASE("troubles: providers that would refuse, agents that are silent for long, a full disk") {
  std::map<std::string, ServiceSnapshot> shots;
  ServiceSnapshot& shot = shots["im-api"];
  shot.policy.sites[0].name = "hz";
  shot.policy.sites[1].name = "sh";
  shot.policy.agents = true;
  shot.state.records.resize(2);
  const Instant now{100'000'000'000};
  CHECK(troubles_of(shots, now).empty());
  shot.state.records[1].provider_well = false;
  shot.state.records[1].provider_problem = "wrong key";
  SiteView& view = shot.state.sites[1];
  view.agent_heard = view.agent_silent = true;
  view.agent_at = now - 29s;
  view.agent_problem = "refused";
  shot.state.around.store_problem = "disk full";
  auto found = troubles_of(shots, now);
  CHECK_EQ(found.size(), 2);
  CHECK_EQ(found.at({"im-api", "preflight-failed"}).detail, "wrong key");
  CHECK_EQ(found.at({"", "store-failed"}).detail, "disk full");
  found = troubles_of(shots, now + 2s);
  CHECK_EQ(found.at({"im-api", "agent-silent"}).detail, "the agent of sh: refused");
  shot.policy.agents = false;
  CHECK_EQ(troubles_of(shots, now + 2s).size(), 2);
  for (const auto& [key, trouble] : found) {
    CHECK(is_trouble(key.second));
    CHECK(words_of_rule(key.second).lasting);
  }
}

TEST_CASE("notifier: a trouble is told once it lasts") {
  const WallClock clock;
  std::map<std::string, ServiceSnapshot> shots;
  shots["im-api"].state.records.resize(1);
  shots["im-api"].state.records[0].provider_well = false;
  shots["im-api"].state.records[0].provider_problem = "wrong key";
  Receiver receiver;
  Notifier::Parts parts = parts_of(clock);
  parts.look = [&] { return shots; };
  Notifier notifier(std::move(parts));
  notifier.set({"monitor-1", "", {hook("hook", receiver)}, std::nullopt});
  notifier.start();
  REQUIRE(eventually([&] { return !receiver.titles().empty(); }));
  notifier.end();
  CHECK_EQ(receiver.titles().at(0), "[URGENT] im-api: the provider would refuse a move");
}
