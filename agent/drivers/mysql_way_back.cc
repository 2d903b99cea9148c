#include "agent/drivers/mysql_way_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "agent/child.h"
#include "agent/drivers/binlog_reading.h"
#include "agent/drivers/drivers.h"
#include "agent/drivers/endpoint.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"

// What the server here holds that the site in power's never had: found, and written down.

namespace pointsman {
namespace {

constexpr Duration kAskWithin = 10s;
constexpr const char* kBinlogFile = "mysql-binlog.sql";

constexpr const char* kPositions =
    "SELECT @@global.gtid_current_pos AS current_pos, @@global.gtid_binlog_pos AS binlog_pos, "
    "@@global.gtid_binlog_state AS binlog_state, @@global.server_id AS server_id, "
    "@@global.read_only AS read_only";

Error no_seed_user() {
  return {ErrorCode::kRefused,
          "mysql: seed_user is not set in this agent's configuration: without that account nothing "
          "can be written down, nor copied"};
}

Result<GtidPosition> position_of(const MysqlRows& rows) {
  const auto current = parse_gtid(rows.at(0, "current_pos"));
  const auto binlog = parse_gtid(rows.at(0, "binlog_pos"));
  if (current && binlog) return join(*current, *binlog);
  return {ErrorCode::kInternal, "mysql: GTID positions cannot be read"};
}

// The lowest sequence of each domain in a server's binary log, where that begins at the log's own
// beginning; empty where it does not, or may not be read.
std::map<std::uint32_t, std::uint64_t> first_written(MysqlConnection& there, Instant deadline) {
  std::map<std::uint32_t, std::uint64_t> first;
  auto rows = there.run("SHOW BINLOG EVENTS LIMIT 200", deadline);
  if (!rows) return first;
  for (std::size_t k = 0; k < rows->rows.size(); ++k) {
    const std::string kind = rows->at(k, "Event_type");
    std::string text = rows->at(k, "Info");
    if (kind == "Gtid_list" && text != "[]") return {};
    if (kind != "Gtid") continue;
    const auto at = text.find("GTID ");
    if (at == std::string::npos) continue;
    text = text.substr(at + 5);
    const auto gtid = parse_gtid(text.substr(0, text.find(' ')));
    if (!gtid) continue;
    for (const auto& [domain, one] : *gtid) first.try_emplace(domain, one.sequence);
  }
  return first;
}

std::string text_of(const std::vector<Fork>& forks) {
  std::string text;
  for (const Fork& fork : forks) text += (text.empty() ? "" : ", ") + fork.text();
  return text;
}

Error of_source(const Error& error) {
  const ErrorCode code = error.code == ErrorCode::kNotFound ? ErrorCode::kUnavailable : error.code;
  return {code, "mysql: the site in power's server: " + error.message};
}

}  // namespace

std::unique_ptr<WayBack> make_mysql_way_back(const MysqlSettings& settings) {
  return std::make_unique<MysqlWayBack>(settings);
}

std::string sql_name(const std::string& name) {
  std::string quoted = "`";
  for (const char c : name) quoted += c == '`' ? "``" : std::string(1, c);
  return quoted + "`";
}

// --- The account.

Result<MysqlSettings> MysqlWayBack::seed_here() const {
  if (settings_.seed_user.empty()) return no_seed_user();
  MysqlSettings here = settings_;
  here.user = settings_.seed_user;
  here.password = settings_.seed_password;
  return here;
}

Result<MysqlSettings> MysqlWayBack::seed_at(const std::string& source) const {
  if (settings_.seed_user.empty()) return no_seed_user();
  const auto endpoint = parse_endpoint(source);
  if (!endpoint) return Error{endpoint.error().code, "mysql: " + endpoint.error().message};
  MysqlSettings there;
  there.host = endpoint->address;
  there.port = endpoint->port;
  there.user = settings_.seed_user;
  there.password = settings_.seed_password;
  return there;
}

Result<MysqlLogin> MysqlLogin::make(const std::string& folder, const MysqlSettings& as) {
  std::error_code ignored;  // A killed agent may have left one.
  for (std::filesystem::directory_iterator at(folder, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    std::error_code why;
    if (name.starts_with("login-") && name.ends_with(".cnf")) std::filesystem::remove(*at, why);
  }
  const std::string path = fmt::format("{}/login-{}.cnf", folder, random_id());
  const auto quoted = [](const std::string& text) {
    std::string all = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') all += '\\';
      all += c;
    }
    return all + "\"";
  };
  if (as.password.find('\n') != std::string::npos) {
    return {ErrorCode::kRefused, "mysql: the password of seed_user holds a line end"};
  }
  std::string text =
      fmt::format("[client]\nuser={}\npassword={}\n", quoted(as.user), quoted(as.password));
  text += as.socket.empty() ? fmt::format("host={}\nport={}\nprotocol=tcp\n", as.host, as.port)
                            : fmt::format("socket={}\n", quoted(as.socket));
  RETURN_IF_ERROR(write_file_durably(path, text, 0600));
  return MysqlLogin(path);
}

MysqlLogin::~MysqlLogin() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

// --- Comparing.

Result<MysqlWayBack::Comparison> MysqlWayBack::compare(const std::string& source,
                                                       Instant deadline) {
  MysqlConnection here(settings_);
  const auto own = here.run(kPositions, deadline);
  if (!own) return own.error();
  if (own->at(0, "read_only") == "0") {
    return {ErrorCode::kUnavailable, "mysql: it still takes writes here"};
  }
  const auto endpoint = parse_endpoint(source);
  if (!endpoint) return Error{endpoint.error().code, "mysql: " + endpoint.error().message};
  MysqlSettings reader;
  reader.host = endpoint->address;
  reader.port = endpoint->port;
  const bool seeds = !settings_.seed_user.empty();
  reader.user = seeds ? settings_.seed_user : settings_.replication_user;
  reader.password = seeds ? settings_.seed_password : settings_.replication_password;
  MysqlConnection there(reader);
  const auto theirs = there.run(kPositions, deadline);
  if (!theirs) return of_source(theirs.error());
  if (own->at(0, "server_id") == theirs->at(0, "server_id")) {
    return {ErrorCode::kRefused,
            fmt::format("mysql: {} has our own server_id {}", source, own->at(0, "server_id"))};
  }
  const auto own_position = position_of(*own);
  if (!own_position) return own_position.error();
  const auto source_position = position_of(*theirs);
  if (!source_position) return source_position.error();
  Comparison found;
  found.logged = parse_gtid(own->at(0, "binlog_pos")).value_or(GtidPosition{});
  found.forks =
      forks_of({own->at(0, "binlog_state"), *own_position},
               {theirs->at(0, "binlog_state"), *source_position}, first_written(there, deadline));
  return found;
}

Result<std::string> MysqlWayBack::survey(const std::string& source, Duration within) {
  const auto found = compare(source, system_clock().now() + within);
  if (!found) return found.error();
  if (found->forks.empty()) return std::string();
  return "transactions " + text_of(found->forks);
}

// --- Writing down.

Result<Json> MysqlWayBack::write_down(const std::string& source, const std::string& folder,
                                      const WayBackWatch& watch) {
  const Instant deadline = system_clock().now() + kAskWithin;
  const auto found = compare(source, deadline);
  if (!found) return found.error();
  const auto seed = seed_here();
  if (!seed) return seed.error();
  MysqlConnection here(*seed);
  const auto logs = here.run("SHOW BINARY LOGS", deadline);
  if (!logs) return logs.error();
  if (logs->rows.empty()) {
    return {ErrorCode::kRefused,
            "mysql: this server keeps no binary log: what only it holds "
            "cannot be written down"};
  }
  // From where the two parted, in each domain; what both have of the others is left out too.
  GtidPosition from = found->logged;
  bool known = true;
  for (const Fork& fork : found->forks) {
    if (fork.shared.sequence == 0) {
      known = false;
    } else {
      from[fork.domain] = fork.shared;
    }
  }
  // The option file lies outside of the bundle, whose files are kept.
  const std::string above = std::filesystem::path(folder).parent_path().string();
  const auto login = MysqlLogin::make(above, *seed);
  if (!login) return login.error();
  std::vector<std::string> argv{"mariadb-binlog", login->option(), "--read-from-remote-server",
                                "--to-last-log", "--verbose"};
  if (known) argv.push_back("--start-position=" + to_text(from));
  argv.push_back(logs->at(0, "Log_name"));
  const std::string path = folder + "/" + kBinlogFile;
  const auto written = run_child(argv, {"", path, 0}, watch);
  const Error purged{ErrorCode::kRefused,
                     "mysql: the binary log here no longer has what only this server holds: " +
                         text_of(found->forks)};
  if (!written) {
    // "... never reached expected GTID state": the log begins after where the two parted.
    const bool gone = written.error().message.find("GTID state") != std::string::npos;
    return gone ? purged : Error{written.error().code, "mysql: " + written.error().message};
  }
  const auto reading = read_binlog_text(path);
  if (!reading) return reading.error();
  if (reading->transactions() == 0) return purged;
  Json holds = reading->to_json();
  holds.set("gtids", text_of(found->forks));
  return holds;
}

}  // namespace pointsman
