#include "agent/protocol.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

const Reign kReign{18446744073709551615U, "00112233aabbccdd"};

ServiceReport full_report() {
  ServiceReport report;
  report.service = "im-api";
  report.site = "hz";
  report.token = {18446744073709551615U, Instant{9007199254740993}};
  report.role = Role::kPrimary;
  report.reign = kReign;
  report.power = "hz";
  report.highest = 18446744073709551615U;
  report.prepared = Prepared{{7, "0123456789abcdef"}, "m1", 9s};
  report.voided = {6, "fedcba9876543210"};
  report.fenced = 5;
  report.promoted = 4;
  report.writable = report.writable_known = true;
  report.lease_rest = 2999ms;
  report.lone = true;
  report.monitor_vouch = 77;
  report.monitor_run = "run-1";
  report.fence_bound = 500ms;
  report.deadman_armed = report.deadman_available = true;
  report.promise_rest = 4s;
  report.caught_up_age = 250ms;
  StoreReport store;
  store.name = "mysql";
  store.liveness = Liveness::kHung;
  store.writable = store.replica = store.receiver_running = store.applier_running = true;
  store.source = "192.0.2.1:3306";
  store.executed = "0-1-5";
  store.received = "0-1-6";
  store.lag = 1500ms;
  store.errant = "0-2-1";
  store.semi_sync = true;
  store.detail = "says \"no\"";
  store.age = 90ms;
  store.semi_sync = true;
  store.semi_sync_for = 24h;
  store.unit = "transactions";
  store.executed_count = 100;
  store.taken_over = 90;
  store.caught_up_age = 250ms;
  store.told_age = 150ms;
  report.stores.push_back(store);
  report.units.push_back({"api.service", false, true, "running"});
  report.peer = {true, 400ms, Role::kStandby, {3, "0000000000000003"}, true};
  report.advertise = {{"mysql", "192.0.2.1:3306"}};
  report.witness.push_back({"sh", "im-api/sh/0", 1, 0, "fail", 30ms, "refused"});
  report.monitor_counter = 12;
  report.spec_version = 3;
  report.trouble = "mysql does not answer";
  report.prepare_refusal = "we see the site in power up";
  report.catch_up = CaughtUp{"m1", false, "mysql is at 0-1-5, the old site ended at 0-1-7"};
  report.rejoin = RejoinReport{"m2",     "copying", true, "mysql: 0-101-4..7",   "", "/b/m2",
                               "3 rows", "mysql",   5,    std::uint64_t{1} << 40};
  report.host = "db1";
  report.vip = VipReport{true, 5s, 1s, false};
  report.taken = Taken{{53, "0000000000000053"}, {"sh", "root", "rack on fire", "now"}};
  return report;
}

Order full_order() {
  Order order;
  order.run = "r";
  order.sequence = 9;
  order.sender = "monitor";
  order.service = "im-api";
  order.site = "sh";
  order.verb = Verb::kPromote;
  order.reign = kReign;
  order.power = "sh";
  order.move = "m1";
  order.token = {3, Instant{5}};
  order.automatic = order.old_fenced = order.asserted_off = order.replication_forced = true;
  order.lease = 6s;
  order.order_ttl = 4s;
  order.prepare_ttl = 11s;
  order.max_lag = 2s;
  order.counter = 8;
  order.dry_run = true;
  order.positions = {{"mysql", "0-1-7"}, {"redis", "aa:5"}};
  return order;
}

PollRequest full_poll() {
  PollRequest request{"run", 4, "monitor", 6, {}};
  ServicePoll poll;
  poll.service = "im-api";
  poll.vouch = Vouch{5, kReign, {3, Instant{5}}, 24h, true};
  poll.renewal = PrepareRenewal{kReign, "m1"};
  poll.lease = 6s;
  poll.prepare_ttl = 11s;
  poll.spec_version = 2;
  poll.witness = Json(Json::Array{Json::object({{"site", "hz"}})});
  poll.hurry = {"hz"};
  poll.own = full_report();
  request.services.push_back(poll);
  return request;
}

// The dump read back, as a message that came over the wire.
Json wire(const Json& json) {
  auto parsed = Json::parse(json.dump());
  REQUIRE(parsed.ok());
  return *parsed;
}

std::string order_error(const Json& json) {
  const auto order = order_from(json);
  return order.ok() ? "" : order.error().message;
}

}  // namespace

