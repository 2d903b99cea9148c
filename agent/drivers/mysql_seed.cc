#include <fmt/format.h>
#include <mysqld_error.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/child.h"
#include "agent/drivers/endpoint.h"
#include "agent/drivers/mysql_way_back.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/file.h"

// The server here becomes a copy of the site in power's: a dump in one snapshot, whole on this
// host's disk before anything is dropped; then every database of ours goes and the dump comes in,
// past the binary log; then it starts from the dump's position.

namespace pointsman {
namespace {

constexpr Duration kAskWithin = 10s;
constexpr Duration kDropWithin = 10min;  // A large database is many files.
constexpr const char* kDump = "mysql.sql";
constexpr const char* kMark = "mysql.json";  // Written when the dump is whole.

constexpr const char* kRights =
    "SELECT DISTINCT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE "
    "GRANTEE=CONCAT('\\'', REPLACE(CURRENT_USER(), '@', '\\'@\\''), '\\'')";
constexpr const char* kDatabases =
    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql', "
    "'information_schema', 'performance_schema', 'sys')";
constexpr const char* kForeignTables =
    "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', ENGINE, ')') FROM "
    "information_schema.TABLES WHERE TABLE_TYPE='BASE TABLE' AND ENGINE<>'InnoDB' AND TABLE_SCHEMA "
    "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') LIMIT 5";
constexpr const char* kSize =
    "SELECT COALESCE(SUM(DATA_LENGTH), 0) AS bytes FROM information_schema.TABLES WHERE "
    "TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')";
constexpr const char* kOthers =
    "SELECT ID FROM information_schema.PROCESSLIST WHERE USER=SUBSTRING_INDEX(USER(), '@', 1) AND "
    "ID<>CONNECTION_ID()";
constexpr const char* kEvents =
    "SELECT EVENT_SCHEMA AS db, EVENT_NAME AS name FROM information_schema.EVENTS WHERE STATUS="
    "'ENABLED' AND EVENT_SCHEMA NOT IN ('mysql', 'sys')";

// At the site in power it reads; here it replaces. One account, so that one GRANT does at both.
const std::vector<std::string> kReading = {"SELECT", "LOCK TABLES", "SHOW VIEW", "TRIGGER",
                                           "EVENT",  "PROCESS",     "RELOAD",    "BINLOG MONITOR"};
const std::vector<std::string> kReplacing = {"SUPER",
                                             "SELECT",
                                             "INSERT",
                                             "CREATE",
                                             "DROP",
                                             "ALTER",
                                             "INDEX",
                                             "REFERENCES",
                                             "LOCK TABLES",
                                             "CREATE VIEW",
                                             "SHOW VIEW",
                                             "CREATE ROUTINE",
                                             "ALTER ROUTINE",
                                             "TRIGGER",
                                             "EVENT",
                                             "RELOAD",
                                             "SET USER",
                                             "BINLOG ADMIN",
                                             "BINLOG MONITOR",
                                             "READ_ONLY ADMIN",
                                             "REPLICATION SLAVE",
                                             "REPLICATION SLAVE ADMIN"};

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<void> need(MysqlConnection& at, const std::vector<std::string>& rights,
                  const std::string& where, Instant deadline) {
  const auto rows = at.run(kRights, deadline);
  if (!rows) return Error{rows.error().code, "mysql " + where + ": " + rows.error().message};
  std::string missing;
  for (const std::string& right : rights) {
    const bool there = std::any_of(rows->rows.begin(), rows->rows.end(),
                                   [&](const MysqlRow& row) { return row[0] == right; });
    if (!there) missing += (missing.empty() ? "" : ", ") + right;
  }
  if (missing.empty()) return {};
  return {ErrorCode::kRefused,
          fmt::format("mysql {}: seed_user lacks rights: GRANT {} ON *.* TO it", where, missing)};
}

// The last 8 KiB of the dump: its end, and the position that it stands for.
std::string tail_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const auto size = static_cast<std::int64_t>(in.tellg());
  const std::int64_t from = std::max<std::int64_t>(size - 8192, 0);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  in.seekg(from);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

Result<std::string> position_in(const std::string& tail) {
  if (tail.find("\n-- Dump completed") == std::string::npos) {
    return {ErrorCode::kUnavailable, "mysql: the dump has no end"};
  }
  const std::string key = "SET GLOBAL gtid_slave_pos='";
  const auto at = tail.rfind(key);
  const auto end = at == std::string::npos ? at : tail.find('\'', at + key.size());
  if (end == std::string::npos) {
    return {ErrorCode::kInternal, "mysql: the dump does not tell its GTID position"};
  }
  std::string gtid = tail.substr(at + key.size(), end - at - key.size());
  if (!parse_gtid(gtid)) return {ErrorCode::kInternal, "mysql: the dump's position is none"};
  return gtid;
}

struct Mark {
  std::string gtid;
  std::uint64_t bytes = 0;
};

// Of a dump that is here whole.
std::optional<Mark> mark_of(const std::string& folder) {
  const auto text = read_file(folder + "/" + kMark);
  const auto json = text ? Json::parse(*text) : Result<Json>(text.error());
  if (!json) return std::nullopt;
  const Mark mark{json->string_or("gtid"), static_cast<std::uint64_t>(json->int_or("bytes"))};
  std::error_code why;
  const auto size = std::filesystem::file_size(folder + "/" + kDump, why);
  if (why || size != mark.bytes || mark.bytes == 0) return std::nullopt;
  return mark;
}

}  // namespace

Result<std::vector<std::string>> MysqlWayBack::databases(MysqlConnection& at, Instant deadline) {
  const auto rows = at.run(kDatabases, deadline);
  if (!rows) return rows.error();
  std::vector<std::string> names;
  for (const MysqlRow& row : rows->rows) names.push_back(row[0].value_or(""));
  return names;
}

Result<void> MysqlWayBack::refuse_uncopyable(MysqlConnection& there, const std::string& folder,
                                             Instant deadline) {
  const auto foreign = there.run(kForeignTables, deadline);
  if (!foreign) return foreign.error();
  if (!foreign->rows.empty()) {
    return {ErrorCode::kRefused,
            fmt::format("mysql: {} of the site in power is not InnoDB: a dump of it is not "
                        "consistent while it is written to",
                        foreign->rows.front()[0].value_or(""))};
  }
  const auto size = there.run(kSize, deadline);
  if (!size) return size.error();
  const std::uint64_t bytes = number(size->at(0, "bytes"));
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) {
    return {ErrorCode::kInternal, "mysql: the space in " + folder + " cannot be read"};
  }
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free < bytes + bytes / 2) {
    return {ErrorCode::kRefused,
            fmt::format("mysql: {} has {} MiB left, and the copy may take {} MiB", folder,
                        free >> 20, (bytes + bytes / 2) >> 20)};
  }
  return {};
}

