// The cloudflare provider: what it asks for, and what it makes of the answers.

#include "providers/cloudflare.h"

#include "test/unit/providers/cloudflare_scene.h"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

FakeCloudflare::Row row_of(const std::string& type, const std::string& content) {
  FakeCloudflare::Row row{.name = "api.example.test", .type = type};
  row.content = content;
  return row;
}

std::size_t heard(CloudScene& scene) {
  return scene.with([](FakeCloudflare& fake) { return fake.heard.size(); });
}

}  // namespace

TEST_CASE("cloudflare keeps the contract, zones looked up by name") {
  CloudScene scene;
  CloudBench bench(scene);
  run_provider_suite(bench);
  scene.with([](FakeCloudflare& fake) {
    CHECK(fake.complaints.empty());
    for (const auto& request : fake.heard) CHECK_NE(request.method, "DELETE");
    for (const auto& row : fake.rows) {
      const bool ours = row.comment.starts_with("[[pm ");
      if (!ours) CHECK_EQ(row.comment.find("Ops: ask Wang"), 0U);
    }
  });
}

TEST_CASE("cloudflare keeps the contract, the zone's id given") {
  CloudScene scene;
  scene.settings.zone_id = std::string(32, 'a');
  CloudBench bench(scene);
  run_provider_suite(bench);
  scene.with([](FakeCloudflare& fake) { CHECK(fake.complaints.empty()); });
}

TEST_CASE("a move is one read, one PATCH of the whole record in place, and one read back") {
  CloudScene scene;
  scene.put(before_move());
  REQUIRE(scene.provider().read(kApi, 4s).ok());
  const std::string id = scene.with([](FakeCloudflare& fake) { return fake.rows[0].id; });
  const std::size_t before = heard(scene);
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  scene.with([&](FakeCloudflare& fake) {
    REQUIRE_EQ(fake.heard.size(), before + 3);
    const FakeRequest& write = fake.heard[before + 1];
    const std::string zone = "/client/v4/zones/" + std::string(32, 'a');
    CHECK_EQ(fake.heard[before].target,
             zone + "/dns_records?name=api.example.test&per_page=50&page=1");
    CHECK_EQ(write.method, "PATCH");
    CHECK_EQ(write.target, zone + "/dns_records/" + id);
    CHECK_EQ(write.body,
             R"({"name":"api.example.test","type":"A","content":"198.51.100.20","ttl":60,)"
             R"("proxied":false,"comment":"Ops: ask Wang [[pm )" +
                 kNewMark + "]]\"}");
    CHECK_EQ(fake.heard[before + 2].method, "GET");
    REQUIRE_EQ(fake.rows.size(), 1U);
    CHECK_EQ(fake.rows[0].id, id);
  });
}

TEST_CASE("several records change in one transaction, in place as far as that goes") {
  CloudScene scene;
  RecordSet from = before_move();
  from.values = {"192.0.2.10", "192.0.2.11", "192.0.2.12"};
  scene.put(from);
  Change change = move_of();
  change.expected = from.values;
  change.desired = {"192.0.2.12", "198.51.100.20"};
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.get(kApi).values, change.desired);
  scene.with([](FakeCloudflare& fake) {
    CHECK_EQ(fake.writes_heard(), 1);
    CHECK_EQ(fake.changes, 2);
  });
}

