#include "base/dns.h"

#include "base/crypto.h"
#include "base/dns_wire.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

DnsName name(std::string_view text) { return DnsName::parse(text).value(); }
std::string bytes(std::string_view hex_text) { return from_hex(hex_text).value(); }

// One question for example.com SOA, then whatever the case is about.
const std::string kQuestion = bytes("076578616d706c6503636f6d0000060001");

std::string header(unsigned answers, unsigned additional = 0) {
  std::string out = bytes("100185000001");
  append_u16(out, answers);
  append_u16(out, 0);
  append_u16(out, additional);
  return out;
}

}  // namespace

TEST_CASE("a name compares without case and keeps the case it was given") {
  CHECK(name("API.Example.test") == name("api.example.TEST."));
  CHECK_EQ(name("API.Example.test").text(), "API.Example.test");
  CHECK_FALSE(name("api.example.test") == name("apiexample.test"));
  CHECK_FALSE(name("a.b") == name("a\\.b"));
  CHECK_EQ(name(".").text(), ".");
  CHECK_EQ(name("a\\.b.c").text(), "a\\.b.c");
  CHECK_EQ(name("a\\032b").text(), "a\\032b");
}

TEST_CASE("a name bounds its labels") {
  const std::string label(63, 'x');
  CHECK(DnsName::parse(label + ".test").ok());
  CHECK_FALSE(DnsName::parse(label + "x.test").ok());
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
  CHECK_EQ(name(longest).wire().size(), 255);
  CHECK_FALSE(DnsName::parse(longest + "y").ok());
  CHECK_FALSE(name(longest).below("a").ok());
  for (const char* bad :
       {"", "..", "a..b", ".a", "a b", "a\\", "a\\2", "a\\999", "a\tb", "\xc3\xa4"}) {
    CHECK_FALSE_MESSAGE(DnsName::parse(bad).ok(), bad);
  }
}

TEST_CASE("a name knows its zone") {
  CHECK(name("api.Example.test").is_within(name("example.TEST")));
  CHECK(name("example.test").is_within(name("example.test")));
  CHECK(name("test").is_within(DnsName()));
  CHECK_FALSE(name("badexample.test").is_within(name("example.test")));
  CHECK_FALSE(name("test").is_within(name("example.test")));
  CHECK_EQ(name("api.test").below("_pointsman").value().text(), "_pointsman.api.test");
}

TEST_CASE("values have one form in which equals are equal") {
  CHECK_EQ(canonical_value(kDnsA, "192.0.2.10").value(), "192.0.2.10");
  CHECK_EQ(canonical_value(kDnsAaaa, "2001:DB8:0::1").value(), "2001:db8::1");
  CHECK_EQ(canonical_value(kDnsCname, "Site-A.Example.NET.").value(), "site-a.example.net");
  CHECK_FALSE(canonical_value(kDnsA, "192.0.2.010x").ok());
  CHECK_FALSE(canonical_value(kDnsA, "2001:db8::1").ok());
  CHECK_FALSE(canonical_value(kDnsAaaa, "192.0.2.1").ok());
  CHECK_FALSE(canonical_value(kDnsA, std::string_view("192.0.2.1\0x", 11)).ok());
}

TEST_CASE("a text above 255 bytes is several strings and one text") {
  const std::string text(600, 't');
  const std::string rdata = rdata_from_text(kDnsTxt, text).value();
  CHECK_EQ(rdata.size(), 603);
  CHECK_EQ(rdata_to_text(kDnsTxt, rdata).value(), text);
  CHECK_EQ(rdata_from_text(kDnsTxt, "").value(), std::string(1, '\0'));
  CHECK_FALSE(rdata_to_text(kDnsTxt,
                            "\x05"
                            "abc")
                  .ok());
}

