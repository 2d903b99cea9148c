#include "test/unit/shell/store_scene.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace pointsman {
namespace {

// A disk whose answer to the end of a transaction is lost: SQLite's own file system, but the sync
// after the journal's header was wiped (which is what commits) works and then tells a failure.
class LostCommit {
 public:
  LostCommit() {
    real_ = sqlite3_vfs_find(nullptr);
    shim_ = *real_;
    shim_.zName = "lost-commit";
    shim_.pNext = nullptr;
    shim_.xOpen = [](auto*, auto* name, auto* file, int flags, int* given) {
      const int result = real_->xOpen(real_, name, file, flags, given);
      if (result == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_JOURNAL) != 0) take_over(file);
      return result;
    };
    REQUIRE(sqlite3_vfs_register(&shim_, 1) == SQLITE_OK);
  }
  ~LostCommit() {
    sqlite3_vfs_unregister(&shim_);
    sqlite3_vfs_register(real_, 1);
  }
  LostCommit(const LostCommit&) = delete;
  LostCommit& operator=(const LostCommit&) = delete;

  // So many commits will be made and denied.
  void deny(int commits) { denied_left_ = commits; }
  int denied() const { return denied_; }

 private:
  static void take_over(sqlite3_file* file) {
    methods_ = file->pMethods;
    ours_ = *methods_;
    ours_.xWrite = write;
    ours_.xSync = sync;
    file->pMethods = &ours_;
  }

  static int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    const std::string_view written(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
    wiped_ = at == 0 && std::all_of(written.begin(), written.end(), [](char c) { return c == 0; });
    return methods_->xWrite(file, bytes, size, at);
  }

  static int sync(sqlite3_file* file, int flags) {
    const int result = methods_->xSync(file, flags);
    if (result != SQLITE_OK || !wiped_ || denied_left_ == 0) return result;
    --denied_left_;
    ++denied_;
    return SQLITE_IOERR_FSYNC;
  }

  static inline sqlite3_vfs* real_ = nullptr;
  static inline const sqlite3_io_methods* methods_ = nullptr;
  static inline sqlite3_io_methods ours_{};
  static inline bool wiped_ = false;
  static inline int denied_left_ = 0;
  static inline int denied_ = 0;
  sqlite3_vfs shim_{};
};

std::uint64_t entries_of(Store& store) {
  const auto report = verified(store);
  REQUIRE(report.ok());
  INFO(report->problem);
  CHECK(report->sound);
  return report->entries;
}

}  // namespace

TEST_CASE("a batch whose COMMIT was denied though made is not written twice") {
  const StateDir dir;
  LostCommit disk;
  const auto store = opened(dir);
  REQUIRE(store->save(batch_of("im-api", R"({"epoch":7})", 2)).ok());
  SaveBatch batch = batch_of("im-api", R"({"epoch":8})", 3);
  batch.flight = {{{1}, "im-api", "seen"}};
  batch.counter = 11;
  disk.deny(1);
  const auto denied = store->save(batch);
  REQUIRE_FALSE(denied.ok());
  CHECK(holds(denied.error().message, "pointsman.db"));
  // Tried again, as the saver does: found done.
  REQUIRE(store->save(batch).ok());
  CHECK(entries_of(*store) == 5);
  CHECK(store->flight("im-api", 10)->size() == 1);
  CHECK(store->load()->counter == 11);
  CHECK(disk.denied() == 1);
  // Another batch with the same words is another batch.
  disk.deny(0);
  batch.counter = 12;
  REQUIRE(store->save(batch).ok());
  CHECK(entries_of(*store) == 8);
}

TEST_CASE("a batch that differs from the denied one is written") {
  const StateDir dir;
  LostCommit disk;
  const auto store = opened(dir);
  disk.deny(1);
  REQUIRE_FALSE(store->save(batch_of("im-api", R"({"epoch":8})", 1)).ok());
  REQUIRE(store->save(batch_of("im-api", R"({"epoch":9})", 1)).ok());
  CHECK(entries_of(*store) == 2);
  CHECK(store->load()->states[0].second == R"({"epoch":9})");
}

TEST_CASE("a verification reads on while entries are added, and names what is wrong") {
  const StateDir dir;
  const auto store = opened(dir);
  REQUIRE(store->save(batch_of("im-api", "{}", 1000)).ok());
  auto piece = store->verify({});
  REQUIRE(piece.ok());
  CHECK_FALSE(piece->done);
  CHECK(piece->entries < 1000);
  REQUIRE(store->save(batch_of("im-api", "{}", 7)).ok());
  int pieces = 1;
  while (!piece->done) {
    piece = store->verify(*piece);
    REQUIRE(piece.ok());
    ++pieces;
  }
  CHECK(pieces > 3);
  CHECK(piece->sound);
  CHECK(piece->entries == 1007);
}

}  // namespace pointsman
