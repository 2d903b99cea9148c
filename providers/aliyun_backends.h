#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "providers/provider.h"

// The servers behind one Aliyun load balancer (CLB), and the weights that move users from those of
// one site to those of another. Pure.

namespace pointsman {

constexpr std::size_t kBackendsAtOnce = 20;  // In one call, by the vendor's rule.

struct Backend {
  std::string id;
  int weight = 0;
  std::string type;  // "ecs", "eni" or "eci".
  std::string ip;    // Must be repeated for all but "ecs".

  bool operator==(const Backend&) const = default;
};

// kInvalid: no region, no load balancer's id, or a type other than SLB.
Result<void> check_balancer(const RecordKey& key);
// The change with its ids sorted, each once. kInvalid as above, or when an id is none, there is no
// id, or the mark is one that no provider takes.
Result<Change> check_backends(const Change& change);

struct Balancer {
  RecordSet set;  // Values: the servers whose weight is above 0. No TTL and no mark.
  std::vector<Backend> backends;
  std::string status;  // "active", "inactive", "locked".
};
Result<Balancer> parse_balancer(const RecordKey& key, const Json& answer);

// kConflict: a server that nobody declared receives users. REQUIRES: change is a checked one.
Result<void> compare_backends(const Balancer& live, const Change& change);

// The calls to make, in order, each with the servers that it sets: first all that gain weight, then
// all that lose it; so at no time is every weight 0. A server that has a weight keeps it. Empty:
// nothing to do. kNotFound names the server that is no member.
Result<std::vector<std::vector<Backend>>> plan_backends(const Balancer& live, const Change& change);

// The parameter BackendServers: JSON text.
std::string backends_text(const std::vector<Backend>& backends);

struct BackendHealth {
  std::string id;
  std::string state;  // Of one listener: "normal", "abnormal", "unavailable" (not checked).
};
Result<std::vector<BackendHealth>> parse_backend_health(const Json& answer);

// kRefused when every one of `ids` fails the checks of every listener. A server without a word on
// it counts as sound: not every listener checks.
Result<void> judge_backend_health(const std::vector<BackendHealth>& health,
                                  const std::vector<std::string>& ids);

}  // namespace pointsman
