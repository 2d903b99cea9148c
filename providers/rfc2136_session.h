#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/dns.h"
#include "base/dns_transport.h"
#include "base/tsig.h"

// Signed exchanges with the one server of an rfc2136 provider, within one deadline.

namespace pointsman {

struct Rfc2136Settings {
  std::string provider;  // Its name in the configuration, for messages.
  DnsHost server;
  TsigKey key;
  Duration timeout = 2s;                 // The longest wait for one answer.
  std::vector<DnsEndpoint> authorities;  // Instead of those that the zone names.
};

class Rfc2136Session {
 public:
  // `clock` gives the time of signing; deadlines are of system_clock().
  Rfc2136Session(const Rfc2136Settings& settings, DnsEndpoint server, const Clock& clock,
                 Instant deadline);

  // An authoritative answer, NOERROR or NXDOMAIN, under a good signature. Otherwise: kRefused names
  // what is wrong with key, secret, clock or rights; kTimeout and kUnavailable as dns_exchange().
  Result<DnsMessage> query(const DnsName& name, std::uint16_t type);

  // Sends an UPDATE and waits for the answer until `until`; again only where the server refused it
  // for its date, under a wider fudge. A value is what the server said
  // under its signature. kTimeout: it may have acted, or may still act. Otherwise it has not acted.
  Result<Rcode> update(const DnsMessage& message, Instant until);

  // What a signed rcode that is neither success nor about a prerequisite means.
  Error rcode_error(Rcode rcode) const;
  Error error(ErrorCode code, std::string_view why) const;  // "provider corp at 192.0.2.53:53: ..."

  Instant deadline() const { return deadline_; }
  const DnsEndpoint& server() const { return server_; }
  // How far the server's clock is ahead of ours, once a signed answer told it.
  std::optional<std::int64_t> server_ahead_s() const { return server_ahead_s_; }
  // The fudge that the last UPDATE needed because the server does not tell its time; 0: none did.
  std::uint16_t widened_to_s() const { return widened_to_s_; }

 private:
  struct Reply {
    TsigVerdict verdict;
    DnsMessage message;
  };
  Result<Reply> exchange(const DnsMessage& request, DnsTransport transport, Instant until,
                         std::uint16_t fudge);
  static bool is_bare_refusal(const Reply& reply);
  Error verdict_error(const Reply& reply) const;
  std::string skew_text() const;
  std::int64_t wall_s() const;

  const Rfc2136Settings& settings_;
  DnsEndpoint server_;
  const Clock& clock_;
  Instant deadline_;
  std::optional<std::int64_t> server_ahead_s_;
  std::uint16_t widened_to_s_ = 0;
};

}  // namespace pointsman
