#include "base/dns_wire.h"

#include <array>
#include <optional>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr unsigned char kPointerBits = 0xc0;
constexpr std::size_t kNameMost = 255;
constexpr int kSections = 4;

Error malformed(std::string_view what, std::size_t at) {
  return {ErrorCode::kInvalid, fmt::format("malformed DNS message: {} at byte {}", what, at)};
}

// Rdata that ldns would take in any length, or whose names may be compressed too.
struct RdataShape {
  std::size_t before = 0;  // Bytes, then names, then bytes; nothing else.
  int names = 0;
  std::size_t after = 0;
};
std::optional<RdataShape> shape_of(std::uint16_t type) {
  constexpr std::uint16_t kPtr = 12, kMx = 15;
  switch (type) {
    case kDnsA: return RdataShape{4, 0, 0};
    case kDnsAaaa: return RdataShape{16, 0, 0};
    case kDnsNs:
    case kDnsCname:
    case kPtr: return RdataShape{0, 1, 0};
    case kDnsSoa: return RdataShape{0, 2, 20};
    case kMx: return RdataShape{2, 1, 0};
    default: return std::nullopt;
  }
}

Result<void> check_rdata(std::string_view bytes, const WireRecord& record) {
  const auto shape = shape_of(record.type);
  // An UPDATE names types without data.
  if (!shape || record.rdata_bytes == 0) return {};
  const std::size_t end = record.rdata + record.rdata_bytes;
  std::size_t at = record.rdata + shape->before;
  for (int i = 0; i < shape->names; ++i) {
    if (at >= end) return malformed("rdata ends within a name", at);
    auto name = read_name(bytes.substr(0, end), at);
    if (!name.ok()) return name.error();
  }
  if (at + shape->after != end) return malformed("rdata of a wrong length", record.rdata);
  return {};
}

Result<WireRecord> scan_record(std::string_view bytes, int section, std::size_t& at) {
  WireRecord record;
  record.section = section;
  record.begin = at;
  auto name = read_name(bytes, at);
  if (!name.ok()) return name.error();
  record.name = std::move(*name);
  const std::size_t fixed = section == 0 ? 4 : 10;
  if (bytes.size() - at < fixed) return malformed("record is cut off", at);
  record.type = read_u16(bytes, at);
  record.klass = read_u16(bytes, at + 2);
  if (section != 0) {
    record.ttl = read_u32(bytes, at + 4);
    record.rdata_bytes = read_u16(bytes, at + 8);
  }
  at += fixed;
  record.rdata = at;
  if (bytes.size() - at < record.rdata_bytes) return malformed("rdata is cut off", at);
  at += record.rdata_bytes;
  RETURN_IF_ERROR(check_rdata(bytes, record));
  return record;
}

}  // namespace

std::uint16_t read_u16(std::string_view bytes, std::size_t at) {
  CHECK(at + 2 <= bytes.size());
  const auto high = static_cast<unsigned char>(bytes[at]);
  const auto low = static_cast<unsigned char>(bytes[at + 1]);
  return static_cast<std::uint16_t>(high << 8 | low);
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint32_t>(read_u16(bytes, at)) << 16 | read_u16(bytes, at + 2);
}

void append_u16(std::string& to, unsigned value) {
  to.push_back(static_cast<char>(value >> 8 & 0xff));
  to.push_back(static_cast<char>(value & 0xff));
}

void append_u48(std::string& to, std::uint64_t value) {
  for (int shift = 40; shift >= 0; shift -= 8) to.push_back(static_cast<char>(value >> shift));
}

Result<DnsName> read_name(std::string_view bytes, std::size_t& at) {
  std::string wire;
  std::size_t cursor = at;
  std::size_t limit = at;  // A pointer must lead before it: so every chain ends.
  bool jumped = false;
  while (true) {
    if (cursor >= bytes.size()) return malformed("name is cut off", cursor);
    const auto head = static_cast<unsigned char>(bytes[cursor]);
    if ((head & kPointerBits) == kPointerBits) {
      if (bytes.size() - cursor < 2) return malformed("pointer is cut off", cursor);
      const std::size_t target = read_u16(bytes, cursor) & 0x3fff;
      if (target < kDnsHeaderBytes || target >= limit) return malformed("bad pointer", cursor);
      if (!jumped) at = cursor + 2;
      jumped = true;
      cursor = limit = target;
      continue;
    }
    if ((head & kPointerBits) != 0) return malformed("unknown label type", cursor);
    if (bytes.size() - cursor <= head) return malformed("label is cut off", cursor);
    wire.append(bytes.substr(cursor, head + 1u));
    if (wire.size() > kNameMost) return malformed("name above 255 bytes", cursor);
    cursor += head + 1u;
    if (head == 0) break;
  }
  if (!jumped) at = cursor;
  return DnsName::from_wire(wire);
}

Result<std::vector<WireRecord>> scan_message(std::string_view bytes) {
  if (bytes.size() < kDnsHeaderBytes) return malformed("header is cut off", bytes.size());
  if (bytes.size() > kDnsMessageMost) return malformed("too long", bytes.size());
  std::array<std::size_t, kSections> counts{};
  std::size_t total = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) total += counts[s] = read_u16(bytes, 4 + 2 * s);
  if (total > kDnsRecordsMost) return malformed("too many records", 4);

  std::vector<WireRecord> records;
  std::size_t at = kDnsHeaderBytes;
  for (int section = 0; section < kSections; ++section) {
    for (std::size_t i = 0; i < counts[static_cast<std::size_t>(section)]; ++i) {
      auto record = scan_record(bytes, section, at);
      if (!record.ok()) return record.error();
      const bool last = section == kSections - 1 && records.size() + 1 == total;
      if (record->type == kDnsTsig && section != 0 && !last) {
        return malformed("TSIG is not the last record", record->begin);
      }
      records.push_back(std::move(*record));
    }
  }
  if (at != bytes.size()) return malformed("bytes left over", at);
  return records;
}

}  // namespace pointsman
