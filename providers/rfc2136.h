#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/provider.h"
#include "providers/rfc2136_session.h"
#include "providers/rfc2136_update.h"
#include "providers/settings.h"

// DNS UPDATE (RFC 2136) signed with TSIG (RFC 8945): BIND, Knot, PowerDNS and others.
//
//   options      server       "192.0.2.53:53", or a name and port; the primary of the zone
//                timeout      "2s": the longest wait for one answer
//                authorities  "192.0.2.53:53, 198.51.100.53:53": servers to ask after a change,
//                             instead of those that the zone names
//   credentials  key          name of the TSIG key
//                algorithm    hmac-sha256 (default), hmac-sha384, hmac-sha512
//                secret       base64
//
// Two record sets of one name (A and AAAA) share the mark of that name.

namespace pointsman {

class Rfc2136Provider : public Provider {
 public:
  // `clock` must outlive the provider; its now() is not used, only its wall().
  Rfc2136Provider(Rfc2136Settings settings, const Clock& clock);

  // Of one reading: the record and its mark.
  ProviderLimits limits() const override {
    return with_times({std::chrono::seconds(1), true}, settings_.timeout, 2, 5);
  }
  Result<RecordSet> read(const RecordKey& key, Duration within) override;
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change& change, Duration within) override;
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 private:
  Result<Rfc2136Session> open(Duration within);
  Result<LiveSet> read_live(Rfc2136Session& session, const RecordKey& key);
  // After a write: success once the server answers with what was wanted.
  Result<void> confirm(Rfc2136Session& session, const Change& change);
  // After a write of unknown outcome, whose error was `lost`.
  Result<void> settle(Rfc2136Session& session, const Change& change, const Error& lost);
  // After a prerequisite failed.
  Result<void> explain_conflict(Rfc2136Session& session, const Change& change, Rcode rcode);

  Rfc2136Settings settings_;
  const Clock& clock_;
  // The last address of the server. Looked up again after it could not be reached, and kept when
  // that fails: in the night that matters the resolver may be down as well.
  std::optional<DnsEndpoint> server_;
  bool look_up_ = true;
};

}  // namespace pointsman
