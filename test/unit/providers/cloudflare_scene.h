#pragma once

#include <doctest/doctest.h>

#include "providers/cloudflare.h"
#include "test/conformance/provider_suite.h"
#include "test/support/fake_cloudflare.h"

// A provider before a fake Cloudflare, on time that passes only by sleeping.

namespace pointsman::testing {

inline const std::string kToken = "v1.0-secret-token-of-forty-characters-1234";

class SleptClock final : public Clock {
 public:
  Duration slept{0};
  Instant now() const override { return Instant{1'000'000'000'000} + slept; }
  WallTime wall() const override { return {1'790'000'000'000'000'000 + slept.count()}; }
};

struct CloudScene {
  FakeCloudflare cloud{kToken};
  SleptClock clock;
  CloudflareSettings settings;
  std::optional<CloudflareProvider> made;

  CloudScene() {
    settings.api.provider = "cf";
    settings.api.endpoint = cloud.url();
    settings.api.timeout = 300ms;
    settings.api.secrets = {kToken};
    settings.api.limit = {1100, 5min, 200};
    settings.token = kToken;
  }
  CloudflareProvider& provider() {
    if (!made) {
      made.emplace(settings, ApiOutside{clock, [this](Duration pause) { clock.slept += pause; },
                                        [] { return std::uint64_t{0}; }});
    }
    return *made;
  }

  // As a person with the dashboard would: in front of the mark stands a note of his own.
  void put(const RecordSet& set, const std::string& note = "Ops: ask Wang") {
    cloud.with([&](FakeCloudflare& fake) {
      std::erase_if(fake.rows, [&](const auto& row) {
        return row.name == lowered(set.key.name) && row.type == set.key.type;
      });
      for (const std::string& value : set.values) {
        FakeCloudflare::Row row{.name = lowered(set.key.name), .type = set.key.type};
        row.content = value;
        row.ttl = set.ttl.count();
        row.comment = note + (set.mark.empty() ? "" : " [[pm " + set.mark + "]]");
        fake.add(row);
      }
      ++fake.changes;
    });
  }
  RecordSet get(const RecordKey& key) {
    RecordSet out;
    out.key = key;
    cloud.with([&](FakeCloudflare& fake) {
      for (const auto& row : fake.rows) {
        if (row.name != lowered(key.name) || row.type != key.type) continue;
        out.values.push_back(row.content);
        out.ttl = std::chrono::seconds(row.ttl);
        const std::size_t open = row.comment.find("[[pm ");
        out.mark = open == std::string::npos
                       ? ""
                       : row.comment.substr(open + 5, row.comment.size() - open - 7);
      }
    });
    std::sort(out.values.begin(), out.values.end());
    return out;
  }
  // The record is as before_move() left it.
  void is_unchanged();
  template <typename Use>
  auto with(Use use) {
    return cloud.with(use);
  }
};

class CloudBench final : public ProviderBench {
 public:
  explicit CloudBench(CloudScene& scene) : scene_(scene) {}
  Provider& provider() override { return scene_.provider(); }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", "x" + std::to_string(++names_) + ".example.test", type};
  }
  void put(const RecordSet& set) override { scene_.put(set); }
  RecordSet get(const RecordKey& key) override { return scene_.get(key); }
  long changes() override {
    return scene_.with([](FakeCloudflare& fake) { return fake.changes; });
  }
  long writes() override {
    return scene_.with([](FakeCloudflare& fake) { return long{fake.writes_heard()}; });
  }

 private:
  CloudScene& scene_;
  int names_ = 0;
};

inline const RecordKey kApi{"example.test", "api.example.test", "A"};
inline const std::string kOldMark =
    "pointsman service=im-api epoch=1 reign=0000000000000001 site=hz";
inline const std::string kNewMark =
    "pointsman service=im-api epoch=2 reign=0000000000000002 site=sh";

// From hz to sh.
inline Change move_of(const RecordKey& key = kApi) {
  return {key, {"198.51.100.20"}, std::chrono::seconds(60), kNewMark, {"192.0.2.10"}, {kOldMark}};
}
inline RecordSet before_move() {
  return {kApi, {"192.0.2.10"}, std::chrono::seconds(60), kOldMark};
}

inline void CloudScene::is_unchanged() {
  CHECK_EQ(get(kApi).values, before_move().values);
  CHECK_EQ(get(kApi).mark, kOldMark);
}

template <typename T>
void expect(const Result<T>& got, ErrorCode code, std::string_view part) {
  REQUIRE_FALSE(got.ok());
  CHECK_EQ(std::string(to_string(got.error().code)), to_string(code));
  CHECK_MESSAGE(got.error().message.find(part) != std::string::npos, got.error().message);
  CHECK_EQ(got.error().message.find(kToken), std::string::npos);
}

}  // namespace pointsman::testing
