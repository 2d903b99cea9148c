// The catalogue of faults, rows 41 to 56, 113 and 114, as far as they concern Cloudflare.

#include "providers/cloudflare.h"

#include "test/unit/providers/cloudflare_scene.h"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

using Fault = FakeCloudflare::Fault;
using Kind = Fault::Kind;
using Way = FakeReply::Way;

const FakeReply kSilence{.way = Way::kSilent};
const FakeReply kReset{.way = Way::kReset};

FakeReply failure(int status, int code) {
  return {.status = status,
          .body = R"({"success":false,"errors":[{"code":)" + std::to_string(code) +
                  R"(,"message":"said so"}],"messages":[],"result":null})"};
}

void befall(CloudScene& scene, Fault write) {
  scene.with([&](FakeCloudflare& fake) { fake.on_write.push_back(std::move(write)); });
}

void befall_read(CloudScene& scene, const FakeReply& reply) {
  scene.with([&](FakeCloudflare& fake) { fake.on_read.push_back({Kind::kReply, reply}); });
}

int writes(CloudScene& scene) {
  return scene.with([](FakeCloudflare& fake) { return fake.writes_heard(); });
}

// The zone known and the record as it was before the move.
struct Ready : CloudScene {
  Ready() {
    put(before_move());
    REQUIRE(provider().read(kApi, 4s).ok());
  }
  void is_moved() {
    CHECK_EQ(get(kApi).values, std::vector<std::string>{"198.51.100.20"});
    CHECK_EQ(get(kApi).mark, kNewMark);
  }
};

// Answers that are no word of Cloudflare's on what was asked.
std::vector<FakeReply> unreadable() {
  return {
      {.status = 500, .body = R"({"success":false,"errors":[],"result":null})"},
      {.status = 502, .body = "<html>Bad gateway</html>", .content_type = "text/html"},
      {.status = 503, .body = ""},
      {.status = 520, .body = "<html>Web server is returning an unknown error</html>"},
      {.status = 200, .body = "<html>Sign in</html>", .content_type = "text/html"},
      {.status = 200, .body = ""},
      {.status = 200, .body = R"({"success":false,"errors":[],"messages":[],"result":null})"},
      {.status = 200, .body = R"({"success":"true","errors":[],"result":[]})"},
      {.status = 200, .body = R"([1,2])"},
      {.status = 200, .body = R"({"success":true})"},
      {.status = 200, .body = R"({"success":true,"result":[)" + std::string(3'000'000, ' ')},
  };
}

}  // namespace

TEST_CASE("row 42: no answer or a reset before the change was made: it is looked at, then redone") {
  for (const FakeReply& reply : {kSilence, kReset}) {
    Ready scene;
    befall(scene, {Kind::kReply, reply});
    expect(scene.provider().replace(move_of(), 4s), ErrorCode::kTimeout, "not effective so far");
    CHECK_EQ(writes(scene), 1);  // Not sent again blindly.
    scene.is_unchanged();
    REQUIRE(scene.provider().replace(move_of(), 4s).ok());
    scene.is_moved();
  }
}

TEST_CASE("row 42: no answer or a reset after the change was made is a success after a look") {
  for (const FakeReply& reply : {kSilence, kReset, FakeReply{.status = 502, .body = "<html>"}}) {
    Ready scene;
    befall(scene, {Kind::kDoneReply, reply});
    REQUIRE(scene.provider().replace(move_of(), 4s).ok());
    CHECK_EQ(writes(scene), 1);
    scene.is_moved();
  }
}

TEST_CASE("row 42: when not even a look is possible, the outcome is said to be unknown") {
  Ready scene;
  befall(scene, {Kind::kDoneReply, kSilence});
  // The read before the write must pass: only what follows the write is silent.
  scene.with([](FakeCloudflare& fake) {
    fake.on_read.push_back({Kind::kDoneReply, {.status = 502}});
    fake.on_read.push_back({Kind::kNotDone, {}});
    for (int k = 0; k < 4; ++k) fake.on_read.push_back({Kind::kReply, {.status = 502}});
  });
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kTimeout, "outcome unknown");
  CHECK_EQ(writes(scene), 1);
}

TEST_CASE("row 43: 429 is waited out within the deadline, and a write is then sent again") {
  Ready scene;
  FakeReply slow = failure(429, 971);
  slow.headers = {{"Retry-After", "1"}};
  befall(scene, {Kind::kReply, slow});
  const Instant before = scene.clock.now();
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  CHECK_GE(scene.clock.now() - before, 1s);
  scene.is_moved();

  Ready late;
  slow.headers = {{"Retry-After", "300"}};
  befall(late, {Kind::kReply, slow});
  expect(late.provider().replace(move_of(), 4s), ErrorCode::kUnavailable, "come back in 5m");
  late.is_unchanged();
}

