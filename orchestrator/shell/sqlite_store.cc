#include "orchestrator/shell/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/crypto.h"

namespace pointsman {
namespace {

constexpr std::int64_t kSchema = 1;
constexpr std::int64_t kApplication = 0x506d616e;  // "Pman", in the file's header.
constexpr std::uint64_t kFlightMost = 20000;

constexpr const char* kTables = R"(
  CREATE TABLE state (service TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE journal (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL,
    rule TEXT NOT NULL, epoch INTEGER NOT NULL, move TEXT NOT NULL, actor TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, inputs TEXT NOT NULL, hash BLOB NOT NULL);
  CREATE INDEX journal_by_service ON journal (service, number);
  CREATE INDEX journal_by_move ON journal (move, number) WHERE move <> '';
  CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1), entries INTEGER NOT NULL, last_hash BLOB NOT NULL,
    counter INTEGER NOT NULL, checksum BLOB NOT NULL);
  CREATE TABLE move (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, service TEXT NOT NULL,
    started INTEGER NOT NULL, open INTEGER NOT NULL, json TEXT NOT NULL);
  CREATE INDEX move_by_service ON move (service, number);
  CREATE INDEX move_open ON move (number) WHERE open;
  CREATE TABLE flight (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, service TEXT NOT NULL,
    text TEXT NOT NULL);
  CREATE INDEX flight_by_service ON flight (service, number);
)";

bool exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

}  // namespace

Error SqliteStore::broken(const std::string& problem) const {
  return {
      ErrorCode::kInvalid,
      fmt::format("{}: {}. Nothing was changed. Move {} and {} away and keep them, start again, "
                  "then say who is in power with `pointsman adopt SERVICE --primary SITE`",
                  path_, problem, path_, marker())};
}

Result<void> SqliteStore::start() {
  const bool made_before = exists(marker());
  struct stat found {};
  const bool there = ::stat(path_.c_str(), &found) == 0;
  if (made_before && (!there || found.st_size == 0)) {
    return broken(there ? "is empty, but held state before" : "is gone, but held state before");
  }
  if (!there) {
    const int fd = ::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
      return Error{errno == EACCES ? ErrorCode::kRefused : ErrorCode::kInternal,
                   fmt::format("{}: cannot be made: {}", path_, std::strerror(errno))};
    }
    ::close(fd);
  }
  RETURN_IF_ERROR(connect());
  if (found.st_size == 0) RETURN_IF_ERROR(make_tables());
  RETURN_IF_ERROR(check_version(made_before));
  RETURN_IF_ERROR(check_integrity());
  RETURN_IF_ERROR(read_head());
  // Only now: a crash before this line leaves a store that is made again or found whole.
  if (!made_before) RETURN_IF_ERROR(write_file_durably(marker(), "pointsman.db was made here\n"));
  return {};
}

Result<void> SqliteStore::connect() {
  auto opened = Database::open(path_);
  if (!opened.ok()) return opened.error();
  db_.emplace(std::move(*opened));
  auto set = set_up();
  if (!set.ok() && set.error().code == ErrorCode::kInvalid) {
    return broken("corrupt: " + set.error().message);
  }
  return set;
}

Result<void> SqliteStore::set_up() {
  for (const char* pragma :
       {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = EXTRA",
        "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY"}) {
    RETURN_IF_ERROR(db_->run(pragma));
  }
  auto mode = db_->ask("PRAGMA journal_mode = DELETE");
  if (!mode.ok()) return mode.error();
  if (*mode != "delete") return Error{ErrorCode::kInvalid, "journal mode " + *mode};
  // In exclusive mode the lock of the first transaction is kept until the connection ends.
  RETURN_IF_ERROR(db_->run("BEGIN IMMEDIATE"));
  return db_->run("COMMIT");
}

Result<void> SqliteStore::make_tables() {
  RETURN_IF_ERROR(db_->run("BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(db_->run(kTables));
  RETURN_IF_ERROR(db_->run(fmt::format("PRAGMA application_id = {}", kApplication).c_str()));
  RETURN_IF_ERROR(db_->run(fmt::format("PRAGMA user_version = {}", kSchema).c_str()));
  RETURN_IF_ERROR(write_head(StoreHead{}));
  return db_->run("COMMIT");
}

Result<void> SqliteStore::check_version(bool made_before) {
  auto application = db_->ask("PRAGMA application_id");
  if (!application.ok()) return broken(application.error().message);
  auto schema = db_->ask("PRAGMA user_version");
  if (!schema.ok()) return broken(schema.error().message);
  if (*application == "0" && *schema == "0" && !made_before) {
    // A first start was cut off between making the file and making its tables.
    auto tables = db_->ask("SELECT count(*) FROM sqlite_schema");
    if (tables.ok() && *tables == "0") return make_tables();
  }
  if (*application != std::to_string(kApplication)) return broken("is not a file of pointsman");
  const long long version = std::atoll(schema->c_str());
  if (version > kSchema) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("{}: has schema {}, and this pointsmand {} knows up to {}: it was "
                             "written by a newer version; install that one again",
                             path_, version, PM_VERSION, kSchema)};
  }
  if (version < 1) return broken(fmt::format("has schema {}, which never was", version));
  return {};
}

