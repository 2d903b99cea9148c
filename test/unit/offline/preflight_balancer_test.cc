#include "base/clock.h"
#include "orchestrator/offline/preflight.h"
#include "test/config_cases.h"
#include "test/support/fake_aliyun.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

// The configuration with a record of DNS and one of a load balancer, its providers pointed at the
// fake.
MonitorConfig config_for(const FakeAliyun& fake) {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  auto outcome = read_monitor_config(folder.path() + "record-balancer.toml");
  REQUIRE(outcome.config.has_value());
  MonitorConfig config = *std::move(outcome.config);
  for (ProviderSettings& provider : config.providers) {
    provider.options["endpoint"] = fake.endpoint();
  }
  config.references.clear();
  config.tls = {};
  config.services.front().sites.front().agent.clear();
  config.services.front().sites.back().agent.clear();
  config.services.front().records.front().authorities = {"127.0.0.1:1"};
  return config;
}

const PreflightItem& item(const std::vector<PreflightItem>& items, const std::string& name) {
  for (const PreflightItem& one : items) {
    if (one.name == name) return one;
  }
  FAIL("no item " << name);
  return items.front();
}

}  // namespace

TEST_CASE("a pre-flight judges records of DNS and of a load balancer alike") {
  FakeAliyun fake;
  fake.with([](FakeAliyun::World& world) {
    world.keys = {{"testid", {"not-a-real-secret", "", {}}},
                  {"STS.testid", {"not-a-real-secret", "not-a-real-token", {}}}};
    world.min_ttl = 600;
    FakeRecord record;
    record.id = "7";
    record.rr = "api";
    record.value = "192.0.2.10";
    world.records = {record};
    FakeBalancer balancer{.id = "lb-bp1o94dp5i6earr9g6d1l", .region = "cn-hangzhou"};
    balancer.backends = {
        {.id = "i-bp1HZ"}, {.id = "eni-hz2", .type = "eni"}, {.id = "i-bp1sh", .weight = 0}};
    world.balancers = {balancer};
  });
  const MonitorConfig config = config_for(fake);
  auto items = preflight(config, system_clock());
  CHECK(item(items, "provider ali for api.example.test A").ok);
  const PreflightItem& record = item(items, "record api.example.test A");
  CHECK(record.ok);
  CHECK(record.warning);
  CHECK_NE(record.text.find("the provider takes no TTL below 600 s"), std::string::npos);
  CHECK(item(items, "provider slb for lb-bp1o94dp5i6earr9g6d1l SLB").ok);
  const PreflightItem& weights = item(items, "record lb-bp1o94dp5i6earr9g6d1l SLB");
  CHECK(weights.ok);
  CHECK_FALSE(weights.warning);
  CHECK_NE(weights.text.find("names hz (eni-hz2, i-bp1HZ)"), std::string::npos);
  const PreflightItem& last = item(items, "authoritative answers lb-bp1o94dp5i6earr9g6d1l SLB");
  CHECK(last.ok);
  CHECK_NE(last.text.find("the provider's API has the last word"), std::string::npos);
  CHECK_EQ(fake.changes(), 0);
  // A server of no site receives users.
  fake.with([](FakeAliyun::World& world) {
    world.balancers.front().backends.push_back({.id = "i-nobody"});
  });
  items = preflight(config, system_clock());
  CHECK_FALSE(item(items, "record lb-bp1o94dp5i6earr9g6d1l SLB").ok);
}
