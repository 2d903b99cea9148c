#include "base/address.h"

#include <doctest/doctest.h>

using namespace pointsman;

TEST_CASE("addresses and host names") {
  CHECK(is_ipv4("192.0.2.1"));
  CHECK_FALSE(is_ipv4("192.0.2.256"));
  CHECK_FALSE(is_ipv4("192.0.2"));
  CHECK(is_ipv6("2001:db8::1"));
  CHECK_FALSE(is_ipv6("[2001:db8::1]"));
  CHECK(is_host_name("a-b.example"));
  CHECK_FALSE(is_host_name("a..b"));
  CHECK_FALSE(is_host_name("a b"));
  CHECK_FALSE(is_host_name("a."));
  CHECK_FALSE(is_plain_name("../x"));
  CHECK_EQ(canonical_host("2001:DB8:0::1"), "2001:db8::1");
  CHECK_EQ(canonical_host("Example.Test"), "example.test");
}

TEST_CASE("host and port") {
  CHECK_EQ(host_port_from("192.0.2.1:53")->port, 53);
  CHECK_EQ(host_port_from("[2001:db8::1]:53")->host, "2001:db8::1");
  CHECK_EQ(host_port_from("db.example:3306")->host, "db.example");
  for (const char* bad : {"", "192.0.2.1", "x:", ":1", "x:65536", "x:-1", "x:1 ", "2001:db8::1:53",
                          "[192.0.2.1]:1", "[::1]", "x:1:2"}) {
    CAPTURE(bad);
    CHECK_FALSE(host_port_from(bad).has_value());
  }
}

TEST_CASE("URLs") {
  const auto url = url_parts_from("HTTPS://[2001:db8::1]:8443/a?b");
  REQUIRE(url.has_value());
  CHECK_EQ(url->scheme, "https");
  CHECK_EQ(url->host, "2001:db8::1");
  CHECK_EQ(url->port, 8443);
  CHECK_EQ(url->path, "/a?b");
  CHECK_EQ(url_parts_from("http://x")->port, 0);
  for (const char* bad : {"", "x", "://x", "http://", "http://u:p@x/", "http://x y/", "http://x\n/",
                          "http://x:y/", "http://[::1"}) {
    CAPTURE(bad);
    CHECK_FALSE(url_parts_from(bad).has_value());
  }
}
