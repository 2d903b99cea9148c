// Order only what can be obeyed: every order that the core can give, as it travels, is one that a
// guard accepts in the situation it is meant for, and leads to a level that every driver can make.

#include "agent/guard.h"
#include "orchestrator/shell/agent_view.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr std::uint64_t kIncarnation = 7;
const Instant kStart = Instant{} + 1000s;
const Instant kNow = kStart + 30s;  // Promises of the start are over.

// The role in which a site gets this order, and what it shall be like afterwards.
struct Situation {
  OrderKind kind;
  Role before;
  int power;  // 0: the other site, 1: this one.
  Role after;
  Level level;
};

const std::vector<Situation> kSituations{
    {OrderKind::kAdopt, Role::kNone, 1, Role::kPrimary, Level::kPromote},
    {OrderKind::kAdopt, Role::kNone, 0, Role::kStandby, Level::kStandby},
    {OrderKind::kAdopt, Role::kPrimary, 0, Role::kFenced, Level::kFenced},
    {OrderKind::kPrepare, Role::kStandby, 1, Role::kStandby, Level::kStandby},
    {OrderKind::kFence, Role::kPrimary, 0, Role::kFenced, Level::kFenced},
    {OrderKind::kFence, Role::kStandby, 0, Role::kStandby, Level::kStandby},
    {OrderKind::kPromote, Role::kFenced, 1, Role::kPrimary, Level::kClosed},
    {OrderKind::kFollow, Role::kFenced, 0, Role::kStandby, Level::kStandby},
    {OrderKind::kVoid, Role::kStandby, 1, Role::kStandby, Level::kStandby},
    {OrderKind::kSurvey, Role::kStandby, 0, Role::kStandby, Level::kStandby},
    {OrderKind::kReseed, Role::kStandby, 0, Role::kFenced, Level::kFenced},
};

// Of these the reign is the one that is in force already.
bool is_of_the_present(OrderKind kind) {
  return kind == OrderKind::kSurvey || kind == OrderKind::kReseed;
}

Guard guard_in(Role role) {
  GuardRecord record;
  record.role = role;
  if (role != Role::kNone) {
    record.reign = record.highest_reign = {5, "00000000000000aa"};
    record.highest = 5;
    record.power = role == Role::kStandby ? "hz" : "sh";
    record.peer = "hz";
  }
  return Guard({"sh", "", record, kIncarnation, kStart, 0s});
}

Order as_it_travels(const Situation& situation) {
  ServicePolicy policy;
  policy.name = "s";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  SendOrder order;
  order.site = 1;
  order.kind = situation.kind;
  order.reign = is_of_the_present(situation.kind) ? Reign{5, "00000000000000aa"}
                                                  : Reign{6, "00000000000000bb"};
  order.power = situation.power;
  order.move = "m-6";
  // A standby that has not heard whether a lone lease is held is told by a person.
  order.asserted_off = situation.kind == OrderKind::kPrepare;
  Order wire = order_of(policy, order);
  wire.run = "00000000000000ff";
  wire.sequence = 1;
  wire.sender = "monitor";
  wire.token = {kIncarnation, kNow};
  const auto read = order_from(to_json(wire));
  REQUIRE(read.ok());
  return *read;
}

}  // namespace

TEST_CASE("every order of the core has a verb of the same name, and a situation") {
  for (int k = 0; k < kOrderKinds; ++k) {
    const auto kind = static_cast<OrderKind>(k);
    CAPTURE(std::string(to_string(kind)));
    bool known = false;
    for (const Situation& situation : kSituations) {
      if (situation.kind != kind) continue;
      known = true;
      CHECK_EQ(std::string(to_string(as_it_travels(situation).verb)), to_string(kind));
    }
    CHECK(known);
  }
}

TEST_CASE("a guard obeys it where it is meant to, and again when it comes once more") {
  for (const Situation& situation : kSituations) {
    CAPTURE(std::string(to_string(situation.kind)));
    CAPTURE(std::string(to_string(situation.before)));
    Guard guard = guard_in(situation.before);
    Order order = as_it_travels(situation);
    const GuardSight sight{false, "", "", true};
    const Verdict first = guard.on_order(order, sight, kNow);
    CHECK_MESSAGE(first.accepted, first.reason);
    CHECK_EQ(first.save, situation.kind != OrderKind::kSurvey);
    CHECK_EQ(std::string(to_string(guard.record().role)), to_string(situation.after));
    CHECK_EQ(std::string(to_string(guard.level(kNow))), to_string(situation.level));
    const GuardRecord kept = guard.record();
    order.sequence = 2;
    const Verdict again = guard.on_order(order, sight, kNow);
    CHECK_MESSAGE(again.accepted, again.reason);
    CHECK_FALSE(again.save);
    CHECK(guard.record() == kept);
  }
}
