#include "agent/drivers/mysql_driver.h"

#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "agent/drivers/drivers.h"
#include "base/clock.h"
#include "base/crash_point.h"

namespace pointsman {
namespace {

// Threads of the server itself and replicas that drain: never killed by a fence.
constexpr const char* kClientsQuery =
    "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Binlog Dump', 'Daemon', "
    "'Slave_IO', 'Slave_SQL', 'Slave_worker') AND USER NOT IN ('system user', 'event_scheduler')";

constexpr const char* kPrivilegesQuery =
    "SELECT DISTINCT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE "
    "GRANTEE=CONCAT('\\'', REPLACE(CURRENT_USER(), '@', '\\'@\\''), '\\'') OR GRANTEE IN (SELECT "
    "CONCAT('\\'', ROLE_NAME, '\\'@\\'\\'') FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME "
    "IS NOT NULL)";

// Without PROCESS the list of clients shows our own only, and a fence would silently kill nobody.
const std::vector<std::string> kFencePrivileges = {"PROCESS", "CONNECTION ADMIN",
                                                   "READ_ONLY ADMIN"};
const std::vector<std::string> kMovePrivileges = {"PROCESS",         "CONNECTION ADMIN",
                                                  "READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN",
                                                  "SLAVE MONITOR",   "RELOAD"};

template <typename N>
N number(const std::string& text) {
  N value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::unique_ptr<Driver> make_mysql_driver(const MysqlSettings& settings) {
  return std::make_unique<MysqlDriver>(settings);
}

MysqlDriver::MysqlDriver(const MysqlSettings& settings)
    : settings_(settings), main_(settings), second_(settings) {}

Result<MysqlState> MysqlDriver::read_state(Instant deadline) {
  auto rows = main_.run(
      "SELECT @@global.read_only AS read_only, @@global.server_id AS server_id, "
      "@@global.gtid_strict_mode AS strict_mode, @@global.gtid_current_pos AS current_pos, "
      "@@global.gtid_binlog_pos AS binlog_pos, @@global.gtid_binlog_state AS binlog_state, "
      "@@global.gtid_slave_pos AS slave_pos, @@global.rpl_semi_sync_master_enabled AS semi_source, "
      "@@global.rpl_semi_sync_slave_enabled AS semi_replica, "
      "@@global.rpl_semi_sync_master_timeout AS semi_timeout",
      deadline);
  if (!rows) return rows.error();
  MysqlState state;
  state.read_only = rows->at(0, "read_only") != "0";
  state.server_id = number<std::uint32_t>(rows->at(0, "server_id"));
  state.strict = rows->at(0, "strict_mode") == "1";
  state.binlog_state = rows->at(0, "binlog_state");
  state.semi_sync_source = rows->at(0, "semi_source") == "1";
  // A sentinel of years is as good as the longest that travels.
  state.semi_sync_for = std::chrono::milliseconds(
      std::min<std::int64_t>(number<std::int64_t>(rows->at(0, "semi_timeout")), 86'400'000));
  state.semi_sync_replica = rows->at(0, "semi_replica") == "1";
  const auto current = parse_gtid(rows->at(0, "current_pos"));
  const auto binlog = parse_gtid(rows->at(0, "binlog_pos"));
  const auto applied = parse_gtid(rows->at(0, "slave_pos"));
  if (!current || !binlog || !applied) {
    return {ErrorCode::kInternal, "mysql: the server's GTID positions cannot be read"};
  }
  state.current = join(*current, *binlog);
  state.applied = *applied;
  RETURN_IF_ERROR(read_replication(state, deadline));
  return state;
}

Result<void> MysqlDriver::read_replication(MysqlState& state, Instant deadline) {
  auto rows = main_.run("SHOW ALL SLAVES STATUS", deadline);
  if (!rows) return rows.error();
  state.sources = rows->rows.size();
  if (state.sources == 0) return {};
  state.connection = rows->at(0, "Connection_name");
  state.host = rows->at(0, "Master_Host");
  state.port = number<int>(rows->at(0, "Master_Port"));
  state.io = rows->at(0, "Slave_IO_Running");
  state.applier = rows->at(0, "Slave_SQL_Running") == "Yes";
  state.applier_state = rows->at(0, "Slave_SQL_Running_State");
  state.using_gtid = rows->at(0, "Using_Gtid");
  state.io_error = rows->at(0, "Last_IO_Error");
  state.applier_error = rows->at(0, "Last_SQL_Error");
  state.delay_s = number<int>(rows->at(0, "SQL_Delay"));
  state.read_at = rows->at(0, "Master_Log_File") + ":" + rows->at(0, "Read_Master_Log_Pos");
  state.executed_at =
      rows->at(0, "Relay_Master_Log_File") + ":" + rows->at(0, "Exec_Master_Log_Pos");
  state.relay_file = rows->at(0, "Relay_Log_File");
  state.relay_pos = rows->at(0, "Relay_Log_Pos");
  if (!rows->null_at(0, "Seconds_Behind_Master")) {
    state.lag = std::chrono::seconds(number<std::int64_t>(rows->at(0, "Seconds_Behind_Master")));
  }
  const auto queued = parse_gtid(rows->at(0, "Gtid_IO_Pos"));
  if (!queued) return {ErrorCode::kInternal, "mysql: Gtid_IO_Pos of the server cannot be read"};
  state.queued = *queued;
  return {};
}

StoreReport MysqlDriver::report(Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto state = read_state(deadline);
  if (!state) return unread(name(), state.error());
  const auto semi = main_.run("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'", deadline);
  if (!semi) return unread(name(), semi.error());
  StoreReport report;
  report.name = name();
  std::string source_on, replica_on, clients = "0";
  for (const auto& row : semi->rows) {
    if (row[0] == "Rpl_semi_sync_master_status") source_on = row[1].value_or("");
    if (row[0] == "Rpl_semi_sync_slave_status") replica_on = row[1].value_or("");
    if (row[0] == "Rpl_semi_sync_master_clients") clients = row[1].value_or("0");
  }
  report.liveness = Liveness::kUp;
  report.writable = !state->read_only;
  report.replica = state->replica();
  report.executed = position_text(state->current);
  report.received = position_text(join(state->current, state->queued));
  report.unit = "transactions";
  report.executed_count = transactions_of(state->current);
  report.taken_over = taken_over_;
  report.lag = state->lag;
  if (!state->replica()) {
    report.semi_sync = source_on == "ON" && clients != "0";
    report.semi_sync_for = state->semi_sync_for;
    return report;
  }
  report.semi_sync = replica_on == "ON";
  report.source = fmt::format("{}:{}", state->host, state->port);
  report.receiver_running = state->io == "Yes";
  // A replica that is late on purpose is never promoted, so no move may count on it.
  report.applier_running = state->applier && state->delay_s == 0;
  report.errant = to_text(errant_of(state->binlog_state, state->server_id, state->applied));
  report.detail = !state->applier_error.empty() ? state->applier_error : state->io_error;
  if (state->sources > 1) report.detail = "follows several sources";
  if (state->delay_s > 0) {
    report.detail = fmt::format("delayed by {} s on purpose", state->delay_s);
  }
  if (report.detail.empty() && !state->strict) report.detail = "gtid_strict_mode is off";
  return report;
}

Result<void> MysqlDriver::command(const std::string& sql, Instant deadline) {
  for (;;) {
    crash_point("before-sql", sql);
    auto outcome = main_.run(sql, deadline);
    crash_point("after-sql", sql);
    if (outcome) return {};
    // The server's own wait for a lock is cut into slices, so that nothing waits on unseen.
    if (main_.server_error() != ER_LOCK_WAIT_TIMEOUT || passed(deadline)) return outcome.error();
  }
}

Result<void> MysqlDriver::need_privileges(bool move, Instant deadline) {
  auto rows = main_.run(kPrivilegesQuery, deadline);
  if (!rows) return rows.error();
  std::string missing;
  for (const auto& wanted : move ? kMovePrivileges : kFencePrivileges) {
    const bool there = std::any_of(rows->rows.begin(), rows->rows.end(),
                                   [&](const MysqlRow& row) { return row[0] == wanted; });
    if (!there) missing += (missing.empty() ? "" : ", ") + wanted;
  }
  if (missing.empty()) return {};
  return {ErrorCode::kRefused, fmt::format("mysql: user {} lacks rights: GRANT {} ON *.* TO it",
                                           settings_.user, missing)};
}

Result<void> MysqlDriver::fence(FenceDepth, Duration within) {
  const Instant deadline = system_clock().now() + within;
  auto closed = need_privileges(false, deadline);
  if (closed) {
    closed = close_writes(deadline);
  } else if (closed.error().code == ErrorCode::kRefused) {
    // Half a fence is better than none, but it is no success.
    (void)command("SET GLOBAL read_only=1", deadline);
  }
  // No server process: nobody is there to acknowledge a write.
  if (!closed && closed.error().code == ErrorCode::kNotFound) return {};
  return closed;
}

Result<void> MysqlDriver::close_writes(Instant deadline) {
  // Clients first: what they hold (a commit that waits for a semi-sync answer, say) would keep the
  // statement below waiting, and at max_connections they leave no room for our second connection.
  if (auto killed = kill_clients(main_, deadline); !killed) return killed.error();
  RETURN_IF_ERROR(second_.open(deadline));
  RETURN_IF_ERROR(main_.begin("SET GLOBAL read_only=1", deadline));
  for (;;) {
    const Instant slice = system_clock().now() + 50ms;
    auto outcome = main_.finish(std::min(slice, deadline));
    if (outcome && outcome->ok()) break;
    if (passed(deadline)) {
      main_.close();
      return {ErrorCode::kTimeout, "mysql: SET GLOBAL read_only=1 waits for a lock"};
    }
    if (outcome && main_.server_error() != ER_LOCK_WAIT_TIMEOUT) return outcome->error();
    // Somebody came in between and holds it up.
    if (auto killed = kill_clients(second_, deadline); !killed) {
      main_.close();
      return killed.error();
    }
    if (outcome) RETURN_IF_ERROR(main_.begin("SET GLOBAL read_only=1", deadline));
  }
  // Whoever may write in spite of read_only was there before, or came between: once more. A client
  // that is ending may still commit what nobody is told of, so the position stands only after that.
  auto killed = kill_clients(second_, deadline);
  if (!killed) return killed.error();
  RETURN_IF_ERROR(wait_until_gone(*killed, deadline));
  return confirm_read_only(true, deadline);
}

Result<std::set<std::uint64_t>> MysqlDriver::clients(MysqlConnection& by, Instant deadline) {
  auto rows = by.run(kClientsQuery, deadline);
  if (!rows) return rows.error();
  std::set<std::uint64_t> ids;
  for (const auto& row : rows->rows) ids.insert(number<std::uint64_t>(row[0].value_or("0")));
  ids.erase(main_.thread_id());
  ids.erase(second_.thread_id());
  return ids;
}

Result<std::set<std::uint64_t>> MysqlDriver::kill_clients(MysqlConnection& by, Instant deadline) {
  auto ids = clients(by, deadline);
  if (!ids) return ids;
  for (const auto id : *ids) {
    auto killed = by.run(fmt::format("KILL CONNECTION {}", id), deadline);
    if (!killed && by.server_error() != ER_NO_SUCH_THREAD) return killed.error();
  }
  return ids;
}

Result<void> MysqlDriver::wait_until_gone(const std::set<std::uint64_t>& killed, Instant deadline) {
  for (;;) {
    auto ids = clients(second_, deadline);
    if (!ids) return ids.error();
    const auto left = std::count_if(ids->begin(), ids->end(),
                                    [&](std::uint64_t id) { return killed.contains(id); });
    if (left == 0) return {};
    if (passed(deadline)) {
      return {ErrorCode::kTimeout,
              fmt::format("mysql: {} killed clients have not ended (rolling back?)", left)};
    }
    std::this_thread::sleep_for(5ms);
  }
}

Result<void> MysqlDriver::confirm_read_only(bool wanted, Instant deadline) {
  auto rows = main_.run("SELECT @@global.read_only AS read_only", deadline);
  if (!rows) return rows.error();
  if ((rows->at(0, "read_only") != "0") == wanted) return {};
  return {ErrorCode::kConflict,
          fmt::format("mysql: read_only reads back as {}", rows->at(0, "read_only"))};
}

Result<void> MysqlDriver::open_writes(Instant deadline) {
  RETURN_IF_ERROR(command("SET GLOBAL read_only=0", deadline));
  return confirm_read_only(false, deadline);
}

Result<void> MysqlDriver::unfence(Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto state = read_state(deadline);
  if (!state) return state.error();
  if (state->replica()) {
    return {ErrorCode::kConflict,
            fmt::format("mysql: still follows {}:{}; promote it first", state->host, state->port)};
  }
  if (!state->read_only) return {};
  return open_writes(deadline);
}

Result<void> MysqlDriver::keep_standby(Duration within) {
  const Instant deadline = system_clock().now() + within;
  auto rows = main_.run("SELECT @@global.read_only AS read_only", deadline);
  if (!rows) return rows.error();
  if (rows->at(0, "read_only") != "0") return {};
  RETURN_IF_ERROR(need_privileges(false, deadline));
  return close_writes(deadline);
}

std::optional<bool> MysqlDriver::contains(const std::string& received,
                                          const std::string& executed) const {
  const auto whole = parse_gtid(received);
  const auto part = parse_gtid(executed);
  if (!whole || !part) return std::nullopt;
  return holds(*whole, *part);
}

}  // namespace pointsman
