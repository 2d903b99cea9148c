#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "providers/aliyun_api.h"
#include "providers/aliyun_records.h"
#include "providers/provider.h"

// Aliyun DNS (alidns 2015-01-09).
//
//   options      those of every HTTP provider (providers/api_call.h), and
//                authorities  "192.0.2.53:53, ...": servers to ask after a change
//   credentials  access_key_id, access_key_secret, security_token (of STS)
//
// Aliyun has neither record sets nor compare-and-swap: a change is a write for each record, read
// before and after. The mark is a remark, written by a call of its own once the values are right;
// when that fails the change has succeeded all the same. The older mark that then stays is one
// until the next change, and says nothing on what stands there: nobody may conclude from it
// (provider.h).

namespace pointsman {

struct AliyunSettings {
  ApiSettings api;
  AliyunKeys keys;
  std::vector<std::string> authorities;
};

class AliyunProvider : public Provider {
 public:
  AliyunProvider(AliyunSettings settings, ApiOutside outside);

  // ttl_min: the highest floor of all zones that have told theirs so far.
  ProviderLimits limits() const override;
  Result<RecordSet> read(const RecordKey& key, Duration within) override;
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override;
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change& change, Duration within) override;
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 private:
  using Steps = std::vector<AliyunStep>;
  struct Zone {
    std::string edition;
    std::vector<std::string> servers;  // Names.
  };
  Result<AliyunLive> fetch(const RecordKey& key, Instant deadline, bool of_move);
  // What is left to do for `change`, whose ttl is raised to the zone's floor.
  Result<Steps> left(const Change& change, Instant deadline, bool of_move);
  Result<Zone> describe_zone(const std::string& zone, Instant deadline);
  AliyunRequest request_of(const AliyunStep& step, const Change& change) const;

  // Sends the first part of `steps`: the values or, when they are right, the marks and the
  // deletions. Ends with the first failure, of which api_.failure() tells more; that of a mark is
  // none.
  Result<void> send(const Steps& steps, const Change& change, Instant deadline);
  // Tries again what may pass, within a part of what is left until `deadline`.
  void send_mark(const AliyunStep& step, const Change& change, Instant deadline);
  // Reads until what send() was to do is done: what is left then.
  Result<Steps> confirm(const Change& change, bool values, Instant deadline);
  // After a failed call: whether another round may help. Waits when it should.
  bool may_go_on(const Change& change, int round, Instant deadline);
  void raise_floor(const std::string& zone, Instant deadline);
  std::chrono::seconds floor_of(const std::string& zone) const;
  // Whether an update is allowed to us, asked by one that cannot be done. The text is for people.
  Result<std::string> try_update(const AliyunRecord& record, Instant deadline);

  const AliyunSettings settings_;
  const ApiOutside outside_;
  AliyunApi api_;
  std::map<std::string, std::chrono::seconds> floors_;  // Of zones; learnt anew after a restart.
  std::string mark_problem_;  // Why the last mark could not be written, for preflight().
};

// Adds the servers "name:53" at `addresses`, IPv4 first, to `servers`, each once and 16 in all at
// most: IPv4 where there is any, and the name itself when there is none. Pure.
void add_authorities(std::vector<std::string>& servers, const std::string& name,
                     const std::vector<std::string>& addresses);

// The registry's maker.
Result<std::unique_ptr<Provider>> make_aliyun(const ProviderSettings& settings, const Clock& clock);

}  // namespace pointsman
