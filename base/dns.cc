#include "base/dns.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>

#include <memory>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/dns_wire.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr std::size_t kTxtStringMost = 255;

struct FreePacket {
  void operator()(ldns_pkt* p) const { ldns_pkt_free(p); }
};
struct FreeBytes {
  void operator()(std::uint8_t* p) const { std::free(p); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;
using Bytes = std::unique_ptr<std::uint8_t, FreeBytes>;

Error ldns_error(std::string_view doing, ldns_status status) {
  return {ErrorCode::kInvalid,
          fmt::format("{} a DNS message: {}", doing, ldns_get_errorstr_by_id(status))};
}

const std::uint8_t* octets(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// ldns takes a record as its fields of known kinds; the short way there is the record's own wire.
Result<ldns_rr*> make_rr(const DnsRecord& record, bool question) {
  std::string wire = record.name.wire();
  append_u16(wire, record.type);
  append_u16(wire, record.klass);
  if (!question) {
    append_u16(wire, record.ttl >> 16);
    append_u16(wire, record.ttl & 0xffff);
    if (record.rdata.size() > 0xffff) return Error{ErrorCode::kInvalid, "rdata above 65535 bytes"};
    append_u16(wire, static_cast<unsigned>(record.rdata.size()));
    wire += record.rdata;
  }
  ldns_rr* rr = nullptr;
  std::size_t at = 0;
  const auto section = question ? LDNS_SECTION_QUESTION : LDNS_SECTION_ANSWER;
  const ldns_status status = ldns_wire2rr(&rr, octets(wire), wire.size(), &at, section);
  if (status != LDNS_STATUS_OK) return ldns_error("building", status);
  return rr;
}

Result<void> push(ldns_pkt* packet, ldns_pkt_section section,
                  const std::vector<DnsRecord>& records) {
  for (const DnsRecord& record : records) {
    auto rr = make_rr(record, section == LDNS_SECTION_QUESTION);
    if (!rr.ok()) return rr.error();
    if (!ldns_pkt_push_rr(packet, section, *rr)) {
      ldns_rr_free(*rr);
      return Error{ErrorCode::kInternal, "building a DNS message: out of memory"};
    }
  }
  return {};
}

Result<std::string> rdata_of(const ldns_rr* rr) {
  std::string out;
  for (std::size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    std::uint8_t* raw = nullptr;
    std::size_t size = 0;
    const ldns_status status = ldns_rdf2wire(&raw, ldns_rr_rdf(rr, i), &size);
    const Bytes bytes(raw);
    if (status != LDNS_STATUS_OK) return ldns_error("reading", status);
    out.append(reinterpret_cast<const char*>(raw), size);
  }
  return out;
}

Result<std::vector<DnsRecord>> records_of(const ldns_rr_list* list, bool question) {
  std::vector<DnsRecord> out;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(list, i);
    const ldns_rdf* owner = ldns_rr_owner(rr);
    auto name = DnsName::from_wire(
        {reinterpret_cast<const char*>(ldns_rdf_data(owner)), ldns_rdf_size(owner)});
    if (!name.ok()) return name.error();
    DnsRecord record{std::move(*name), static_cast<std::uint16_t>(ldns_rr_get_type(rr)),
                     static_cast<std::uint16_t>(ldns_rr_get_class(rr)), 0, ""};
    if (!question) {
      record.ttl = ldns_rr_ttl(rr);
      auto rdata = rdata_of(rr);
      if (!rdata.ok()) return rdata.error();
      record.rdata = std::move(*rdata);
    }
    out.push_back(std::move(record));
  }
  return out;
}

Result<std::string> address_rdata(int family, std::string_view text) {
  char raw[sizeof(in6_addr)];
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos || inet_pton(family, copy.c_str(), raw) != 1) {
    return Error{ErrorCode::kInvalid, fmt::format("\"{}\" is no IPv{} address", printable(text),
                                                  family == AF_INET ? 4 : 6)};
  }
  return std::string(raw, family == AF_INET ? 4 : 16);
}

Result<std::string> address_text(int family, std::string_view rdata) {
  char text[INET6_ADDRSTRLEN];
  const std::size_t wanted = family == AF_INET ? 4 : 16;
  if (rdata.size() != wanted || inet_ntop(family, rdata.data(), text, sizeof text) == nullptr) {
    return Error{ErrorCode::kInvalid, "address record of a wrong length"};
  }
  return std::string(text);
}

Result<std::string> txt_text(std::string_view rdata) {
  std::string out;
  for (std::size_t at = 0; at < rdata.size();) {
    const auto length = static_cast<unsigned char>(rdata[at]);
    if (rdata.size() - at <= length) return Error{ErrorCode::kInvalid, "TXT record is cut off"};
    out.append(rdata.substr(at + 1, length));
    at += length + 1u;
  }
  return out;
}

std::string txt_rdata(std::string_view text) {
  std::string out;
  do {
    const std::string_view part = text.substr(0, kTxtStringMost);
    out.push_back(static_cast<char>(part.size()));
    out.append(part);
    text.remove_prefix(part.size());
  } while (!text.empty());
  return out;
}

}  // namespace

