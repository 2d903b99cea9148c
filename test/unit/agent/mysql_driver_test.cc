#include "agent/drivers/drivers.h"
#include "agent/drivers/mysql_gtid.h"

#include <doctest/doctest.h>

namespace pointsman {

TEST_CASE("a GTID position is read, joined and written") {
  const auto a = parse_gtid("0-1-100,2-1-7");
  const auto b = parse_gtid("2-2-9, 1-1-3");
  REQUIRE(a);
  REQUIRE(b);
  CHECK(to_text(join(*a, *b)) == "0-1-100,1-1-3,2-2-9");
  CHECK(parse_gtid("")->empty());
  CHECK(to_text(*parse_gtid("0-1-5,0-2-9,0-3-7")) == "0-2-9");
  for (const char* bad : {"0-1", "0-1-", "x", "0-1-5,", "0-1-5;0-1-6", "-1-2-3", "0-1-5x",
                          "4294967296-1-1", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5"}) {
    CHECK_MESSAGE(!parse_gtid(bad), bad);
  }
}

TEST_CASE("a position stands for so many transactions") {
  CHECK(transactions_of(*parse_gtid("")) == 0);
  CHECK(transactions_of(*parse_gtid("0-1-100,1-2-7")) == 107);
}

TEST_CASE("a position holds another per domain") {
  const auto held = [](const char* whole, const char* part) {
    return holds(*parse_gtid(whole), *parse_gtid(part));
  };
  CHECK(held("0-1-100", "0-1-100"));
  CHECK(held("0-1-100", "0-2-99"));
  CHECK(held("0-1-100,1-1-1", "0-1-5"));
  CHECK(held("", ""));
  CHECK_FALSE(held("", "0-1-1"));
  CHECK_FALSE(held("0-1-100", "0-1-101"));
  CHECK_FALSE(held("0-1-100", "0-1-100,1-1-1"));
  CHECK_FALSE(held("0-1-100", "0-2-100"));  // The same number, another write: split brain.
}

TEST_CASE("errant writes are those of this server beyond what it was given") {
  const auto errant = [](const char* state, std::uint32_t own, const char* given) {
    return to_text(errant_of(state, own, *parse_gtid(given)));
  };
  CHECK(errant("0-1-100", 2, "0-1-100").empty());
  CHECK(errant("0-1-100,0-2-101", 2, "0-1-100") == "0-2-101");
  CHECK(errant("0-2-50,0-1-100", 2, "0-1-100").empty());  // An old primary that follows now.
  CHECK(errant("0-2-50", 2, "0-2-50").empty());
  CHECK(errant("0-1-9,7-2-1", 2, "0-1-9") == "7-2-1");  // A domain the source never had.
  CHECK(errant("0-2-100", 2, "0-1-100") == "0-2-100");
}

TEST_CASE("the mysql driver compares positions, or says that it cannot") {
  const auto driver = make_mysql_driver(MysqlSettings{});
  CHECK(driver->contains("0-1-10", "0-1-9") == true);
  CHECK(driver->contains("0-1-10", "0-1-11") == false);
  CHECK(driver->contains("0-1-10", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5") == std::nullopt);
  CHECK(driver->is_store());
  CHECK(driver->name() == "mysql");
}

}  // namespace pointsman
