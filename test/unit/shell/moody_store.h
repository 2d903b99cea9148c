#pragma once

#include <atomic>

#include "orchestrator/shell/store.h"

namespace pointsman {

// Saves when it may.
class MoodyStore final : public Store {
 public:
  std::atomic<bool> saves{true};
  std::atomic<int> saved{0};

  Result<StoredState> load() override { return StoredState{}; }
  Result<void> save(const SaveBatch&) override {
    if (!saves) return {ErrorCode::kUnavailable, "no space left"};
    ++saved;
    return {};
  }
  Result<std::vector<JournalEntry>> journal(const HistoryQuery&) override {
    return std::vector<JournalEntry>{};
  }
  Result<std::vector<MoveRow>> moves(const HistoryQuery&) override {
    return std::vector<MoveRow>{};
  }
  Result<std::vector<FlightRow>> flight(const std::string&, int) override {
    return std::vector<FlightRow>{};
  }
  Result<ChainReport> verify(ChainReport so_far) override {
    so_far.done = so_far.sound = true;
    return so_far;
  }
};

}  // namespace pointsman
