#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "test/support/fake_http.h"

// Aliyun on loopback: alidns 2015-01-09 and slb 2014-05-15 as far as we use them, with the vendor's
// traps (an update that leaves TTL or line out resets them, one that changes nothing is an error).
// Checks signature V3 by a canonicalisation of its own from what arrived on the wire.

namespace pointsman {

struct FakeCall {
  std::string action;
  std::map<std::string, std::string> parameters;

  std::string at(const std::string& name, const std::string& otherwise = "") const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? otherwise : found->second;
  }
};

struct FakeRecord {
  std::string id{};
  std::string domain = "example.test";
  std::string rr{};
  std::string type = "A";
  std::string value{};
  std::string line = "default";
  long ttl = 600;
  std::string status = "ENABLE";
  bool locked = false;
  std::string remark{};
  long priority = 0;  // 0: not told.
  long weight = 0;    // 0: not told.
};

struct FakeBackend {
  std::string id{};
  int weight = 100;
  std::string type = "ecs";
  std::string ip{};
  std::string health = "normal";
};

struct FakeBalancer {
  std::string id{};
  std::string region{};
  std::string status = "active";
  std::vector<FakeBackend> backends{};
};

struct FakeKey {
  std::string secret{};
  std::string token{};  // Not empty: an STS key, good with this token alone.
  std::set<std::string> denied{};
};

class FakeAliyun {
 public:
  using Serve = std::function<FakeReply()>;
  // Stands between signature and action: may serve, answer for it, or both in any order. Runs
  // without the lock on `world`.
  using Between = std::function<FakeReply(const FakeCall&, const Serve&)>;

  struct World {
    std::map<std::string, FakeKey> keys{{"testid", {"testsecret", "", {}}}};
    std::set<std::string> domains{"example.test"};
    std::vector<FakeRecord> records{};
    std::vector<std::string> name_servers{"127.0.0.1"};
    std::vector<FakeBalancer> balancers{};
    long min_ttl = 1;
    long clock_ahead_s = 0;
    long next_id = 9'999'985;
  };

  FakeAliyun();

  std::string endpoint() const { return http_.url(); }
  // Nobody listens any more.
  void end() { http_.end(); }

  // Reads or spoils what the account holds, while no call is being served.
  template <typename Change>
  auto with(Change change) {
    const std::lock_guard lock(mutex_);
    return change(world_);
  }
  void between(Between between);

  long changes() const { return changes_; }
  std::vector<FakeCall> calls() const;  // Those whose signature was good.
  std::vector<std::string> refusals() const;
  void forget_calls();
  // How many calls of `action` came; how many of any that writes, whatever became of them.
  int count(const std::string& action) const;
  long writes() const;

  static FakeReply error(int status, const std::string& code, const std::string& message);

 private:
  FakeReply answer(const FakeRequest& request);
  FakeReply serve(const FakeCall& call);
  std::optional<FakeReply> refuse(const FakeRequest& request, FakeCall& call);
  FakeReply describe(const FakeCall& call);
  FakeReply describe_domain(const FakeCall& call);
  FakeReply write(const FakeCall& call);
  FakeReply add(const FakeCall& call);
  FakeReply update(const FakeCall& call, FakeRecord& record);
  FakeReply remark(const FakeCall& call, FakeRecord& record);
  FakeReply balance(const FakeCall& call);

  mutable std::mutex mutex_;  // The server's thread and the test's.
  World world_;
  Between between_;
  std::vector<FakeCall> calls_;
  std::vector<std::string> refusals_;
  std::set<std::string> nonces_;
  std::atomic<long> changes_{0};
  FakeHttp http_;  // Last: its thread uses all of the above.
};

}  // namespace pointsman
