#include "orchestrator/shell/vouch_book.h"

#include <doctest/doctest.h>

#include "orchestrator/shell/voucher.h"

using namespace pointsman;

namespace {

constexpr Duration kW = 4497ms;         // W of 3 s with the dead-man switch armed.
constexpr Duration kWUnarmed = 9492ms;  // W of 3 s without it.

Instant at(Duration d) { return Instant{} + d; }

ServiceReport report_of(Role role, std::uint64_t epoch, Duration lease) {
  ServiceReport report;
  report.service = "im-api";
  report.site = "hz";
  report.token = {7, at(100s)};
  report.role = role;
  report.reign = {epoch, "r"};
  report.lease_rest = lease;
  report.fence_bound = kFenceBoundArmed;
  return report;
}

struct Scene {
  VouchBook book{"run-1"};
  std::uint64_t sequence = 100;
  const std::string name = "im-api";

  Scene() {
    VouchTerms terms;
    terms.sites = {"hz", "sh"};
    terms.witness = {Json::array(), Json::array()};
    book.set_service("im-api", terms, 3s, at(0s));
  }
  std::optional<Vouch> poll(int site) {
    return book.request("monitor", {{"im-api", site}}).services.at(0).vouch;
  }
  bool hear(int site, const ServiceReport& report, Instant now) {
    return book.heard({name, site, report, ++sequence}, now);
  }
};

}  // namespace

TEST_CASE("a run begins as if it had just vouched for both sites") {
  Scene scene;
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(kWUnarmed));
  CHECK_EQ(scene.book.promise_end("im-api", 1), at(kWUnarmed));
}

TEST_CASE("no vouch without a token, without a wish, or for another reign") {
  Scene scene;
  CHECK_FALSE(scene.poll(0));
  scene.book.wish("im-api", {0, {1, "r"}, false});
  CHECK_FALSE(scene.poll(0));
  scene.hear(0, report_of(Role::kPrimary, 1, 2s), at(1s));
  REQUIRE(scene.poll(0));
  CHECK_FALSE(scene.poll(1));
  scene.hear(0, report_of(Role::kPrimary, 2, 2s), at(2s));
  CHECK_FALSE(scene.poll(0));
}

TEST_CASE("the promise counts from the receipt of the token, not from the sending of the vouch") {
  Scene scene;
  scene.book.wish("im-api", {0, {1, "r"}, false});
  scene.hear(0, report_of(Role::kPrimary, 1, 2s), at(20s));
  const auto vouch = scene.poll(0);
  REQUIRE(vouch);
  CHECK_EQ(vouch->token.n, at(100s));
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(20s + kW));
}

TEST_CASE("a stop holds at once, and what is owed stays owed") {
  Scene scene;
  scene.book.wish("im-api", {0, {1, "r"}, false});
  scene.hear(0, report_of(Role::kPrimary, 1, 2s), at(20s));
  REQUIRE(scene.poll(0));
  scene.book.stop("im-api");
  CHECK_FALSE(scene.poll(0));
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(20s + kW));
}

TEST_CASE("a lapsed reign is opened again only when both agents answered in this run") {
  Scene scene;
  scene.book.wish("im-api", {0, {1, "r"}, false});
  scene.hear(0, report_of(Role::kPrimary, 1, 0s), at(20s));
  CHECK_FALSE(scene.poll(0));
  scene.hear(1, report_of(Role::kStandby, 1, 0s), at(20s));
  CHECK(scene.poll(0));
}

TEST_CASE("a monitor that was restored vouches for nobody") {
  Scene scene;
  scene.book.set_counter(5);
  scene.book.wish("im-api", {0, {1, "r"}, false});
  ServiceReport report = report_of(Role::kPrimary, 1, 2s);
  report.monitor_counter = 6;
  scene.hear(0, report, at(20s));
  CHECK_FALSE(scene.poll(0));
  scene.book.set_counter(6);
  CHECK(scene.poll(0));
}

TEST_CASE("a reply to an older request is ignored") {
  Scene scene;
  CHECK(scene.book.heard({scene.name, 0, report_of(Role::kPrimary, 1, 2s), 9}, at(1s)));
  CHECK_FALSE(scene.book.heard({scene.name, 0, report_of(Role::kFenced, 1, 0s), 8}, at(2s)));
  CHECK_FALSE(scene.book.heard({scene.name, 0, report_of(Role::kFenced, 1, 0s), 9}, at(2s)));
}

