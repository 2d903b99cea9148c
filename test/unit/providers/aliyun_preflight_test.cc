#include "providers/aliyun.h"

#include "test/unit/providers/aliyun_scene.h"

#include <doctest/doctest.h>

// What a pre-flight finds before the night it matters.

using namespace pointsman;

namespace {

constexpr Duration kWithin = 5s;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

struct Ready : AliyunScene {
  std::string id = put_record(fake, fake_record("api", "192.0.2.10"));

  Error refused() {
    const auto text = provider->preflight(key, kWithin);
    REQUIRE_FALSE(text.ok());
    CHECK_EQ(fake.changes(), 0);
    return text.error();
  }
  void change_key(const std::function<void(FakeKey&)>& change) {
    fake.with([&](FakeAliyun::World& world) { change(world.keys["testid"]); });
  }
};

}  // namespace

TEST_CASE("aliyun: a sound account is told in one sentence") {
  Ready scene;
  scene.fake.with([](FakeAliyun::World& world) { world.min_ttl = 60; });
  put_record(scene.fake, fake_record("api", "192.0.2.10", "telecom"));
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  const auto time = text->find("; it answered in ");
  CHECK_NE(time, std::string::npos);
  CHECK_EQ(text->substr(0, time),
           "zone example.test (Enterprise Standard), lowest TTL 60 s; api.example.test A is "
           "192.0.2.10 with TTL 60 s on line default, telecom; UpdateDomainRecord is allowed; "
           "name servers: 127.0.0.1");
  CHECK_EQ(scene.provider->limits().ttl_min.count(), 60);
  CHECK_FALSE(scene.provider->limits().compare_and_set);
  CHECK_EQ(scene.fake.changes(), 0);
}

TEST_CASE("aliyun: the floor of the edition is told before it is needed") {
  Ready scene;
  scene.fake.with([](FakeAliyun::World& world) { world.min_ttl = 600; });
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  CHECK(has(*text, "lowest TTL 600 s"));
  CHECK_EQ(scene.provider->limits().ttl_min.count(), 600);
}

TEST_CASE("aliyun: credentials that do not hold are refused with what to do, and never shown") {
  Ready scene;
  scene.change_key([](FakeKey& key) { key.secret = "another"; });
  Error error = scene.refused();
  CHECK_EQ(error.code, ErrorCode::kRefused);
  CHECK(has(error.message, "SignatureDoesNotMatch"));
  CHECK(has(error.message, "check access_key_secret"));
  CHECK_FALSE(has(error.message, "testsecret"));
  scene.fake.with([](FakeAliyun::World& world) { world.keys.clear(); });
  error = scene.refused();
  CHECK_EQ(error.code, ErrorCode::kRefused);
  CHECK(has(error.message, "InvalidAccessKeyId.NotFound"));
}

TEST_CASE("aliyun: an STS token that has expired asks for fresh ones") {
  Ready scene;
  scene.change_key([](FakeKey& key) { key.token = "a newer token"; });
  const Error error = scene.refused();
  CHECK_EQ(error.code, ErrorCode::kRefused);
  CHECK(has(error.message, "InvalidSecurityToken.Expired"));
  CHECK(has(error.message, "fresh STS credentials"));
}

TEST_CASE("aliyun: rights that lack are found without writing") {
  for (const char* action :
       {"DescribeDomainInfo", "DescribeSubDomainRecords", "UpdateDomainRecord"}) {
    Ready scene;
    scene.change_key([&](FakeKey& key) { key.denied = {action}; });
    const Error error = scene.refused();
    CHECK_EQ(error.code, ErrorCode::kRefused);
    CHECK(has(error.message, std::string(action) + " answers 403 Forbidden.RAM"));
    CHECK(has(error.message, "the RAM policy does not allow this action"));
  }
}

TEST_CASE("aliyun: the trial of the right to update can be turned down for two reasons") {
  for (const char* type : {"A", "AAAA", "CNAME"}) {
    AliyunScene scene;
    scene.key.type = type;
    FakeRecord record =
        fake_record("api", type[0] == 'C' ? "elsewhere.example.net" : "2001:db8::1");
    if (scene.key.type == "A") record.value = "192.0.2.10";
    record.type = type;
    put_record(scene.fake, record);
    // Even where any TTL is taken.
    scene.fake.with([](FakeAliyun::World& world) { world.min_ttl = 0; });
    const auto text = scene.provider->preflight(scene.key, kWithin);
    REQUIRE(text.ok());
    CHECK(has(*text, "UpdateDomainRecord is allowed"));
    CHECK_EQ(scene.fake.changes(), 0);
    CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 1);
    for (const FakeCall& call : scene.fake.calls()) {
      if (call.action == "UpdateDomainRecord") CHECK_EQ(call.at("TTL"), "0");
    }
  }
}

