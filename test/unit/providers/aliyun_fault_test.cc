#include "base/clock.h"
#include "test/unit/providers/aliyun_scene.h"

#include <doctest/doctest.h>

#include <cstdlib>

// What goes wrong at an HTTP provider, played one by one.

using namespace pointsman;

namespace {

constexpr Duration kWithin = 5s;
constexpr const char* kUpdate = "UpdateDomainRecord";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A scene in which the record stands at the old site.
struct Old : AliyunScene {
  std::string id = put_record(fake, fake_record("api", "192.0.2.10"));
  bool moved() { return records_text(fake) == "198.51.100.20@default 60"; }
  bool untouched() { return records_text(fake) == "192.0.2.10@default 60"; }
};

FakeReply broken(FakeReply::Way way) {
  FakeReply out;
  out.way = way;
  out.body = "{\"RequestId\":\"x\"}";
  return out;
}

// Lets the `nth` call of `action` be answered by `reply`; all others go through.
void spoil(FakeAliyun& fake, const std::string& action, int nth, const FakeReply& reply) {
  fake.between([=, &fake](const FakeCall& call, const FakeAliyun::Serve& serve) {
    return call.action == action && fake.count(action) == nth ? reply : serve();
  });
}

}  // namespace

TEST_CASE("aliyun: a connection lost before the write was acted on: read, then written") {
  for (const auto way : {FakeReply::Way::kReset, FakeReply::Way::kHalf, FakeReply::Way::kSilent}) {
    Old scene;
    scene.provider = scene.make({{"timeout", "200ms"}});
    spoil(scene.fake, kUpdate, 1, broken(way));
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK(scene.moved());
    // Never blindly: a reading stands between the two writes.
    std::string last;
    for (const FakeCall& call : scene.fake.calls()) {
      CHECK_FALSE((last == kUpdate && call.action == kUpdate));
      last = call.action;
    }
    CHECK_EQ(scene.fake.count(kUpdate), 2);
  }
}

TEST_CASE("aliyun: an answer lost after the write was acted on: one write in all") {
  for (const auto way : {FakeReply::Way::kReset, FakeReply::Way::kHalf, FakeReply::Way::kSilent}) {
    Old scene;
    scene.provider = scene.make({{"timeout", "200ms"}});
    scene.fake.between([way](const FakeCall& call, const FakeAliyun::Serve& serve) {
      FakeReply reply = serve();
      return call.action == kUpdate ? broken(way) : reply;
    });
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK(scene.moved());
    CHECK_EQ(scene.fake.count(kUpdate), 1);
  }
}

TEST_CASE("aliyun: an addition whose answer was lost is not made twice") {
  AliyunScene scene;
  scene.fake.between([](const FakeCall& call, const FakeAliyun::Serve& serve) {
    FakeReply reply = serve();
    return call.action == "AddDomainRecord" ? broken(FakeReply::Way::kReset) : reply;
  });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 60");
}

TEST_CASE("aliyun: throttling is waited out, in the vendor's words and in HTTP's") {
  FakeReply http{.status = 429, .body = "{}", .headers = {{"Retry-After", "1"}}};
  for (const FakeReply& reply :
       {FakeAliyun::error(400, "Throttling.User", "Request was denied due to user flow control."),
        http}) {
    Old scene;
    spoil(scene.fake, kUpdate, 1, reply);
    const Instant began = system_clock().now();
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK(scene.moved());
    CHECK_EQ(scene.fake.count(kUpdate), 2);
    if (reply.status == 429) CHECK_GE(system_clock().now() - began, 1s);
  }
}

TEST_CASE("aliyun: throttling beyond the deadline ends as unavailable, unwritten") {
  Old scene;
  scene.fake.between([](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action != kUpdate) return serve();
    return FakeReply{.status = 429, .body = "{}", .headers = {{"Retry-After", "60"}}};
  });
  const auto done = scene.provider->replace(scene.change(), 2s);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kUnavailable);
  CHECK(scene.untouched());
}