TEST_CASE("a lone lease waits for its durable bound, and only the site's own word shortens it") {
  Scene scene;
  scene.book.wish("im-api", {0, {1, "r"}, true});
  scene.hear(0, report_of(Role::kPrimary, 1, 2s), at(20s));
  auto vouch = scene.poll(0);
  REQUIRE(vouch);
  CHECK_FALSE(vouch->lone);
  scene.book.set_widest("im-api", 24h);
  vouch = scene.poll(0);
  REQUIRE(vouch);
  CHECK(vouch->lone);
  CHECK_EQ(vouch->lease, 24h);
  CHECK_GT(scene.book.promise_end("im-api", 0), at(24h));

  scene.book.wish("im-api", {0, {1, "r"}, false});
  vouch = scene.poll(0);
  REQUIRE(vouch);
  CHECK_FALSE(vouch->lone);
  CHECK_GT(scene.book.promise_end("im-api", 0), at(24h));
  CHECK_FALSE(scene.book.only_ordinary("im-api", at(21s)));
  ServiceReport told = report_of(Role::kPrimary, 1, 3s);
  told.monitor_run = "run-1";
  told.monitor_vouch = vouch->number;
  scene.hear(0, told, at(22s));
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(20s + kW));
  CHECK(scene.book.only_ordinary("im-api", at(22s)));
}

TEST_CASE("a site's word about another run of the monitor shortens nothing") {
  Scene scene;
  ServiceReport told = report_of(Role::kPrimary, 1, 3s);
  told.monitor_run = "run-0";
  told.monitor_vouch = 999;
  scene.hear(0, told, at(1s));
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(kWUnarmed));
}

TEST_CASE("a fence acknowledged in a number as high as the reign releases; a lower one does not") {
  Scene scene;
  scene.book.wish("im-api", {0, {3, "r"}, false});
  scene.hear(0, report_of(Role::kPrimary, 3, 2s), at(20s));
  REQUIRE(scene.poll(0));
  ServiceReport fenced = report_of(Role::kFenced, 2, 0s);
  fenced.fenced = 2;
  scene.hear(0, fenced, at(21s));
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(20s + kW));
  fenced = report_of(Role::kFenced, 3, 0s);
  fenced.fenced = 4;
  scene.hear(0, fenced, at(21s));
  CHECK_EQ(scene.book.promise_end("im-api", 0), Instant{0});
}

TEST_CASE(
    "an adopt order to the site it crowns is a vouch: its promise is made when it is addressed") {
  Scene scene;
  ServiceReport never = report_of(Role::kNone, 0, 0s);
  scene.hear(0, never, at(20s));
  Order order;
  order.service = "im-api";
  order.site = "hz";
  order.power = "hz";
  order.verb = Verb::kAdopt;
  order.reign = {1, "r"};
  scene.book.address(order, 0, at(21s));
  CHECK_EQ(order.token, never.token);
  CHECK_EQ(scene.book.promise_end("im-api", 0), at(20s + kW));
}

TEST_CASE("messages of all kinds share one numbering") {
  Scene scene;
  const auto first = scene.book.request("monitor", {{"im-api", 0}}).sequence;
  Order order;
  order.service = "im-api";
  scene.book.address(order, 0, at(1s));
  CHECK_EQ(order.sequence, first + 1);
  CHECK_EQ(scene.book.request("monitor", {{"im-api", 1}}).sequence, first + 2);
}

TEST_CASE("the polls of a dry run ask and say nothing") {
  Scene scene;
  scene.book.wish("im-api", {0, {1, "r"}, false});
  scene.book.set_renewal("im-api", 0, PrepareRenewal{{2, "s"}, "m-1"});
  scene.book.set_counter(17);
  scene.hear(0, report_of(Role::kPrimary, 1, 2s), at(20s));
  const PollRequest real = scene.book.request("monitor", {{"im-api", 0}});
  REQUIRE(real.services.at(0).vouch);
  REQUIRE(real.services.at(0).renewal);
  const PollRequest dry = only_asking(real, 9);
  CHECK(dry.dry_run);
  CHECK_EQ(dry.counter, 9U);
  CHECK_FALSE(dry.services.at(0).vouch);
  CHECK_FALSE(dry.services.at(0).renewal);
}
