#include "agent/drivers/mysql_connection.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/clock.h"

namespace pointsman {
namespace {

constexpr Duration kFullServerPause = 20ms;

Result<Endpoint> endpoint_of(const MysqlSettings& settings) {
  if (!settings.socket.empty()) return parse_endpoint("unix:" + settings.socket);
  const bool v6 = settings.host.find(':') != std::string::npos;
  return parse_endpoint(v6 ? fmt::format("[{}]:{}", settings.host, settings.port)
                           : fmt::format("{}:{}", settings.host, settings.port));
}

std::string place_of(const MysqlSettings& settings) {
  return settings.socket.empty() ? fmt::format("{}:{}", settings.host, settings.port)
                                 : settings.socket;
}

std::string start_time_of(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  const auto after_name = line.rfind(')');
  if (after_name == std::string::npos) return "";
  std::istringstream fields(line.substr(after_name + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    fields >> field;
    if (i == 3 && (field == "Z" || field == "X")) return "";
  }
  return field;
}

// Waits until the socket is as `waiting` asks. The MYSQL_WAIT_* that came true; 0 at `until`.
int wait_for(MYSQL* mysql, int waiting, Instant until) {
  short events = 0;
  if ((waiting & MYSQL_WAIT_READ) != 0) events |= POLLIN;
  if ((waiting & MYSQL_WAIT_WRITE) != 0) events |= POLLOUT;
  if ((waiting & MYSQL_WAIT_EXCEPT) != 0) events |= POLLPRI;
  pollfd wait{mysql_get_socket(mysql), events, 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, poll_ms(until));
  } while ((ready < 0 && errno == EINTR) || (ready == 0 && !passed(until)));
  if (ready <= 0) return 0;
  int happened = 0;
  if ((wait.revents & (POLLIN | POLLERR | POLLHUP)) != 0) happened |= waiting & MYSQL_WAIT_READ;
  if ((wait.revents & (POLLOUT | POLLERR | POLLHUP)) != 0) happened |= waiting & MYSQL_WAIT_WRITE;
  if ((wait.revents & POLLPRI) != 0) happened |= waiting & MYSQL_WAIT_EXCEPT;
  return happened != 0 ? happened : waiting & ~MYSQL_WAIT_TIMEOUT;
}

ErrorCode code_of(unsigned number) {
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_HOST_IS_BLOCKED: return ErrorCode::kRefused;
    case ER_LOCK_WAIT_TIMEOUT: return ErrorCode::kTimeout;
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_SERVER_SHUTDOWN: return ErrorCode::kUnavailable;
    default: return ErrorCode::kInternal;
  }
}

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

}  // namespace

std::string MysqlRows::at(std::size_t row, const std::string& column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end() || row >= rows.size()) return "";
  return rows[row][static_cast<std::size_t>(found - columns.begin())].value_or("");
}

bool MysqlRows::null_at(std::size_t row, const std::string& column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end() || row >= rows.size()) return true;
  return !rows[row][static_cast<std::size_t>(found - columns.begin())].has_value();
}

std::string sql_quote(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\0') {
      quoted += "\\0";
      continue;
    }
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

bool ServerProcess::lives() const { return known() && start_time_of(pid) == started; }

MysqlConnection::MysqlConnection(const MysqlSettings& settings) : settings_(settings) {}

MysqlConnection::~MysqlConnection() { close(); }

void MysqlConnection::close() {
  if (mysql_ == nullptr) return;
  if (stage_ != Stage::kIdle) {
    abandon();
    return;
  }
  mysql_close(mysql_);
  mysql_ = nullptr;
}

void MysqlConnection::abandon() {
  if (mysql_ == nullptr) return;
  if (stage_ != Stage::kIdle) orphan_ = mysql_thread_id(mysql_);
  // The library frees what a suspended operation holds only when the operation returns, so it is
  // told that its time is over; a few rounds do for any of them.
  for (int i = 0; i < 16 && waiting_ != 0; ++i) {
    MYSQL_RES* result = nullptr;
    if (stage_ == Stage::kQuery) {
      waiting_ = mysql_real_query_cont(&query_result_, mysql_, MYSQL_WAIT_TIMEOUT);
    } else {
      waiting_ = mysql_store_result_cont(&result, mysql_, MYSQL_WAIT_TIMEOUT);
      if (waiting_ == 0 && result != nullptr) mysql_free_result(result);
    }
  }
  waiting_ = 0;
  stage_ = Stage::kIdle;
  // A goodbye to a server that hangs would wait for it.
  if (mysql_get_socket(mysql_) != MARIADB_INVALID_SOCKET) {
    ::shutdown(mysql_get_socket(mysql_), SHUT_RDWR);
  }
  mysql_close(mysql_);
  mysql_ = nullptr;
}

