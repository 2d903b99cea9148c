#include "providers/name_servers.h"

#include "test/support/fake_dns.h"

#include <doctest/doctest.h>

using namespace pointsman;

TEST_CASE("name servers of a zone, by the host's resolvers") {
  CHECK_EQ(
      resolvers_in("# x\nnameserver 192.0.2.1\nsearch a\n nameserver\t2001:db8::1 \nnameserver x"),
      std::vector<DnsEndpoint>{{"192.0.2.1", 53}, {"2001:db8::1", 53}});
  CHECK_EQ(resolvers_in(""), std::vector<DnsEndpoint>{{"127.0.0.1", 53}});
  const DnsName zone = DnsName::parse("example.test").value();
  const FakeDns broken([](const std::string& request, bool) {
    return std::vector<std::string>{FakeDns::answer_to(request, Rcode::kServFail)};
  });
  const FakeDns good([&](const std::string& request, bool) {
    std::vector<DnsRecord> records;
    for (const char* name : {"ns2.example.test", "NS1.example.test"}) {
      records.push_back({zone, kDnsNs, kDnsClassIn, 60, DnsName::parse(name).value().wire()});
    }
    return std::vector<std::string>{FakeDns::answer_to(request, Rcode::kNoError, records)};
  });
  const auto found = name_servers_of(zone, {broken.endpoint(), good.endpoint()}, 5s);
  if (!found.ok()) FAIL(found.error().message);
  CHECK_EQ(*found, std::vector<std::string>{"ns1.example.test:53", "ns2.example.test:53"});
  const auto none = name_servers_of(zone, {broken.endpoint()}, 5s);
  REQUIRE_FALSE(none.ok());
  CHECK_EQ(none.error().code, ErrorCode::kUnavailable);
  CHECK(none.error().message.find("SERVFAIL") != std::string::npos);
}

TEST_CASE("what a parent says of a zone is asked at the parent's servers, else nothing is said") {
  const DnsName zone = DnsName::parse("a.b.test").value();
  CHECK_EQ(zone.parent(), DnsName::parse("b.test").value());
  // A resolver that knows no zone above, one that is broken, and one that is not there.
  int asked = 0;
  const FakeDns empty([&](const std::string& request, bool) {
    ++asked;
    return std::vector<std::string>{FakeDns::answer_to(request, Rcode::kNxDomain)};
  });
  CHECK(delegated_by_parent(zone, {empty.endpoint()}, 5s).empty());
  CHECK_EQ(asked, 3);  // b.test, test, the root.
  const FakeDns broken([](const std::string& request, bool) {
    return std::vector<std::string>{FakeDns::answer_to(request, Rcode::kServFail)};
  });
  CHECK(delegated_by_parent(zone, {broken.endpoint()}, 5s).empty());
  CHECK(delegated_by_parent(DnsName(), {empty.endpoint()}, 5s).empty());
}
