#include "orchestrator/shell/saver.h"

#include <doctest/doctest.h>

#include <thread>

#include "test/unit/shell/blank_store.h"

using namespace pointsman;

namespace {

// Takes every batch, or none; its journal takes a while to read.
class SlowStore final : public BlankStore {
 public:
  std::atomic<bool> refuses{false};
  std::atomic<int> saved{0};
  std::atomic<std::uint64_t> read{0};
  static constexpr std::uint64_t kPieces = 400;

  Result<void> save(const SaveBatch&) override {
    if (refuses) return {ErrorCode::kInternal, "string or blob too big"};
    ++saved;
    return {};
  }
  Result<ChainReport> verify(ChainReport so_far) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    read = ++so_far.entries;
    so_far.done = so_far.sound = so_far.entries == kPieces;
    return so_far;
  }
};

template <typename Done>
bool soon(Done done) {
  const Instant end = system_clock().now() + 10s;
  while (!done() && system_clock().now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return done();
}

}  // namespace

TEST_CASE("saves go on while the journal is verified") {
  SlowStore store;
  Saver saver(system_clock(), store);
  std::atomic<bool> sound{false};
  std::thread reader([&] { sound = saver.verify()->sound; });
  REQUIRE(soon([&] { return store.read > 3; }));
  for (int k = 1; k <= 20; ++k) {
    const std::uint64_t ticket = saver.save({});
    REQUIRE(soon([&] { return saver.done() == ticket; }));
  }
  // Two seconds of reading are left: a save that had waited for its end would be seen here.
  CHECK(store.read < SlowStore::kPieces);
  reader.join();
  CHECK(sound);
}

TEST_CASE("a batch that the store never takes is named, and nothing behind it is done") {
  SlowStore store;
  store.refuses = true;
  Saver saver(system_clock(), store, 100, 600ms);
  SaveBatch batch;
  batch.states = {{"im-api", "{\"secret\":1}"}};
  JournalEntry entry;
  entry.rule = "fail-over";
  batch.journal = {entry};
  const std::uint64_t first = saver.save(batch);
  const std::uint64_t second = saver.save({});
  REQUIRE(soon([&] { return saver.problem().find("was refused") != std::string::npos; }));
  const std::string problem = saver.problem();
  for (const char* part : {"string or blob too big", "the state of im-api (12 bytes)",
                           "1 journal entries: fail-over", "all later decisions wait behind it"}) {
    CAPTURE(problem);
    CHECK(problem.find(part) != std::string::npos);
  }
  CHECK(problem.find("secret") == std::string::npos);
  CHECK(saver.done() < first);
  store.refuses = false;
  CHECK(soon([&] { return saver.done() == second; }));
  CHECK(saver.problem().empty());
  CHECK(store.saved == 2);
}
