// The catalogue of faults, as far as it concerns weights behind a load balancer and is not told by
// aliyun_slb_test.cc: what AliyunApi shares with DNS is asked here through this provider all the
// same.

#include "test/unit/providers/slb_scene.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace pointsman;
using namespace pointsman::slb;

namespace {

constexpr Duration kWithin = 5s;

// The `nth` SetBackendServers is answered so; `acted`: after it was obeyed.
void spoil(SlbScene& scene, int nth, const FakeReply& reply, bool acted = false) {
  scene.fake.between([&scene, nth, reply, acted](const FakeCall& call, const auto& serve) {
    if (call.action != kSet || scene.fake.count(kSet) != nth) return serve();
    if (acted) (void)serve();
    return reply;
  });
}

void expect(const Result<void>& got, ErrorCode code, std::string_view part) {
  REQUIRE_FALSE(got.ok());
  CHECK_EQ(std::string(to_string(got.error().code)), to_string(code));
  CHECK_MESSAGE(has(got.error().message, part), got.error().message);
  CHECK_FALSE(has(got.error().message, "testsecret"));
}

}  // namespace

TEST_CASE("aliyun-slb row 43: throttling is waited out, and told when it takes too long") {
  for (const FakeReply& reply :
       {FakeReply{.status = 429, .body = "{}", .headers = {{"Retry-After", "1"}}},
        FakeAliyun::error(400, "Throttling.User", "Request was denied.")}) {
    SlbScene scene;
    spoil(scene, 1, reply);
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK_EQ(scene.weights(), kMoved);
    CHECK_EQ(scene.fake.count(kSet), 2);
  }
  SlbScene scene;
  spoil(scene, 1, {.status = 429, .body = "{}", .headers = {{"Retry-After", "99999999999999"}}});
  expect(scene.provider->replace(scene.change(), 1s), ErrorCode::kUnavailable, "too many requests");
  CHECK_EQ(scene.weights(), kUntouched);
}

TEST_CASE("aliyun-slb row 44: no bad answer to a write is a success; what was done is seen") {
  for (const FakeReply& reply :
       {FakeReply{.status = 500, .body = "oops", .content_type = "text/plain"},
        FakeReply{.status = 503, .body = "{}"},
        FakeReply{.body = "<html>welcome</html>", .content_type = "text/html"}, FakeReply{},
        FakeReply{.body = std::string(2 << 20, ' ')}, FakeReply{.body = std::string(5000, '[')},
        FakeReply{.body = "{\"Code\":\"UnKnownError\",\"Message\":\"x\"}"}}) {
    CAPTURE(reply.body.substr(0, 40));
    for (const bool acted : {false, true}) {
      SlbScene scene;
      spoil(scene, 1, reply, acted);
      CHECK(scene.provider->replace(scene.change(), kWithin).ok());
      CHECK_EQ(scene.weights(), kMoved);
      CHECK_EQ(scene.fake.count(kSet), acted ? 1 : 2);
    }
  }
  SlbScene tls;
  ProviderSettings settings = aliyun_settings(tls.fake, "aliyun-slb");
  settings.options["endpoint"].replace(0, 4, "https");
  const auto provider = std::move(make_provider(settings, system_clock())).value();
  CHECK_FALSE(provider->replace(tls.change(), 1s).ok());
  CHECK_EQ(tls.weights(), kUntouched);
}

TEST_CASE("aliyun-slb row 46: an older write that takes effect late is put right, a person's not") {
  SlbScene scene;
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  Change newer = scene.change();
  std::swap(newer.desired, newer.expected);
  REQUIRE(scene.provider->replace(newer, kWithin).ok());
  scene.set_weights("sh", 100);
  scene.set_weights("hz", 0);
  REQUIRE(scene.provider->replace(newer, kWithin).ok());
  CHECK_EQ(scene.weights(), kUntouched);
  scene.fake.with([](FakeAliyun::World& world) {
    world.balancers.front().backends.push_back({.id = "i-canary"});
  });
  expect(scene.provider->replace(scene.change(), kWithin), ErrorCode::kConflict, "holds i-canary");
}

TEST_CASE("aliyun-slb row 47: half of the servers moved is completed by whoever comes next") {
  SlbScene scene;
  scene.set_weights("i-sh0", 100);
  scene.set_weights("i-hz0", 0);
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.weights(), kMoved);
  CHECK_EQ(scene.fake.count(kSet), 1);
}

TEST_CASE("aliyun-slb row 50: a wrong secret and a right withdrawn, before a move and in it") {
  SlbScene scene;
  scene.fake.with([](FakeAliyun::World& world) { world.keys["testid"].denied = {kSet}; });
  expect(scene.provider->replace(scene.change(), kWithin), ErrorCode::kRefused, "the RAM policy");
  scene.fake.with([](FakeAliyun::World& world) { world.keys["testid"] = {"another", "", {}}; });
  expect(scene.provider->replace(scene.change(), kWithin), ErrorCode::kRefused,
         "check access_key_secret");
  expect(scene.provider->preflight(scene.key, kWithin).error(), ErrorCode::kRefused,
         "SignatureDoesNotMatch");
  CHECK_EQ(scene.weights(), kUntouched);
}

TEST_CASE("aliyun-slb row 54: nobody there, then there again") {
  SlbScene scene;
  scene.fake.end();
  expect(scene.provider->replace(scene.change(), 1s), ErrorCode::kUnavailable, "provider ali at");
  expect(scene.provider->preflight(scene.key, 1s).error(), ErrorCode::kUnavailable,
         "provider ali at");
}

TEST_CASE("aliyun-slb row 55: a redirect is not followed, a proxy of the environment not used") {
  SlbScene scene, other;
  spoil(scene, 1,
        {.status = 307, .body = "{}", .headers = {{"Location", other.fake.endpoint() + "/"}}});
  expect(scene.provider->replace(scene.change(), kWithin), ErrorCode::kRefused, "a redirect");
  CHECK(other.fake.calls().empty());
  CHECK_EQ(scene.weights(), kUntouched);
  for (const char* name : {"http_proxy", "all_proxy"}) setenv(name, "http://127.0.0.1:1", 1);
  CHECK(scene.make()->replace(scene.change(), kWithin).ok());
  for (const char* name : {"http_proxy", "all_proxy"}) unsetenv(name);
}

TEST_CASE("aliyun-slb row 56: a clock that is off is told with how far") {
  SlbScene scene;
  scene.fake.with([](FakeAliyun::World& world) { world.clock_ahead_s = 4000; });
  const auto failed = scene.provider->replace(scene.change(), kWithin);
  expect(failed, ErrorCode::kRefused, "InvalidTimeStamp.Expired");
  CHECK(has(failed.error().message, "behind the server's"));
}

TEST_CASE("aliyun-slb: what a hostile far side says is told in a kilobyte") {
  SlbScene scene;
  const std::string much(300'000, 'x');
  for (const FakeReply& reply :
       {FakeAliyun::error(400, much, much), FakeAliyun::error(403, "Forbidden.RAM", much)}) {
    spoil(scene, scene.fake.count(kSet) + 1, reply);
    const auto failed = scene.provider->replace(scene.change(), kWithin);
    REQUIRE_FALSE(failed.ok());
    CHECK_LT(failed.error().message.size(), 1100U);
  }
  CHECK_EQ(scene.weights(), kUntouched);
}