TEST_CASE("row 43: a code that says too many requests counts whatever its status") {
  Ready scene;
  befall(scene, {Kind::kReply, failure(400, 10429)});
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  CHECK_EQ(writes(scene), 2);
}

TEST_CASE("row 43: reads are refused first, a move still passes, and 1100 calls are the most") {
  Ready scene;
  while (scene.provider().read(kApi, 4s).ok()) {
  }
  expect(scene.provider().read(kApi, 4s), ErrorCode::kUnavailable, "the budget");
  const auto calls = [&] {
    return scene.with([](FakeCloudflare& fake) { return fake.heard.size(); });
  };
  CHECK_EQ(calls(), 900U);
  REQUIRE(scene.provider().read_for_move(kApi, 4s).ok());
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  while (scene.provider().read_for_move(kApi, 1s).ok()) {
  }
  CHECK_EQ(calls(), 1100U);
  scene.clock.slept += 5min;
  CHECK(scene.provider().read(kApi, 4s).ok());
}

TEST_CASE("row 44: what is no proper answer is never a success, to a write") {
  for (const FakeReply& reply : unreadable()) {
    Ready scene;
    befall(scene, {Kind::kReply, reply});
    const auto got = scene.provider().replace(move_of(), 4s);
    expect(got, ErrorCode::kTimeout, "not effective so far");
    CHECK_EQ(writes(scene), 1);
    scene.is_unchanged();
    REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  }
}

TEST_CASE("row 44: the same to a read, and wrong types within a record") {
  auto replies = unreadable();
  const auto one = [](const std::string& record) {
    return FakeReply{.status = 200,
                     .body = R"({"success":true,"errors":[],"result":[)" + record + "]}"};
  };
  const std::string id(32, '0');
  for (const std::string& record :
       {std::string("7"), std::string("{}"),
        std::string(R"({"id":7,"name":"a","type":"A","content":"b"})"),
        std::string(R"({"id":"../x","name":"a","type":"A","content":"192.0.2.1","ttl":60})"),
        R"({"id":")" + id + R"(","name":"a","type":"A","content":"192.0.2.1","ttl":"60"})",
        R"({"id":")" + id + R"(","name":"a","type":"A","content":"192.0.2.1","ttl":-1})",
        R"({"id":")" + id + R"(","name":"a","type":"A","content":"b","ttl":60,"proxied":"no"})",
        R"({"id":")" + id + R"(","name":"a","type":"A","content":"b","ttl":60,"comment":[]})"}) {
    replies.push_back(one(record));
  }
  for (const FakeReply& reply : replies) {
    Ready scene;
    for (int k = 0; k < 4; ++k) befall_read(scene, reply);
    expect(scene.provider().read(kApi, 4s), ErrorCode::kUnavailable, "provider cf at 127.0.0.1");
    scene.with([](FakeCloudflare& fake) { fake.on_read.clear(); });
    CHECK(scene.provider().read(kApi, 4s).ok());
  }
}

TEST_CASE("row 44: what a hostile far side says is told in a kilobyte, of many codes some") {
  const std::string much(100'000, 'x');
  std::string errors;
  for (int k = 0; k < 1000; ++k) {
    errors += R"({"code":9999,"message":"mm","error_chain":[7,[],{}]},)";
  }
  for (const std::string& body :
       {R"({"success":false,"errors":[)" + errors + R"({"code":1}],"result":null})",
        R"({"success":false,"errors":[{"code":1e3,"message":[]},"x",null,{"message":")" + much +
            R"("}],"result":{}})"}) {
    for (const int status : {200, 400, 403}) {
      Ready scene;
      befall(scene, {Kind::kReply, {.status = status, .body = body}});
      befall(scene, {Kind::kReply, {.status = status, .body = body}});  // Without our mark.
      const auto failed = scene.provider().replace(move_of(), 4s);
      REQUIRE_FALSE(failed.ok());
      CHECK_LT(failed.error().message.size(), 2200U);
      scene.is_unchanged();
    }
  }
  Ready scene;
  scene.with([&](FakeCloudflare& fake) { fake.rows[0].content = much; });
  const auto failed = scene.provider().replace(move_of(), 4s);
  expect(failed, ErrorCode::kConflict, "it holds");
  CHECK_LT(failed.error().message.size(), 1100U);
}