TEST_CASE("every message survives the wire whole") {
  const Json report = to_json(full_report());
  const auto report_back = service_report_from(wire(report));
  REQUIRE(report_back.ok());
  CHECK_EQ(to_json(*report_back).dump(), report.dump());
  CHECK_EQ(report_back->token, full_report().token);
  CHECK_EQ(report_back->stores[0].liveness, Liveness::kHung);
  CHECK_EQ(*report_back->stores[0].lag, 1500ms);
  CHECK_EQ(report_back->reign, kReign);

  const Json order = to_json(full_order());
  const auto order_back = order_from(wire(order));
  REQUIRE(order_back.ok());
  CHECK_EQ(to_json(*order_back).dump(), order.dump());
  CHECK_EQ(order_back->verb, Verb::kPromote);

  const Json poll = to_json(full_poll());
  const auto poll_back = poll_request_from(wire(poll));
  REQUIRE(poll_back.ok());
  CHECK_EQ(to_json(*poll_back).dump(), poll.dump());
  CHECK_EQ(poll_back->services[0].vouch->lease, 24h);

  const Json reply = to_json(PollReply{"hz", 1, {full_report()}});
  const auto reply_back = poll_reply_from(wire(reply));
  REQUIRE(reply_back.ok());
  CHECK_EQ(to_json(*reply_back).dump(), reply.dump());

  const Json answer = to_json(OrderReply{true, "done", full_report(), {"SET GLOBAL"}});
  const auto answer_back = order_reply_from(wire(answer));
  REQUIRE(answer_back.ok());
  CHECK_EQ(to_json(*answer_back).dump(), answer.dump());
}

TEST_CASE("an order that is not exactly one of ours is refused, and the member is named") {
  const Json good = to_json(full_order());
  CHECK_EQ(order_error(good), "");
  CHECK_EQ(order_error(Json(good).set("verb", "run-shell")),
           "order.verb: unknown verb \"run-shell\"");
  CHECK_EQ(order_error(Json(good).set("verb", 3)), "order.verb: must be a text");
  CHECK_EQ(order_error(Json(good).set("lease_ms", -1)),
           "order.lease_ms: must be whole milliseconds, 200 to 600000");
  CHECK_NE(order_error(Json(good).set("lease_ms", std::int64_t{600001})), "");
  CHECK_NE(order_error(Json(good).set("lease_ms", 1.5)), "");
  CHECK_NE(order_error(Json(good).set("order_ttl_ms", std::int64_t{3600000})), "");
  CHECK_NE(order_error(Json(good).set("sequence", 9)), "");
  CHECK_NE(order_error(Json(good).set("sequence", "18446744073709551616")), "");
  CHECK_NE(order_error(Json(good).set("sequence", "-1")), "");
  CHECK_NE(order_error(Json(good).set("sequence", "007")), "");
  CHECK_NE(order_error(Json(good).set("automatic", 1)), "");
  CHECK_NE(order_error(Json(good).set("site", nullptr)), "");
  CHECK_NE(order_error(Json(good).set("move", "")), "");
  CHECK_NE(order_error(Json(good).set("token", "x")), "");
  CHECK_NE(order_error(Json(good).set("reign", Json::object({{"epoch", "4"}, {"id", "XYZ"}}))), "");
  CHECK_NE(order_error(Json(good).set("reign", Json::object({{"epoch", "0"}, {"id", ""}}))), "");
  CHECK_NE(order_error(Json::array()), "");
  CHECK_NE(order_error(Json()), "");
}

TEST_CASE("a poll with a lease beyond all bounds is refused") {
  PollRequest request = full_poll();
  request.services[0].vouch->lone = false;
  CHECK_FALSE(poll_request_from(to_json(request)).ok());
  request.services[0].vouch->lease = 10min;
  CHECK(poll_request_from(to_json(request)).ok());
  request.services[0].vouch->lone = true;
  request.services[0].vouch->lease = 24h * 8;
  CHECK_FALSE(poll_request_from(to_json(request)).ok());
}

TEST_CASE("a report of another version is read as far as it goes; a wrong type is refused") {
  const auto bare = service_report_from(Json::object({{"service", "a"}, {"site", "hz"}}));
  REQUIRE(bare.ok());
  CHECK_EQ(bare->fence_bound, kFenceBoundUnarmed);
  CHECK_EQ(bare->role, Role::kNone);
  CHECK_FALSE(bare->caught_up_age.has_value());

  Json newer = to_json(full_report());
  newer.set("colour", "blue");
  CHECK(service_report_from(newer).ok());
  CHECK_FALSE(service_report_from(Json(newer).set("role", "emperor")).ok());
  CHECK_FALSE(service_report_from(Json(newer).set("lone", "yes")).ok());
  CHECK_FALSE(service_report_from(Json(newer).set("stores", 5)).ok());
  CHECK_FALSE(service_report_from(Json::object({{"site", "hz"}})).ok());
}

TEST_CASE("what is owed is never told shorter, a lease never longer") {
  ServiceReport report = full_report();
  report.promise_rest = 1000001us;
  report.lease_rest = 1999999us;
  report.caught_up_age = 100001us;
  const auto back = service_report_from(to_json(report));
  REQUIRE(back.ok());
  CHECK_EQ(back->promise_rest, 1001ms);
  CHECK_EQ(back->lease_rest, 1999ms);
  CHECK_EQ(*back->caught_up_age, 101ms);
}