TEST_CASE("aliyun: a trial that was applied is told with what to look at") {
  Ready scene;
  scene.fake.between([](const FakeCall& call, const FakeAliyun::Serve& serve) {
    return call.action == "UpdateDomainRecord" ? FakeReply{.body = "{\"RequestId\":\"x\"}"}
                                               : serve();
  });
  const Error error = scene.refused();
  CHECK_EQ(error.code, ErrorCode::kRefused);
  CHECK(has(error.message, "a mere trial of the right was applied; look at record " + scene.id +
                               " (192.0.2.10, line default), which had TTL 60 s at once"));
  // None is sent again, which would undo what a person has mended, also after a restart.
  CHECK_EQ(scene.refused().message, error.message);
  CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 1);
  scene.fake.with([](FakeAliyun::World& world) {
    world.records.front().value = "pointsman tries its rights";
    world.records.front().ttl = 1;
  });
  scene.provider = scene.make();
  CHECK(has(scene.refused().message, "holds what a mere trial of the right to update put there"));
  CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 1);
}

TEST_CASE("aliyun: IPv4 servers where there are any, and not more than sixteen") {
  std::vector<std::string> servers;
  add_authorities(servers, "ns1.example.net", {"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  add_authorities(servers, "ns2.example.net", {"2001:db8::2"});
  add_authorities(servers, "ns3.example.net", {});
  add_authorities(servers, "ns4.example.net", {"192.0.2.1"});
  CHECK_EQ(servers, std::vector<std::string>{"192.0.2.1:53", "192.0.2.2:53", "[2001:db8::2]:53",
                                             "ns3.example.net:53"});
  for (int k = 10; k < 40; ++k) {
    add_authorities(servers, "ns5.example.net", {fmt::format("192.0.2.{}", k)});
  }
  CHECK_EQ(servers.size(), 16);
}

TEST_CASE("aliyun: a zone of another account and a record that is not there are not found") {
  Ready scene;
  scene.fake.with([](FakeAliyun::World& world) { world.domains = {"example.net"}; });
  CHECK_EQ(scene.refused().code, ErrorCode::kNotFound);
  scene.fake.with([](FakeAliyun::World& world) {
    world.domains = {"example.test"};
    world.records.clear();
  });
  CHECK_EQ(scene.refused().code, ErrorCode::kNotFound);
}

TEST_CASE("aliyun: records that would not move are named") {
  Ready scene;
  const auto with_record = [&](const std::function<void(FakeRecord&)>& change) {
    scene.fake.with([&](FakeAliyun::World& world) {
      world.records.resize(1);
      world.records.front().status = "ENABLE";
      world.records.front().locked = false;
      FakeRecord second = fake_record("api", "192.0.2.11");
      second.id = "77";
      change(second);
      world.records.push_back(second);
    });
    return scene.refused();
  };
  CHECK(has(with_record([](FakeRecord& r) { r.status = "Disable"; }).message,
            "record 77 (192.0.2.11, line default) is disabled"));
  CHECK(has(with_record([](FakeRecord& r) { r.locked = true; }).message,
            "record 77 (192.0.2.11, line default) is locked"));
  CHECK(has(with_record([](FakeRecord& r) { r.weight = 20; }).message, "different weights"));
  const Error alias = with_record([](FakeRecord& r) {
    r.type = "CNAME";
    r.value = "elsewhere.example.net";
  });
  CHECK_EQ(alias.code, ErrorCode::kConflict);
  CHECK(has(alias.message, "a CNAME to elsewhere.example.net stands where"));
}

TEST_CASE("aliyun: a remark that is full is told") {
  Ready scene;
  scene.fake.with([](FakeAliyun::World& world) {
    world.records.front().remark = "the main site of the company, never touch it";
  });
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  CHECK(has(*text, "leaves too little room for a mark"));
}

TEST_CASE("aliyun: the servers to ask are those that the zone has now") {
  Ready scene;
  auto servers = scene.provider->authorities(scene.key, kWithin);
  REQUIRE(servers.ok());
  CHECK_EQ(*servers, std::vector<std::string>{"127.0.0.1:53"});
  scene.fake.with([](FakeAliyun::World& world) {
    world.name_servers = {"127.0.0.3", "127.0.0.2"};
  });
  servers = scene.provider->authorities(scene.key, kWithin);
  REQUIRE(servers.ok());
  CHECK_EQ(*servers, std::vector<std::string>{"127.0.0.2:53", "127.0.0.3:53"});
  scene.fake.with([](FakeAliyun::World& world) { world.name_servers.clear(); });
  servers = scene.provider->authorities(scene.key, kWithin);
  REQUIRE_FALSE(servers.ok());
  CHECK_EQ(servers.error().code, ErrorCode::kNotFound);
  servers = scene.make({{"authorities", "192.0.2.53:53"}})->authorities(scene.key, kWithin);
  REQUIRE(servers.ok());
  CHECK_EQ(*servers, std::vector<std::string>{"192.0.2.53:53"});
}

TEST_CASE("aliyun: settings name every mistake at once and show no credential") {
  ProviderSettings settings;
  settings.name = "ali";
  settings.type = "aliyun";
  settings.options = {{"type", "aliyun"},
                      {"endpoint", "http://alidns.example.net"},
                      {"authorities", "nowhere"},
                      {"region", "x"}};
  settings.credentials = {{"access_key_id", "STS.x"}, {"access_key_secret", "se cret"}};
  const auto made = make_provider(settings, system_clock());
  REQUIRE_FALSE(made.ok());
  for (const char* part :
       {"endpoint", "authorities", "region", "access_key_secret", "security_token"}) {
    CHECK(has(made.error().message, part));
  }
  CHECK_FALSE(has(made.error().message, "se cret"));
}