TEST_CASE("row 45: success reported and nothing done is not believed") {
  Ready scene;
  befall(scene, {Kind::kNotDone, {}});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kTimeout,
         "not effective so far: the change was accepted; api.example.test A is 192.0.2.10");
  CHECK_EQ(writes(scene), 1);
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  scene.is_moved();
}

TEST_CASE("row 46: applied a little late is waited for") {
  Ready scene;
  befall(scene, {Kind::kLate, {}, 3});
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  CHECK_EQ(writes(scene), 1);
  scene.is_moved();
}

TEST_CASE("row 46: applied after a newer write, only our own older mark is overwritten") {
  Ready scene;
  befall(scene, {Kind::kLate, {}, 1000});
  expect(scene.provider().replace(move_of(), 1s), ErrorCode::kTimeout, "not effective");
  Change newer = move_of();
  newer.desired = {"192.0.2.10"};
  newer.expected = {"198.51.100.20"};
  newer.mark = "pointsman service=im-api epoch=3 reign=0000000000000003 site=hz";
  newer.expected_marks = {kOldMark};
  REQUIRE(scene.provider().replace(newer, 4s).ok());
  // Now the older one takes effect after all.
  scene.put({kApi, {"198.51.100.20"}, std::chrono::seconds(60), kNewMark});
  expect(scene.provider().replace(newer, 4s), ErrorCode::kConflict, "another or a newer plan");
  newer.expected_marks = {kNewMark};
  REQUIRE(scene.provider().replace(newer, 4s).ok());
  CHECK_EQ(scene.get(kApi).values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(scene.get(kApi).mark, newer.mark);
}

TEST_CASE("row 47: of several records only some changed: declared values only, and completed") {
  Ready scene;
  RecordSet from = before_move();
  from.values = {"192.0.2.10", "192.0.2.11"};
  scene.put(from);
  Change change = move_of();
  change.expected = from.values;
  change.desired = {"198.51.100.20", "198.51.100.21"};
  befall(scene, {Kind::kFirstOnly, {}});
  expect(scene.provider().replace(change, 4s), ErrorCode::kTimeout, "not effective so far");
  CHECK_EQ(scene.get(kApi).values, std::vector<std::string>{"192.0.2.11", "198.51.100.20"});
  // Both marks are ours: the next attempt completes it.
  CHECK_EQ(scene.provider().read(kApi, 4s)->mark, kOldMark + "\n" + kNewMark);
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.get(kApi).values, change.desired);
  CHECK_EQ(scene.provider().read(kApi, 4s)->mark, kNewMark);
}

TEST_CASE("row 48: removed between reading and writing: looked at again, then written") {
  Ready scene;
  befall(scene, {Kind::kReply, failure(404, 81044)});
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  CHECK_EQ(writes(scene), 2);
  scene.is_moved();
  for (int k = 0; k < 9; ++k) befall(scene, {Kind::kReply, failure(404, 81044)});
  Change back = move_of();
  std::swap(back.desired, back.expected);
  back.mark = "third";
  back.expected_marks = {kNewMark};
  expect(scene.provider().replace(back, 4s), ErrorCode::kNotFound, "81044");
  CHECK_EQ(writes(scene), 5);
}

TEST_CASE("row 48: deleted or edited by somebody is a conflict, and nothing is written") {
  Ready scene;
  scene.put({kApi, {}, std::chrono::seconds(60), ""});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "lost its mark");
  scene.put({kApi, {"203.0.113.7"}, std::chrono::seconds(60), kOldMark});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "203.0.113.7");
  scene.put({kApi, {"192.0.2.10"}, std::chrono::seconds(60), ""});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "lost its mark");
  CHECK_EQ(writes(scene), 0);
}

TEST_CASE("row 48: a mark or value that repeats our token is not shown") {
  CloudScene scene;
  scene.put({kApi, {"192.0.2.10"}, std::chrono::seconds(60), "by " + kToken});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "the mark \"by ***\"");
  expect(scene.provider().render(move_of(), 4s), ErrorCode::kConflict, "the mark \"by ***\"");
}