TEST_CASE("aliyun: no bad answer to a write is taken for success") {
  const std::vector<FakeReply> replies{
      FakeAliyun::error(500, "InternalError", "The request processing has failed."),
      FakeAliyun::error(503, "ServiceUnavailable", "The request has failed."),
      {.status = 502, .body = "<html>Bad Gateway</html>", .content_type = "text/html"},
      {.status = 200, .body = "<html>Welcome</html>", .content_type = "text/html"},
      {.status = 200, .body = ""},
      {.status = 200, .body = "{\"Code\":\"UnKnownError\",\"Message\":\"There is an error.\"}"},
      {.status = 200, .body = "{\"code\":\"Whatever\",\"message\":\"lower case\"}"},
      {.status = 200, .body = std::string(100 << 20, ' ')}};
  for (const FakeReply& reply : replies) {
    CAPTURE(reply.body.substr(0, 60));
    Old scene;
    scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
      return call.action == kUpdate ? reply : serve();
    });
    const auto done = scene.provider->replace(scene.change(), 1s);
    REQUIRE_FALSE(done.ok());
    CHECK_EQ(done.error().code, ErrorCode::kTimeout);
    CHECK(scene.untouched());
    CHECK_LE(scene.fake.count(kUpdate), 6);
  }
}

TEST_CASE("aliyun: no bad answer to a reading is taken for an absent record") {
  for (const char* body : {"<html>", "", "{}", "[]", "{\"TotalCount\":0}",
                           "{\"Code\":\"UnKnownError\"}", "{\"TotalCount\":0,\"DomainRecords\":[]}",
                           "{\"TotalCount\":1,\"DomainRecords\":"
                           "{\"Record\":[{\"RecordId\":true}]}}"}) {
    CAPTURE(body);
    Old scene;
    scene.fake.between([&](const FakeCall&, const FakeAliyun::Serve&) {
      return FakeReply{.status = 200, .body = body};
    });
    CHECK_FALSE(scene.provider->read(scene.key, 1s).ok());
    CHECK_FALSE(scene.provider->replace(scene.change(), 1s).ok());
    CHECK_EQ(scene.fake.changes(), 0);
  }
}

TEST_CASE("aliyun: TLS that is none and a host that is down are told, nothing is written") {
  Old scene;
  std::string tls = scene.fake.endpoint();
  tls.replace(0, 4, "https");
  auto done =
      scene.make({{"endpoint", tls}, {"timeout", "300ms"}})->replace(scene.change(), kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_NE(done.error().code, ErrorCode::kTimeout);
  scene.fake.end();
  done = scene.provider->replace(scene.change(), 1s);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kUnavailable);
  CHECK(scene.untouched());
}

TEST_CASE("aliyun: accepted but not effective is no success") {
  Old scene;
  spoil(scene.fake, kUpdate, 1, {.body = "{\"RequestId\":\"x\",\"RecordId\":\"9999985\"}"});
  const auto done = scene.provider->replace(scene.change(), 2s);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kTimeout);
  CHECK(has(done.error().message, "accepted, not effective"));
  CHECK(has(done.error().message, "record " + scene.id + " should be 198.51.100.20"));
  // The next attempt does it.
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK(scene.moved());
}

TEST_CASE("aliyun: effective a little later is success") {
  Old scene;
  FakeAliyun::Serve late;
  int reads = 0;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action == "DescribeSubDomainRecords" && ++reads == 4) (void)late();
    if (call.action != kUpdate) return serve();
    late = serve;
    return FakeReply{.body = "{\"RequestId\":\"x\",\"RecordId\":\"9999985\"}"};
  });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK(scene.moved());
  CHECK_EQ(scene.fake.count(kUpdate), 1);
}

