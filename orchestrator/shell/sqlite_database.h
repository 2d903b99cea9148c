#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

// SQLite behind Results: one connection, statements that end with their scope. Knows no table.

namespace pointsman {

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) = delete;
  ~Statement();

  // Parameters from 1 on, in the order of binding. A failure to bind is told by the next step().
  Statement& bind(std::int64_t number);
  Statement& bind(std::uint64_t number);  // Kept bit for bit.
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);

  // True: a row is there. False: no more rows.
  Result<bool> step();
  // For statements without rows.
  Result<void> run();

  // Columns of the row, from 0 on. Text and blobs may hold NUL.
  std::int64_t number(int column) const;
  std::uint64_t unsigned_number(int column) const;
  std::string text(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement, std::string where);

  sqlite3* db_;
  sqlite3_stmt* statement_;
  std::string where_;
  int parameters_ = 0;
  int bind_failure_ = 0;
};

class Database {
 public:
  // Opens `path`, which must exist. An empty file is a database without tables.
  static Result<Database> open(const std::string& path);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // kConflict: locked by another process. kInvalid: corrupt or no database. kInternal: disk full,
  // I/O error, ... with the system's own words.
  Result<void> run(const char* sql);
  Result<Statement> prepare(const char* sql);
  // The first column of the only row.
  Result<std::string> ask(const char* sql);

 private:
  Database(sqlite3* db, std::string path);

  sqlite3* db_ = nullptr;
  std::string path_;
};

}  // namespace pointsman
