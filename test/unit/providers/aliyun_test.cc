#include "providers/aliyun.h"

#include "base/crypto.h"
#include "test/conformance/provider_suite.h"
#include "test/unit/providers/aliyun_scene.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr Duration kWithin = 5s;

class AliyunBench : public ProviderBench {
 public:
  Provider& provider() override { return *provider_; }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", fmt::format("n{}.example.test", ++names_), type};
  }
  void put(const RecordSet& set) override {
    fake_.with([&](FakeAliyun::World& world) {
      std::erase_if(world.records, [&](const FakeRecord& r) { return of(r, set.key); });
      std::string remark = set.mark.empty() ? "" : make_remark({"", set.mark}).value();
      for (const std::string& value : set.values) {
        FakeRecord record = fake_record(rr(set.key), value);
        record.type = set.key.type;
        record.id = std::to_string(world.next_id++);
        record.ttl = set.ttl.count();
        record.remark = std::exchange(remark, "");
        world.records.push_back(record);
      }
    });
    ++puts_;
  }
  RecordSet get(const RecordKey& key) override {
    return fake_.with([&](const FakeAliyun::World& world) {
      RecordSet out;
      out.key = key;
      for (const FakeRecord& record : world.records) {
        if (!of(record, key)) continue;
        out.values.push_back(record.value);
        out.ttl = std::max(out.ttl, std::chrono::seconds(record.ttl));
        const std::string mark = read_remark(record.remark).mark;
        if (!mark.empty()) out.mark = mark;
      }
      std::sort(out.values.begin(), out.values.end());
      return out;
    });
  }
  long changes() override { return fake_.changes() + puts_; }
  long writes() override { return fake_.writes(); }
  bool keeps(const std::string& mark) override { return make_remark({"", mark}).has_value(); }

 private:
  static std::string rr(const RecordKey& key) {
    return lowered(key.name.substr(0, key.name.find('.')));
  }
  static bool of(const FakeRecord& record, const RecordKey& key) {
    return record.rr == rr(key) && record.type == key.type;
  }

  FakeAliyun fake_;
  std::unique_ptr<Provider> provider_ =
      std::move(make_provider(aliyun_settings(fake_, "aliyun"), system_clock())).value();
  int names_ = 0;
  int puts_ = 0;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("aliyun keeps the provider contract") {
  AliyunBench bench;
  run_provider_suite(bench);
}

TEST_CASE("aliyun: a move costs a read and a write, a read back and a mark") {
  AliyunScene scene;
  const std::string id = put_record(scene.fake, fake_record("api", "192.0.2.10"));
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  std::string told;
  for (const FakeCall& call : scene.fake.calls()) told += call.action + " ";
  CHECK_EQ(told,
           "DescribeSubDomainRecords UpdateDomainRecord DescribeSubDomainRecords "
           "UpdateDomainRecordRemark ");
  CHECK(scene.fake.refusals().empty());
  CHECK_EQ(scene.fake.calls()[1].at("RecordId"), id);
  CHECK_EQ(scene.fake.with([](const auto& world) { return world.records.front().remark; }),
           "pm.im-api_x2042_x20sh.");
}

TEST_CASE("aliyun: line, priority, TTL and the operator's remark outlive a move") {
  AliyunScene scene;
  FakeRecord record = fake_record("api", "192.0.2.10", "telecom");
  record.priority = 7;
  record.remark = "主站";
  put_record(scene.fake, record);
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  const FakeRecord after = scene.fake.with([](const auto& world) { return world.records.front(); });
  CHECK_EQ(after.value, "198.51.100.20");
  CHECK_EQ(after.line, "telecom");
  CHECK_EQ(after.priority, 7);
  CHECK_EQ(after.ttl, 60);
  CHECK(after.remark.starts_with("主站,pm."));
}

TEST_CASE("aliyun: the zone's own name is written as @") {
  AliyunScene scene;
  scene.key.name = "example.test";
  put_record(scene.fake, fake_record("@", "192.0.2.10"));
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 60");
}

TEST_CASE("aliyun: records of every line and page are moved") {
  AliyunScene scene;
  Change change = scene.change();
  std::string expected;
  for (int k = 0; k < 130; ++k) {
    const std::string line = k == 0 ? "default" : fmt::format("line{}", k);
    put_record(scene.fake, fake_record("api", "192.0.2.10", line));
    expected += fmt::format("{}198.51.100.20@{} 60", k == 0 ? "" : ", ", line);
  }
  REQUIRE(scene.provider->replace(change, 60s).ok());
  CHECK_EQ(records_text(scene.fake), expected);
  // Two pages before and two after.
  CHECK_EQ(scene.fake.count("DescribeSubDomainRecords"), 4);
  CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 130);
}

TEST_CASE("aliyun: more pages than are read, or pages that do not add up, are no answer") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  scene.fake.between([](const FakeCall&, const FakeAliyun::Serve& serve) {
    FakeReply reply = serve();
    const auto at = reply.body.find("\"TotalCount\":1");
    REQUIRE(at != std::string::npos);
    reply.body.replace(at, 14, "\"TotalCount\":5000");
    return reply;
  });
  const auto read = scene.provider->read(scene.key, kWithin);
  REQUIRE_FALSE(read.ok());
  CHECK_EQ(read.error().code, ErrorCode::kUnavailable);
  CHECK_LE(scene.fake.count("DescribeSubDomainRecords"), 10);
}

