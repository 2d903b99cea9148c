#include "providers/aliyun_backends.h"

#include "base/json.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace pointsman;

namespace {

const RecordKey kKey{"cn-hangzhou", "lb-bp1o94dp5i6earr9g6d1l", "SLB"};

Balancer balancer(std::vector<Backend> backends) {
  Balancer out;
  out.set.key = kKey;
  out.backends = std::move(backends);
  for (const Backend& backend : out.backends) {
    if (backend.weight > 0) out.set.values.push_back(backend.id);
  }
  return out;
}

Change change(std::vector<std::string> desired, std::vector<std::string> expected = {}) {
  Change out;
  out.key = kKey;
  out.desired = std::move(desired);
  out.expected = std::move(expected);
  return out;
}

// "i-b=100 i-a=0 | i-c=0": a bar between calls.
std::string told(const Result<std::vector<std::vector<Backend>>>& calls) {
  if (!calls.ok()) return std::string("no: ") + calls.error().message;
  std::string out;
  for (const auto& call : *calls) {
    if (!out.empty()) out += " |";
    for (const Backend& backend : call) {
      out += fmt::format("{}{}={}", out.empty() ? "" : " ", backend.id, backend.weight);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("one call raises the new site and lowers the old one") {
  const Balancer now = balancer({{"i-a", 100, "ecs", ""}, {"i-b", 0, "ecs", ""}});
  CHECK_EQ(told(plan_backends(now, change({"i-b"}))), "i-b=100 i-a=0");
  CHECK_EQ(told(plan_backends(now, change({"i-a"}))), "");
  CHECK_EQ(told(plan_backends(now, change({"i-a", "i-b"}))), "i-b=100");
}

TEST_CASE("a weight that an operator chose stays") {
  const Balancer now = balancer({{"i-a", 100, "ecs", ""}, {"i-b", 30, "ecs", ""}});
  CHECK_EQ(told(plan_backends(now, change({"i-b"}))), "i-a=0");
}

TEST_CASE("with many servers all that rise come in calls before all that fall") {
  std::vector<Backend> backends;
  std::vector<std::string> fresh;
  for (int k = 0; k < 25; ++k) {
    backends.push_back({fmt::format("i-old{}", k), 100, "ecs", ""});
    backends.push_back({fmt::format("i-new{}", k), 0, "ecs", ""});
    fresh.push_back(backends.back().id);
  }
  const auto calls = plan_backends(balancer(backends), change(fresh));
  REQUIRE(calls.ok());
  REQUIRE_EQ(calls->size(), 3);
  int raised = 0;
  bool falling = false;
  for (const auto& call : *calls) {
    CHECK_LE(call.size(), kBackendsAtOnce);
    for (const Backend& backend : call) {
      falling = falling || backend.weight == 0;
      CHECK_EQ(falling, backend.weight == 0);
      if (backend.weight > 0) ++raised;
    }
  }
  CHECK_EQ(raised, 25);
}

TEST_CASE("a server that is no member ends it before anything is sent") {
  const auto calls = plan_backends(balancer({{"i-a", 100, "ecs", ""}}), change({"i-b"}));
  REQUIRE_FALSE(calls.ok());
  CHECK_EQ(calls.error().code, ErrorCode::kNotFound);
}

TEST_CASE("a server of nobody that receives users is a conflict") {
  const Balancer now = balancer({{"i-a", 100, "ecs", ""}, {"i-z", 1, "ecs", ""}});
  CHECK_FALSE(compare_backends(now, change({"i-b"}, {"i-a"})).ok());
  CHECK(compare_backends(now, change({"i-b"}, {"i-a", "i-z"})).ok());
}

TEST_CASE("the parameter names the address of what is no ECS instance") {
  CHECK_EQ(backends_text({{"i-a", 100, "ecs", "192.0.2.1"}, {"eni-b", 0, "eni", "192.0.2.2"}}),
           R"([{"ServerId":"i-a","Weight":"100","Type":"ecs"},)"
           R"({"ServerId":"eni-b","Weight":"0","Type":"eni","ServerIp":"192.0.2.2"}])");
}

TEST_CASE("keys and changes of a load balancer are checked") {
  CHECK(check_balancer(kKey).ok());
  CHECK_FALSE(check_balancer({"cn-hangzhou", "lb-x", "A"}).ok());
  CHECK_FALSE(check_balancer({"example.test", "lb-x", "SLB"}).ok());
  CHECK_FALSE(check_balancer({"cn-hangzhou", "lb x", "SLB"}).ok());
  CHECK_FALSE(check_backends(change({})).ok());
  CHECK_FALSE(check_backends(change({"i-a\n"})).ok());
  Change bad = change({"i-a"});
  bad.mark = std::string(201, 'x');
  CHECK_FALSE(check_backends(bad).ok());
  CHECK_EQ(check_backends(change({"i-b", "i-a", "i-b"}))->desired,
           std::vector<std::string>{"i-a", "i-b"});
}

TEST_CASE("the vendor's answers are read, and those that lack parts are not") {
  const auto answer = Json::parse(R"({"LoadBalancerStatus":"active","BackendServers":{
    "BackendServer":[{"ServerId":"i-b","Weight":"100","Type":"ecs"},{"ServerId":"i-a","Weight":7},
    {"ServerId":"i-c","Weight":0}]}})");
  const auto read = parse_balancer(kKey, *answer);
  REQUIRE(read.ok());
  CHECK_EQ(read->set.values, std::vector<std::string>{"i-a", "i-b"});
  CHECK_EQ(read->status, "active");
  for (const char* text :
       {"{}", R"({"BackendServers":[]})",
        R"({"BackendServers":{"BackendServer":[{"ServerId":"i-a"}]}})",
        R"({"BackendServers":{"BackendServer":[{"Weight":1}]}})",
        R"({"BackendServers":{"BackendServer":[{"ServerId":"a","Weight":"x"}]}})",
        R"({"BackendServers":{"BackendServer":[{"ServerId":"a","Weight":101}]}})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_balancer(kKey, Json::parse(text).value()).ok());
  }
}

TEST_CASE("a site all of whose servers fail every check is not pointed at") {
  const std::vector<BackendHealth> health{{"i-a", "abnormal"},
                                          {"i-a", "normal"},
                                          {"i-b", "abnormal"},
                                          {"i-b", "abnormal"},
                                          {"i-c", "unavailable"}};
  CHECK(judge_backend_health(health, {"i-a"}).ok());
  CHECK(judge_backend_health(health, {"i-c"}).ok());
  CHECK(judge_backend_health(health, {"i-b", "i-a"}).ok());
  CHECK(judge_backend_health(health, {"i-unknown"}).ok());
  const auto refused = judge_backend_health(health, {"i-b"});
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kRefused);
  CHECK_NE(refused.error().message.find("i-b"), std::string::npos);
}
