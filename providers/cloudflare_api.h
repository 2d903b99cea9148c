#pragma once

#include <optional>
#include <string>
#include <vector>

#include "providers/api_call.h"
#include "providers/cloudflare_records.h"

// How Cloudflare's API is asked and how its envelope is read: success, errors with codes, pages.

namespace pointsman {

// Codes that mean more than their status.
enum CloudflareCode {
  kCloudflareNoRecord = 81044,
  kCloudflareRecordExists = 81057,
  kCloudflareIdentical = 81058,
  kCloudflareNoRoute = 7003,
  kCloudflareBadTtl = 9021,
};

// A failed call, with the codes that the answer gave, those of error_chain too.
struct CloudflareFailure {
  Error error;
  std::vector<int> codes{};

  bool has(int code) const;
};

// What a call came to: exactly one of the two.
struct CloudflareOutcome {
  std::optional<Json> body{};  // The whole envelope; "success" is true.
  CloudflareFailure failure{};
};

// Within which time and for what a call is made.
struct CloudflareTurn {
  Instant deadline;
  bool of_move = false;
};

CloudflareOutcome cloudflare_call(ApiCaller& caller, ApiRequest request, Instant deadline);

// Every entry of `target`'s result ("/zones?name=x"), page by page. kConflict above 500 entries;
// kUnavailable when the envelope is not as it should be, or fewer entries came than it tells of.
struct CloudflareList {
  std::vector<Json> entries{};
  std::optional<CloudflareFailure> failure{};
};
CloudflareList cloudflare_list(ApiCaller& caller, const std::string& target, CloudflareTurn turn);

// The one call that makes `plan` true: PATCH or POST for one record, else a batch, which is one
// transaction.
ApiRequest cloudflare_write(const CloudflarePlan& plan, const std::string& zone_id);

// Too many requests, whatever the status.
bool cloudflare_throttled(const ApiAnswer& answer);

}  // namespace pointsman