TEST_CASE("aliyun: sets of several values are at no time empty or foreign") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  put_record(scene.fake, fake_record("api", "192.0.2.11"));
  put_record(scene.fake, fake_record("api", "192.0.2.12"));
  const std::vector<std::string> declared{"192.0.2.10", "192.0.2.11", "192.0.2.12", "198.51.100.20",
                                          "198.51.100.21"};
  int seen = 0;
  bool sound = true;
  scene.fake.between([&](const FakeCall&, const FakeAliyun::Serve& serve) {
    FakeReply reply = serve();
    scene.fake.with([&](const FakeAliyun::World& world) {
      ++seen;
      sound = sound && world.records.size() >= 2;
      for (const FakeRecord& record : world.records) {
        sound =
            sound && std::find(declared.begin(), declared.end(), record.value) != declared.end();
      }
    });
    return reply;
  });
  Change change = scene.change();
  change.desired = {"198.51.100.20", "198.51.100.21"};
  change.expected = {"192.0.2.10", "192.0.2.11", "192.0.2.12"};
  REQUIRE(scene.provider->replace(change, kWithin).ok());
  CHECK(sound);
  CHECK_GT(seen, 4);
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 60, 198.51.100.21@default 60");
}

TEST_CASE("aliyun: an update that is already so is success when reading agrees") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  // Another attempt of ours was acted on between our reading and our writing.
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action == "UpdateDomainRecord") (void)serve();
    return serve();
  });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 1);
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 60");
}

TEST_CASE("aliyun: a duplicate that is not what was wanted is no success") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action != "UpdateDomainRecord") return serve();
    return FakeAliyun::error(400, "DomainRecordDuplicate", "The DNS record already exists.");
  });
  const auto done = scene.provider->replace(scene.change(), 2s);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kConflict);
  CHECK(has(done.error().message, "DomainRecordDuplicate"));
}

TEST_CASE("aliyun: an unfinished earlier change is waited for with fresh nonces") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  int refused = 0;
  scene.fake.between([&](const FakeCall& call, const FakeAliyun::Serve& serve) {
    if (call.action != "UpdateDomainRecord" || ++refused > 1) return serve();
    return FakeAliyun::error(400, "LastOperationNotFinished", "The last operation is unfinished.");
  });
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(refused, 2);
  CHECK(scene.fake.refusals().empty());
}

TEST_CASE("aliyun: a TTL below the edition's floor is raised, not refused") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  scene.fake.with([](FakeAliyun::World& world) { world.min_ttl = 600; });
  CHECK_EQ(scene.provider->limits().ttl_min.count(), 1);
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 600");
  CHECK_EQ(scene.provider->limits().ttl_min.count(), 600);
  // And from then on at once.
  scene.fake.forget_calls();
  Change back = scene.change();
  std::swap(back.desired, back.expected);
  back.expected_marks = {scene.change().mark};
  REQUIRE(scene.provider->replace(back, kWithin).ok());
  CHECK_EQ(scene.fake.count("UpdateDomainRecord"), 1);
  CHECK_EQ(scene.fake.count("DescribeDomainInfo"), 0);
}

TEST_CASE("aliyun: a mark that cannot be written does not fail the move, and is told") {
  AliyunScene scene;
  put_record(scene.fake, fake_record("api", "192.0.2.10"));
  scene.fake.with(
      [](FakeAliyun::World& world) { world.keys["testid"].denied = {"UpdateDomainRecordRemark"}; });
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(records_text(scene.fake), "198.51.100.20@default 60");
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  CHECK(has(*text, "the last mark was not written"));
}

TEST_CASE("aliyun: a mark that finds no room is told, and what stands there stays") {
  AliyunScene scene;
  FakeRecord record = fake_record("api", "192.0.2.10");
  record.remark = "the main site of the company, never touch it";
  put_record(scene.fake, record);
  REQUIRE(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.fake.count("UpdateDomainRecordRemark"), 0);
  CHECK_EQ(scene.fake.with([](const auto& world) { return world.records.front().remark; }),
           record.remark);
  const auto text = scene.provider->preflight(scene.key, kWithin);
  REQUIRE(text.ok());
  CHECK(has(*text, "the last mark was not written: the remark of the first record has no room"));
  // Asking again changes nothing.
  scene.fake.forget_calls();
  CHECK(scene.provider->replace(scene.change(), kWithin).ok());
  CHECK_EQ(scene.fake.calls().size(), 1);
}

TEST_CASE("aliyun: what is rendered is what is sent, without secret and signature") {
  AliyunScene scene;
  const std::string id = put_record(scene.fake, fake_record("api", "192.0.2.10"));
  ProviderSettings settings = aliyun_settings(scene.fake, "aliyun");
  settings.credentials = {{"access_key_id", "STS.testid"},
                          {"access_key_secret", "testsecret"},
                          {"security_token", "CAIS/dummy+token==/abc"}};
  scene.fake.with([](FakeAliyun::World& world) {
    world.keys["STS.testid"] = {"testsecret", "CAIS/dummy+token==/abc", {}};
  });
  auto provider = std::move(make_provider(settings, system_clock())).value();
  const auto rendered = provider->render(scene.change(), kWithin);
  REQUIRE(rendered.ok());
  REQUIRE_EQ(rendered->size(), 2);
  const std::string& text = rendered->front();
  CHECK(has(text, "POST " + scene.fake.endpoint() + "/?Line=default&RR=api&RecordId=" + id +
                      "&TTL=60&Type=A&Value=198.51.100.20\n"));
  CHECK(has(text, "x-acs-action: UpdateDomainRecord\n"));
  CHECK(has(text, "Signature=***"));
  CHECK(has(rendered->back(), "Remark=pm.im-api_x2042_x20sh."));
  for (const std::string& one : *rendered) {
    CHECK_FALSE(has(one, "testsecret"));
    CHECK_FALSE(has(one, "CAIS"));
  }
  CHECK_EQ(scene.fake.changes(), 0);
  CHECK(provider->replace(scene.change(), kWithin).ok());
}
