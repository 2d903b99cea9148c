#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/drivers/endpoint.h"
#include "base/result.h"
#include "base/time.h"

struct st_mysql;

// One connection to a MariaDB server, by libmariadb's non-blocking calls: whatever the server does
// or does not do, a call ends at its deadline, to the millisecond.

namespace pointsman {

using MysqlRow = std::vector<std::optional<std::string>>;

struct MysqlRows {
  std::vector<std::string> columns;
  std::vector<MysqlRow> rows;

  // The value in the column of that name, "" when the column is not there or NULL.
  std::string at(std::size_t row, const std::string& column) const;
  bool null_at(std::size_t row, const std::string& column) const;
};

// A text as an SQL literal, quotes included, for a session without sql_mode.
std::string sql_quote(const std::string& text);

// The process that listens at a Unix socket, so that "gone" can be confirmed later.
struct ServerProcess {
  int pid = 0;
  std::string started;  // Field 22 of /proc/PID/stat: tells a reused pid apart.

  bool known() const { return pid > 0; }
  bool lives() const;
};

class MysqlConnection {
 public:
  explicit MysqlConnection(const MysqlSettings& settings);
  ~MysqlConnection();
  MysqlConnection(const MysqlConnection&) = delete;
  MysqlConnection& operator=(const MysqlConnection&) = delete;

  // Connects unless connected. kNotFound: confirmed, no server listens there. kTimeout: it hangs.
  // kRefused: credentials or limits. kInvalid: the endpoint cannot be used, or the server speaks a
  // dialect that is not supported.
  Result<void> open(Instant deadline);
  void close();
  bool is_open() const { return mysql_ != nullptr; }

  // One statement. An error closes the connection unless it is the server's own answer; then
  // server_error() has its number. Opens by itself, and once more when a kept connection proves
  // dead before the statement left.
  Result<MysqlRows> run(const std::string& sql, Instant deadline);
  // The same for a statement with a secret in it: the server's words, which may quote the
  // statement, stay out of the error.
  Result<MysqlRows> run_secret(const std::string& sql, const std::string& shown, Instant deadline);

  // A statement in two halves, for watching it from another connection. finish() gives nullopt
  // while it still runs at `until`; end by finishing it or by close().
  Result<void> begin(const std::string& sql, Instant deadline);
  std::optional<Result<MysqlRows>> finish(Instant until);

  unsigned server_error() const { return server_error_; }
  std::uint64_t thread_id() const;
  const ServerProcess& process() const { return process_; }

 private:
  enum class Stage { kIdle, kQuery, kStore };

  Result<void> connect(Instant deadline);
  Result<void> set_up_session(Instant deadline);
  Result<void> end_orphan(Instant deadline);
  Result<MysqlRows> run_once(const std::string& sql, Instant deadline);
  Error failure(const std::string& doing);
  std::string shown() const;  // The statement, for an error.
  void learn_process();
  // Lets the running operation end as timed out and gives the connection up.
  void abandon();

  const MysqlSettings settings_;
  st_mysql* mysql_ = nullptr;
  Stage stage_ = Stage::kIdle;
  int waiting_ = 0;  // What the running operation waits for, MYSQL_WAIT_*.
  int query_result_ = 0;
  std::string statement_;  // Must outlive the running operation.
  bool secret_ = false;
  unsigned server_error_ = 0;
  std::uint64_t orphan_ = 0;  // Thread of ours that may still run an abandoned statement.
  ServerProcess process_;
};

}  // namespace pointsman
