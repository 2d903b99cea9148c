#include "orchestrator/shell/api_order.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

Result<ApiOrder> read(const std::string& verb, const std::string& body) {
  ServicePolicy policy;
  policy.name = "im-api";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  HttpCall call;
  call.path = "/api/v1/services/im-api/" + verb;
  call.body = body;
  call.peer_address = "unix";
  return read_order(call, policy);
}

std::string refusal(const std::string& verb, const std::string& body) {
  const auto order = read(verb, body);
  return order.ok() ? "accepted" : order.error().message;
}

}  // namespace

TEST_CASE("api order: what is understood") {
  const auto failover =
      read("failover", R"({"to":"sh","force":["witness","fence"],"assert_off":"hz",)"
                       R"("reason":"burnt","dry_run":true})");
  REQUIRE(failover.ok());
  CHECK(failover->dry_run);
  CHECK(failover->asked.kind == AskKind::kFailover);
  CHECK(failover->asked.to == 1);
  CHECK(failover->asked.asserted_off == 0);
  CHECK(failover->asked.reason == "burnt");
  CHECK(failover->asked.forced.count("witness") == 1);
  CHECK(failover->asked.actor == "operator via the control socket");
  const auto adopt = read("adopt", R"({"primary":"hz"})");
  REQUIRE(adopt.ok());
  CHECK(adopt->asked.to == 0);
  const auto pause = read("pause", R"({"for":"30m"})");
  REQUIRE(pause.ok());
  CHECK(pause->asked.lasting == Duration(30min));
  CHECK(read("cancel", "").ok());
  const auto planned = read("switchover", R"({"to":"sh","at":"2026-11-28T03:30:00+08:00"})");
  REQUIRE(planned.ok());
  CHECK(planned->asked.kind == AskKind::kSwitchover);
  CHECK(planned->asked.to == 1);
  CHECK(planned->asked.at_s == 1'795'836'600 - 8 * 3600);
}

TEST_CASE("api order: the way back names its site, and gives up nothing by itself") {
  const auto rejoin = read("rejoin", R"({"site":"hz"})");
  REQUIRE(rejoin.ok());
  CHECK(rejoin->asked.kind == AskKind::kRejoin);
  CHECK(rejoin->asked.to == 0);
  CHECK_FALSE(rejoin->asked.discard);
  CHECK(read("rejoin", R"({"site":"hz","discard_divergent":true})")->asked.discard);
  CHECK(refusal("rejoin", "{}") == "rejoin needs a site: which comes back?");
  CHECK(refusal("rejoin", R"({"site":"hz","discard_divergent":"yes"})") ==
        "discard_divergent: found \"yes\", allowed: true, false");
  CHECK(refusal("rejoin", R"({"to":"hz"})") ==
        "rejoin: found \"to\", allowed: site, discard_divergent, reason, dry_run");
  CHECK(read("failback", R"({"at":"2026-11-28T03:30:00+08:00"})")->asked.at_s > 0);
  CHECK(refusal("failback", R"({"force":["stable"]})") ==
        "failback: found \"force\", allowed: at, reason, dry_run");
}

TEST_CASE("api order: half understood is refused") {
  CHECK(refusal("failover", R"({"dryrun":true})") ==
        "failover: found \"dryrun\", allowed: to, force, assert_off, reason, dry_run");
  CHECK(refusal("failover", R"({"dry_run":"true"})") ==
        "dry_run: found \"true\", allowed: true, false");
  CHECK(refusal("failover", R"({"dry_run":1})") == "dry_run: found 1, allowed: true, false");
  CHECK(refusal("failover", R"({"to":1})") == "to: found 1, allowed: a text");
  CHECK(refusal("failover", R"({"to":""})") == "to: found \"\", allowed: hz, sh");
  CHECK(refusal("failover", R"({"to":"bj"})") == "to: found \"bj\", allowed: hz, sh");
  CHECK(refusal("failover", R"({"force":"witness"})") ==
        "force: found \"witness\", allowed: a list of gates");
  CHECK(refusal("failover", R"({"force":["leader"]})").starts_with("force: found \"leader\""));
  CHECK(refusal("failover", R"({"force":[["witness"]]})").starts_with("force: found"));
  CHECK(refusal("failover", R"({"assert_off":"hz"})").starts_with("assert_off needs a reason"));
  CHECK(refusal("failover", R"({"primary":"hz"})").starts_with("failover: found \"primary\""));
  CHECK(refusal("adopt", R"({"primary":"hz","dry_run":true})").starts_with("adopt: found"));
  CHECK(refusal("pause", R"({"for":30})") == "for: found 30, allowed: a text");
  CHECK(refusal("pause", R"({"for":"soon"})").starts_with("for: found \"soon\""));
  CHECK(refusal("pause", R"({"reason":")" + std::string(600, 'x') + "\"}") ==
        "reason: found a longer text, allowed: at most 500 bytes");
  CHECK(refusal("switchover", R"({"to":"sh","at":"03:30"})").starts_with("at: found \"03:30\""));
  CHECK(refusal("switchover", R"({"assert_off":"hz","reason":"x"})").starts_with("switchover: "));
  CHECK(refusal("failover", R"({"at":"2026-11-28T03:30:00Z"})").starts_with("failover: found"));
  CHECK(refusal("pause", "[]") == "the body must be a JSON object");
  CHECK(refusal("pause", R"({"for":"1m","for":"2m"})") != "accepted");
  CHECK(refusal("explode", "{}") == "no such order");
}