TEST_CASE("aliyun: an old write that is applied late is put right, a person's is not") {
  Old scene;
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  const auto set = [&](const std::string& value) {
    scene.fake.with([&](FakeAliyun::World& world) { world.records.front().value = value; });
  };
  // Our own value of before comes back, under the mark of now: declared, so restored.
  set("192.0.2.10");
  Change again = scene.change();
  again.expected_marks = {again.mark};
  CHECK(scene.provider->replace(again, kWithin).ok());
  CHECK(scene.moved());
  set("203.0.113.99");
  const auto done = scene.provider->replace(again, kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK_EQ(records_text(scene.fake), "203.0.113.99@default 60");
}

TEST_CASE("aliyun: half a move is completed by whoever comes next") {
  Old scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10", "telecom"));
  put_record(scene.fake, fake_record("api", "192.0.2.10", "unicom"));
  int updates = 0;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action == kUpdate && ++updates > 1) return broken(FakeReply::Way::kReset);
    return serve();
  });
  CHECK_FALSE(scene.provider->replace(scene.change(), 1s).ok());
  CHECK_EQ(records_text(scene.fake),
           "198.51.100.20@default 60, 192.0.2.10@telecom 60, 192.0.2.10@unicom 60");
  scene.fake.between(nullptr);
  scene.provider = scene.make();
  const auto read = scene.provider->read(scene.key, kWithin);
  REQUIRE(read.ok());
  CHECK_EQ(read->values, std::vector<std::string>{"192.0.2.10", "198.51.100.20"});
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(records_text(scene.fake),
           "198.51.100.20@default 60, 198.51.100.20@telecom 60, 198.51.100.20@unicom 60");
}

TEST_CASE("aliyun: a person's edit between our reading and our writing is seen when read back") {
  Old scene;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    FakeReply reply = serve();
    if (call.action == kUpdate) put_record(scene.fake, fake_record("api", "203.0.113.99"));
    return reply;
  });
  const auto done = scene.provider->replace(scene.change(), kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK(has(done.error().message, "203.0.113.99"));
}

TEST_CASE("aliyun: an older plan that comes late dies on the newer mark") {
  Old scene;
  Change newer = scene.change();
  newer.mark = "im-api 43 hz";
  newer.desired = {"192.0.2.10"};
  newer.expected = {"198.51.100.20"};
  REQUIRE(scene.provider->replace(newer, kWithin).ok());
  const auto done = scene.make()->replace(scene.change(), kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK(has(done.error().message, "im-api 43 hz"));
  CHECK(scene.untouched());
}

TEST_CASE("aliyun: a mark that repeats our secret is not shown") {
  Old scene;
  Change newer = scene.change();
  newer.mark = "im-api testsecret";
  REQUIRE(scene.provider->replace(newer, kWithin).ok());
  const auto done = scene.provider->replace(scene.change(), kWithin);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK(has(done.error().message, "the mark \"im-api ***\""));
}

TEST_CASE("aliyun: a move between sets of one size deletes nothing and leaves other names alone") {
  Old scene;
  for (const char* rr : {"api2", "ap", "*", "@", "www.api"}) {
    put_record(scene.fake, fake_record(rr, "192.0.2.10"));
  }
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.fake.count("DeleteDomainRecord"), 0);
  CHECK_EQ(scene.fake.count("AddDomainRecord"), 0);
  scene.fake.with([&](const FakeAliyun::World& world) {
    CHECK_EQ(world.records.size(), 6);
    for (std::size_t k = 1; k < world.records.size(); ++k) {
      CHECK_EQ(world.records[k].value, "192.0.2.10");
      CHECK_EQ(world.records[k].remark, "");
    }
  });
}

TEST_CASE("aliyun: a redirect is not followed and a proxy of the environment is not used") {
  Old scene;
  FakeAliyun other;
  put_record(other, fake_record("api", "192.0.2.10"));
  scene.fake.between([&](const FakeCall&, const FakeAliyun::Serve&) {
    return FakeReply{
        .status = 307, .body = "{}", .headers = {{"Location", other.endpoint() + "/"}}};
  });
  const auto read = scene.provider->read(scene.key, 1s);
  REQUIRE_FALSE(read.ok());
  CHECK_EQ(read.error().code, ErrorCode::kRefused);
  CHECK(other.calls().empty());
  scene.fake.between(nullptr);
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) {
    setenv(name, "http://127.0.0.1:1", 1);
  }
  CHECK(scene.make()->read(scene.key, kWithin).ok());
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) unsetenv(name);
}