Result<void> MysqlConnection::open(Instant deadline) {
  if (mysql_ != nullptr) return {};
  // The place that a full server keeps for us is held, for a moment, by each client that it turns
  // away.
  auto connected = connect(deadline);
  while (!connected.ok() && server_error_ == ER_CON_COUNT_ERROR &&
         system_clock().now() + kFullServerPause < deadline) {
    std::this_thread::sleep_for(kFullServerPause);
    connected = connect(deadline);
  }
  RETURN_IF_ERROR(connected);
  return set_up_session(deadline);
}

Result<void> MysqlConnection::connect(Instant deadline) {
  initialise_library();
  auto endpoint = endpoint_of(settings_);
  if (!endpoint) return Error{endpoint.error().code, "mysql: " + endpoint.error().message};
  mysql_ = mysql_init(nullptr);
  if (mysql_ == nullptr) return {ErrorCode::kInternal, "mysql: out of memory"};
  const bool by_socket = !endpoint->unix_path.empty();
  const unsigned no_local_files = 0;
  const unsigned protocol = by_socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(mysql_, MYSQL_OPT_NONBLOCK, nullptr);
  mysql_options(mysql_, MYSQL_OPT_LOCAL_INFILE, &no_local_files);
  mysql_options(mysql_, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(mysql_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  MYSQL* connected = nullptr;
  int waiting = mysql_real_connect_start(
      &connected, mysql_, by_socket ? nullptr : endpoint->address.c_str(), settings_.user.c_str(),
      settings_.password.c_str(), nullptr, static_cast<unsigned>(endpoint->port),
      by_socket ? endpoint->unix_path.c_str() : nullptr, 0);
  bool late = false;
  for (int after_deadline = 0; waiting != 0 && after_deadline < 16;) {
    const int happened = late ? 0 : wait_for(mysql_, waiting, deadline);
    if (happened == 0) {
      late = true;
      ++after_deadline;
    }
    waiting = mysql_real_connect_cont(&connected, mysql_, late ? MYSQL_WAIT_TIMEOUT : happened);
  }
  if (connected != nullptr && !late) {
    learn_process();
    return {};
  }
  Error error = late ? Error{ErrorCode::kTimeout,
                             "mysql at " + endpoint->text() + ": no answer to connecting in time"}
                     : failure("connect");
  // To the library a Unix socket whose queue is full looks connected and then lost (seen: error
  // 2013, "reading initial communication packet", 22).
  const unsigned number = mysql_errno(mysql_);
  const bool no_connection =
      number == CR_CONNECTION_ERROR || number == CR_CONN_HOST_ERROR || number == CR_SERVER_LOST;
  mysql_close(mysql_);
  mysql_ = nullptr;
  if (!late && no_connection) {
    // The library does not say why; the kernel does.
    auto probe = connect_to(*endpoint, deadline);
    error = probe ? Error{ErrorCode::kUnavailable, error.message}
                  : Error{probe.error().code, "mysql: " + probe.error().message};
  }
  if (error.code == ErrorCode::kNotFound && process_.lives()) {
    error = {ErrorCode::kUnavailable,
             fmt::format("{}, but process {} still lives", error.message, process_.pid)};
  }
  return error;
}

void MysqlConnection::learn_process() {
  if (settings_.socket.empty()) return;
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(mysql_get_socket(mysql_), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return;
  process_ = {};
  if (peer.pid > 0) process_ = {peer.pid, start_time_of(peer.pid)};
  if (process_.started.empty()) process_ = {};
}

Result<void> MysqlConnection::set_up_session(Instant deadline) {
  const std::string version = mysql_get_server_info(mysql_);
  if (version.find("MariaDB") == std::string::npos) {
    close();
    return {ErrorCode::kInvalid,
            fmt::format("mysql at {}: server {} speaks the MySQL dialect, which this version of "
                        "the agent does not support; MariaDB 10.5 or newer is needed",
                        place_of(settings_), version)};
  }
  // Waits of the server's own must end: a lock is waited for in slices of a second and asked for
  // again. Quoting relies on the empty sql_mode.
  auto done = run_once(
      "SET SESSION sql_mode='', autocommit=1, lock_wait_timeout=1, wait_timeout=86400", deadline);
  if (!done) {
    close();
    return done.error();
  }
  return end_orphan(deadline);
}

Result<void> MysqlConnection::end_orphan(Instant deadline) {
  if (orphan_ == 0) return {};
  // Nobody waits for its answer any more, and it may hold or wait for locks. The account is
  // compared because numbers begin anew when the server restarts.
  auto own = run_once(fmt::format("SELECT ID FROM information_schema.PROCESSLIST WHERE ID={} AND "
                                  "USER=SUBSTRING_INDEX(USER(),'@',1)",
                                  orphan_),
                      deadline);
  if (!own) return own.error();
  if (!own->rows.empty()) {
    auto killed = run_once(fmt::format("KILL CONNECTION {}", orphan_), deadline);
    if (!killed && mysql_ == nullptr) return killed.error();
  }
  orphan_ = 0;
  return {};
}

Error MysqlConnection::failure(const std::string& doing) {
  const unsigned number = mysql_errno(mysql_);
  const bool ours = number >= CR_MIN_ERROR && number <= CR_MAX_ERROR;
  server_error_ = ours ? 0 : number;
  const ErrorCode code = ours ? ErrorCode::kUnavailable : code_of(number);
  const std::string words = secret_ && !ours ? "" : fmt::format(" {}", mysql_error(mysql_));
  return {code,
          fmt::format("mysql at {}: {}: error {}{}", place_of(settings_), doing, number, words)};
}

std::uint64_t MysqlConnection::thread_id() const {
  return mysql_ != nullptr ? mysql_thread_id(mysql_) : 0;
}

Result<void> MysqlConnection::begin(const std::string& sql, Instant deadline) {
  CHECK(stage_ == Stage::kIdle);
  RETURN_IF_ERROR(open(deadline));
  server_error_ = 0;
  statement_ = sql;
  stage_ = Stage::kQuery;
  waiting_ = mysql_real_query_start(&query_result_, mysql_, statement_.data(), statement_.size());
  return {};
}

std::optional<Result<MysqlRows>> MysqlConnection::finish(Instant until) {
  CHECK(stage_ != Stage::kIdle && mysql_ != nullptr);
  MYSQL_RES* result = nullptr;
  for (;;) {
    while (waiting_ != 0) {
      const int happened = wait_for(mysql_, waiting_, until);
      if (happened == 0) return std::nullopt;
      waiting_ = stage_ == Stage::kQuery ? mysql_real_query_cont(&query_result_, mysql_, happened)
                                         : mysql_store_result_cont(&result, mysql_, happened);
    }
    if (stage_ == Stage::kStore) break;
    if (query_result_ != 0) break;
    stage_ = Stage::kStore;
    waiting_ = mysql_store_result_start(&result, mysql_);
  }
  stage_ = Stage::kIdle;
  if (query_result_ != 0 || (result == nullptr && mysql_errno(mysql_) != 0)) {
    const Error error = failure(shown());
    if (server_error_ == 0) close();
    return error;
  }
  MysqlRows rows;
  if (result == nullptr) return rows;
  const unsigned width = mysql_num_fields(result);
  for (unsigned i = 0; i < width; ++i)
    rows.columns.emplace_back(mysql_fetch_fields(result)[i].name);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    MysqlRow& copy = rows.rows.emplace_back();
    for (unsigned i = 0; i < width; ++i) {
      if (row[i] == nullptr) {
        copy.emplace_back(std::nullopt);
      } else {
        copy.emplace_back(std::string(row[i], lengths[i]));
      }
    }
  }
  mysql_free_result(result);
  return rows;
}

Result<MysqlRows> MysqlConnection::run_once(const std::string& sql, Instant deadline) {
  if (auto begun = begin(sql, deadline); !begun) return begun.error();
  auto outcome = finish(deadline);
  if (outcome) return std::move(*outcome);
  const Error error{ErrorCode::kTimeout, fmt::format("mysql at {}: {}: no answer in time",
                                                     place_of(settings_), shown())};
  abandon();
  return error;
}

Result<MysqlRows> MysqlConnection::run(const std::string& sql, Instant deadline) {
  const bool kept = mysql_ != nullptr;
  auto outcome = run_once(sql, deadline);
  // A kept connection may have died since; every statement of ours may be sent twice.
  const bool lost = !outcome && mysql_ == nullptr && outcome.error().code != ErrorCode::kTimeout;
  return kept && lost ? run_once(sql, deadline) : std::move(outcome);
}

std::string MysqlConnection::shown() const {
  if (secret_) return "statement with a secret";
  return statement_.size() <= 80 ? statement_ : statement_.substr(0, 77) + "...";
}

Result<MysqlRows> MysqlConnection::run_secret(const std::string& sql, const std::string& shown,
                                              Instant deadline) {
  secret_ = true;
  auto outcome = run(sql, deadline);
  secret_ = false;
  statement_.assign(statement_.size(), '\0');
  if (!outcome) return Error{outcome.error().code, outcome.error().message + " (" + shown + ")"};
  return outcome;
}

}  // namespace pointsman