TEST_CASE("render shows the request itself, token masked, and sends none") {
  CloudScene scene;
  scene.put(before_move());
  const auto text = scene.provider().render(move_of(), 4s);
  REQUIRE(text.ok());
  REQUIRE_EQ(text->size(), 1U);
  const std::string id = scene.with([](FakeCloudflare& fake) { return fake.rows[0].id; });
  CHECK_EQ(text->front(), "PATCH " + scene.cloud.url() + "/zones/" + std::string(32, 'a') +
                              "/dns_records/" + id +
                              "\nAccept: application/json\nContent-Type: application/json\n"
                              "Authorization: Bearer ***\n\n"
                              R"({"name":"api.example.test","type":"A",)"
                              R"("content":"198.51.100.20","ttl":60,"proxied":false,)"
                              R"("comment":"Ops: ask Wang [[pm )" +
                              kNewMark + "]]\"}\n");
  scene.with([](FakeCloudflare& fake) { CHECK_EQ(fake.writes_heard(), 0); });
}

TEST_CASE("a proxied record stays proxied, has no TTL of its own, and its API has the last word") {
  CloudScene scene;
  auto row = row_of("A", "192.0.2.10");
  row.proxied = true;
  row.comment = "web [[pm " + kOldMark + "]] do not grey";
  scene.with([&](FakeCloudflare& fake) { fake.add(row); });
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  const long changes = scene.with([](FakeCloudflare& fake) {
    CHECK(fake.rows[0].proxied);
    CHECK_EQ(fake.rows[0].ttl, 1);
    CHECK_EQ(fake.rows[0].content, "198.51.100.20");
    CHECK_EQ(fake.rows[0].comment, "web [[pm " + kNewMark + "]] do not grey");
    return fake.changes;
  });
  REQUIRE(scene.provider().replace(move_of(), 4s).ok());
  CHECK_EQ(scene.with([](FakeCloudflare& fake) { return fake.changes; }), changes);
  CHECK_EQ(scene.provider().authorities(kApi, 4s).value(), std::vector<std::string>{kApiAuthority});
  const auto sound = scene.provider().preflight(kApi, 4s);
  REQUIRE(sound.ok());
  CHECK_NE(sound->find("automatic TTL, proxied: its API has the last word"), std::string::npos);
  // A value more joins it proxied as well.
  Change more = move_of();
  more.desired = {"198.51.100.20", "198.51.100.21"};
  REQUIRE(scene.provider().replace(more, 4s).ok());
  scene.with([](FakeCloudflare& fake) {
    REQUIRE_EQ(fake.rows.size(), 2U);
    CHECK(fake.rows[1].proxied);
  });
}

TEST_CASE("a record that is not proxied is asked for at the zone's own name servers") {
  CloudScene scene;
  scene.put(before_move());
  CHECK_EQ(scene.provider().authorities(kApi, 4s).value(),
           std::vector<std::string>{"127.0.0.1:53"});
  // Automatic is 300 s to everybody else.
  RecordSet automatic = before_move();
  automatic.ttl = std::chrono::seconds(1);
  scene.put(automatic);
  CHECK_EQ(scene.provider().read(kApi, 4s)->ttl.count(), 300);
  auto flat = row_of("CNAME", "hz.example.net");
  flat.name = "flat.example.test";
  flat.flattened = true;
  scene.with([&](FakeCloudflare& fake) { fake.add(flat); });
  CHECK_EQ(scene.provider().authorities({"example.test", flat.name, "CNAME"}, 4s).value(),
           std::vector<std::string>{kApiAuthority});

  CloudScene blind;
  blind.settings.zone_id = std::string(32, 'a');
  blind.with([](FakeCloudflare& fake) { fake.may_read_zones = false; });
  blind.put(before_move());
  expect(blind.provider().authorities(kApi, 4s), ErrorCode::kRefused,
         "name them with `authorities`, or grant Zone Read");
  blind.made.reset();
  blind.settings.authorities = {"192.0.2.53:53"};
  CHECK_EQ(blind.provider().authorities(kApi, 4s).value(),
           std::vector<std::string>{"192.0.2.53:53"});
  blind.with([](FakeCloudflare& fake) { fake.rows[0].proxied = true; });
  CHECK_EQ(blind.provider().authorities(kApi, 4s).value(), std::vector<std::string>{kApiAuthority});
}

TEST_CASE("the operator's comment stays, whatever stands round the mark") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "[[pm M]]"},
      {"note", "note [[pm M]]"},
      {"note ", "note [[pm M]]"},
      {"see [[wiki]]", "see [[wiki]] [[pm M]]"},
      {"a [[pm old]] b", "a [[pm M]] b"},
      {"[[pm old]]", "[[pm M]]"},
      {"[[pm broken", "[[pm broken [[pm M]]"},
  };
  for (const auto& [before, after] : cases) CHECK_EQ(write_comment(before, "M"), after);
  CHECK_EQ(read_comment("a [[pm x]]y]] b").mark, "x");
  CHECK_EQ(write_comment("a [[pm x]] see [[wiki]] b", "M"), "a [[pm M]] see [[wiki]] b");
  CHECK_EQ(read_comment("[[pm broken [[pm M]] c").before, "[[pm broken ");
  CHECK_EQ(read_comment("[[pm broken [[pm M]] c").mark, "M");
  CHECK_EQ(read_comment("[[pm ]]").after, "");
  CHECK_EQ(read_comment("[[pm ]").before, "[[pm ]");
  CHECK_EQ(read_comment("a [[pm x]] b").after, " b");
  CHECK_EQ(read_comment("]] [[pm ").mark, "");
  CHECK_EQ(write_comment("a [[pm x]] b", ""), "a  b");
}

