#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// DNS names, records and messages (RFC 1035, 2136) as values. Packets are built and read by ldns;
// before ldns sees a packet from outside, scan_message() (base/dns_wire.h) has checked its shape.

namespace pointsman {

inline constexpr std::uint16_t kDnsA = 1;
inline constexpr std::uint16_t kDnsNs = 2;
inline constexpr std::uint16_t kDnsCname = 5;
inline constexpr std::uint16_t kDnsSoa = 6;
inline constexpr std::uint16_t kDnsTxt = 16;
inline constexpr std::uint16_t kDnsAaaa = 28;
inline constexpr std::uint16_t kDnsTsig = 250;
inline constexpr std::uint16_t kDnsTypeAny = 255;

inline constexpr std::uint16_t kDnsClassIn = 1;
inline constexpr std::uint16_t kDnsClassNone = 254;
inline constexpr std::uint16_t kDnsClassAny = 255;

inline constexpr int kDnsQuery = 0;  // Opcodes.
inline constexpr int kDnsUpdate = 5;

enum class Rcode {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kYxDomain = 6,
  kYxRrset = 7,
  kNxRrset = 8,
  kNotAuth = 9,
  kNotZone = 10,
};

// "NOERROR", "REFUSED", "rcode 11".
std::string to_string(Rcode rcode);

// A domain name: keeps the case it was given, compares without case. Labels of 1 to 63 bytes, at
// most 255 bytes in all on the wire.
class DnsName {
 public:
  DnsName() : wire_(1, '\0') {}  // The root.

  // Presentation form, with or without the trailing dot, with \. and \DDD escapes. kInvalid names
  // the text and the bound it breaks.
  static Result<DnsName> parse(std::string_view text);
  // Exactly one uncompressed name.
  static Result<DnsName> from_wire(std::string_view wire);

  std::string text() const;  // Without trailing dot; "." for the root.
  const std::string& wire() const { return wire_; }
  std::string canonical_wire() const;  // Lower case.
  std::size_t label_count() const;

  bool is_within(const DnsName& zone) const;  // At or below it.
  // Without its first label. REQUIRES: it is not the root.
  DnsName parent() const;
  // The name with `label` before it; kInvalid when that grows too long.
  Result<DnsName> below(std::string_view label) const;

  bool operator==(const DnsName& other) const { return canonical_wire() == other.canonical_wire(); }
  std::strong_ordering operator<=>(const DnsName& other) const {
    return canonical_wire() <=> other.canonical_wire();
  }

 private:
  explicit DnsName(std::string wire) : wire_(std::move(wire)) {}
  std::string wire_;
};

struct DnsRecord {
  DnsName name;
  std::uint16_t type = 0;
  std::uint16_t klass = kDnsClassIn;
  std::uint32_t ttl = 0;
  std::string rdata;  // Wire form, names uncompressed.
};

struct DnsMessage {
  std::uint16_t id = 0;
  int opcode = kDnsQuery;
  Rcode rcode = Rcode::kNoError;
  bool response = false;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_desired = false;
  std::vector<DnsRecord> question;    // In an UPDATE: zone. Only name, type and class count.
  std::vector<DnsRecord> answer;      // In an UPDATE: prerequisites.
  std::vector<DnsRecord> authority;   // In an UPDATE: updates.
  std::vector<DnsRecord> additional;  // Without OPT and TSIG.
};

// kInvalid when a part cannot be put into a message.
Result<std::string> build_message(const DnsMessage& message);

// Reads a message that may come from anyone: kInvalid, never more, for what is malformed. A TSIG
// must have been taken off before (base/tsig.h).
Result<DnsMessage> parse_message(std::string_view bytes);

// "A" -> 1, in either case; nullopt for a type that we do not manage.
std::optional<std::uint16_t> dns_type(std::string_view text);
std::string dns_type_text(std::uint16_t type);  // "A", or "TYPE65".

// Rdata of an A, AAAA, CNAME, NS or TXT from presentation form; TXT is the bare text, cut into
// strings of 255 bytes.
Result<std::string> rdata_from_text(std::uint16_t type, std::string_view text);
// Back: addresses in their shortest form, names in lower case without trailing dot, the strings of
// a TXT joined. Other types as hex.
Result<std::string> rdata_to_text(std::uint16_t type, std::string_view rdata);

// The one form in which two equal values are equal texts: "2001:DB8:0::1" -> "2001:db8::1".
Result<std::string> canonical_value(std::uint16_t type, std::string_view text);

}  // namespace pointsman