Result<void> MysqlWayBack::preflight(const std::string& source, const std::string& folder) {
  const Instant deadline = system_clock().now() + kAskWithin;
  const auto from = seed_at(source);
  if (!from) return from.error();
  const auto to = seed_here();
  if (!to) return to.error();
  MysqlConnection there(*from);
  MysqlConnection here(*to);
  RETURN_IF_ERROR(need(there, kReading, "of the site in power", deadline));
  RETURN_IF_ERROR(need(here, kReplacing, "of this site", deadline));
  // One that is here already proves that there was room.
  if (!mark_of(folder)) RETURN_IF_ERROR(refuse_uncopyable(there, folder, deadline));
  for (const char* program : {"mariadb", "mariadb-dump"}) {
    const auto runs =
        run_child({program, "--version"}, {}, {[] { return false; }, [](auto, auto) {}});
    if (!runs) return Error{ErrorCode::kRefused, "mysql: " + runs.error().message};
  }
  return {};
}

Result<void> MysqlWayBack::copy(const std::string& source, const std::string& folder,
                                const WayBackWatch& watch) {
  if (mark_of(folder)) return {};
  const Instant deadline = system_clock().now() + kAskWithin;
  const auto from = seed_at(source);
  if (!from) return from.error();
  MysqlConnection there(*from);
  const auto names = databases(there, deadline);
  if (!names) return names.error();
  const auto size = there.run(kSize, deadline);
  if (!size) return size.error();
  there.close();
  const auto login = MysqlLogin::make(folder, *from);
  if (!login) return login.error();
  std::vector<std::string> argv{"mariadb-dump",
                                login->option(),
                                "--single-transaction",
                                "--gtid",
                                "--master-data=2",
                                "--routines",
                                "--events",
                                "--triggers",
                                "--hex-blob",
                                "--default-character-set=utf8mb4",
                                "--databases"};
  argv.insert(argv.end(), names->begin(), names->end());
  if (names->empty()) {
    return {ErrorCode::kRefused, "mysql: the site in power has no database at all"};
  }
  const std::string part = folder + "/" + kDump;
  const auto dumped = run_child(argv, {"", part, number(size->at(0, "bytes"))}, watch);
  if (!dumped) return Error{dumped.error().code, "mysql: " + dumped.error().message};
  const auto gtid = position_in(tail_of(part));
  if (!gtid) return gtid.error();
  std::error_code why;
  const auto bytes = std::filesystem::file_size(part, why);
  if (why) return {ErrorCode::kInternal, part + ": " + why.message()};
  return write_file_durably(
      folder + "/" + kMark,
      Json::object({{"gtid", *gtid}, {"bytes", static_cast<std::uint64_t>(bytes)}}).dump() + "\n");
}