TEST_CASE("a mark that could not be read as it was written is refused") {
  CloudScene scene;
  scene.put(before_move());
  for (const char* mark : {"a]]b", "a]", "[[pm a", "]]"}) {
    Change change = move_of();
    change.mark = mark;
    expect(scene.provider().replace(change, 4s), ErrorCode::kInvalid, "holds the brackets");
  }
  CHECK(is_comment_mark("a] [[b]c"));
  CHECK_EQ(scene.with([](FakeCloudflare& fake) { return fake.writes_heard(); }), 0);
}

TEST_CASE("a comment that grows too long is told beforehand, also where only the mark is long") {
  CloudScene scene;
  const auto told = [&](const std::string& note, const std::string& mark) {
    scene.put({kApi, {"192.0.2.10"}, std::chrono::seconds(60), mark}, note);
    const auto sound = scene.provider().preflight(kApi, 4s);
    REQUIRE(sound.ok());
    return *sound;
  };
  const std::string plain = told("", kOldMark);
  CHECK_NE(plain.find("a Free plan takes 100 characters of comment"), std::string::npos);
  CHECK_EQ(plain.find("ITS COMMENT"), std::string::npos);
  for (const auto& text : {told(std::string(60, 'n'), ""), told("", std::string(120, 'm'))}) {
    CHECK_NE(text.find("ITS COMMENT"), std::string::npos);
    CHECK_NE(text.find("moves are made there without our mark"), std::string::npos);
  }
}

TEST_CASE("where the mark does not fit the move is made without it, and the old mark goes") {
  const std::string note(60, 'n');
  for (const bool marked : {false, true}) {
    CloudScene scene;
    scene.put({kApi, {"192.0.2.10"}, std::chrono::seconds(60), marked ? kOldMark : ""}, note);
    scene.with([](FakeCloudflare& fake) { fake.comment_most = 100; });
    Change change = move_of();
    change.expected_marks = {marked ? kOldMark : ""};
    for (int run = 1; run <= 2; ++run) {  // Again: nothing is left to be done.
      REQUIRE(scene.provider().replace(change, 4s).ok());
      scene.with([&](FakeCloudflare& fake) {
        CHECK_EQ(fake.rows[0].content, "198.51.100.20");
        CHECK_EQ(trimmed(fake.rows[0].comment), note);
        CHECK_EQ(fake.changes, 2);  // One of them is put()'s.
      });
      CHECK_EQ(scene.provider().read(kApi, 4s)->mark, "");
      change.expected_marks = {""};
    }
  }
}

