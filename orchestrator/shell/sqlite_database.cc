#include "orchestrator/shell/sqlite_database.h"

#include <sqlite3.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace pointsman {
namespace {

constexpr int kBusyTimeoutMs = 2000;

ErrorCode code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::kConflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kInvalid;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return ErrorCode::kRefused;
    default: return ErrorCode::kInternal;
  }
}

Error failure(sqlite3* db, int result, const std::string& where) {
  std::string text = where + ": ";
  if ((result & 0xff) == SQLITE_FULL) {
    text += "disk full: nothing can be saved until there is room";
  } else if ((result & 0xff) == SQLITE_BUSY) {
    text += "locked by another process (is it open in the sqlite3 shell?)";
  } else {
    text += sqlite3_errstr(result);
  }
  const char* detail = db != nullptr ? sqlite3_errmsg(db) : nullptr;
  if (detail != nullptr && std::strcmp(detail, sqlite3_errstr(result)) != 0) {
    text += std::string(" (") + detail + ")";
  }
  const int system = db != nullptr ? sqlite3_system_errno(db) : 0;
  if ((result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN) {
    text += ", code " + std::to_string(result);
    if (system != 0) text += std::string(": ") + std::strerror(system);
  }
  return {code_of(result), std::move(text)};
}

}  // namespace

Statement::Statement(sqlite3* db, sqlite3_stmt* statement, std::string where)
    : db_(db), statement_(statement), where_(std::move(where)) {}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      where_(std::move(other.where_)),
      parameters_(other.parameters_),
      bind_failure_(other.bind_failure_) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(std::int64_t number) {
  const int result = sqlite3_bind_int64(statement_, ++parameters_, number);
  if (result != SQLITE_OK) bind_failure_ = result;
  return *this;
}

Statement& Statement::bind(std::uint64_t number) { return bind(static_cast<std::int64_t>(number)); }

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL.
  const char* bytes = text.empty() ? "" : text.data();
  const int result = sqlite3_bind_text64(statement_, ++parameters_, bytes, text.size(),
                                         SQLITE_TRANSIENT, SQLITE_UTF8);
  if (result != SQLITE_OK) bind_failure_ = result;
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  const int result = sqlite3_bind_blob64(
      statement_, ++parameters_, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  if (result != SQLITE_OK) bind_failure_ = result;
  return *this;
}

Result<bool> Statement::step() {
  if (bind_failure_ != SQLITE_OK) return failure(db_, bind_failure_, where_);
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return failure(db_, result, where_);
}

Result<void> Statement::run() {
  const auto stepped = step();
  if (!stepped.ok()) return stepped.error();
  return {};
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::uint64_t Statement::unsigned_number(int column) const {
  return static_cast<std::uint64_t>(number(column));
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr || size <= 0) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

Database::Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}

Database::Database(Database&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), path_(std::move(other.path_)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(path_, other.path_);
  return *this;
}

// A statement that outlives its connection would keep the file locked.
Database::~Database() { CHECK(sqlite3_close(db_) == SQLITE_OK); }

Result<Database> Database::open(const std::string& path) {
  sqlite3* db = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  Database opened(db, path);
  if (result != SQLITE_OK) return failure(db, result, path);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return opened;
}

Result<void> Database::run(const char* sql) {
  const int result = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return failure(db_, result, path_);
  return {};
}

Result<Statement> Database::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  if (result != SQLITE_OK) return failure(db_, result, path_);
  return Statement(db_, statement, path_);
}

Result<std::string> Database::ask(const char* sql) {
  auto statement = prepare(sql);
  if (!statement.ok()) return statement.error();
  auto row = statement->step();
  if (!row.ok()) return row.error();
  if (!*row) return Error{ErrorCode::kInvalid, path_ + ": no answer to " + sql};
  return statement->text(0);
}

}  // namespace pointsman
