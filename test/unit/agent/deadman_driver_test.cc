#include "agent/drivers/nft_rules.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

DeadmanPorts ports() { return {"im-api", {3306, 6379}, {80}, {"198.51.100.20", "2001:db8::20"}}; }

}  // namespace

TEST_CASE("times of nftables are read") {
  CHECK(parse_nft_time("2s345ms") == 2345ms);
  CHECK(parse_nft_time("40ms") == 40ms);
  CHECK(parse_nft_time("1d2h3m4s") == 26h + 3min + 4s);
  for (const char* bad : {"", "s", "5", "5x", "-5s", "5s "}) CHECK_FALSE(parse_nft_time(bad));
}

TEST_CASE("the rest of a lease is that of the port with least, and none when a port is missing") {
  const std::string head = "table inet pointsman {\n\tset lease_im-api {\n\t\ttype inet_service\n";
  const std::string whole = head +
                            "\t\telements = { 80 timeout 3s expires 2s345ms, 3306 timeout 3s "
                            "expires 2s340ms,\n\t\t\t     6379 timeout 3s expires 2s350ms }\n";
  CHECK(lease_rest(ports(), whole) == 2340ms);
  CHECK(lease_rest(ports(), head + "\t\telements = { 3306 timeout 3s expires 2s }\n") == 0ms);
  CHECK(lease_rest(ports(), head + "\t}\n}\n") == 0ms);
  // 8080 is not 80, and an element without an end is none of ours.
  CHECK(lease_rest({"s", {}, {80}, {}}, "elements = { 8080 timeout 3s expires 2s }") == 0ms);
  CHECK(lease_rest({"s", {}, {80}, {}}, "elements = { 80 timeout 3s, 81 timeout 3s expires 2s }") ==
        0ms);
  CHECK(lease_empty(head + "\t}\n}\n"));
  CHECK_FALSE(lease_empty(whole));
}

TEST_CASE("a renewal deletes first, so that the kernel refuses one that is too late") {
  CHECK(nft_renewal({"s", {3306}, {80}, {}}, 2500ms, true) ==
        "delete element inet pointsman lease_s { 80, 3306 }\n"
        "add element inet pointsman lease_s { 80 timeout 2500ms, 3306 timeout 2500ms }\n");
}

TEST_CASE("the mode is told by the rules") {
  CHECK(mode_of("\t\tcounter drop comment \"pointsman armed\"\n") == DeadmanMode::kArmed);
  CHECK(mode_of("\t\tcounter drop comment \"pointsman standby\"\n") == DeadmanMode::kStandby);
  CHECK(mode_of("\t\taccept\n") == std::nullopt);
}

TEST_CASE("nothing hostile reaches nftables") {
  CHECK(check_deadman_ports(ports()).ok());
  auto bad = ports();
  bad.service = "x; flush ruleset";
  CHECK_FALSE(check_deadman_ports(bad).ok());
  bad = ports();
  bad.allow = {"192.0.2.1 }; flush ruleset"};
  CHECK_FALSE(check_deadman_ports(bad).ok());
  bad = ports();
  bad.public_ports = {70000};
  CHECK_FALSE(check_deadman_ports(bad).ok());
  CHECK_FALSE(check_deadman_ports({"s", {}, {}, {}}).ok());
}

}  // namespace pointsman
