#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dns.h"
#include "base/result.h"

// TSIG (RFC 8945): one shared key, one signed request, one signed answer.
//
// On base/crypto.h and not by ldns 1.8.3, whose signer takes the time of day itself (no clock of
// ours, no vector could be reproduced), whose verifier takes the algorithm from the packet, ignores
// time and original id, compares MACs byte by byte with memcmp, and gives no access to BADTIME's
// other data under a checked MAC.

namespace pointsman {

enum class TsigAlgorithm { kHmacSha1, kHmacSha256, kHmacSha384, kHmacSha512 };

// "hmac-sha256" and so on, in either case, with or without trailing dot.
std::optional<TsigAlgorithm> tsig_algorithm(std::string_view text);
const char* to_string(TsigAlgorithm algorithm);

struct TsigKey {
  DnsName name;
  TsigAlgorithm algorithm = TsigAlgorithm::kHmacSha256;
  std::string secret;  // Raw bytes. Never shown.
};

// When a message was signed and for how long it may be believed.
struct TsigWindow {
  std::int64_t time_s = 0;  // Since 1970, 48 bits.
  std::uint16_t fudge_s = 300;
};

struct SignedMessage {
  std::string bytes;
  std::string mac;  // Needed to check the answer.
};

// REQUIRES: `message` is well formed (build_message made it) and has no TSIG yet.
SignedMessage tsig_sign(const TsigKey& key, std::string_view message, TsigWindow window);

enum class TsigVerdict {
  kGood,      // Signed by the holder of our key, for this request, and in time.
  kUnsigned,  // No TSIG: proves nothing, whatever it says.
  kForged,    // TSIG of another key or algorithm, or a MAC that does not fit.
  kStale,     // A right MAC, but outside the window of our clock.
  kBadKey,    // The server does not know our key. Told without a signature.
  kBadSig,    // It knows the name but computed another MAC: the secrets differ. Unsigned, too.
  kBadTime,   // Its clock and ours differ by more than fudge. Signed; `server_time_s` is set.
  kBadTrunc,  // It refuses the length of our MAC.
};

struct TsigAnswer {
  TsigVerdict verdict = TsigVerdict::kUnsigned;
  std::string message;  // The answer without its TSIG, for parse_message().
  // The far clock, when a right MAC vouches for it (kGood, kStale, kBadTime).
  std::optional<std::int64_t> server_time_s;
};

// Judges an answer to a request signed with `key` whose MAC was `request_mac`. kInvalid when it is
// malformed.
Result<TsigAnswer> tsig_check(const TsigKey& key, std::string_view request_mac,
                              std::string_view answer, std::int64_t now_s);

}  // namespace pointsman