Result<void> SqliteStore::check_integrity() {
  auto verdict = db_->ask("PRAGMA integrity_check(1)");
  if (!verdict.ok()) return broken("corrupt: " + verdict.error().message);
  if (*verdict != "ok") return broken("corrupt: " + *verdict);
  return {};
}

Result<std::string> SqliteStore::last_entry_problem(const StoreHead& head) {
  auto rows = db_->prepare("SELECT count(*), coalesce(max(number), 0) FROM journal");
  if (!rows.ok()) return rows.error();
  auto row = rows->step();
  if (!row.ok()) return row.error();
  const std::uint64_t count = rows->unsigned_number(0);
  const std::uint64_t last = rows->unsigned_number(1);
  if (count != head.entries || last != head.entries) {
    return fmt::format("the journal has {} entries up to number {}, and its head says {}", count,
                       last, head.entries);
  }
  if (last == 0) {
    return head.last_hash == chain_start() ? ""
                                           : std::string("the head of an empty journal is off");
  }
  auto tail = db_->prepare("SELECT hash FROM journal WHERE number >= ? ORDER BY number DESC");
  if (!tail.ok()) return tail.error();
  tail->bind(last);
  row = tail->step();
  if (!row.ok()) return row.error();
  if (!*row || tail->text(0) != head.last_hash) {
    return fmt::format("entry {}, the last, is not the one that the head names", last);
  }
  return std::string();
}

// "" when head, states and the end of the journal agree.
Result<std::string> SqliteStore::head_problem(const StoreHead& head, const std::string& checksum) {
  if (checksum != head_checksum(head)) {
    return std::string("the saved states do not agree with the checksum of the head");
  }
  return last_entry_problem(head);
}

Result<void> SqliteStore::read_head() {
  StoreHead head;
  std::string checksum;
  {
    auto rows = db_->prepare("SELECT entries, last_hash, counter, checksum FROM head");
    if (!rows.ok()) return broken(rows.error().message);
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return broken("has no head record");
    head.entries = rows->unsigned_number(0);
    head.last_hash = rows->text(1);
    head.counter = rows->unsigned_number(2);
    checksum = rows->text(3);
  }
  auto states = db_->prepare("SELECT service, json FROM state");
  if (!states.ok()) return broken(states.error().message);
  for (;;) {
    auto row = states->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    head.states[states->text(0)] = digest(Hash::kSha256, states->text(1));
  }
  auto problem = head_problem(head, checksum);
  if (!problem.ok()) return problem.error();
  if (!problem->empty()) return broken("damaged: " + *problem);
  head_ = std::move(head);
  return {};
}

// The file may be what we wrote last or one batch further, and nothing else: an older copy put in
// its place would take epochs back.
Result<void> SqliteStore::check_descent(const StoreHead& known) {
  if (head_.entries < known.entries || head_.counter < known.counter) {
    return broken("was replaced by an older one while in use");
  }
  if (known.entries == 0) return {};
  auto row = db_->prepare("SELECT hash FROM journal WHERE number = ?");
  if (!row.ok()) return row.error();
  auto there = row->bind(known.entries).step();
  if (!there.ok()) return there.error();
  if (!*there || row->text(0) != known.last_hash) {
    return broken("was replaced by another one while in use");
  }
  return {};
}

// After a failure: close, look at the file anew, and go on only if it is whole.
Result<void> SqliteStore::ready() {
  if (db_) return {};
  if (!exists(path_)) return broken("vanished while in use");
  // A failed fsync leaves pages in memory that the disk never took and that the kernel calls clean.
  // Dropping them makes us read what is really there.
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
  const StoreHead known = head_;
  auto checked = connect();
  if (checked.ok()) checked = check_version(true);
  if (checked.ok()) checked = check_integrity();
  if (checked.ok()) checked = read_head();
  if (checked.ok()) checked = check_descent(known);
  if (!checked.ok()) {
    head_ = known;
    db_.reset();
  }
  return checked;
}

Result<StoredState> SqliteStore::load() {
  RETURN_IF_ERROR(ready());
  StoredState state;
  state.counter = head_.counter;
  state.fresh = head_.untouched();
  auto rows = db_->prepare("SELECT service, json FROM state ORDER BY service");
  if (!rows.ok()) return rows.error();
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    state.states.emplace_back(rows->text(0), rows->text(1));
  }
  return state;
}

// Whether the batch whose saving failed last became durable after all: the file then stands where
// it would have led.
bool SqliteStore::settled(const SaveBatch& batch) const {
  if (!unsettled_ || head_checksum(head_) == head_checksum(*unsettled_)) return false;
  return head_checksum(head_) == head_checksum(plan_batch(*unsettled_, batch).head);
}