std::string to_string(Rcode rcode) {
  static constexpr const char* kNames[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                           "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                           "NXRRSET", "NOTAUTH", "NOTZONE"};
  const auto n = static_cast<std::size_t>(rcode);
  return n < std::size(kNames) ? kNames[n] : fmt::format("rcode {}", n);
}

Result<std::string> build_message(const DnsMessage& message) {
  const Packet packet(ldns_pkt_new());
  if (!packet) return Error{ErrorCode::kInternal, "building a DNS message: out of memory"};
  ldns_pkt_set_id(packet.get(), message.id);
  ldns_pkt_set_opcode(packet.get(), static_cast<ldns_pkt_opcode>(message.opcode));
  ldns_pkt_set_rcode(packet.get(), static_cast<std::uint8_t>(message.rcode));
  ldns_pkt_set_qr(packet.get(), message.response);
  ldns_pkt_set_aa(packet.get(), message.authoritative);
  ldns_pkt_set_tc(packet.get(), message.truncated);
  ldns_pkt_set_rd(packet.get(), message.recursion_desired);
  RETURN_IF_ERROR(push(packet.get(), LDNS_SECTION_QUESTION, message.question));
  RETURN_IF_ERROR(push(packet.get(), LDNS_SECTION_ANSWER, message.answer));
  RETURN_IF_ERROR(push(packet.get(), LDNS_SECTION_AUTHORITY, message.authority));
  RETURN_IF_ERROR(push(packet.get(), LDNS_SECTION_ADDITIONAL, message.additional));
  std::uint8_t* raw = nullptr;
  std::size_t size = 0;
  const ldns_status status = ldns_pkt2wire(&raw, packet.get(), &size);
  const Bytes bytes(raw);
  if (status != LDNS_STATUS_OK) return ldns_error("building", status);
  if (size > kDnsMessageMost) return Error{ErrorCode::kInvalid, "DNS message above 65535 bytes"};
  return std::string(reinterpret_cast<const char*>(raw), size);
}

Result<DnsMessage> parse_message(std::string_view bytes) {
  const auto shape = scan_message(bytes);
  if (!shape.ok()) return shape.error();
  ldns_pkt* raw = nullptr;
  const ldns_status status = ldns_wire2pkt(&raw, octets(bytes), bytes.size());
  const Packet packet(raw);
  if (status != LDNS_STATUS_OK) return ldns_error("reading", status);
  DnsMessage out;
  out.id = ldns_pkt_id(raw);
  out.opcode = static_cast<int>(ldns_pkt_get_opcode(raw));
  out.rcode = static_cast<Rcode>(ldns_pkt_get_rcode(raw));
  out.response = ldns_pkt_qr(raw);
  out.authoritative = ldns_pkt_aa(raw);
  out.truncated = ldns_pkt_tc(raw);
  out.recursion_desired = ldns_pkt_rd(raw);
  const std::pair<std::vector<DnsRecord>*, const ldns_rr_list*> sections[] = {
      {&out.question, ldns_pkt_question(raw)},
      {&out.answer, ldns_pkt_answer(raw)},
      {&out.authority, ldns_pkt_authority(raw)},
      {&out.additional, ldns_pkt_additional(raw)}};
  for (const auto& [to, from] : sections) {
    auto records = records_of(from, to == &out.question);
    if (!records.ok()) return records.error();
    *to = std::move(*records);
  }
  return out;
}

std::optional<std::uint16_t> dns_type(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (upper == "A") return kDnsA;
  if (upper == "AAAA") return kDnsAaaa;
  if (upper == "CNAME") return kDnsCname;
  if (upper == "NS") return kDnsNs;
  if (upper == "TXT") return kDnsTxt;
  return std::nullopt;
}

std::string dns_type_text(std::uint16_t type) {
  switch (type) {
    case kDnsA: return "A";
    case kDnsNs: return "NS";
    case kDnsCname: return "CNAME";
    case kDnsSoa: return "SOA";
    case kDnsTxt: return "TXT";
    case kDnsAaaa: return "AAAA";
    default: return fmt::format("TYPE{}", type);
  }
}

Result<std::string> rdata_from_text(std::uint16_t type, std::string_view text) {
  switch (type) {
    case kDnsA: return address_rdata(AF_INET, text);
    case kDnsAaaa: return address_rdata(AF_INET6, text);
    case kDnsTxt: return txt_rdata(text);
    case kDnsCname:
    case kDnsNs: {
      auto name = DnsName::parse(text);
      if (!name.ok()) return name.error();
      return name->wire();
    }
    default: return Error{ErrorCode::kInvalid, "no rdata for " + dns_type_text(type)};
  }
}

Result<std::string> rdata_to_text(std::uint16_t type, std::string_view rdata) {
  switch (type) {
    case kDnsA: return address_text(AF_INET, rdata);
    case kDnsAaaa: return address_text(AF_INET6, rdata);
    case kDnsTxt: return txt_text(rdata);
    case kDnsCname:
    case kDnsNs: {
      auto name = DnsName::from_wire(rdata);
      if (!name.ok()) return name.error();
      return DnsName::from_wire(name->canonical_wire()).value().text();
    }
    default: return hex(rdata);
  }
}

Result<std::string> canonical_value(std::uint16_t type, std::string_view text) {
  auto rdata = rdata_from_text(type, text);
  if (!rdata.ok()) return rdata.error();
  return rdata_to_text(type, *rdata);
}

}  // namespace pointsman