TEST_CASE("several records of which one has no room for the mark are all written without") {
  CloudScene scene;
  RecordSet from = before_move();
  from.values = {"192.0.2.10", "192.0.2.11"};
  scene.put(from);
  scene.with([](FakeCloudflare& fake) {
    fake.rows[1].comment = std::string(60, 'n') + fake.rows[1].comment;
    fake.comment_most = 100;
  });
  Change change = move_of();
  change.expected = from.values;
  change.desired = {"198.51.100.20", "198.51.100.21", "198.51.100.22"};
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.get(kApi).values, change.desired);
  CHECK_EQ(scene.provider().read(kApi, 4s)->mark, "");
}

TEST_CASE("a TTL and a mark that are both refused hold up no move; what else is refused stays so") {
  CloudScene scene;
  scene.settings.ttl_min = std::chrono::seconds(30);
  scene.put({kApi, {"192.0.2.10"}, std::chrono::seconds(60), ""}, std::string(60, 'n'));
  scene.with([](FakeCloudflare& fake) { fake.comment_most = 100; });
  Change change = move_of();
  change.ttl = std::chrono::seconds(30);
  change.expected_marks = {""};
  REQUIRE(scene.provider().replace(change, 4s).ok());
  CHECK_EQ(scene.get(kApi).values, change.desired);
  CHECK_EQ(scene.get(kApi).ttl.count(), 60);

  CloudScene other;
  other.put(before_move());
  const FakeReply no{.status = 400,
                     .body = R"({"success":false,"errors":[{"code":9005,"message":"no"}]})"};
  other.with([&](FakeCloudflare& fake) {
    fake.on_write = {{FakeCloudflare::Fault::Kind::kReply, no},
                     {FakeCloudflare::Fault::Kind::kReply, no}};
  });
  expect(other.provider().replace(move_of(), 4s), ErrorCode::kInvalid, "9005");
  other.is_unchanged();
  CHECK_EQ(other.with([](FakeCloudflare& fake) { return fake.writes_heard(); }), 2);
}

TEST_CASE("what two records of one set say differently belongs to nobody") {
  CloudScene scene;
  auto row = row_of("A", "192.0.2.10");
  row.comment = "[[pm " + kOldMark + "]]";
  scene.with([&](FakeCloudflare& fake) {
    fake.add(row);
    fake.add(row_of("A", "198.51.100.20"));
  });
  expect(scene.provider().replace(move_of(), 4s), ErrorCode::kConflict, "mark");
  scene.with([](FakeCloudflare& fake) { CHECK_EQ(fake.writes_heard(), 0); });
}

