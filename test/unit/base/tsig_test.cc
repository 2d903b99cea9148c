#include "base/tsig.h"

#include "base/crypto.h"
#include "base/dns_wire.h"
#include "base/file.h"
#include "base/json.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

const Json& vectors() {
  static const Json kLoaded =
      Json::parse(read_file(std::string(PM_TEST_DATA) + "/vectors/tsig.json").value()).value();
  return kLoaded;
}

std::string bytes(const Json& from, std::string_view key) {
  return from_hex(from.string_or(key)).value();
}

TsigKey key_of(const Json& v) {
  return {DnsName::parse(v.string_or("key_name")).value(),
          tsig_algorithm(v.string_or("algorithm")).value(),
          from_base64(v.string_or("secret_base64")).value()};
}

TsigWindow window_of(const Json& v) {
  return {v.int_or("time_signed"), static_cast<std::uint16_t>(v.int_or("fudge"))};
}

// The first vector with a good answer, for the cases that spoil it.
struct Exchange {
  TsigKey key;
  std::string mac;
  std::string answer;
  std::int64_t now_s;
};
Exchange good_exchange() {
  const Json& v = vectors().array_or_empty("requests").at(0);
  const Json& r = *v.find("response");
  return {key_of(v), bytes(v, "mac_hex"), bytes(r, "message_hex"),
          r.find("tsig")->int_or("time_signed")};
}

TsigVerdict verdict(const Exchange& e) {
  return tsig_check(e.key, e.mac, e.answer, e.now_s).value().verdict;
}

}  // namespace

TEST_CASE("every vector is signed byte for byte") {
  CHECK_EQ(vectors().array_or_empty("requests").size(), 10);
  for (const Json& v : vectors().array_or_empty("requests")) {
    CAPTURE(v.string_or("name"));
    const auto made = tsig_sign(key_of(v), bytes(v, "unsigned_message_hex"), window_of(v));
    CHECK_EQ(hex(made.mac), v.string_or("mac_hex"));
    CHECK_EQ(hex(made.bytes), v.string_or("signed_message_hex"));
  }
}

TEST_CASE("every vector's answer is judged right") {
  for (const Json& v : vectors().array_or_empty("requests")) {
    CAPTURE(v.string_or("name"));
    const Json& r = *v.find("response");
    const bool bad_time = r.find("tsig")->int_or("error") == 18;
    const auto answer = tsig_check(key_of(v), bytes(v, "mac_hex"), bytes(r, "message_hex"),
                                   v.int_or("time_signed"));
    REQUIRE(answer.ok());
    CHECK_EQ(answer->verdict, bad_time ? TsigVerdict::kBadTime : TsigVerdict::kGood);
    CHECK_EQ(answer->server_time_s.value_or(0), bad_time ? 1714979322 : 1714979322);
    const auto message = parse_message(answer->message);
    REQUIRE(message.ok());
    CHECK_EQ(static_cast<int>(message->rcode), r.int_or("rcode"));
    CHECK_EQ(message->id, v.int_or("message_id"));
  }
}

TEST_CASE("unsigned refusals tell a wrong key from a wrong secret") {
  for (const Json& v : vectors().array_or_empty("error_responses")) {
    const bool bad_key = v.find("tsig")->int_or("error") == 17;
    const TsigKey key{DnsName::parse(bad_key ? "nokey" : "pm-key").value(),
                      TsigAlgorithm::kHmacSha256, "x"};
    const auto answer = tsig_check(key, bytes(v, "request_mac_hex"), bytes(v, "response_hex"),
                                   v.find("tsig")->int_or("time_signed"));
    CHECK_EQ(answer->verdict, bad_key ? TsigVerdict::kBadKey : TsigVerdict::kBadSig);
    CHECK_FALSE(answer->server_time_s.has_value());
  }
}

TEST_CASE("our building of the vectors' messages is theirs, byte for byte") {
  for (const Json& v : vectors().array_or_empty("requests")) {
    CAPTURE(v.string_or("name"));
    const std::string wire = bytes(v, "unsigned_message_hex");
    const std::string built = build_message(parse_message(wire).value()).value();
    CHECK_EQ(hex(built), hex(wire));
  }
}

TEST_CASE("any changed byte of an answer is noticed") {
  const Exchange e = good_exchange();
  REQUIRE_EQ(verdict(e), TsigVerdict::kGood);
  int accepted = 0;
  for (std::size_t at = 0; at < e.answer.size(); ++at) {
    Exchange spoiled = e;
    spoiled.answer[at] = static_cast<char>(spoiled.answer[at] ^ 1);
    const auto answer = tsig_check(spoiled.key, spoiled.mac, spoiled.answer, spoiled.now_s);
    if (answer.ok() && answer->verdict == TsigVerdict::kGood) ++accepted;
  }
  // The id is outside the MAC (the original id is in it): the transport compares it.
  CHECK_EQ(accepted, 2);
}

TEST_CASE("an answer for another request, key, algorithm or time is not ours") {
  Exchange e = good_exchange();
  e.mac[0] = static_cast<char>(e.mac[0] ^ 1);
  CHECK_EQ(verdict(e), TsigVerdict::kForged);

  e = good_exchange();
  e.key.name = DnsName::parse("other").value();
  CHECK_EQ(verdict(e), TsigVerdict::kForged);

  e = good_exchange();
  e.key.algorithm = TsigAlgorithm::kHmacSha512;
  CHECK_EQ(verdict(e), TsigVerdict::kForged);

  e = good_exchange();
  e.key.name = DnsName::parse("PM-KEY").value();
  CHECK_EQ(verdict(e), TsigVerdict::kGood);
  e.now_s += 300;
  CHECK_EQ(verdict(e), TsigVerdict::kGood);
  e.now_s += 1;
  CHECK_EQ(verdict(e), TsigVerdict::kStale);
  e.now_s -= 602;
  CHECK_EQ(verdict(e), TsigVerdict::kStale);
}

TEST_CASE("an answer without TSIG, or with a broken one, proves nothing") {
  Exchange e = good_exchange();
  const auto whole = tsig_check(e.key, e.mac, e.answer, e.now_s).value();
  CHECK_EQ(tsig_check(e.key, e.mac, whole.message, e.now_s)->verdict, TsigVerdict::kUnsigned);

  // Truncations of the TSIG rdata under a matching record length.
  const auto records = scan_message(e.answer).value();
  const WireRecord tsig = records.back();
  for (std::size_t keep = 0; keep < tsig.rdata_bytes; ++keep) {
    std::string cut = e.answer.substr(0, tsig.rdata + keep);
    cut[tsig.rdata - 2] = static_cast<char>(keep >> 8);
    cut[tsig.rdata - 1] = static_cast<char>(keep & 0xff);
    const auto answer = tsig_check(e.key, e.mac, cut, e.now_s);
    CHECK_FALSE((answer.ok() && answer->verdict == TsigVerdict::kGood));
  }

  // Followed by another record: not the last one any more.
  std::string more = e.answer + from_hex("c00c00010001000000150004c0000201").value();
  more[11] = static_cast<char>(more[11] + 1);
  CHECK_FALSE(tsig_check(e.key, e.mac, more, e.now_s).ok());
}

TEST_CASE("algorithm names") {
  CHECK_EQ(tsig_algorithm("HMAC-SHA512."), TsigAlgorithm::kHmacSha512);
  CHECK_FALSE(tsig_algorithm("hmac-md5").has_value());
  CHECK_FALSE(tsig_algorithm("").has_value());
}
