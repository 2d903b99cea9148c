#pragma once

#include <vector>

#include "orchestrator/shell/store.h"

namespace pointsman {

// A store that holds nothing and takes everything; tests change what they are about.
class BlankStore : public Store {
 public:
  Result<StoredState> load() override { return StoredState{}; }
  Result<void> save(const SaveBatch&) override { return {}; }
  Result<std::vector<JournalEntry>> journal(const HistoryQuery&) override {
    return std::vector<JournalEntry>{};
  }
  Result<std::vector<MoveRow>> moves(const HistoryQuery&) override {
    return std::vector<MoveRow>{};
  }
  Result<std::vector<FlightRow>> flight(const std::string&, int) override {
    return std::vector<FlightRow>{};
  }
  Result<ChainReport> verify(ChainReport so_far) override { return so_far; }
};

}  // namespace pointsman
