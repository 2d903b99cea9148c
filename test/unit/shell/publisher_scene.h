#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "orchestrator/shell/publisher.h"
#include "providers/memory.h"

// A publisher before a provider in memory, and one name server that says what it is told.

namespace pointsman::publishing {

// A memory provider whose pre-flight and name servers are as told.
class MoodyProvider final : public MemoryProvider {
 public:
  using MemoryProvider::MemoryProvider;
  Result<std::string> preflight(const RecordKey&, Duration) override {
    ++preflights;
    if (refuses) return {ErrorCode::kRefused, "BADKEY"};
    return std::string("well");
  }
  Result<std::vector<std::string>> authorities(const RecordKey&, Duration) override {
    ++searches;
    if (servers.empty() && !names_none) return {ErrorCode::kUnavailable, "no answer"};
    return servers;
  }
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override {
    ++reads_for_moves;
    const std::lock_guard lock(mutex);
    readers.insert(std::this_thread::get_id());
    if (mute) return {ErrorCode::kTimeout, "no answer"};
    return read(key, within);
  }
  std::atomic<bool> mute{false};
  std::atomic<int> reads_for_moves{0};
  std::mutex mutex;
  std::set<std::thread::id> readers;
  std::atomic<bool> refuses{false};
  std::atomic<int> preflights{0};
  std::atomic<int> searches{0};
  std::vector<std::string> servers{"192.0.2.53:53"};
  bool names_none = false;
};

struct Scene {
  MemoryZone zone;
  MoodyProvider provider{zone};
  ServiceSettings service;
  RecordSettings record;
  std::vector<std::string> asked;
  std::unique_ptr<Publisher> publisher;

  Scene() {
    service.name = "im-api";
    service.sites = {SiteSettings{"hz", "192.0.2.10", "", "", "", true},
                     SiteSettings{"sh", "198.51.100.20", "", "", "", false}};
    record = {"corp",
              "example.test",
              "api.example.test",
              "A",
              {{"hz", {"192.0.2.10"}}, {"sh", {"198.51.100.20"}}},
              {}};
    RecordSet set;
    set.key = {record.zone, record.name, record.type};
    set.values = {"192.0.2.10"};
    set.ttl = std::chrono::seconds(60);
    zone.put(set);
    publisher = std::make_unique<Publisher>(
        service, record, provider, [this](const std::string& server, const RecordKey&, Duration) {
          asked.push_back(server);
          AuthorityAnswer answer;
          answer.server = server;
          answer.answered = true;
          answer.values = {"198.51.100.20"};
          return answer;
        });
  }
  PublishAnswered publish(const std::string& move) {
    PublishRecord order;
    order.record = 0;
    order.site = 1;
    order.reign = {2, "0000000000000002"};
    order.move = move;
    return publisher->publish(order, 1s);
  }
  AuthoritiesAnswered ask(const std::string& move) {
    asked.clear();
    return publisher->ask({0, 1, move}, 1s);
  }
};

}  // namespace pointsman::publishing
