#include "providers/aliyun_slb.h"

#include "base/json.h"
#include "test/conformance/provider_suite.h"
#include "test/unit/providers/slb_scene.h"

#include <doctest/doctest.h>

#include <map>

using namespace pointsman;
using namespace pointsman::slb;

namespace {

constexpr Duration kWithin = 5s;

// Servers stand for the addresses of the suite.
const std::map<std::string, std::string> kServers{
    {"192.0.2.10", "i-hz0"},    {"192.0.2.11", "i-hz1"},    {"192.0.2.30", "i-hz3"},
    {"198.51.100.20", "i-sh0"}, {"198.51.100.21", "i-sh1"}, {"198.51.100.22", "i-sh2"},
    {"203.0.113.99", "i-zz"}};

class SlbBench : public ProviderBench {
 public:
  Provider& provider() override { return *provider_; }
  RecordKey fresh_key(const std::string& type) override {
    FakeBalancer balancer{.id = fmt::format("lb-{}", ++names_), .region = "cn-hangzhou"};
    for (const auto& [address, id] : kServers) balancer.backends.push_back({.id = id, .weight = 0});
    fake_.with([&](FakeAliyun::World& world) { world.balancers.push_back(balancer); });
    return {"cn-hangzhou", balancer.id, type};
  }
  void put(const RecordSet& set) override {
    with_backends(set.key, [&](FakeBackend& backend) {
      const bool named =
          std::find(set.values.begin(), set.values.end(), backend.id) != set.values.end();
      backend.weight = named ? 100 : 0;
    });
    ++puts_;
  }
  RecordSet get(const RecordKey& key) override {
    RecordSet out;
    out.key = key;
    with_backends(key, [&](FakeBackend& backend) {
      if (backend.weight > 0) out.values.push_back(backend.id);
    });
    std::sort(out.values.begin(), out.values.end());
    return out;
  }
  long changes() override { return fake_.changes() + puts_; }
  long writes() override { return fake_.writes(); }
  std::vector<std::string> types() override { return {"SLB"}; }
  std::string value(const std::string& address) override {
    const auto found = kServers.find(address);
    return found == kServers.end() ? "no id!" : found->second;
  }
  bool keeps(const std::string&) override { return false; }
  bool has_ttl() override { return false; }
  bool folds_case() override { return false; }
  bool knows_cname() override { return false; }

 private:
  void with_backends(const RecordKey& key, const std::function<void(FakeBackend&)>& use) {
    fake_.with([&](FakeAliyun::World& world) {
      for (FakeBalancer& balancer : world.balancers) {
        if (balancer.id != key.name) continue;
        for (FakeBackend& backend : balancer.backends) use(backend);
      }
    });
  }

  FakeAliyun fake_;
  std::unique_ptr<Provider> provider_ =
      std::move(make_provider(aliyun_settings(fake_, "aliyun-slb"), system_clock())).value();
  int names_ = 0;
  int puts_ = 0;
};

}  // namespace

TEST_CASE("aliyun-slb: a server whose id repeats our secret is not shown") {
  SlbScene scene;
  scene.fake.with([](FakeAliyun::World& world) {
    world.balancers.front().backends.push_back({.id = "i-testsecret"});
  });
  const auto done = scene.provider->replace(scene.change(), kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK(has(done.error().message, "holds i-***"));
}

TEST_CASE("aliyun-slb keeps the provider contract") {
  SlbBench bench;
  run_provider_suite(bench);
}

TEST_CASE("aliyun-slb: one call moves the users, the health of the new site is asked before") {
  SlbScene scene;
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.weights(), kMoved);
  std::string told;
  for (const FakeCall& call : scene.fake.calls()) told += call.action + " ";
  CHECK_EQ(told,
           "DescribeLoadBalancerAttribute DescribeHealthStatus SetBackendServers "
           "DescribeLoadBalancerAttribute ");
  CHECK(scene.fake.refusals().empty());
}

