#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"

// Reads what mariadb-binlog wrote: which transactions, and which tables they touch. For people, who
// decide by it what they give up; nothing is decided by it here.

namespace pointsman {

class BinlogReading {
 public:
  // One line, without its end.
  void line(std::string_view text);

  std::uint64_t transactions() const { return transactions_; }
  // "app.writes" -> changes: rows of it, or statements that name it.
  const std::map<std::string, std::uint64_t>& tables() const { return tables_; }
  // Statements that name no table that we could read, CREATE USER and the like: their beginnings.
  const std::set<std::string>& others() const { return others_; }

  Json to_json() const;
  std::string text() const;  // "12 transactions in app.writes (12)"

 private:
  void statement(std::string_view text);
  void touch(const std::string& table);

  std::string database_;  // Of the latest USE.
  bool within_ = false;   // A statement goes on over several lines.
  std::uint64_t transactions_ = 0;
  std::map<std::string, std::uint64_t> tables_;
  std::set<std::string> others_;
};

Result<BinlogReading> read_binlog_text(const std::string& path);

}  // namespace pointsman
