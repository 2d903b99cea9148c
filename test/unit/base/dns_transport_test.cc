#include "base/dns_transport.h"

#include "base/clock.h"
#include "base/resolve.h"
#include "test/support/fake_dns.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

using Answers = std::vector<std::string>;

std::string request() {
  return build_message(dns_query(DnsName::parse("api.example.test").value(), kDnsA)).value();
}

std::vector<DnsRecord> address(const char* ip) {
  return {{DnsName::parse("api.example.test").value(), kDnsA, kDnsClassIn, 60,
           rdata_from_text(kDnsA, ip).value()}};
}

Result<std::string> ask(const FakeDns& server, const std::string& bytes, Duration within = 3s,
                        DnsTransport transport = DnsTransport::kUdpThenTcp) {
  return dns_exchange(server.endpoint(), bytes, transport, system_clock().now() + within);
}

std::string first_address(const std::string& bytes) {
  return rdata_to_text(kDnsA, parse_message(bytes).value().answer.at(0).rdata).value();
}

std::string with_id_changed(std::string bytes) {
  bytes[0] = static_cast<char>(bytes[0] ^ 0x55);
  return bytes;
}

}  // namespace

TEST_CASE("host and port are read strictly") {
  CHECK_EQ(parse_host_port("192.0.2.53:5353", 53)->port, 5353);
  CHECK_EQ(parse_host_port("192.0.2.53", 53)->port, 53);
  CHECK_EQ(parse_host_port("ns1.example.test:54", 53)->host, "ns1.example.test");
  CHECK_EQ(parse_host_port("[2001:db8::53]:54", 53)->host, "2001:db8::53");
  CHECK_EQ(parse_host_port("[2001:db8::53]:54", 53)->port, 54);
  CHECK_EQ(parse_host_port("2001:db8::53", 53)->host, "2001:db8::53");
  for (const char* bad : {"", ":53", "a:", "a:0", "a:65536", "a:5x", "[::1", "[::1]x",
                          "[::1]:", "a b", "1:2:3", "[name]x:1"}) {
    CHECK_FALSE_MESSAGE(parse_host_port(bad, 53).ok(), bad);
  }
  CHECK_FALSE(parse_endpoint("ns1.example.test").ok());
  CHECK_EQ(parse_endpoint("::1")->text(), "[::1]:53");
}

TEST_CASE("strays and forgeries are passed over, the answer is taken") {
  FakeDns server([](const std::string& q, bool) {
    const std::string good = FakeDns::answer_to(q, Rcode::kNoError, address("192.0.2.1"));
    std::string other = q;
    other[13] = 'b';  // Another name in the question.
    return Answers{"junk",
                   with_id_changed(good),
                   q,
                   FakeDns::answer_to(other, Rcode::kNoError, address("192.0.2.66")),
                   good.substr(0, good.size() - 1),
                   good};
  });
  const auto answer = ask(server, request());
  REQUIRE(answer.ok());
  CHECK_EQ(first_address(*answer), "192.0.2.1");
}

TEST_CASE("a lost packet is asked for again") {
  std::atomic<int> seen{0};
  FakeDns server([&](const std::string& q, bool) {
    return ++seen == 1 ? Answers{} : Answers{FakeDns::answer_to(q, Rcode::kNxDomain)};
  });
  CHECK(ask(server, request()).ok());
  CHECK_EQ(server.requests(), 2);
}

TEST_CASE("silence ends at the deadline") {
  FakeDns server([](const std::string&, bool) { return Answers{}; });
  const Instant began = system_clock().now();
  const auto answer = ask(server, request(), 300ms);
  CHECK_EQ(answer.error().code, ErrorCode::kTimeout);
  CHECK(answer.error().message.find(server.endpoint().text()) != std::string::npos);
  CHECK_GE(system_clock().now() - began, 300ms);
  CHECK_EQ(ask(server, request(), -1s).error().code, ErrorCode::kUnavailable);
}

TEST_CASE("a truncated answer is fetched over TCP") {
  FakeDns server([](const std::string& q, bool tcp) {
    if (!tcp) return Answers{FakeDns::answer_to(q, Rcode::kNoError, {}, true)};
    const std::string whole =
        FakeDns::framed(FakeDns::answer_to(q, Rcode::kNoError, address("192.0.2.2")));
    return Answers{whole.substr(0, 1), whole.substr(1, 9), whole.substr(10)};
  });
  const auto answer = ask(server, request());
  REQUIRE(answer.ok());
  CHECK_EQ(first_address(*answer), "192.0.2.2");
}

TEST_CASE("over TCP a request that left has an unknown outcome") {
  for (const int lie : {0, 1, 2, 3}) {
    CAPTURE(lie);
    FakeDns server([lie](const std::string& q, bool) {
      const std::string good = FakeDns::answer_to(q, Rcode::kNoError);
      if (lie == 0) return Answers{};                                    // Closed at once.
      if (lie == 1) return Answers{FakeDns::framed(good).substr(0, 9)};  // Closed in the middle.
      if (lie == 2) return Answers{FakeDns::framed(with_id_changed(good))};
      return Answers{std::string(2, '\0')};  // A message of no length.
    });
    CHECK_EQ(ask(server, request(), 2s, DnsTransport::kTcp).error().code, ErrorCode::kTimeout);
    CHECK_EQ(server.requests(), 1);
  }
}

TEST_CASE("a closed port was not reached") {
  DnsEndpoint closed;
  {
    const FakeDns server([](const std::string&, bool) { return Answers{}; });
    closed = server.endpoint();
  }
  for (const auto transport : {DnsTransport::kTcp, DnsTransport::kUdpThenTcp}) {
    const auto answer = dns_exchange(closed, request(), transport, system_clock().now() + 2s);
    CHECK_EQ(answer.error().code, ErrorCode::kUnavailable);
  }
}

TEST_CASE("an error may come without a question, a success may not") {
  std::string q = request();
  std::string bare = q.substr(0, 12);
  bare[2] = static_cast<char>(0x80);
  bare[5] = 0;
  CHECK_FALSE(dns_answers(q, bare));
  bare[3] = 1;
  CHECK(dns_answers(q, bare));
  CHECK_FALSE(dns_answers(q, q));
  CHECK_FALSE(dns_answers(q, ""));
}

TEST_CASE("literal addresses need no resolver; names end in time") {
  CHECK_EQ(resolve_host("192.0.2.1", 0ns).value(), std::vector<std::string>{"192.0.2.1"});
  CHECK_EQ(resolve_host("2001:db8::1", 0ns).value(), std::vector<std::string>{"2001:db8::1"});
  const auto local = resolve_host("localhost", 5s);
  REQUIRE(local.ok());
  CHECK_FALSE(local->empty());
}