TEST_CASE("aliyun-slb: with forty servers at no time is every weight zero") {
  SlbScene scene;
  Change change = scene.change();
  change.desired.clear();
  change.expected.clear();
  scene.fake.with([&](FakeAliyun::World& world) {
    auto& backends = world.balancers.front().backends;
    backends.clear();
    for (int k = 0; k < 25; ++k) {
      backends.push_back({.id = fmt::format("i-hz{}", k)});
      backends.push_back({.id = fmt::format("i-sh{}", k), .weight = 0});
      change.expected.push_back(fmt::format("i-hz{}", k));
      change.desired.push_back(fmt::format("i-sh{}", k));
    }
  });
  int least = 100;
  scene.fake.between([&](const FakeCall&, const FakeAliyun::Serve& serve) {
    FakeReply reply = serve();
    scene.fake.with([&](const FakeAliyun::World& world) {
      const auto& backends = world.balancers.front().backends;
      least = std::min(least, static_cast<int>(std::count_if(
                                  backends.begin(), backends.end(),
                                  [](const FakeBackend& b) { return b.weight > 0; })));
    });
    return reply;
  });
  REQUIRE(scene.provider->replace(change, kWithin).ok());
  CHECK_EQ(scene.fake.count(kSet), 3);
  CHECK_EQ(least, 25);
}

TEST_CASE("aliyun-slb: when the raising call fails nothing is lowered") {
  SlbScene scene;
  Change change = scene.change();
  scene.fake.with([&](FakeAliyun::World& world) {
    auto& backends = world.balancers.front().backends;
    for (int k = 2; k < 25; ++k) {
      backends.push_back({.id = fmt::format("i-sh{}", k), .weight = 0});
      change.desired.push_back(backends.back().id);
    }
  });
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action != kSet) return serve();
    return FakeAliyun::error(400, "Whatever.Unknown", "No.");
  });
  CHECK_FALSE(scene.provider->replace(change, kWithin).ok());
  CHECK_EQ(scene.fake.count(kSet), 1);
  CHECK_EQ(scene.fake.changes(), 0);
}

TEST_CASE("aliyun-slb: a site that fails every check of the load balancer is not pointed at") {
  SlbScene scene;
  scene.set_health("sh", "abnormal");
  const auto refused = scene.provider->replace(scene.change(), kWithin);
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kRefused);
  CHECK(has(refused.error().message,
            "every server of that site fails the load balancer's health checks: i-sh0, i-sh1"));
  CHECK_EQ(scene.weights(), kUntouched);
  CHECK(scene.make({{"health", "ignore"}})->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.weights(), kMoved);
}

TEST_CASE("aliyun-slb: one sound server, no checks, or no answer on health is enough to move") {
  for (const char* health : {"normal", "unavailable"}) {
    SlbScene scene;
    scene.set_health("sh0", "abnormal");
    scene.set_health("sh1", health);
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  }
  SlbScene scene;
  scene.fake.with(
      [](FakeAliyun::World& world) { world.keys["testid"].denied = {"DescribeHealthStatus"}; });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.weights(), kMoved);
}

TEST_CASE("aliyun-slb: a health query that hangs or is put off takes nothing from the move") {
  FakeReply hangs;
  hangs.way = FakeReply::Way::kSilent;
  for (const FakeReply& reply :
       {hangs, FakeReply{.status = 429, .body = "{}", .headers = {{"Retry-After", "60"}}},
        FakeReply{.status = 503, .body = "{}"}}) {
    CAPTURE(reply.status);
    SlbScene scene;
    scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
      return call.action == "DescribeHealthStatus" ? reply : serve();
    });
    CHECK(scene.provider->replace(scene.change(), 2s).ok());
    CHECK_EQ(scene.weights(), kMoved);
    CHECK_EQ(scene.fake.count("DescribeHealthStatus"), 1);
  }
}

TEST_CASE("aliyun-slb: an answer lost before or after it was acted on ends in one move") {
  for (const bool acted : {false, true}) {
    SlbScene scene;
    scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
      if (call.action != kSet || scene.fake.count(kSet) > 1) return serve();
      if (acted) (void)serve();
      FakeReply reset;
      reset.way = FakeReply::Way::kReset;
      return reset;
    });
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK_EQ(scene.weights(), kMoved);
    CHECK_EQ(scene.fake.count(kSet), acted ? 1 : 2);
  }
}

TEST_CASE("aliyun-slb: a busy load balancer is waited for") {
  SlbScene scene;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action != kSet || scene.fake.count(kSet) > 1) return serve();
    return FakeAliyun::error(400, "ServiceIsConfiguring", "The service is being configured.");
  });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.weights(), kMoved);
}