Result<void> SqliteStore::save(const SaveBatch& batch) {
  RETURN_IF_ERROR(ready());
  const bool durable = settled(batch);
  unsettled_.reset();
  if (durable) return {};
  PlannedBatch planned = plan_batch(head_, batch);
  auto saved = write(batch, planned);
  if (!saved.ok()) {
    // Closing rolls back what is open; a lost answer to COMMIT is settled by reading the file.
    db_.reset();
    unsettled_ = head_;
    return saved;
  }
  head_ = std::move(planned.head);
  return {};
}

Result<void> SqliteStore::write(const SaveBatch& batch, const PlannedBatch& planned) {
  RETURN_IF_ERROR(db_->run("BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(write_states(batch));
  RETURN_IF_ERROR(write_journal(planned.entries));
  RETURN_IF_ERROR(write_moves(batch));
  RETURN_IF_ERROR(write_flight(batch));
  RETURN_IF_ERROR(write_head(planned.head));
  crash_point("before-commit", batch.journal.empty() ? "state" : batch.journal.front().rule);
  return db_->run("COMMIT");
}

Result<void> SqliteStore::write_states(const SaveBatch& batch) {
  for (const auto& [service, json] : batch.states) {
    auto row = db_->prepare("INSERT OR REPLACE INTO state (service, json) VALUES (?, ?)");
    if (!row.ok()) return row.error();
    RETURN_IF_ERROR(row->bind(std::string_view(service)).bind(std::string_view(json)).run());
  }
  return {};
}

Result<void> SqliteStore::write_journal(const std::vector<StoredEntry>& entries) {
  for (const StoredEntry& stored : entries) {
    const JournalEntry& entry = stored.entry;
    auto row = db_->prepare(
        fmt::format("INSERT INTO journal ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", kEntryColumns)
            .c_str());
    if (!row.ok()) return row.error();
    row->bind(entry.number).bind(entry.at.ns);
    for (const std::string* text : {&entry.service, &entry.kind, &entry.rule}) {
      row->bind(std::string_view(*text));
    }
    row->bind(entry.epoch);
    for (const std::string* text :
         {&entry.move, &entry.actor, &entry.outcome, &entry.reason, &stored.inputs}) {
      row->bind(std::string_view(*text));
    }
    RETURN_IF_ERROR(row->bind_blob(entry.hash).run());
  }
  return {};
}

Result<void> SqliteStore::write_moves(const SaveBatch& batch) {
  for (const MoveRow& move : batch.moves) {
    auto row = db_->prepare(
        "INSERT INTO move (id, service, started, open, json) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
        "(id) DO UPDATE SET service = excluded.service, started = excluded.started, open = "
        "excluded.open, json = excluded.json");
    if (!row.ok()) return row.error();
    row->bind(std::string_view(move.id)).bind(std::string_view(move.service));
    row->bind(move.started.ns).bind(static_cast<std::int64_t>(move.open ? 1 : 0));
    RETURN_IF_ERROR(row->bind(std::string_view(move.json)).run());
  }
  return {};
}

Result<void> SqliteStore::write_flight(const SaveBatch& batch) {
  if (batch.flight.empty()) return {};
  for (const FlightRow& seen : batch.flight) {
    auto row = db_->prepare("INSERT INTO flight (at, service, text) VALUES (?, ?, ?)");
    if (!row.ok()) return row.error();
    row->bind(seen.at.ns).bind(std::string_view(seen.service));
    RETURN_IF_ERROR(row->bind(std::string_view(seen.text)).run());
  }
  auto prune = db_->prepare(
      "DELETE FROM flight WHERE number <= (SELECT coalesce(max(number), 0) FROM flight) - ?");
  if (!prune.ok()) return prune.error();
  return prune->bind(kFlightMost).run();
}

Result<void> SqliteStore::write_head(const StoreHead& head) {
  auto row = db_->prepare(
      "INSERT OR REPLACE INTO head (only, entries, last_hash, counter, checksum) VALUES (1, ?, ?, "
      "?, ?)");
  if (!row.ok()) return row.error();
  row->bind(head.entries).bind_blob(head.last_hash).bind(head.counter);
  return row->bind_blob(head_checksum(head)).run();
}

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& state_dir) {
  struct stat found {};
  if (::stat(state_dir.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("{}: the state directory is not there; make it with: install -d -m "
                             "0700 -o USER {}",
                             state_dir, state_dir)};
  }
  auto lock = FileLock::take(state_dir + "/pointsman.lock");
  if (!lock.ok()) {
    if (lock.error().code != ErrorCode::kConflict) return lock.error();
    return Error{ErrorCode::kConflict,
                 fmt::format("{}: another pointsmand uses this state directory", state_dir)};
  }
  auto store = std::make_unique<SqliteStore>(state_dir, std::move(*lock));
  RETURN_IF_ERROR(store->start());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace pointsman