TEST_CASE("a zone is looked up once, and once more when its id is no longer known") {
  CloudScene scene;
  scene.put(before_move());
  REQUIRE(scene.provider().read(kApi, 4s).ok());
  REQUIRE(scene.provider().read(kApi, 4s).ok());
  CHECK_EQ(heard(scene), 3U);  // The zone and twice the record.
  scene.with([](FakeCloudflare& fake) {
    fake.zones[0].id = std::string(32, 'b');
    fake.rows[0].zone_id = fake.zones[0].id;
  });
  CHECK_EQ(scene.provider().read(kApi, 4s)->values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(heard(scene), 6U);
  scene.with([](FakeCloudflare& fake) {
    fake.zones.push_back(fake.zones[0]);
    fake.zones[0].id = std::string(32, 'c');
  });
  scene.made.reset();
  expect(scene.provider().read(kApi, 4s), ErrorCode::kConflict, "sees 2 zones example.test");
  scene.with([](FakeCloudflare& fake) { fake.zones.clear(); });
  expect(scene.provider().read(kApi, 4s), ErrorCode::kNotFound, "sees no zone example.test");
}

TEST_CASE("nothing is created in a zone that may be another") {
  CloudScene scene;
  scene.settings.zone_id = std::string(32, 'a');
  scene.with([](FakeCloudflare& fake) { fake.zones[0].name = "other.test"; });
  Change change = move_of();
  change.expected_marks = {""};
  expect(scene.provider().replace(change, 4s), ErrorCode::kInvalid,
         "zone_id is zone \"other.test\", not example.test");
  scene.with([](FakeCloudflare& fake) { fake.may_read_zones = false; });
  expect(scene.provider().replace(change, 4s), ErrorCode::kRefused,
         "create it by hand, or grant Zone Read");
  scene.with([](FakeCloudflare& fake) { CHECK_EQ(fake.writes_heard(), 0); });
}

TEST_CASE("lists of more than a page are read to their end, and no longer than they may be") {
  CloudScene scene;
  scene.with([](FakeCloudflare& fake) {
    fake.ignores_filter = true;
    for (int k = 0; k < 120; ++k) {
      FakeCloudflare::Row row{.name = "n" + std::to_string(k) + ".example.test"};
      row.content = "203.0.113.1";
      fake.add(row);
    }
    fake.add(row_of("A", "192.0.2.10"));
  });
  CHECK_EQ(scene.provider().read(kApi, 4s)->values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(heard(scene), 4U);
  scene.with([](FakeCloudflare& fake) {
    for (int k = 0; k < 500; ++k) fake.add(row_of("TXT", "t" + std::to_string(k)));
  });
  expect(scene.provider().read(kApi, 4s), ErrorCode::kConflict, "more than 500 entries");
}

TEST_CASE("a list that holds less than it tells of is no list, and nothing is absent by it") {
  for (const std::size_t held : {0, 1}) {
    CloudScene scene;
    RecordSet set = before_move();
    set.values = {"192.0.2.10", "192.0.2.11"};
    scene.put(set);
    REQUIRE(scene.provider().read(kApi, 4s).ok());
    scene.with([&](FakeCloudflare& fake) { fake.page_most = held; });
    expect(scene.provider().read(kApi, 4s), ErrorCode::kUnavailable,
           std::to_string(held) + " entries on 1 pages came, told: 2 on 1");
    expect(scene.provider().replace(move_of(), 4s), ErrorCode::kUnavailable, "told: 2");
    CHECK_EQ(scene.with([](FakeCloudflare& fake) { return fake.writes_heard(); }), 0);
  }
  CloudScene many;
  many.with([](FakeCloudflare& fake) {
    fake.ignores_filter = true;
    for (int k = 0; k < 120; ++k) fake.add(row_of("TXT", "t" + std::to_string(k)));
    fake.add(row_of("A", "192.0.2.10"));
    fake.page_most = 49;
  });
  expect(many.provider().read(kApi, 4s), ErrorCode::kUnavailable,
         "49 entries on 1 pages came, told: 121 on 3");
}

TEST_CASE("settings: every mistake is named, what a credential holds is not") {
  const auto complaint = [](std::map<std::string, std::string> options,
                            std::map<std::string, std::string> credentials) {
    const auto made =
        make_provider({"cf", "cloudflare", std::move(options), credentials}, system_clock());
    return made.ok() ? std::string() : made.error().message;
  };
  CHECK_EQ(complaint({}, {{"api_token", kToken}}), "");
  CHECK_EQ(complaint({{"zone_id", std::string(32, 'a')}, {"ttl_min", "30s"}, {"timeout", "3s"}},
                     {{"api_token", kToken}}),
           "");
  const std::string all = complaint({{"zone_id", "example.test"},
                                     {"ttl_min", "1s"},
                                     {"zone", "x"},
                                     {"endpoint", "http://a.test"},
                                     {"authorities", "ns1"}},
                                    {{"api_token", "short secret"}, {"key", "k"}});
  for (const char* part :
       {"zone_id: found \"example.test\"", "ttl_min: found \"1s\"", "zone: unknown key",
        "endpoint: found", "authorities: found",
        "credential api_token: found something else (not shown)", "credential key: unknown key"}) {
    CHECK_MESSAGE(all.find(part) != std::string::npos, part << " in " << all);
  }
  CHECK_EQ(all.find("short secret"), std::string::npos);
}