TEST_CASE("row 49: what forbids our record is refused by name, at the pre-flight too") {
  struct Case {
    std::string wanted, type, content, part;
  };
  const std::vector<Case> cases = {
      {"A", "CNAME", "www.example.net", "a CNAME to www.example.net stands there"},
      {"CNAME", "A", "192.0.2.1", "A 192.0.2.1 stands where a CNAME is wanted"},
      {"A", "NS", "ns1.example.net", "the name is delegated to ns1.example.net"},
  };
  for (const Case& one : cases) {
    CloudScene scene;
    scene.with([&](FakeCloudflare& fake) {
      FakeCloudflare::Row row{.name = kApi.name, .type = one.type};
      row.content = one.content;
      fake.add(row);
    });
    RecordKey key = kApi;
    key.type = one.wanted;
    expect(scene.provider().read(key, 4s), ErrorCode::kConflict, one.part);
    expect(scene.provider().preflight(key, 4s), ErrorCode::kConflict, one.part);
    CHECK_EQ(writes(scene), 0);
  }
  CloudScene twice;
  const RecordKey six{"example.test", "api.example.test", "AAAA"};
  twice.put({six, {"2001:db8::1", "2001:DB8:0::1"}, std::chrono::seconds(60), ""});
  expect(twice.provider().read(six, 4s), ErrorCode::kConflict,
         "2001:db8::1 stands there in two records");
  CloudScene mixed;
  mixed.put({kApi, {"192.0.2.10", "192.0.2.11"}, std::chrono::seconds(60), ""});
  mixed.with([](FakeCloudflare& fake) { fake.rows[1].proxied = true; });
  expect(mixed.provider().read(kApi, 4s), ErrorCode::kConflict, "one is proxied and the other");
}

TEST_CASE("row 49: an identical record is a success after a look, and else a conflict") {
  for (const int code : {81057, 81058}) {
    Ready scene;
    befall(scene, {Kind::kDoneReply, failure(400, code)});
    REQUIRE(scene.provider().replace(move_of(), 4s).ok());
    Ready other;
    befall(other, {Kind::kReply, failure(400, code)});
    expect(other.provider().replace(move_of(), 4s), ErrorCode::kConflict, std::to_string(code));
  }
  for (const int code : {81053, 81054}) {
    Ready scene;
    befall(scene, {Kind::kReply, failure(400, code)});
    expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, std::to_string(code));
    CHECK_EQ(writes(scene), 1);
  }
}

TEST_CASE("row 50: credentials that fail are found by the pre-flight") {
  const auto preflight = [](auto spoil) {
    CloudScene scene;
    scene.put(before_move());
    scene.with([&](FakeCloudflare& fake) { spoil(fake); });
    auto result = scene.provider().preflight(kApi, 4s);
    scene.is_unchanged();
    return result;
  };
  const auto sound = preflight([](FakeCloudflare&) {});
  REQUIRE(sound.ok());
  for (const char* part :
       {"the token is active", "zone example.test is active", "turned down for that alone",
        "api.example.test A is 192.0.2.10 with TTL 60 s", "TTLs from 60 s up", " ms"}) {
    CHECK_MESSAGE(sound->find(part) != std::string::npos, part << " in " << *sound);
  }
  expect(preflight([](FakeCloudflare& fake) { fake.token_status = "expired"; }),
         ErrorCode::kRefused, "\"expired\", not active");
  expect(preflight([](FakeCloudflare& fake) { fake.token_status = "disabled"; }),
         ErrorCode::kRefused, "\"disabled\", not active");
  expect(preflight([](FakeCloudflare& fake) { fake.not_before = "2099-01-01T00:00:00Z"; }),
         ErrorCode::kRefused, "not valid before 2099");
  expect(preflight([](FakeCloudflare& fake) { fake.may_write = false; }), ErrorCode::kRefused,
         "may read but not write");
  expect(preflight([](FakeCloudflare& fake) { fake.may_read = false; }), ErrorCode::kRefused,
         "DNS Write");
  expect(preflight([](FakeCloudflare& fake) { fake.zones[0].status = "pending"; }),
         ErrorCode::kRefused, "\"pending\", not active");
  expect(preflight([](FakeCloudflare& fake) { fake.may_read_zones = false; }), ErrorCode::kRefused,
         "9109");
  expect(preflight([](FakeCloudflare& fake) { fake.zones[0].name = "other.test"; }),
         ErrorCode::kNotFound, "sees no zone example.test");
  const auto soon =
      preflight([](FakeCloudflare& fake) { fake.expires_on = "2026-09-30T00:00:00Z"; });
  REQUIRE(soon.ok());
  CHECK_NE(soon->find("which is SOON"), std::string::npos);
  const auto later =
      preflight([](FakeCloudflare& fake) { fake.expires_on = "2027-09-30T00:00:00Z"; });
  CHECK_EQ(later->find("SOON"), std::string::npos);
  // A token of an account is not known at the user's path, and good all the same.
  const auto accounts = preflight([](FakeCloudflare& fake) { fake.users_token = false; });
  REQUIRE(accounts.ok());
  CHECK_NE(accounts->find("could not be verified by itself"), std::string::npos);
}

