#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "test/support/fake_aliyun.h"
#include "test/support/fake_cloudflare.h"

// The fake clouds as a program, for the laboratory: it listens on a port of loopback, prints its
// URL, keeps what its account holds in a file, and ends with its standard input.
//
//   lab-cloud cloudflare STATE TOKEN NAME=ADDRESS[,proxied]...
//   lab-cloud aliyun STATE ID:SECRET:TOKEN NAME=ADDRESS... BALANCER=SERVER,SERVER...
//
// All names are in example.test. Of a balancer the first server receives users, the others not. The
// file: {"changes": 3, "sets": {"api.example.test A": {"values": [...], "mark": "..."}}}.

namespace {

using namespace pointsman;

struct Place {
  std::string name;
  std::vector<std::string> values;
};

std::vector<std::string> parts(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

void put(Json& sets, const std::string& name, const std::string& value, const std::string& mark) {
  Json values = Json::array();
  if (const Json* before = sets.find(name)) values = *before->find("values");
  values.push(value);
  sets.set(name, Json::object({{"values", std::move(values)}, {"mark", mark}}));
}

class Cloud {
 public:
  virtual ~Cloud() = default;
  virtual std::string url() const = 0;
  virtual long changes() = 0;
  virtual Json sets() = 0;
};

class Cloudflare final : public Cloud {
 public:
  Cloudflare(const std::string& token, const std::vector<Place>& places) : fake_(token) {
    for (const Place& place : places) {
      FakeCloudflare::Row row;
      row.name = place.name;
      row.content = place.values.front();
      row.proxied = place.values.back() == "proxied";
      row.comment = "of the operator";
      fake_.with([&](FakeCloudflare& all) { return all.add(row); });
    }
  }
  std::string url() const override { return fake_.url(); }
  long changes() override {
    return fake_.with([](FakeCloudflare& all) { return all.changes; });
  }
  Json sets() override {
    return fake_.with([](FakeCloudflare& all) {
      Json out = Json::object();
      for (const auto& row : all.rows) {
        put(out, row.name + " " + row.type, row.content, row.comment);
      }
      return out;
    });
  }

 private:
  FakeCloudflare fake_;
};

class Aliyun final : public Cloud {
 public:
  Aliyun(const std::string& key, const std::vector<Place>& places) {
    const auto words = parts(key, ':');
    fake_.with([&](FakeAliyun::World& world) {
      world.keys = {{words.at(0), {words.at(1), words.at(2), {}}}};
      world.min_ttl = 60;
      for (const Place& place : places) add(world, place);
    });
  }
  std::string url() const override { return fake_.endpoint(); }
  long changes() override { return fake_.changes(); }
  Json sets() override {
    return fake_.with([](FakeAliyun::World& world) {
      Json out = Json::object();
      for (const FakeRecord& record : world.records) {
        put(out, record.rr + "." + record.domain + " " + record.type, record.value, record.remark);
      }
      for (const FakeBalancer& balancer : world.balancers) {
        for (const FakeBackend& backend : balancer.backends) {
          if (backend.weight > 0) put(out, balancer.id + " SLB", backend.id, "");
        }
      }
      return out;
    });
  }

 private:
  static void add(FakeAliyun::World& world, const Place& place) {
    const std::string zone = ".example.test";
    if (!place.name.ends_with(zone)) {
      FakeBalancer balancer{.id = place.name, .region = "cn-hangzhou"};
      for (const std::string& server : place.values) {
        balancer.backends.push_back({.id = server, .weight = balancer.backends.empty() ? 100 : 0});
      }
      world.balancers.push_back(std::move(balancer));
      return;
    }
    FakeRecord record;
    record.id = std::to_string(world.next_id++);
    record.rr = place.name.substr(0, place.name.size() - zone.size());
    record.value = place.values.front();
    record.ttl = 60;
    world.records.push_back(record);
  }

  FakeAliyun fake_;
};

// Whole, or the former one.
void save(const std::string& path, Cloud& cloud, long changes) {
  Json all = Json::object({{"changes", static_cast<std::int64_t>(changes)}});
  all.set("sets", cloud.sets());
  const auto written = write_file_durably(path, all.dump(), 0644);
  if (!written.ok()) std::fprintf(stderr, "%s\n", written.error().message.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::string kind = argv[1];
  std::vector<Place> places;
  for (int k = 4; k < argc; ++k) {
    const auto words = parts(argv[k], '=');
    places.push_back({words.at(0), parts(words.at(1), ',')});
  }
  std::unique_ptr<Cloud> cloud;
  if (kind == "cloudflare") cloud = std::make_unique<Cloudflare>(argv[3], places);
  if (kind == "aliyun") cloud = std::make_unique<Aliyun>(argv[3], places);
  if (!cloud) return 2;
  save(argv[2], *cloud, 0);
  std::printf("%s\n", cloud->url().c_str());
  std::fflush(stdout);
  std::atomic<bool> ended{false};
  std::thread keeper([&] {
    for (long saved = 0; !ended; std::this_thread::sleep_for(10ms)) {
      const long changes = cloud->changes();
      if (std::exchange(saved, changes) != changes) save(argv[2], *cloud, changes);
    }
  });
  while (std::getchar() != EOF) {
  }
  ended = true;
  keeper.join();
  return 0;
}