TEST_CASE("aliyun-slb: accepted but not effective is no success") {
  SlbScene scene;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    return call.action == kSet ? FakeReply{.body = "{\"RequestId\":\"x\"}"} : serve();
  });
  const auto done = scene.provider->replace(scene.change(), 1s);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kTimeout);
  CHECK(has(done.error().message, "accepted, not effective"));
  CHECK(has(done.error().message, "i-sh0 should weigh 100"));
  CHECK_EQ(scene.weights(), kUntouched);
}

TEST_CASE("aliyun-slb: no bad answer is taken for success or for a balancer without servers") {
  for (const char* body : {"<html>", "", "{}", "[]", "{\"BackendServers\":[]}",
                           "{\"Code\":\"UnKnownError\",\"Message\":\"x\"}"}) {
    CAPTURE(body);
    SlbScene scene;
    scene.fake.between([&](const FakeCall&, const FakeAliyun::Serve&) {
      return FakeReply{.status = 200, .body = body};
    });
    CHECK_FALSE(scene.provider->read(scene.key, 1s).ok());
    CHECK_FALSE(scene.provider->replace(scene.change(), 1s).ok());
    CHECK_EQ(scene.weights(), kUntouched);
  }
}

TEST_CASE("aliyun-slb: the request is rendered as it would be sent") {
  SlbScene scene;
  const auto rendered = scene.provider->render(scene.change(), kWithin);
  REQUIRE(rendered.ok());
  REQUIRE_EQ(rendered->size(), 1);
  CHECK(has(rendered->front(), "x-acs-action: SetBackendServers\n"));
  CHECK(has(rendered->front(), "&LoadBalancerId=lb-1&RegionId=cn-hangzhou\n"));
  CHECK(has(rendered->front(),
            "%22ServerId%22%3A%22eni-hz1%22%2C%22Weight%22%3A%220%22%2C"
            "%22Type%22%3A%22eni%22%2C%22ServerIp%22%3A%22192.0.2.11%22"));
  CHECK(has(rendered->front(), "Signature=***"));
  CHECK_FALSE(has(rendered->front(), "testsecret"));
  CHECK_EQ(scene.weights(), kUntouched);
}

TEST_CASE(
    "aliyun-slb: a pre-flight tells who receives users, health and rights, and writes nothing") {
  SlbScene scene;
  scene.set_health("sh0", "abnormal");
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  const auto time = text->find("; it answered in ");
  CHECK_NE(time, std::string::npos);
  CHECK_EQ(text->substr(0, time),
           "lb-1 in cn-hangzhou: 2 of 4 servers receive users: eni-hz1, i-hz0; by its own checks: "
           "i-hz0 normal, eni-hz1 normal, i-sh0 abnormal, i-sh1 normal; SetBackendServers is "
           "allowed; no mark is kept");
  CHECK_EQ(scene.fake.changes(), 0);
  CHECK_EQ(*scene.provider->authorities(scene.key, kWithin),
           std::vector<std::string>{kApiAuthority});
  scene.fake.with([](FakeAliyun::World& world) { world.keys["testid"].denied = {kSet}; });
  const auto denied = scene.provider->preflight(scene.key, kWithin);
  REQUIRE_FALSE(denied.ok());
  CHECK_EQ(denied.error().code, ErrorCode::kRefused);
  scene.fake.with([](FakeAliyun::World& world) { world.balancers.front().status = "locked"; });
  CHECK_EQ(scene.provider->preflight(scene.key, kWithin).error().code, ErrorCode::kRefused);
  scene.fake.with([](FakeAliyun::World& world) { world.balancers.front().region = "cn-beijing"; });
  CHECK_EQ(scene.provider->preflight(scene.key, kWithin).error().code, ErrorCode::kNotFound);
}

TEST_CASE("aliyun-slb: a server that is no member is named, a wrong setting too") {
  SlbScene scene;
  Change change = scene.change();
  change.desired = {"i-gone"};
  const auto done = scene.provider->replace(change, kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kNotFound);
  CHECK(has(done.error().message, "i-gone is no server of the default group"));
  ProviderSettings settings = aliyun_settings(scene.fake, "aliyun-slb");
  settings.options["health"] = "maybe";
  const auto made = make_provider(settings, system_clock());
  REQUIRE_FALSE(made.ok());
  CHECK(has(made.error().message, "health: found \"maybe\""));
}
