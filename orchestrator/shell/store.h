#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

// The monitor's durable memory: one state per service, the journal, moves, the flight recorder.

namespace pointsman {

// One line of the journal. The chain: hash = SHA-256 over the previous hash and this entry's
// content.
struct JournalEntry {
  std::uint64_t number = 0;  // Given by the store: 1, 2, 3 ...
  WallTime at;
  std::string service;  // "" for the monitor itself.
  std::string kind;     // "decision" | "command" | "step" | "operator" | "monitor"
  std::string rule;     // Row or gate that decided: a fixed word.
  std::uint64_t epoch = 0;
  std::string move;     // Its move, or "".
  std::string actor;    // "monitor-1", "operator root via control socket"
  std::string outcome;  // "started", "done", "failed", "refused", ...
  std::string reason;   // The sentence.
  Json inputs;          // What was seen: object.
  std::string hash;     // Given by the store, hex.
};

// One move, as shown: design's {"id","kind","outcome","steps":[..]} with service, times and reason.
struct MoveRow {
  std::string id;
  std::string service;
  WallTime started;
  bool open = true;
  std::string json;
};

// A raw observation kept around a decision.
struct FlightRow {
  WallTime at;
  std::string service;
  std::string text;
};

// Everything of one batch becomes durable together, or nothing of it does.
struct SaveBatch {
  std::vector<std::pair<std::string, std::string>> states;  // service -> JSON text
  std::vector<JournalEntry> journal;
  std::vector<MoveRow> moves;  // Inserted or replaced by id.
  std::vector<FlightRow> flight;
  std::optional<std::uint64_t> counter;  // The state counter that polls carry.
};

struct StoredState {
  std::vector<std::pair<std::string, std::string>> states;
  std::uint64_t counter = 0;
  bool fresh = false;  // Nothing was ever saved: a first start.
};

struct HistoryQuery {
  std::string service;  // "": all.
  std::string move;     // "": all.
  int limit = 100;      // Newest first.
};

// How far the journal has been read and found sound.
struct ChainReport {
  bool done = false;   // At its end, or at the first problem.
  bool sound = false;  // Done, and nothing is wrong.
  std::uint64_t entries = 0;
  std::string last_hash = std::string(32, '\0');  // Raw, of the last entry read.
  std::string problem;                            // "entry 17: hash does not follow from entry 16"
};

// One thread at a time. After an error of save() nothing is known of the batch: the store closes,
// and reopens and verifies itself before the next call succeeds. The same batch may then be saved
// again, and is not written twice if it had become durable after all.
class Store {
 public:
  virtual ~Store() = default;
  virtual Result<StoredState> load() = 0;
  virtual Result<void> save(const SaveBatch& batch) = 0;
  virtual Result<std::vector<JournalEntry>> journal(const HistoryQuery& query) = 0;
  virtual Result<std::vector<MoveRow>> moves(const HistoryQuery& query) = 0;
  virtual Result<std::vector<FlightRow>> flight(const std::string& service, int limit) = 0;
  // Reads the journal on from where `so_far` stands, a piece that takes some milliseconds: to be
  // called again until `done`. Entries saved between the calls are read too.
  virtual Result<ChainReport> verify(ChainReport so_far) = 0;
};

// Opens or makes `state_dir`/pointsman.db and takes the exclusive lock beside it.
// journal_mode=DELETE, synchronous=EXTRA, locking_mode=EXCLUSIVE. kConflict: another pointsmand
// holds the lock. kInvalid: corrupt, truncated, or of a newer schema; the message says what to do.
// A file that once was and is gone is told by `pointsman.db.made`, a marker beside it: kInvalid,
// never "start empty".
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& state_dir);

}  // namespace pointsman
