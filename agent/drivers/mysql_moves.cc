#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "agent/drivers/mysql_driver.h"
#include "base/clock.h"

// Promote and follow. Every step looks at the server first and none relies on an earlier call, so a
// verb that was cut off at any statement is completed by calling it again.

namespace pointsman {
namespace {

constexpr Duration kLook = 10ms;  // Between two looks at a server that is working.
// While the source is waited for no other verb can run, a promotion least of all: follow() gives up
// early and is called again.
constexpr Duration kCompareWithin = 2s;
constexpr Duration kConnectWithin = 1s;

// From KILL until the receiver connects to its source once more (seen under a load of 16).
constexpr Duration kReceiverEnds = 30ms;

constexpr const char* kReceiverQuery =
    "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND='Slave_IO'";
constexpr const char* kStandAlone = "SET GLOBAL rpl_semi_sync_master_wait_no_slave=0";
constexpr const char* kStartFromOwn = "SET GLOBAL gtid_slave_pos=@@global.gtid_current_pos";

std::string named(const char* before, const MysqlState& state, const char* after) {
  const std::string name = state.connection.empty() ? "" : sql_quote(state.connection) + " ";
  std::string sql = fmt::format("{} {}{}", before, name, after);
  while (sql.back() == ' ') sql.pop_back();
  return sql;
}

Result<void> refuse_several(const MysqlState& state) {
  if (state.sources <= 1) return {};
  return {ErrorCode::kConflict,
          fmt::format("mysql: follows {} sources; one is what this agent can move", state.sources)};
}

Result<void> refuse_errant(const MysqlState& state) {
  if (!state.replica()) return {};
  const auto errant = errant_of(state.binlog_state, state.server_id, state.applied);
  if (errant.empty()) return {};
  return {ErrorCode::kConflict,
          "mysql: this replica holds writes of its own, up to " + to_text(errant)};
}

bool idle(const MysqlState& state) {
  return state.applier_state.starts_with("Slave has read all relay log");
}

// What `own` holds of a server's writes that its source does not know.
GtidPosition unknown_to(const std::string& source_state, const GtidPosition& source_current,
                        const GtidPosition& own) {
  GtidPosition unknown;
  for (const auto& [domain, gtid] : own) {
    const GtidPosition one{{domain, gtid}};
    if (!holds(source_current, one)) unknown.insert({domain, gtid});
    // Sequences alone do not tell: the source may have gone on from an earlier write.
    const GtidPosition of_server = errant_of(source_state, gtid.server, {});
    const auto last = of_server.find(domain);
    if (last != of_server.end() && last->second.sequence < gtid.sequence) {
      unknown.insert({domain, gtid});
    }
  }
  return unknown;
}

}  // namespace

Result<void> MysqlDriver::promote(Duration within) {
  const Instant deadline = system_clock().now() + within;
  auto state = read_state(deadline);
  if (!state) return state.error();
  RETURN_IF_ERROR(need_privileges(true, deadline));
  if (state->semi_sync_source) RETURN_IF_ERROR(stand_alone(deadline));
  if (state->replica()) {
    RETURN_IF_ERROR(leave_source(*state, deadline));
    state = read_state(deadline);
    if (!state) return state.error();
  }
  if (!state->read_only) return {};
  taken_over_ = transactions_of(state->current);
  return open_writes(deadline);
}

// A primary whose replica is gone must not make its first client wait for one; nor may the applier
// of a standby, which is a semi-sync source without replicas as well (seen: 10 s each).
Result<void> MysqlDriver::stand_alone(Instant deadline) { return command(kStandAlone, deadline); }

Result<void> MysqlDriver::leave_source(const MysqlState& state, Instant deadline) {
  RETURN_IF_ERROR(refuse_several(state));
  if (state.delay_s > 0) {
    return {ErrorCode::kConflict,
            fmt::format("mysql: the replica is delayed by {} s on purpose", state.delay_s)};
  }
  RETURN_IF_ERROR(stop_receiver(state, deadline));
  RETURN_IF_ERROR(ensure_applier(deadline));
  RETURN_IF_ERROR(wait_until_applied(deadline));
  RETURN_IF_ERROR(command(named("STOP SLAVE", state, ""), deadline));
  return command(named("RESET SLAVE", state, "ALL"), deadline);
}

// A semi-sync receiver that ends connects to its source once more, to end its dump thread there.
// When the source is lost that takes rpl_semi_sync_slave_kill_conn_timeout, cut short only by the
// signal that STOP SLAVE gives at once and then every 2 s. So the receiver is ended first, and STOP
// SLAVE finds it connecting.
Result<void> MysqlDriver::kill_receiver(Instant deadline) {
  RETURN_IF_ERROR(command("SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1", deadline));
  auto rows = main_.run(kReceiverQuery, deadline);
  if (!rows) return rows.error();
  for (const auto& row : rows->rows) {
    auto killed = main_.run("KILL CONNECTION " + row[0].value_or("0"), deadline);
    if (!killed && !main_.is_open()) return killed.error();
  }
  std::this_thread::sleep_for(kReceiverEnds);
  return {};
}

Result<void> MysqlDriver::stop_receiver(const MysqlState& state, Instant deadline) {
  if (!state.receiving()) return {};
  if (state.semi_sync_replica) RETURN_IF_ERROR(kill_receiver(deadline));
  return command(named("STOP SLAVE", state, "IO_THREAD"), deadline);
}

// Starts an applier that stands still on a relay log.
//
// START SLAVE must not do it: in GTID mode, when both threads stand, it throws the relay log away
// to fetch it again from a source that is gone. By position the relay log stays.
Result<void> MysqlDriver::ensure_applier(Instant deadline) {
  const auto state = read_state(deadline);
  if (!state) return state.error();
  if (state->applier) return {};
  if (state->all_applied() && state->read_at == state->executed_at) return {};
  RETURN_IF_ERROR(
      command(named("CHANGE MASTER", *state, "TO ") +
                  fmt::format(" MASTER_USE_GTID=no, RELAY_LOG_FILE={}, RELAY_LOG_POS={}",
                              sql_quote(state->relay_file), state->relay_pos),
              deadline));
  return command(named("START SLAVE", *state, "SQL_THREAD"), deadline);
}

Result<void> MysqlDriver::wait_until_applied(Instant deadline) {
  for (;;) {
    const auto state = read_state(deadline);
    if (!state) return state.error();
    if (state->receiving()) {
      return {ErrorCode::kConflict, "mysql: somebody started the receiver again"};
    }
    if (state->all_applied() &&
        (state->applier ? idle(*state) : state->read_at == state->executed_at)) {
      return {};
    }
    if (!state->applier) {
      return {ErrorCode::kConflict,
              fmt::format("mysql: the applier stopped at {} of {}: {}", to_text(state->applied),
                          to_text(state->queued), state->applier_error)};
    }
    if (passed(deadline)) {
      return {ErrorCode::kTimeout,
              fmt::format("mysql: applied {} of {} so far ({})", to_text(state->applied),
                          to_text(state->queued), state->applier_state)};
    }
    std::this_thread::sleep_for(kLook);
  }
}

Result<void> MysqlDriver::follow(const FollowTarget& target, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto source = parse_host_port(target.source);
  if (!source) return Error{source.error().code, "mysql: follow " + source.error().message};
  const auto endpoint = parse_endpoint(target.source);
  if (!endpoint) return Error{endpoint.error().code, "mysql: follow " + endpoint.error().message};
  auto state = read_state(deadline);
  if (!state) return state.error();
  RETURN_IF_ERROR(refuse_several(*state));
  RETURN_IF_ERROR(need_privileges(true, deadline));
  if (!state->read_only) RETURN_IF_ERROR(close_writes(deadline));
  RETURN_IF_ERROR(refuse_errant(*state));
  const bool there = state->host == source->host && state->port == source->port &&
                     state->using_gtid == "Slave_Pos" && state->applier && state->receiving();
  if (!there) {
    // Read again: what was being written when the door closed counts.
    state = read_state(deadline);
    if (!state) return state.error();
    const Instant compared = std::min(deadline, system_clock().now() + kCompareWithin);
    RETURN_IF_ERROR(refuse_divergence(*state, *endpoint, compared));
    RETURN_IF_ERROR(start_following(*state, *source, deadline));
  }
  return wait_until_following(std::min(deadline, system_clock().now() + kConnectWithin));
}

Result<void> MysqlDriver::refuse_divergence(const MysqlState& own, const Endpoint& source,
                                            Instant deadline) {
  MysqlSettings there;
  there.host = source.address;
  there.port = source.port;
  there.user = settings_.replication_user;
  there.password = settings_.replication_password;
  MysqlConnection connection(there);
  auto rows = connection.run(
      "SELECT @@global.gtid_current_pos AS current_pos, @@global.gtid_binlog_pos AS binlog_pos, "
      "@@global.gtid_binlog_state AS binlog_state, @@global.server_id AS server_id",
      deadline);
  if (!rows) {
    const ErrorCode code = rows.error().code;
    return {code == ErrorCode::kNotFound ? ErrorCode::kUnavailable : code,
            "mysql: cannot compare with the source: " + rows.error().message};
  }
  if (rows->at(0, "server_id") == std::to_string(own.server_id)) {
    return {ErrorCode::kInvalid,
            fmt::format("mysql: {} has our own server_id {}", source.text(), own.server_id)};
  }
  const auto current = parse_gtid(rows->at(0, "current_pos"));
  const auto binlog = parse_gtid(rows->at(0, "binlog_pos"));
  if (!current || !binlog) {
    return {ErrorCode::kInternal, "mysql: the source's GTID positions cannot be read"};
  }
  const auto unknown =
      unknown_to(rows->at(0, "binlog_state"), join(*current, *binlog), own.current);
  if (unknown.empty()) return {};
  return {ErrorCode::kConflict,
          fmt::format("mysql: this server holds writes up to {} that {} (at {}) never had",
                      to_text(unknown), source.text(), to_text(join(*current, *binlog)))};
}

std::string MysqlDriver::change_to(const MysqlState& own, const HostPort& source,
                                   const std::string& password) const {
  return fmt::format(
      "{} MASTER_HOST={}, MASTER_PORT={}, MASTER_USER={}, MASTER_PASSWORD={}, "
      "MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos",
      named("CHANGE MASTER", own, "TO"), sql_quote(source.host), source.port,
      sql_quote(settings_.replication_user), password);
}

Result<void> MysqlDriver::start_following(const MysqlState& own, const HostPort& source,
                                          Instant deadline) {
  if (own.semi_sync_source) RETURN_IF_ERROR(stand_alone(deadline));
  if (own.replica()) {
    RETURN_IF_ERROR(stop_receiver(own, deadline));
    RETURN_IF_ERROR(command(named("STOP SLAVE", own, ""), deadline));
  }
  if (!(own.applied == own.current)) {
    // An old primary knows its own writes by its binary log only; without this it would fetch the
    // whole history again.
    RETURN_IF_ERROR(command(kStartFromOwn, deadline));
  }
  auto changed = main_.run_secret(change_to(own, source, sql_quote(settings_.replication_password)),
                                  change_to(own, source, "'***'"), deadline);
  if (!changed) return changed.error();
  return command(named("START SLAVE", own, ""), deadline);
}

Result<void> MysqlDriver::wait_until_following(Instant deadline) {
  for (;;) {
    const auto state = read_state(deadline);
    if (!state) return state.error();
    if (!state->read_only) return {ErrorCode::kConflict, "mysql: found writable while following"};
    if (state->io == "Yes" && state->applier) return {};
    const std::string& why = state->applier ? state->io_error : state->applier_error;
    const bool ended = !state->applier || !state->receiving();
    if (ended && !why.empty()) {
      return {ErrorCode::kConflict,
              fmt::format("mysql: does not follow {}:{}: {}", state->host, state->port, why)};
    }
    if (passed(deadline)) {
      return {ErrorCode::kUnavailable, fmt::format("mysql: follows {}:{}, not connected yet: {}",
                                                   state->host, state->port, why)};
    }
    std::this_thread::sleep_for(kLook);
  }
}

// Reads the server as the verb would, so that the statements are those it would send now.
std::vector<std::string> MysqlDriver::render(const std::string& verb) {
  const Instant deadline = system_clock().now() + 1s;
  const auto state = read_state(deadline);
  if (!state) return {"(" + state.error().message + ")"};
  std::vector<std::string> sql;
  const bool closes = verb == "fence" || (verb == "keep_standby" && !state->read_only) ||
                      (verb == "follow" && !state->read_only);
  if (closes) {
    const auto ids = clients(main_, deadline);
    if (!ids) return {"(" + ids.error().message + ")"};
    for (const auto id : *ids) sql.push_back(fmt::format("KILL CONNECTION {}", id));
    sql.push_back("SET GLOBAL read_only=1");
  }
  if (verb == "promote" || verb == "follow") {
    if (state->semi_sync_source) sql.push_back(kStandAlone);
    if (state->replica()) {
      if (state->receiving()) sql.push_back(named("STOP SLAVE", *state, "IO_THREAD"));
      if (verb == "promote") sql.push_back("-- wait until everything received is applied");
      sql.push_back(named("STOP SLAVE", *state, ""));
    }
  }
  if (verb == "promote" && state->replica()) sql.push_back(named("RESET SLAVE", *state, "ALL"));
  if ((verb == "promote" || verb == "unfence") && state->read_only) {
    sql.push_back("SET GLOBAL read_only=0");
  }
  if (verb == "follow") {
    if (!(state->applied == state->current)) sql.push_back(kStartFromOwn);
    sql.push_back(change_to(*state, {"(the peer's advertise)", 3306}, "'***'"));
    sql.push_back(named("START SLAVE", *state, ""));
  }
  return sql;
}

}  // namespace pointsman
