#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dns_transport.h"
#include "providers/cloudflare_api.h"
#include "providers/provider.h"

// Cloudflare's DNS by its API v4: docs/providers/cloudflare.md.
//
//   options      those of every HTTP provider (providers/api_call.h), and
//                zone_id      32 hexadecimal digits; else zones are looked up by name, for
//                             which the token needs Zone Read
//                ttl_min      "60s": the plan's floor; Enterprise zones take "30s"
//                authorities  "192.0.2.53:53": servers to ask instead of the zone's own
//   credentials  api_token    with DNS Write on the zone
//
// There is no compare-and-set: a change is read, compared, written and read back. The mark stands
// in the comment of each record, behind what the operator wrote; where the API does not take both,
// the change is made without it.

namespace pointsman {

struct CloudflareSettings {
  ApiSettings api{};
  std::string token{};
  std::string zone_id{};
  std::chrono::seconds ttl_min{60};
  std::vector<std::string> authorities{};
};

class CloudflareProvider final : public Provider {
 public:
  CloudflareProvider(CloudflareSettings settings, ApiOutside outside);

  ProviderLimits limits() const override {
    return with_times({ttl_min_, false}, settings_.api.timeout, 1, 3);
  }
  Result<RecordSet> read(const RecordKey& key, Duration within) override;
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override;
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change& change, Duration within) override;
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  // Where the record is proxied or flattened: kApiAuthority.
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 private:
  struct Zone {
    std::string id;
    std::string status;  // "" when it could not be seen.
    std::vector<std::string> name_servers{};
    bool proven = false;  // Known to be the zone of that name.
  };
  // What a write came to.
  enum class Wrote { kAccepted, kUnknown, kStale, kSame, kTtlTooLow, kInvalid, kFailed };

  CloudflareTurn turn(Duration within, bool of_move) const;
  Result<Change> fit(const Change& change) const;
  Result<Zone> zone_of(const CheckedKey& key, CloudflareTurn turn);
  Result<Zone> look_up(const DnsName& name, CloudflareTurn turn);
  // Asks what zone the configured id is; a token without Zone Read cannot know.
  Result<Zone> look_at(const DnsName& name, CloudflareTurn turn);
  Result<CloudflareSet> read_live(const RecordKey& key, CloudflareTurn turn);
  Result<CloudflareSet> read_in(const Zone& zone, const RecordKey& key, CloudflareTurn turn);
  // kInvalid and kConflict as Provider::replace().
  Result<CloudflarePlan> plan(const CloudflareSet& live, const Change& change, CloudflareTurn turn);
  Wrote write(const CloudflarePlan& plan, const Change& change, CloudflareTurn turn);
  // After kInvalid: the same without any mark, which is taken out of `change` too.
  Result<Wrote> write_unmarked(const CloudflareSet& live, Change& change, CloudflareTurn turn);
  // Success once what stands there is what was wanted; looks again until `until`.
  Result<void> confirm(const Change& change, std::string_view otherwise, Instant until);
  // Parts of preflight(), each a piece of its text.
  Result<std::string> verify_token(CloudflareTurn turn);
  Result<std::string> verify_zone(const CheckedKey& key, CloudflareTurn turn);
  Result<std::string> try_writing(const CheckedKey& key, CloudflareTurn turn);

  const CloudflareSettings settings_;
  ApiCaller caller_;
  std::chrono::seconds ttl_min_;       // Raised when the API refuses a lower one.
  std::map<std::string, Zone> zones_;  // By canonical name; looked up again when the id is unknown.
  Error failed_;                       // Why write() did not say kAccepted.
};

// The registry's maker.
Result<std::unique_ptr<Provider>> make_cloudflare(const ProviderSettings& settings,
                                                  const Clock& clock);

}  // namespace pointsman
