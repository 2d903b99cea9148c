#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dns.h"
#include "base/result.h"

// The outer shape of a DNS message, read with every bound checked. It stands between the network
// and ldns, and it finds where the TSIG begins, for a signature covers the bytes before it.

namespace pointsman {

inline constexpr std::size_t kDnsHeaderBytes = 12;
inline constexpr std::size_t kDnsMessageMost = 65535;
inline constexpr std::size_t kDnsRecordsMost = 2000;  // Ours have fewer than 20.

struct WireRecord {
  int section = 0;  // 0 question, 1 answer, 2 authority, 3 additional.
  std::size_t begin = 0;
  DnsName name;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::size_t rdata = 0;  // Offset and length.
  std::size_t rdata_bytes = 0;
};

// Every record in order. kInvalid when a count does not fit the content, a name is malformed, its
// pointers do not go strictly backward, a TSIG is not the last record, or bytes are left over.
Result<std::vector<WireRecord>> scan_message(std::string_view bytes);

// The name at `at`, which is moved behind it.
Result<DnsName> read_name(std::string_view bytes, std::size_t& at);

// Big-endian numbers; the caller has checked the bounds.
std::uint16_t read_u16(std::string_view bytes, std::size_t at);
std::uint32_t read_u32(std::string_view bytes, std::size_t at);
void append_u16(std::string& to, unsigned value);
void append_u48(std::string& to, std::uint64_t value);

}  // namespace pointsman
