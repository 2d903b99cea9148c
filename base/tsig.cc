#include "base/tsig.h"

#include <cstdlib>

#include "base/crypto.h"
#include "base/dns_wire.h"

namespace pointsman {
namespace {

constexpr std::size_t kArcountAt = 10;
constexpr int kErrorBadSig = 16, kErrorBadKey = 17, kErrorBadTime = 18, kErrorBadTrunc = 22;

struct TsigRdata {
  DnsName algorithm;
  std::int64_t time_s = 0;
  std::uint16_t fudge_s = 0;
  std::string mac;
  std::uint16_t original_id = 0;
  int error = 0;
  std::string other;
};

Hash hash_of(TsigAlgorithm algorithm) {
  switch (algorithm) {
    case TsigAlgorithm::kHmacSha1: return Hash::kSha1;
    case TsigAlgorithm::kHmacSha256: return Hash::kSha256;
    case TsigAlgorithm::kHmacSha384: return Hash::kSha384;
    case TsigAlgorithm::kHmacSha512: return Hash::kSha512;
  }
  return Hash::kSha256;
}

DnsName algorithm_name(TsigAlgorithm algorithm) {
  return DnsName::parse(to_string(algorithm)).value();
}

std::int64_t read_u48(std::string_view bytes, std::size_t at) {
  return static_cast<std::int64_t>(read_u16(bytes, at)) << 32 | read_u32(bytes, at + 2);
}

// What is digested after the message: RFC 8945, 4.3.3.
std::string tsig_variables(const DnsName& key, const TsigRdata& rdata) {
  std::string out = key.canonical_wire();
  append_u16(out, kDnsClassAny);
  out.append(4, '\0');  // TTL
  out += rdata.algorithm.canonical_wire();
  append_u48(out, static_cast<std::uint64_t>(rdata.time_s));
  append_u16(out, rdata.fudge_s);
  append_u16(out, static_cast<unsigned>(rdata.error));
  append_u16(out, static_cast<unsigned>(rdata.other.size()));
  return out + rdata.other;
}

std::string to_wire(const TsigRdata& rdata) {
  std::string out = rdata.algorithm.wire();
  append_u48(out, static_cast<std::uint64_t>(rdata.time_s));
  append_u16(out, rdata.fudge_s);
  append_u16(out, static_cast<unsigned>(rdata.mac.size()));
  out += rdata.mac;
  append_u16(out, rdata.original_id);
  append_u16(out, static_cast<unsigned>(rdata.error));
  append_u16(out, static_cast<unsigned>(rdata.other.size()));
  return out + rdata.other;
}

void set_u16(std::string& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<char>(value >> 8 & 0xff);
  bytes[at + 1] = static_cast<char>(value & 0xff);
}

Error malformed() { return {ErrorCode::kInvalid, "malformed DNS message: TSIG is cut off"}; }

Result<TsigRdata> parse_rdata(std::string_view bytes, const WireRecord& record) {
  const std::size_t end = record.rdata + record.rdata_bytes;
  const std::string_view whole = bytes.substr(0, end);
  std::size_t at = record.rdata;
  auto algorithm = read_name(whole, at);
  if (!algorithm.ok()) return algorithm.error();
  TsigRdata out;
  out.algorithm = std::move(*algorithm);
  if (end - at < 10) return malformed();
  out.time_s = read_u48(whole, at);
  out.fudge_s = read_u16(whole, at + 6);
  const std::size_t mac_bytes = read_u16(whole, at + 8);
  at += 10;
  if (end - at < mac_bytes || end - at - mac_bytes < 6) return malformed();
  out.mac = whole.substr(at, mac_bytes);
  at += mac_bytes;
  out.original_id = read_u16(whole, at);
  out.error = read_u16(whole, at + 2);
  const std::size_t other_bytes = read_u16(whole, at + 4);
  at += 6;
  if (end - at != other_bytes) return malformed();
  out.other = whole.substr(at);
  return out;
}

std::optional<TsigVerdict> unsigned_verdict(const TsigRdata& rdata) {
  if (!rdata.mac.empty()) return std::nullopt;
  if (rdata.error == kErrorBadKey) return TsigVerdict::kBadKey;
  if (rdata.error == kErrorBadSig) return TsigVerdict::kBadSig;
  return TsigVerdict::kForged;
}

// Of an answer whose MAC is right.
void judge_times(const TsigRdata& rdata, std::int64_t now_s, TsigAnswer& answer) {
  answer.server_time_s = rdata.time_s;
  if (rdata.error == kErrorBadTime) {
    answer.verdict = TsigVerdict::kBadTime;
    answer.server_time_s.reset();
    if (rdata.other.size() == 6) answer.server_time_s = read_u48(rdata.other, 0);
  } else if (rdata.error == kErrorBadTrunc) {
    answer.verdict = TsigVerdict::kBadTrunc;
  } else if (rdata.error != 0) {
    answer.verdict = rdata.error == kErrorBadKey   ? TsigVerdict::kBadKey
                     : rdata.error == kErrorBadSig ? TsigVerdict::kBadSig
                                                   : TsigVerdict::kForged;
  } else {
    const bool in_time = std::llabs(now_s - rdata.time_s) <= rdata.fudge_s;
    answer.verdict = in_time ? TsigVerdict::kGood : TsigVerdict::kStale;
  }
}

}  // namespace

std::optional<TsigAlgorithm> tsig_algorithm(std::string_view text) {
  const auto name = DnsName::parse(text);
  if (!name.ok()) return std::nullopt;
  for (const auto algorithm : {TsigAlgorithm::kHmacSha1, TsigAlgorithm::kHmacSha256,
                               TsigAlgorithm::kHmacSha384, TsigAlgorithm::kHmacSha512}) {
    if (*name == algorithm_name(algorithm)) return algorithm;
  }
  return std::nullopt;
}

const char* to_string(TsigAlgorithm algorithm) {
  switch (algorithm) {
    case TsigAlgorithm::kHmacSha1: return "hmac-sha1";
    case TsigAlgorithm::kHmacSha256: return "hmac-sha256";
    case TsigAlgorithm::kHmacSha384: return "hmac-sha384";
    case TsigAlgorithm::kHmacSha512: return "hmac-sha512";
  }
  return "hmac-sha256";
}

SignedMessage tsig_sign(const TsigKey& key, std::string_view message, TsigWindow window) {
  CHECK(message.size() >= kDnsHeaderBytes);
  TsigRdata rdata;
  rdata.algorithm = algorithm_name(key.algorithm);
  rdata.time_s = window.time_s;
  rdata.fudge_s = window.fudge_s;
  rdata.original_id = read_u16(message, 0);
  rdata.mac = hmac(hash_of(key.algorithm), key.secret,
                   std::string(message) + tsig_variables(key.name, rdata));

  std::string out(message);
  set_u16(out, kArcountAt, read_u16(message, kArcountAt) + 1u);
  out += key.name.wire();
  append_u16(out, kDnsTsig);
  append_u16(out, kDnsClassAny);
  out.append(4, '\0');  // TTL
  const std::string wire = to_wire(rdata);
  append_u16(out, static_cast<unsigned>(wire.size()));
  return {out + wire, rdata.mac};
}

Result<TsigAnswer> tsig_check(const TsigKey& key, std::string_view request_mac,
                              std::string_view answer, std::int64_t now_s) {
  const auto records = scan_message(answer);
  if (!records.ok()) return records.error();
  TsigAnswer out;
  out.message = answer;
  if (records->empty() || records->back().section != 3 || records->back().type != kDnsTsig) {
    return out;
  }
  const WireRecord& tsig = records->back();
  auto rdata = parse_rdata(answer, tsig);
  if (!rdata.ok()) return rdata.error();

  out.message.resize(tsig.begin);
  set_u16(out.message, kArcountAt, read_u16(answer, kArcountAt) - 1u);
  out.verdict = TsigVerdict::kForged;
  if (!(tsig.name == key.name) || !(rdata->algorithm == algorithm_name(key.algorithm)) ||
      tsig.klass != kDnsClassAny || tsig.ttl != 0) {
    return out;
  }
  if (const auto verdict = unsigned_verdict(*rdata)) {
    out.verdict = *verdict;
    return out;
  }
  std::string input;
  append_u16(input, static_cast<unsigned>(request_mac.size()));
  input += request_mac;
  const std::size_t message_at = input.size();
  input += out.message;
  set_u16(input, message_at, rdata->original_id);  // A forwarder may have changed the id.
  input += tsig_variables(key.name, *rdata);
  // Truncated MACs are for algorithms of their own name, which we never ask for.
  if (!equal_secret(hmac(hash_of(key.algorithm), key.secret, input), rdata->mac)) return out;
  judge_times(*rdata, now_s, out);
  return out;
}

}  // namespace pointsman
