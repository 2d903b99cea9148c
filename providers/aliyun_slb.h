#pragma once

#include <memory>
#include <string>
#include <vector>

#include "providers/aliyun_api.h"
#include "providers/aliyun_backends.h"
#include "providers/provider.h"

// Aliyun CLB, formerly SLB (slb 2014-05-15): users reach one address all the time, and weights say
// which site's servers stand behind it.
//
//   a record     zone    the region, "cn-hangzhou"
//                name    the load balancer's id
//                type    "SLB"
//                values  ids of servers in its default group; they receive users, all others not
//   options      those of every HTTP provider (providers/api_call.h), and
//                health    "refuse" (default): no move to a site all of whose servers fail the load
//                          balancer's own checks; "ignore": its checks are not asked
//   credentials  access_key_id, access_key_secret, security_token (of STS)
//
// Weights carry no mark and no TTL: whether an older plan comes late is not seen here, and
// change.ttl has no meaning. The API has the last word, for DNS does not change.

namespace pointsman {

struct AliyunSlbSettings {
  ApiSettings api;
  AliyunKeys keys;
  bool ask_health = true;
};

class AliyunSlbProvider : public Provider {
 public:
  AliyunSlbProvider(AliyunSlbSettings settings, ApiOutside outside);

  ProviderLimits limits() const override { return with_times({}, settings_.api.timeout, 1, 4); }
  Result<RecordSet> read(const RecordKey& key, Duration within) override;
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override;
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change& change, Duration within) override;
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 private:
  using Calls = std::vector<std::vector<Backend>>;

  Result<Balancer> fetch(const RecordKey& key, Instant deadline, bool of_move);
  // The calls that are left to make for `change`.
  Result<Calls> left(const Change& change, Instant deadline, bool of_move);
  Result<void> send(const Calls& calls, const RecordKey& key, Instant deadline);
  // Reads until nothing is left, or says that it is not effective.
  Result<void> confirm(const Change& change, Instant deadline);
  Result<std::vector<BackendHealth>> health(const RecordKey& key, Instant deadline, bool once);
  AliyunRequest request_of(const std::string& action, const RecordKey& key) const;
  AliyunRequest set_of(const std::vector<Backend>& backends, const RecordKey& key) const;

  const AliyunSlbSettings settings_;
  const ApiOutside outside_;
  AliyunApi api_;
};

// The registry's maker.
Result<std::unique_ptr<Provider>> make_aliyun_slb(const ProviderSettings& settings,
                                                  const Clock& clock);

}  // namespace pointsman