TEST_CASE("aliyun: a clock that is off is told with how far") {
  for (const long ahead_s : {4000L, -4000L}) {
    Old scene;
    scene.fake.with([&](FakeAliyun::World& world) { world.clock_ahead_s = ahead_s; });
    for (const auto& failed :
         {scene.provider->preflight(scene.key, kWithin),
          Result<std::string>(scene.provider->replace(scene.change(), kWithin).error())}) {
      REQUIRE_FALSE(failed.ok());
      CHECK_EQ(failed.error().code, ErrorCode::kRefused);
      CHECK(has(failed.error().message, "InvalidTimeStamp.Expired"));
      const bool near = has(failed.error().message, "clock is 4000 s") ||
                        has(failed.error().message, "clock is 3999 s") ||
                        has(failed.error().message, "clock is 4001 s");
      CHECK(near);
      CHECK(has(failed.error().message, ahead_s > 0 ? "behind" : "ahead of"));
    }
  }
}

namespace {

constexpr const char* kRemark = "UpdateDomainRecordRemark";

// Under a mark of ours from before the change.
struct Marked : Old {
  Marked() {
    fake.with([](FakeAliyun::World& world) { world.records.front().remark = "words,pm.older."; });
  }
  Change change() const {
    Change out = Old::change();
    out.expected_marks = {"older"};
    return out;
  }
  std::string remark() {
    return fake.with([](const auto& world) { return world.records.front().remark; });
  }
  void fail_marks(const FakeReply& reply) {
    fake.between([reply](const FakeCall& call, const FakeAliyun::Serve& serve) {
      return call.action == kRemark ? reply : serve();
    });
  }
  std::string told_mark() {
    const auto read = provider->read(key, kWithin);
    REQUIRE(read.ok());
    return read->mark;
  }
};

}  // namespace

TEST_CASE("aliyun: a mark whose answer is lost, or that is put off, is written again") {
  for (const FakeReply& reply : {broken(FakeReply::Way::kReset),
                                 FakeAliyun::error(400, "LastOperationNotFinished", "Not yet.")}) {
    Marked scene;
    spoil(scene.fake, kRemark, 1, reply);
    CHECK(scene.provider->replace(scene.change(), kWithin).ok());
    CHECK(scene.moved());
    CHECK_EQ(scene.fake.count(kRemark), 2);
    CHECK_EQ(scene.remark(), "words,pm.im-api_x2042_x20sh.");
  }
}

TEST_CASE("aliyun: a mark that has no room does not leave the older one behind") {
  Marked scene;
  Change change = scene.change();
  change.mark = std::string(60, 'm');
  CHECK(scene.provider->replace(change, kWithin).ok());
  CHECK(scene.moved());
  CHECK_EQ(scene.remark(), "words");
  CHECK_EQ(scene.make()->read(scene.key, kWithin)->mark, "");
}

TEST_CASE("aliyun: an older mark that could not be replaced stays, and no reading writes") {
  Marked scene;
  scene.fail_marks(FakeAliyun::error(403, "Forbidden.RAM", "Not authorized."));
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK(scene.moved());
  CHECK_EQ(scene.fake.count(kRemark), 1);
  scene.fake.between(nullptr);
  CHECK_EQ(scene.provider->read_for_move(scene.key, kWithin)->mark, "older");
  CHECK_EQ(scene.told_mark(), "older");
  CHECK_EQ(scene.fake.count(kRemark), 1);
  CHECK_EQ(scene.remark(), "words,pm.older.");
  const auto told = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(told.ok());
  CHECK(has(*told, "the last mark was not written"));
  // The same change once more writes the mark alone.
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.remark(), "words,pm.im-api_x2042_x20sh.");
  CHECK_EQ(scene.told_mark(), "im-api 42 sh");
  CHECK_EQ(scene.fake.count(kRemark), 2);
}

TEST_CASE("aliyun: a mark that is never answered does not hold the move up or fail it") {
  Marked scene;
  scene.fake.with([](FakeAliyun::World& world) {
    world.records.push_back(fake_record("api", "192.0.2.11"));
    world.records.back().id = "99999999";
  });
  scene.fail_marks(broken(FakeReply::Way::kSilent));
  Change change = scene.change();
  change.expected.emplace_back("192.0.2.11");
  CHECK(scene.provider->replace(change, 3s).ok());
  // What comes after the mark is done too.
  CHECK(scene.moved());
}
