#include "agent/drivers/binlog_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <vector>

namespace pointsman {
namespace {

constexpr std::size_t kTablesMost = 1000;
constexpr std::size_t kOthersMost = 50;
constexpr std::size_t kOtherMost = 120;
constexpr std::size_t kShownMost = 8;

bool begins(std::string_view text, std::string_view with) { return text.starts_with(with); }

std::string upper(std::string_view text) {
  std::string all(text);
  std::transform(all.begin(), all.end(), all.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

// The words of a statement's beginning; `a`.`b` is one word, a.b, and a parenthesis ends a word.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : text.substr(0, 400)) {
    if (c == '`') {
      quoted = !quoted;
    } else if (quoted || std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
               c == '$') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
    if (words.size() > 16) break;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// Words that may stand between a verb and the name of its table.
bool is_filler(const std::string& word) {
  static const std::set<std::string> kFillers{"INTO",    "FROM",         "TABLE",        "IGNORE",
                                              "IF",      "NOT",          "EXISTS",       "DELAYED",
                                              "QUICK",   "ONLINE",       "TEMPORARY",    "OR",
                                              "REPLACE", "LOW_PRIORITY", "HIGH_PRIORITY"};
  return kFillers.contains(word);
}

// What mariadb-binlog adds round the statements of the log.
bool is_frame(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kFrames{
      "SET ", "START TRANSACTION", "COMMIT", "ROLLBACK", "BEGIN",
      "XA ",  "DELIMITER",         "/*",     "BINLOG "};
  return std::any_of(kFrames.begin(), kFrames.end(),
                     [&](std::string_view frame) { return begins(text, frame); });
}

}  // namespace

void BinlogReading::touch(const std::string& table) {
  if (tables_.size() < kTablesMost || tables_.contains(table)) ++tables_[table];
}

void BinlogReading::statement(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  static const std::set<std::string> kOfTables{"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD",
                                               "CREATE", "ALTER",  "DROP",   "TRUNCATE"};
  const std::string verb = words.empty() ? "" : upper(words[0]);
  const bool defines = verb == "CREATE" || verb == "ALTER" || verb == "DROP";
  std::size_t at = 1;
  bool of_table = !defines;
  for (; at < words.size() && is_filler(upper(words[at])); ++at) {
    of_table = of_table || upper(words[at]) == "TABLE";
  }
  if (!kOfTables.contains(verb) || !of_table || at >= words.size()) {
    if (others_.size() < kOthersMost) others_.insert(std::string(text.substr(0, kOtherMost)));
    return;
  }
  const std::string& name = words[at];
  touch(name.find('.') != std::string::npos || database_.empty() ? name : database_ + "." + name);
}

void BinlogReading::line(std::string_view text) {
  if (begins(text, "/*!*/;") || begins(text, "'/*!*/;")) {
    within_ = false;
    return;
  }
  if (text.empty() || within_) return;
  if (text.front() == '#') {
    if (text.find("\tGTID ") != std::string_view::npos) ++transactions_;
    if (begins(text, "### INSERT INTO ") || begins(text, "### DELETE FROM ") ||
        begins(text, "### UPDATE ")) {
      const auto words = words_of(text.substr(4));
      if (!words.empty()) touch(words.back());
    }
    return;
  }
  if (begins(text, "use ")) {
    const auto words = words_of(text.substr(4, text.find("/*!") - 4));
    if (!words.empty()) database_ = words[0];
    return;
  }
  if (begins(text, "BINLOG '")) {
    within_ = true;  // Rows in base64; they are told in comments too.
    return;
  }
  if (is_frame(text)) return;
  within_ = true;
  statement(text);
}

std::string BinlogReading::text() const {
  std::string text =
      fmt::format("{} {}", transactions_, transactions_ == 1 ? "transaction" : "transactions");
  std::size_t shown = 0;
  for (const auto& [table, changes] : tables_) {
    if (shown++ == kShownMost) break;
    text += fmt::format("{}{} ({})", shown == 1 ? " in " : ", ", table, changes);
  }
  if (tables_.size() > kShownMost)
    text += fmt::format(" and {} tables more", tables_.size() - kShownMost);
  if (!others_.empty()) text += fmt::format(", and {} other statements", others_.size());
  return text;
}

Json BinlogReading::to_json() const {
  Json tables = Json::object();
  for (const auto& [table, changes] : tables_) tables.set(table, changes);
  Json others = Json::array();
  for (const std::string& other : others_) others.push(other);
  return Json::object({{"text", text()},
                       {"transactions", transactions_},
                       {"tables", std::move(tables)},
                       {"other_statements", std::move(others)}});
}

Result<BinlogReading> read_binlog_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {ErrorCode::kInternal, path + " cannot be read"};
  BinlogReading reading;
  std::string text;
  while (std::getline(in, text)) reading.line(text);
  if (in.bad()) return {ErrorCode::kInternal, path + " cannot be read to its end"};
  return reading;
}

}  // namespace pointsman
