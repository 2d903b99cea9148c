#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "orchestrator/shell/store.h"

// What the journal's chain and its head are made of: SHA-256 over fields that each carry their
// length, so that no two different contents have one encoding. Pure.
//
// The chain shows damage, loss and careless edits. Who can write the file can also recompute the
// whole chain: against that, keep a copy of the latest hash elsewhere.

namespace pointsman {

// An entry as it is stored: `inputs` as the very text, so that the hash never depends on a writer
// of JSON.
struct StoredEntry {
  JournalEntry entry;  // `entry.inputs` is not looked at.
  std::string inputs;
};

// The hash before the first entry: 32 zero bytes.
std::string chain_start();

// Raw bytes of the hash of `stored`, number included and its own hash left out, after `previous`.
std::string chain_next(std::string_view previous, const StoredEntry& stored);

// Everything that a loss of the journal's tail or a stray bit in the small tables would change.
struct StoreHead {
  std::uint64_t entries = 0;
  std::string last_hash = chain_start();
  std::uint64_t counter = 0;
  std::map<std::string, std::string> states;  // Service -> raw digest of its JSON text.

  bool untouched() const { return entries == 0 && counter == 0 && states.empty(); }
};
std::string head_checksum(const StoreHead& head);

// What a batch makes of a store whose head is `head`: its entries numbered and chained, and the
// head that stands when it is durable.
struct PlannedBatch {
  std::vector<StoredEntry> entries;  // With raw hashes.
  StoreHead head;
};
PlannedBatch plan_batch(StoreHead head, const SaveBatch& batch);

}  // namespace pointsman
