// What the ways back of the stores compute: where two servers parted, what a binary log touches.

#include <sstream>

#include "agent/drivers/binlog_reading.h"
#include "agent/drivers/drivers.h"
#include "agent/drivers/mysql_gtid.h"
#include "agent/drivers/mysql_way_back.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

using namespace pointsman;

namespace {

struct Server {
  const char* state;
  const char* position;
};

std::string parted(const Server& own, const Server& source,
                   const std::map<std::uint32_t, std::uint64_t>& first = {}) {
  std::string text;
  for (const Fork& fork : forks_of({own.state, *parse_gtid(own.position)},
                                   {source.state, *parse_gtid(source.position)}, first)) {
    text += (text.empty() ? "" : ", ") + fork.text();
  }
  return text;
}

std::string read(const std::string& text) {
  BinlogReading reading;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) reading.line(line);
  return reading.text();
}

}  // namespace

TEST_CASE("an old primary that lost nothing has no fork") {
  CHECK(parted({"0-101-500", "0-101-500"}, {"0-101-500,0-102-620", "0-102-620"}).empty());
  CHECK(parted({"", ""}, {"0-102-620", "0-102-620"}).empty());
  CHECK(parted({"0-101-500", "0-101-500,3-7-2"}, {"0-101-500,3-7-9", "0-101-500,3-7-9"}).empty());
}

TEST_CASE("lost writes are named by where they begin and end, however far the source has gone on") {
  CHECK(parted({"0-101-500", "0-101-500"}, {"0-101-480,0-102-620", "0-102-620"}) ==
        "0-101-481..500");
  CHECK(parted({"0-101-481", "0-101-481"}, {"0-101-480,0-102-482", "0-102-482"}) == "0-101-481");
  CHECK(parted({"0-101-500,5-101-9", "0-101-500,5-101-9"},
               {"0-101-480,5-101-9", "0-101-480,5-101-9"}) == "0-101-481..500");
  CHECK(parted({"0-101-500,5-101-9", "0-101-500,5-101-9"}, {"0-101-500", "0-101-500"}) ==
        "all up to 5-101-9");
  // Back and forth: what came from the other server in between is common.
  CHECK(parted({"0-102-500,0-101-620", "0-101-620"}, {"0-102-700,0-101-600", "0-102-700"}) ==
        "0-101-601..620");
}

TEST_CASE("what the source's log does not know counts only where it can be in its copy") {
  const Server source{"0-102-620", "0-102-620"};  // Made from a copy that stood at 0-101-480.
  CHECK(parted({"0-101-480", "0-101-480"}, source, {{0, 481}}).empty());
  CHECK(parted({"0-101-485", "0-101-485"}, source, {{0, 481}}) == "all up to 0-101-485");
  CHECK(parted({"0-101-480", "0-101-480"}, source) == "all up to 0-101-480");  // Not provable.
  CHECK(parted({"", "0-101-480"}, {"", "0-101-480"}).empty());
}

TEST_CASE("a binary log is told by its transactions and tables") {
  CHECK(read("#261127 20:28:35 server id 101  end_log_pos 877 CRC32 0x29 \tGTID 0-101-4 trans\n"
             "SET TIMESTAMP=1795811315.044892/*!*/;\n"
             "insert into app.writes(id,site) values('lost1','a')\n"
             "/*!*/;\n"
             "COMMIT/*!*/;\n"
             "#261127 20:28:35 server id 101  end_log_pos 1068 CRC32 0xd1 \tGTID 0-101-5 trans\n"
             "#Q> insert into writes(id,site) values('lost2','a')\n"
             "BINLOG '\n"
             "insert into fake.one values\n"
             "'/*!*/;\n"
             "### INSERT INTO `app`.`writes`\n"
             "### SET\n"
             "###   @1='lost2'\n"
             "#261127 20:28:35 server id 101  end_log_pos 1315 CRC32 0x8c \tGTID 0-101-6 ddl\n"
             "use `shop`/*!*/;\n"
             "create table if not exists orders (i int,\n"
             "  update_me int)\n"
             "/*!*/;\n"
             "create user x@'%'\n"
             "/*!*/;\n") ==
        "3 transactions in app.writes (2), shop.orders (1), and 1 other statements");
  CHECK(read("") == "0 transactions");
}

TEST_CASE("names are quoted as SQL wants them") {
  CHECK(sql_name("app") == "`app`");
  CHECK(sql_name("we`ird") == "`we``ird`");
}

TEST_CASE("without seed_user nothing is written down or replaced, and the reason says so") {
  MysqlSettings settings;
  settings.socket = "/nowhere/mysqld.sock";
  settings.replication_user = "repl";
  const auto store = make_mysql_way_back(settings);
  const auto fit = store->preflight("192.0.2.1:3306", "/tmp");
  REQUIRE_FALSE(fit.ok());
  CHECK(fit.error().code == ErrorCode::kRefused);
  CHECK(fit.error().message.find("seed_user") != std::string::npos);
  CHECK_FALSE(store->survey("192.0.2.1:3306", 100ms).ok());
}
