#include <algorithm>

#include <fmt/format.h>

#include "base/crypto.h"
#include "orchestrator/shell/sqlite_store.h"

// What the store answers: the journal, moves, the flight recorder, and whether the chain holds.

namespace pointsman {
namespace {

constexpr int kQueryMost = 10000;
// Of one piece of a verification: some milliseconds of reading and hashing.
constexpr int kPieceEntries = 256;
constexpr std::size_t kPieceBytes = 512 << 10;

StoredEntry entry_of(const Statement& row) {
  StoredEntry stored;
  JournalEntry& e = stored.entry;
  e.number = row.unsigned_number(0);
  e.at.ns = row.number(1);
  e.service = row.text(2);
  e.kind = row.text(3);
  e.rule = row.text(4);
  e.epoch = row.unsigned_number(5);
  e.move = row.text(6);
  e.actor = row.text(7);
  e.outcome = row.text(8);
  e.reason = row.text(9);
  stored.inputs = row.text(10);
  e.hash = row.text(11);
  return stored;
}

Json parsed_inputs(const std::string& text) {
  auto parsed = Json::parse(text);
  return parsed.ok() ? std::move(*parsed) : Json::object({{"unreadable", text}});
}

}  // namespace

Result<std::vector<JournalEntry>> SqliteStore::journal(const HistoryQuery& query) {
  RETURN_IF_ERROR(ready());
  // One statement for each shape, so that each uses its index.
  std::string where;
  if (!query.service.empty()) where = " WHERE service = ?";
  if (!query.move.empty()) where += where.empty() ? " WHERE move = ?" : " AND move = ?";
  auto rows = db_->prepare(
      fmt::format("SELECT {} FROM journal{} ORDER BY number DESC LIMIT ?", kEntryColumns, where)
          .c_str());
  if (!rows.ok()) return rows.error();
  if (!query.service.empty()) rows->bind(std::string_view(query.service));
  if (!query.move.empty()) rows->bind(std::string_view(query.move));
  rows->bind(static_cast<std::int64_t>(std::clamp(query.limit, 0, kQueryMost)));
  std::vector<JournalEntry> entries;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return entries;
    StoredEntry stored = entry_of(*rows);
    stored.entry.hash = hex(stored.entry.hash);
    stored.entry.inputs = parsed_inputs(stored.inputs);
    entries.push_back(std::move(stored.entry));
  }
}

Result<std::vector<MoveRow>> SqliteStore::moves(const HistoryQuery& query) {
  RETURN_IF_ERROR(ready());
  std::string where;
  if (!query.service.empty()) where = " WHERE service = ?";
  if (!query.move.empty()) where += where.empty() ? " WHERE id = ?" : " AND id = ?";
  auto rows = db_->prepare(
      fmt::format(
          "SELECT id, service, started, open, json FROM move{} ORDER BY number DESC LIMIT ?", where)
          .c_str());
  if (!rows.ok()) return rows.error();
  if (!query.service.empty()) rows->bind(std::string_view(query.service));
  if (!query.move.empty()) rows->bind(std::string_view(query.move));
  rows->bind(static_cast<std::int64_t>(std::clamp(query.limit, 0, kQueryMost)));
  std::vector<MoveRow> moves;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return moves;
    moves.push_back(
        {rows->text(0), rows->text(1), {rows->number(2)}, rows->number(3) != 0, rows->text(4)});
  }
}

Result<std::vector<FlightRow>> SqliteStore::flight(const std::string& service, int limit) {
  RETURN_IF_ERROR(ready());
  auto rows = db_->prepare(
      service.empty()
          ? "SELECT at, service, text FROM flight ORDER BY number DESC LIMIT ?"
          : "SELECT at, service, text FROM flight WHERE service = ? ORDER BY number DESC LIMIT ?");
  if (!rows.ok()) return rows.error();
  if (!service.empty()) rows->bind(std::string_view(service));
  rows->bind(static_cast<std::int64_t>(std::clamp(limit, 0, kQueryMost)));
  std::vector<FlightRow> seen;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return seen;
    seen.push_back({{rows->number(0)}, rows->text(1), rows->text(2)});
  }
}

Result<ChainReport> SqliteStore::verify(ChainReport so_far) {
  RETURN_IF_ERROR(ready());
  auto rows = db_->prepare(
      fmt::format("SELECT {} FROM journal WHERE number > ? ORDER BY number", kEntryColumns)
          .c_str());
  if (!rows.ok()) return rows.error();
  rows->bind(so_far.entries);
  std::size_t bytes = 0;
  for (int count = 0; count < kPieceEntries && bytes < kPieceBytes; ++count) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) {
      so_far.done = true;
      break;
    }
    const StoredEntry stored = entry_of(*rows);
    const std::uint64_t number = stored.entry.number;
    so_far.done = true;  // Unless it follows.
    if (number != so_far.entries + 1) {
      so_far.problem = fmt::format("entry {} is missing: entry {} is followed by entry {}",
                                   so_far.entries + 1, so_far.entries, number);
      return so_far;
    }
    if (chain_next(so_far.last_hash, stored) != stored.entry.hash) {
      so_far.problem =
          fmt::format("entry {}: hash does not follow from entry {}", number, number - 1);
      return so_far;
    }
    so_far.done = false;
    so_far.entries = number;
    so_far.last_hash = stored.entry.hash;
    bytes += stored.inputs.size() + stored.entry.reason.size();
  }
  if (!so_far.done) return so_far;
  so_far.sound = so_far.entries == head_.entries && so_far.last_hash == head_.last_hash;
  if (!so_far.sound) {
    so_far.problem = fmt::format("the journal ends at entry {}, and {} were written",
                                 so_far.entries, head_.entries);
  }
  return so_far;
}

}  // namespace pointsman