TEST_CASE("row 50: a wrong token, and one that is revoked before a move") {
  CloudScene wrong;
  wrong.settings.token = wrong.settings.api.secrets[0] = "another-token-of-twenty-and-more";
  wrong.put(before_move());
  const auto refused = wrong.provider().preflight(kApi, 4s);
  expect(refused, ErrorCode::kRefused, "10000 Authentication error");
  CHECK_EQ(refused.error().message.find("another-token"), std::string::npos);
  for (const auto& [status, code] :
       std::vector<std::pair<int, int>>{{401, 10000}, {403, 9109}, {403, 10000}, {400, 6003}}) {
    Ready scene;
    befall(scene, {Kind::kReply, failure(status, code)});
    expect(scene.provider().replace(move_of(), 4s), ErrorCode::kRefused, std::to_string(code));
    CHECK_EQ(writes(scene), 1);
    scene.is_unchanged();
  }
}

TEST_CASE("row 51: a TTL below the floor is raised, and a floor that was too low is learned") {
  CloudScene scene;
  scene.settings.ttl_min = std::chrono::seconds(30);
  scene.put(before_move());
  Change change = move_of();
  change.ttl = std::chrono::seconds(10);
  CHECK_EQ(scene.provider().limits().ttl_min.count(), 30);
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.get(kApi).ttl.count(), 60);
  CHECK_EQ(scene.provider().limits().ttl_min.count(), 60);
  const long changes = scene.with([](FakeCloudflare& fake) { return fake.changes; });
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.with([](FakeCloudflare& fake) { return fake.changes; }), changes);

  CloudScene enterprise;
  enterprise.settings.ttl_min = std::chrono::seconds(30);
  enterprise.with([](FakeCloudflare& fake) { fake.ttl_least = 30; });
  enterprise.put(before_move());
  REQUIRE(enterprise.provider().replace(change, 4s).ok());
  CHECK_EQ(enterprise.get(kApi).ttl.count(), 30);
}

TEST_CASE("row 54: nobody there, then there again") {
  Ready scene;
  scene.cloud.server().end();
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kUnavailable, "provider cf at");
  expect(scene.provider().preflight(kApi, 4s), ErrorCode::kUnavailable, "provider cf at");
  CHECK_EQ(writes(scene), 0);
}

TEST_CASE("row 55: a redirect is not followed, by a read or by a write") {
  CloudScene trap;
  Ready scene;
  const FakeReply away{.status = 307,
                       .body = "{}",
                       .headers = {{"Location", trap.cloud.url() + "/zones?name=example.test"}}};
  befall(scene, {Kind::kReply, away});
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kRefused, "a redirect");
  befall_read(scene, away);
  expect(scene.provider().read(kApi, 4s), ErrorCode::kRefused, "a redirect");
  CHECK_EQ(trap.cloud.server().requests(), 0);
  scene.is_unchanged();
}

TEST_CASE("row 56: a clock that differs is told with its measure") {
  Ready scene;
  FakeReply verify{.status = 200,
                   .body = R"({"success":true,"errors":[],"messages":[],)"
                           R"("result":{"id":"x","status":"active"}})"};
  verify.headers = {{"Date", "Mon, 21 Sep 2026 14:20:40 GMT"}};
  befall_read(scene, verify);
  const auto sound = scene.provider().preflight(kApi, 4s);
  REQUIRE(sound.ok());
  CHECK_MESSAGE(sound->find("behind the server's") != std::string::npos, *sound);
}

TEST_CASE("row 113: an older plan finds the mark of a newer one and writes nothing") {
  Ready scene;
  RecordSet newer = before_move();
  newer.mark = "pointsman service=im-api epoch=9 reign=0000000000000009 site=hz";
  scene.put(newer);
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "newer plan was here");
  CHECK_EQ(writes(scene), 0);
}

TEST_CASE("row 114: nothing is removed but a declared value of the set, with one left standing") {
  Ready scene;
  const RecordKey beside{"example.test", "api.example.test", "TXT"};
  scene.put({beside, {"hello"}, std::chrono::seconds(60), ""});
  RecordSet from = before_move();
  from.values = {"192.0.2.10", "192.0.2.11"};
  scene.put(from);
  Change change = move_of();
  change.expected = from.values;
  REQUIRE(scene.provider().replace(change, 4s).ok());
  scene.with([](FakeCloudflare& fake) {
    REQUIRE_EQ(fake.writes_heard(), 1);
    for (const auto& request : fake.heard) CHECK_NE(request.method, "DELETE");
    CHECK_EQ(fake.rows.size(), 2U);
  });
  CHECK_EQ(scene.get(beside).values, std::vector<std::string>{"hello"});
  scene.is_moved();
}
