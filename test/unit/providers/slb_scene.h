#pragma once

#include <map>
#include <memory>
#include <string>

#include "test/unit/providers/aliyun_scene.h"

// A load balancer of the fake Aliyun with servers of two sites, and the change that moves users.

namespace pointsman::slb {

inline constexpr const char* kSet = "SetBackendServers";

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Site hz has two servers and the users, site sh two others.
struct SlbScene {
  FakeAliyun fake;
  RecordKey key{"cn-hangzhou", "lb-1", "SLB"};
  std::unique_ptr<Provider> provider = make();

  SlbScene() {
    FakeBalancer balancer{.id = "lb-1", .region = "cn-hangzhou"};
    balancer.backends = {{.id = "i-hz0"},
                         {.id = "eni-hz1", .type = "eni", .ip = "192.0.2.11"},
                         {.id = "i-sh0", .weight = 0},
                         {.id = "i-sh1", .weight = 0}};
    fake.with([&](FakeAliyun::World& world) { world.balancers = {balancer}; });
  }
  std::unique_ptr<Provider> make(const std::map<std::string, std::string>& more = {}) const {
    ProviderSettings settings = aliyun_settings(fake, "aliyun-slb");
    for (const auto& [name, value] : more) settings.options[name] = value;
    return std::move(make_provider(settings, system_clock())).value();
  }
  Change change() const {
    Change out;
    out.key = key;
    out.desired = {"i-sh0", "i-sh1"};
    out.expected = {"eni-hz1", "i-hz0"};
    out.mark = "im-api 42 sh";
    out.expected_marks = {""};
    return out;
  }
  // "i-hz0=100 eni-hz1=100 ..."
  std::string weights() {
    return fake.with([](const FakeAliyun::World& world) {
      std::string out;
      for (const FakeBackend& backend : world.balancers.front().backends) {
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", backend.id, backend.weight);
      }
      return out;
    });
  }
  // Of all servers whose id holds `part`, by another hand.
  void set_weights(const std::string& part, int weight) {
    fake.with([&](FakeAliyun::World& world) {
      for (FakeBackend& backend : world.balancers.front().backends) {
        if (has(backend.id, part)) backend.weight = weight;
      }
    });
  }
  void set_health(const std::string& site, const std::string& health) {
    fake.with([&](FakeAliyun::World& world) {
      for (FakeBackend& backend : world.balancers.front().backends) {
        if (has(backend.id, site)) backend.health = health;
      }
    });
  }
};

inline constexpr const char* kMoved = "i-hz0=0 eni-hz1=0 i-sh0=100 i-sh1=100";
inline constexpr const char* kUntouched = "i-hz0=100 eni-hz1=100 i-sh0=0 i-sh1=0";

}  // namespace pointsman::slb
