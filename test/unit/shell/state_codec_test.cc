#include "orchestrator/shell/state_codec.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

ServicePolicy policy() {
  ServicePolicy policy;
  policy.name = "im-api";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  return policy;
}

KeptState busy() {
  KeptState kept;
  ServiceState& s = kept.state;
  kept.widest = 24h;
  s.phase = Phase::kPromoting;
  s.reign = {41, "aaaa"};
  s.primary = 0;
  s.published = 0;
  s.issued = 42;
  s.hold = {true, "work on the line", "root", {}, 900s};
  s.restored = true;
  s.restored_why = "why";
  Move move;
  move.id = "m-1";
  move.kind = MoveKind::kFailover;
  move.automatic = true;
  move.actor = "pointsman";
  move.from = 0;
  move.to = 1;
  move.reign = {42, "bbbb"};
  move.former = {41, "aaaa"};
  move.trigger = Instant{} + 100s;
  move.begun = Instant{} + 102s;
  move.steps = {{"prepare", StepState::kDone, Instant{} + 102s, Instant{} + 103s, "x"}};
  move.timeline = {{Instant{} + 100s, "first failed probe"}};
  move.forced = {"record"};
  move.fence_left = true;
  move.promote_left = true;
  move.void_first = {40, "cccc"};
  move.lost = Loss{{{"mysql", "transactions", 3, 500, false, "read at hz after its fence"},
                    {"redis", "bytes", std::nullopt, std::nullopt, false, "not known"}},
                   false,
                   2500ms};
  move.arrived_until = Instant{} + 99s;
  move.closed_at = Instant{} + 101s;
  s.last_move = move;
  move.kind = MoveKind::kSwitchover;
  move.positions = {{"mysql", "0-1-7", "transactions"}, {"redis", "aa:5", "bytes"}};
  s.move = move;
  s.follow = FollowJob{0, {42, "bbbb"}, "m-1", {}, true, true};
  s.appointment = Appointment{
      1,         1'795'836'600, "2026-11-28T03:30:00Z", {"replication"}, "root", "kernel upgrade",
      "not kept"};
  s.publish = PublishJob{1, {42, "bbbb"}, "m-1", Instant{} + 103s, {RecordProgress{}}};
  s.publish->records[0].accepted = true;
  s.fence = FenceJob{0, {42, "bbbb"}, "m-1", true};
  s.automatic_moves = {Instant{} + 50s, Instant{} + 102s};
  Evidence evidence;
  evidence.at = Instant{} + 99s;
  evidence.applier_running = true;
  evidence.has_stores = true;
  evidence.caught_up_age = 300ms;
  evidence.told_age = 200ms;
  s.sites[1].evidence.push_back(evidence);
  return kept;
}

}  // namespace

TEST_CASE("what is durable comes back as it went") {
  const KeptState before = busy();
  const std::string text = encode_state(policy(), before);
  const auto after = decode_state(policy(), text, Instant{} + 200s);
  REQUIRE(after.ok());
  CHECK_EQ(encode_state(policy(), *after), text);
  CHECK_EQ(after->state.move->void_first, before.state.move->void_first);
  CHECK(after->state.move->promote_left);
  CHECK(after->state.fence->acknowledged);
  CHECK_EQ(after->widest, 24h);
  REQUIRE(after->state.move->lost.has_value());
  CHECK_EQ(after->state.move->lost->stores[0].missing, 3U);
  CHECK_EQ(after->state.move->lost->stores[0].taken_over, 500U);
  CHECK_FALSE(after->state.move->lost->stores[1].missing.has_value());
  CHECK_EQ(after->state.move->positions, before.state.move->positions);
  CHECK_FALSE(after->state.last_move->positions.has_value());
  REQUIRE(after->state.follow.has_value());
  CHECK(after->state.follow->reached);
  CHECK_FALSE(after->state.follow->told);
  REQUIRE(after->state.appointment.has_value());
  CHECK_EQ(after->state.appointment->at_s, 1'795'836'600);
  CHECK_EQ(after->state.appointment->forced, std::set<std::string>{"replication"});
  CHECK_EQ(after->state.appointment->refusal, "");
  CHECK_EQ(after->state.move->arrived_until, Instant{} + 99s);
  CHECK_EQ(*after->state.sites[1].evidence[0].caught_up_age, 300ms);
}

TEST_CASE("a way back comes back as it went; a state without one loads as before") {
  KeptState before = busy();
  RejoinJob job;
  job.move.id = "r-1";
  job.move.kind = MoveKind::kRejoin;
  job.move.to = 0;
  job.move.from = 1;
  job.move.reign = {42, "bbbb"};
  job.move.steps.push_back({"survey", StepState::kDone, Instant{} + 90s, Instant{} + 91s, "x"});
  job.discard = job.reseeding = true;
  before.state.rejoin = job;
  before.state.failback_offered = {42, "bbbb"};
  const std::string text = encode_state(policy(), before);
  const auto after = decode_state(policy(), text, Instant{} + 200s);
  REQUIRE(after.ok());
  CHECK_EQ(encode_state(policy(), *after), text);
  REQUIRE(after->state.rejoin.has_value());
  CHECK(after->state.rejoin->reseeding);
  CHECK(after->state.rejoin->is_on());
  CHECK_EQ(after->state.rejoin->move.steps.at(0).detail, "x");
  CHECK(after->state.failback_offered == before.state.failback_offered);
  const auto older = decode_state(policy(), encode_state(policy(), busy()), Instant{} + 200s);
  REQUIRE(older.ok());
  CHECK_FALSE(older->state.rejoin.has_value());
  CHECK_FALSE(older->state.failback_offered.any());
}

TEST_CASE("instants of a former boot become the present") {
  const auto after = decode_state(policy(), encode_state(policy(), busy()), Instant{} + 10s);
  REQUIRE(after.ok());
  CHECK_EQ(after->state.automatic_moves.back(), Instant{} + 10s);
  CHECK_EQ(after->state.move->begun, Instant{} + 10s);
}

TEST_CASE("a state of other sites, another version or no JSON is refused") {
  ServicePolicy other = policy();
  other.sites[0].name = "bj";
  const std::string text = encode_state(policy(), busy());
  CHECK_FALSE(decode_state(other, text, Instant{}).ok());
  CHECK_FALSE(decode_state(policy(), "{", Instant{}).ok());
  CHECK_FALSE(decode_state(policy(), R"({"version":2})", Instant{}).ok());
  CHECK_FALSE(decode_state(policy(), R"({"version":1,"phase":"dancing"})", Instant{}).ok());
}

TEST_CASE("evidence of a former boot is not taken for new") {
  const std::string text = encode_state(policy(), busy());
  const auto after = decode_state(policy(), text, Instant{} + 30s);
  REQUIRE(after.ok());
  CHECK(after->state.sites[1].evidence.empty());
}