TEST_CASE("a message survives building and reading") {
  DnsMessage m;
  m.id = 77;
  m.opcode = kDnsUpdate;
  m.question = {{name("example.test"), kDnsSoa, kDnsClassIn, 0, ""}};
  m.answer = {{name("www.example.test"), kDnsA, kDnsClassNone, 0, ""}};
  m.authority = {{name("www.example.test"), kDnsA, kDnsClassIn, 60,
                  rdata_from_text(kDnsA, "192.0.2.1").value()},
                 {name("www.example.test"), kDnsTxt, kDnsClassIn, 0x80000000u,
                  rdata_from_text(kDnsTxt, "a \"b\"").value()}};
  const auto back = parse_message(build_message(m).value()).value();
  CHECK_EQ(back.id, 77);
  CHECK_EQ(back.opcode, kDnsUpdate);
  REQUIRE_EQ(back.authority.size(), 2);
  CHECK(back.authority[0].name == name("WWW.example.test"));
  CHECK_EQ(back.authority[0].ttl, 60);
  CHECK_EQ(rdata_to_text(kDnsTxt, back.authority[1].rdata).value(), "a \"b\"");
  REQUIRE_EQ(back.answer.size(), 1);
  CHECK_EQ(back.answer[0].klass, kDnsClassNone);
  CHECK(back.answer[0].rdata.empty());
}

TEST_CASE("compressed names inside rdata are unfolded") {
  // NS ns1.<pointer to example.com>
  const std::string wire = header(1) + kQuestion + bytes("c00c00020001000000150006036e7331c00c");
  const auto m = parse_message(wire).value();
  CHECK_EQ(rdata_to_text(kDnsNs, m.answer.at(0).rdata).value(), "ns1.example.com");
}

TEST_CASE("hostile input: pointers") {
  const std::string tail = bytes("00010001000000150004c0000201");
  for (const char* owner : {
           "c01d",          // To itself.
           "c01f",          // Forward.
           "c000",          // Into the header.
           "03777777c01d",  // A loop over a label.
           "c0",            // Cut off.
           "40",            // Unknown label type.
           "80",
       }) {
    CAPTURE(owner);
    CHECK_EQ(parse_message(header(1) + kQuestion + bytes(owner) + tail).error().code,
             ErrorCode::kInvalid);
  }
  // Two pointers at each other, inside rdata.
  CHECK_FALSE(
      parse_message(header(1) + kQuestion + bytes("c00c00020001000000150004c02bc029")).ok());
}

TEST_CASE("hostile input: a pointer chain that spells a name above 255 bytes") {
  std::string wire = header(6) + kQuestion;
  std::string before;  // Each owner: a label of 63 and a pointer to the owner before.
  std::size_t last = kDnsHeaderBytes;
  for (int i = 0; i < 6; ++i) {
    const std::size_t here = wire.size();
    wire += '\x3f' + std::string(63, 'a');
    append_u16(wire, static_cast<unsigned>(0xc000 | last));
    wire += bytes("00010001000000150004c0000201");
    last = here;
  }
  CHECK_EQ(parse_message(wire).error().code, ErrorCode::kInvalid);
}

TEST_CASE("hostile input: counts and lengths") {
  const std::string record = bytes("c00c00010001000000150004c0000201");
  CHECK(parse_message(header(1) + kQuestion + record).ok());
  CHECK_FALSE(parse_message(header(2) + kQuestion + record).ok());
  CHECK_FALSE(parse_message(header(0) + kQuestion + record).ok());
  CHECK_FALSE(parse_message(header(65535, 65535) + kQuestion + record).ok());
  CHECK_FALSE(parse_message(header(1) + kQuestion + record + "x").ok());
  CHECK_FALSE(parse_message("").ok());
  CHECK_FALSE(parse_message("short").ok());
  // An A record of 3 and of 5 bytes.
  for (const char* bad : {"c00c00010001000000150003c00002", "c00c00010001000000150005c000020101"}) {
    CHECK_FALSE(parse_message(header(1) + kQuestion + bytes(bad)).ok());
  }
}

TEST_CASE("hostile input: every truncation and every single changed byte ends well") {
  const std::string whole = header(2) + kQuestion + bytes("c00c00020001000000150006036e7331c00c") +
                            bytes("c00c0010000100000015000403616263");
  REQUIRE(parse_message(whole).ok());
  for (std::size_t n = 0; n < whole.size(); ++n)
    CHECK_FALSE(parse_message(whole.substr(0, n)).ok());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      (void)parse_message(changed);  // Under the sanitizers: no crash is the assertion.
    }
  }
}