// The client program of an agent that was killed may still be loading.
Result<void> MysqlWayBack::end_others(MysqlConnection& here) {
  const Instant deadline = system_clock().now() + kAskWithin;
  for (;;) {
    const auto rows = here.run(kOthers, deadline);
    if (!rows) return rows.error();
    if (rows->rows.empty()) return {};
    for (const MysqlRow& row : rows->rows) {
      const auto killed = here.run("KILL CONNECTION " + row[0].value_or("0"), deadline);
      if (!killed && here.server_error() != ER_NO_SUCH_THREAD) return killed.error();
    }
    if (passed(deadline)) {
      return {ErrorCode::kTimeout, "mysql: a former session of seed_user does not end"};
    }
    std::this_thread::sleep_for(20ms);
  }
}

// All databases of ours, those that only this site has too.
Result<void> MysqlWayBack::empty(MysqlConnection& here) {
  const Instant deadline = system_clock().now() + kDropWithin;
  const auto state = here.run("SELECT @@global.read_only AS read_only", deadline);
  if (!state) return state.error();
  if (state->at(0, "read_only") == "0") {
    return {ErrorCode::kConflict, "mysql: it takes writes here: nothing is replaced"};
  }
  for (const char* statement : {"STOP ALL SLAVES", "RESET SLAVE ALL", "SET SESSION sql_log_bin=0",
                                "SET SESSION foreign_key_checks=0"}) {
    const auto done = here.run(statement, deadline);
    if (!done) return done.error();
  }
  const auto names = databases(here, deadline);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    crash_point("before-sql", "DROP DATABASE");
    const auto dropped = here.run("DROP DATABASE " + sql_name(name), deadline);
    if (!dropped) return dropped.error();
  }
  // Its own history is over, and the copy's begins elsewhere; until that is set, a replica that
  // started here would start from nothing.
  const auto reset = here.run("RESET MASTER", deadline);
  if (!reset) return reset.error();
  return {};
}

// Events stand as they do at a replica: seen, and run by nobody.
Result<void> MysqlWayBack::hand_over(MysqlConnection& here, const std::string& gtid) {
  const Instant deadline = system_clock().now() + kDropWithin;
  const auto unlogged = here.run("SET SESSION sql_log_bin=0", deadline);
  if (!unlogged) return unlogged.error();
  const auto events = here.run(kEvents, deadline);
  if (!events) return events.error();
  for (std::size_t k = 0; k < events->rows.size(); ++k) {
    const auto stilled =
        here.run(fmt::format("ALTER EVENT {}.{} DISABLE ON SLAVE", sql_name(events->at(k, "db")),
                             sql_name(events->at(k, "name"))),
                 deadline);
    if (!stilled) return stilled.error();
  }
  for (const std::string& statement :
       {std::string("RESET MASTER"), "SET GLOBAL gtid_slave_pos=" + sql_quote(gtid)}) {
    crash_point("before-sql", statement);
    const auto done = here.run(statement, deadline);
    if (!done) return done.error();
  }
  return {};
}

Result<void> MysqlWayBack::replace(const std::string&, const std::string& folder,
                                   const WayBackWatch& watch) {
  const auto mark = mark_of(folder);
  if (!mark) return {ErrorCode::kInternal, "mysql: the copy is not here whole"};
  const auto seed = seed_here();
  if (!seed) return seed.error();
  MysqlConnection here(*seed);
  RETURN_IF_ERROR(end_others(here));
  RETURN_IF_ERROR(empty(here));
  const auto login = MysqlLogin::make(folder, *seed);
  if (!login) return login.error();
  const auto loaded = run_child({"mariadb", login->option(), "--default-character-set=utf8mb4",
                                 "--init-command=SET SESSION sql_log_bin=0"},
                                {folder + "/" + kDump, "", 0}, watch);
  if (!loaded) return Error{loaded.error().code, "mysql: " + loaded.error().message};
  return hand_over(here, mark->gtid);
}

}  // namespace pointsman
