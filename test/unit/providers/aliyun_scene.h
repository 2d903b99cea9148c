#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "providers/aliyun_mark.h"
#include "providers/provider.h"
#include "test/support/fake_aliyun.h"

// A provider of ours before the fake Aliyun.

namespace pointsman {

inline ProviderSettings aliyun_settings(const FakeAliyun& fake, const std::string& type) {
  ProviderSettings out;
  out.name = "ali";
  out.type = type;
  out.options = {{"type", type}, {"endpoint", fake.endpoint()}};
  out.credentials = {{"access_key_id", "testid"}, {"access_key_secret", "testsecret"}};
  return out;
}

inline FakeRecord fake_record(const std::string& rr, const std::string& value,
                              const std::string& line = "default") {
  FakeRecord out;
  out.rr = rr;
  out.value = value;
  out.line = line;
  out.ttl = 60;
  return out;
}

// Puts the record there under an id of its own.
inline std::string put_record(FakeAliyun& fake, FakeRecord record) {
  return fake.with([&](FakeAliyun::World& world) {
    record.id = std::to_string(world.next_id++);
    world.records.push_back(record);
    return record.id;
  });
}

// "192.0.2.1@default 60, ..." of all records of the fake, in its order.
inline std::string records_text(FakeAliyun& fake) {
  return fake.with([](const FakeAliyun::World& world) {
    std::string out;
    for (const FakeRecord& record : world.records) {
      if (!out.empty()) out += ", ";
      out += fmt::format("{}@{} {}", record.value, record.line, record.ttl);
    }
    return out;
  });
}

struct AliyunScene {
  FakeAliyun fake;
  RecordKey key{"example.test", "api.example.test", "A"};
  std::unique_ptr<Provider> provider = make();

  std::unique_ptr<Provider> make(const std::map<std::string, std::string>& more = {}) const {
    ProviderSettings settings = aliyun_settings(fake, "aliyun");
    for (const auto& [name, value] : more) settings.options[name] = value;
    return std::move(make_provider(settings, system_clock())).value();
  }
  // From 192.0.2.10 to 198.51.100.20.
  Change change() const {
    Change out;
    out.key = key;
    out.desired = {"198.51.100.20"};
    out.expected = {"192.0.2.10"};
    out.ttl = std::chrono::seconds(60);
    out.mark = "im-api 42 sh";
    out.expected_marks = {""};
    return out;
  }
};

}  // namespace pointsman
