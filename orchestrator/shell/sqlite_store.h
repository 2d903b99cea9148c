#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "orchestrator/shell/journal_chain.h"
#include "orchestrator/shell/sqlite_database.h"
#include "orchestrator/shell/store.h"

// The Store in one SQLite file; only open_sqlite_store() and the two .cc files of this class see
// it.

namespace pointsman {

// The columns of the journal, in the order of writing and reading.
inline constexpr const char* kEntryColumns =
    "number, at, service, kind, rule, epoch, move, actor, outcome, reason, inputs, hash";

class SqliteStore : public Store {
 public:
  SqliteStore(std::string folder, FileLock lock)
      : folder_(std::move(folder)), path_(folder_ + "/pointsman.db"), lock_(std::move(lock)) {}

  // Makes the file on a first start, checks all of it otherwise.
  Result<void> start();

  Result<StoredState> load() override;
  Result<void> save(const SaveBatch& batch) override;
  Result<std::vector<JournalEntry>> journal(const HistoryQuery& query) override;
  Result<std::vector<MoveRow>> moves(const HistoryQuery& query) override;
  Result<std::vector<FlightRow>> flight(const std::string& service, int limit) override;
  Result<ChainReport> verify(ChainReport so_far) override;

 private:
  std::string marker() const { return path_ + ".made"; }
  Error broken(const std::string& problem) const;
  Result<void> connect();
  Result<void> set_up();
  Result<void> make_tables();
  Result<void> check_version(bool made_before);
  Result<void> check_integrity();
  Result<void> read_head();
  Result<std::string> head_problem(const StoreHead& head, const std::string& checksum);
  Result<void> check_descent(const StoreHead& known);
  Result<void> ready();
  bool settled(const SaveBatch& batch) const;
  Result<void> write(const SaveBatch& batch, const PlannedBatch& planned);
  Result<void> write_states(const SaveBatch& batch);
  Result<void> write_journal(const std::vector<StoredEntry>& entries);
  Result<void> write_moves(const SaveBatch& batch);
  Result<void> write_flight(const SaveBatch& batch);
  Result<void> write_head(const StoreHead& head);
  Result<std::string> last_entry_problem(const StoreHead& head);

  const std::string folder_;
  const std::string path_;
  const FileLock lock_;
  std::optional<Database> db_;          // None after a failure: the next call reconnects first.
  StoreHead head_;                      // As the file has it.
  std::optional<StoreHead> unsettled_;  // As it was before a save that failed.
};

}  // namespace pointsman
