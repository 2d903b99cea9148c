#include "agent/drivers/drivers.h"
#include "agent/drivers/redis_position.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

const std::string kA(40, 'a');
const std::string kB(40, 'b');

RedisInfo info(const std::string& role, const std::string& more) {
  return parse_redis_info("# Replication\r\nrole:" + role + "\r\nmaster_replid:" + kA +
                          "\r\nmaster_replid2:" + std::string(40, '0') +
                          "\r\nmaster_repl_offset:500\r\nsecond_repl_offset:-1\r\n" + more);
}

}  // namespace

TEST_CASE("Redis positions are compared within a history") {
  const auto driver = make_redis_driver(RedisSettings{});
  CHECK(driver->contains(kA + ":10", kA + ":10") == true);
  CHECK(driver->contains(kA + ":10", kA + ":11") == false);
  CHECK(driver->contains(kA + ":10", kB + ":9") == std::nullopt);
  CHECK(driver->contains(kB + ":20," + kA + ":10", kA + ":10") == true);
  CHECK(driver->contains(kB + ":20," + kA + ":10", kA + ":11") == false);
  for (const auto& bad : {std::string(), std::string("x:1"), kA, kA + ":", kA + ":-1", kA + ":1x",
                          kA + ":1,", kA + ":1," + kB}) {
    CHECK_MESSAGE(driver->contains(bad, kA + ":1") == std::nullopt, bad);
  }
}

TEST_CASE("a Redis position is read from INFO") {
  CHECK(position_of(info("master", ""), true).text() == kA + ":500");
  const auto replica = info("slave", "slave_read_repl_offset:480\r\nslave_repl_offset:470\r\n");
  CHECK(position_of(replica, true).text() == kA + ":480");
  CHECK(position_of(replica, false).text() == kA + ":470");
  auto promoted = info("master", "");
  promoted["master_replid2"] = kB;
  promoted["second_repl_offset"] = "401";
  CHECK(position_of(promoted, true).text() == kA + ":500," + kB + ":400");
}

TEST_CASE("a Redis takes writes as a primary with enough replicas") {
  CHECK(redis_writable(info("master", ""), 0, 10, true));
  CHECK(redis_writable(info("master", ""), 5, 0, true));  // A lag of 0 turns the rule off.
  CHECK_FALSE(redis_writable(info("master", "min_slaves_good_slaves:0\r\n"), 1, 10, true));
  CHECK(redis_writable(info("master", "min_slaves_good_slaves:1\r\n"), 1, 10, true));
  CHECK_FALSE(redis_writable(info("slave", ""), 0, 10, true));
  CHECK(redis_writable(info("slave", ""), 0, 10, false));
}

TEST_CASE("keys are counted over all databases") {
  CHECK(keys_of(parse_redis_info("db0:keys=3,expires=0,avg_ttl=0\ndb7:keys=4,expires=1\n")) == 7);
  CHECK(keys_of(info("master", "")) == 0);
}

}  // namespace pointsman
