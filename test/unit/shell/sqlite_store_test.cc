#include "test/unit/shell/store_scene.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

namespace pointsman {

TEST_CASE("a first start is fresh, and stays so until something is saved") {
  const StateDir dir;
  for (int run = 0; run < 2; ++run) {
    auto store = opened(dir);
    auto state = store->load();
    REQUIRE(state.ok());
    CHECK(state->fresh);
    CHECK(state->states.empty());
  }
  struct stat found {};
  REQUIRE(::stat(dir.db().c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  fill(dir, 1);
  CHECK(!opened(dir)->load()->fresh);
}

TEST_CASE("what was saved is there after a restart") {
  const StateDir dir;
  {
    auto store = opened(dir);
    SaveBatch batch = batch_of("im-api", R"({"epoch":7})", 2);
    batch.states.emplace_back("mail", "{}");
    batch.moves = {{"m-1", "im-api", {5}, true, R"({"id":"m-1"})"},
                   {"m-0", "mail", {4}, true, "{}"}};
    batch.flight = {{{6}, "im-api", "hz probe fail"}};
    batch.counter = 42;
    REQUIRE(store->save(batch).ok());
    SaveBatch later;
    later.states = {{"im-api", R"({"epoch":8})"}};
    later.moves = {{"m-0", "mail", {4}, false, R"({"outcome":"done"})"}};
    REQUIRE(store->save(later).ok());
  }
  auto store = opened(dir);
  auto state = store->load();
  REQUIRE(state.ok());
  CHECK(state->counter == 42);
  REQUIRE(state->states.size() == 2);
  CHECK(state->states[0].second == R"({"epoch":8})");
  auto moves = store->moves({"mail", "", 10});
  REQUIRE(moves.ok());
  REQUIRE(moves->size() == 1);
  CHECK(!moves->front().open);
  CHECK(moves->front().json == R"({"outcome":"done"})");
  CHECK(store->flight("im-api", 10)->size() == 1);
  CHECK(store->flight("mail", 10)->empty());
}

TEST_CASE("the journal numbers, chains and answers newest first") {
  const StateDir dir;
  auto store = opened(dir);
  SaveBatch batch;
  for (int i = 1; i <= 5; ++i) {
    batch.journal.push_back(entry(i % 2 == 0 ? "mail" : "im-api", "entry " + std::to_string(i)));
  }
  batch.journal[0].reason = std::string("with NUL \0 and \x1b[31m", 18);
  batch.journal[4].move = "m-2";
  batch.journal[4].epoch = ~std::uint64_t{0};
  REQUIRE(store->save(batch).ok());
  auto all = store->journal({"", "", 100});
  REQUIRE(all.ok());
  REQUIRE(all->size() == 5);
  CHECK(all->front().number == 5);
  CHECK(all->front().epoch == ~std::uint64_t{0});
  CHECK(all->back().reason == batch.journal[0].reason);
  CHECK(all->back().inputs.int_or("fails") == 3);
  CHECK(all->back().hash.size() == 64);
  CHECK(all->front().hash != (*all)[1].hash);
  CHECK(store->journal({"mail", "", 100})->size() == 2);
  CHECK(store->journal({"", "m-2", 100})->size() == 1);
  CHECK(store->journal({"mail", "m-2", 100})->empty());
  CHECK(store->journal({"", "", 2})->size() == 2);
  CHECK(store->journal({"", "", -1})->empty());
  auto report = verified(*store);
  REQUIRE(report.ok());
  CHECK(report->sound);
  CHECK(report->entries == 5);
}

TEST_CASE("two contents never have one encoding") {
  StoredEntry a{entry("im", "api"), "{}"};
  StoredEntry b{entry("ima", "pi"), "{}"};
  CHECK(chain_next(chain_start(), a) != chain_next(chain_start(), b));
  b = a;
  CHECK(chain_next(chain_start(), a) == chain_next(chain_start(), b));
  b.entry.number = 9;
  CHECK(chain_next(chain_start(), a) != chain_next(chain_start(), b));
}

TEST_CASE("a changed entry is named") {
  const StateDir dir;
  fill(dir, 20);
  tamper(dir, "UPDATE journal SET reason = 'nothing happened' WHERE number = 17");
  auto report = verified(*opened(dir));
  REQUIRE(report.ok());
  CHECK(!report->sound);
  CHECK(report->problem == "entry 17: hash does not follow from entry 16");
  CHECK(report->entries == 16);
}

TEST_CASE("a lost entry, a lost tail and a changed state refuse the start") {
  const StateDir dir;
  fill(dir, 20);
  SUBCASE("tail") { tamper(dir, "DELETE FROM journal WHERE number > 15"); }
  SUBCASE("middle") { tamper(dir, "DELETE FROM journal WHERE number = 9"); }
  SUBCASE("all") { tamper(dir, "DELETE FROM journal"); }
  SUBCASE("state") { tamper(dir, R"(UPDATE state SET json = '{"epoch":6}')"); }
  SUBCASE("state gone") { tamper(dir, "DELETE FROM state"); }
  SUBCASE("counter") { tamper(dir, "UPDATE head SET counter = counter + 1"); }
  SUBCASE("head gone") { tamper(dir, "DELETE FROM head"); }
  SUBCASE("tail with head") {
    tamper(dir, "DELETE FROM journal WHERE number = 20; UPDATE head SET entries = 19");
  }
  SUBCASE("table gone") { tamper(dir, "DROP TABLE state"); }
  const Error error = refusal(dir);
  CHECK(error.code == ErrorCode::kInvalid);
  CHECK(holds(error.message, dir.db()));
  CHECK(holds(error.message, "pointsman adopt"));
}

TEST_CASE("a newer schema is refused with both versions") {
  const StateDir dir;
  fill(dir, 1);
  tamper(dir, "PRAGMA user_version = 99");
  const Error error = refusal(dir);
  CHECK(error.code == ErrorCode::kInvalid);
  CHECK(holds(error.message, "schema 99"));
  CHECK(holds(error.message, "knows up to 1"));
}

TEST_CASE("a vanished, emptied, cut or foreign file is never an empty start") {
  const StateDir dir;
  fill(dir, 200);
  std::string part;
  SUBCASE("gone") {
    std::filesystem::remove(dir.db());
    part = "is gone";
  }
  SUBCASE("emptied") {
    std::filesystem::resize_file(dir.db(), 0);
    part = "is empty";
  }
  SUBCASE("cut") {
    std::filesystem::resize_file(dir.db(), std::filesystem::file_size(dir.db()) / 2);
    part = "corrupt";
  }
  SUBCASE("garbage") {
    std::ofstream(dir.db(), std::ios::trunc) << std::string(20000, 'x');
    part = "corrupt";
  }
  SUBCASE("foreign") {
    std::filesystem::remove(dir.db());
    std::ofstream(dir.db()).close();
    tamper(dir, "CREATE TABLE cats (name TEXT)");
    part = "not a file of pointsman";
  }
  const Error error = refusal(dir);
  CHECK(error.code == ErrorCode::kInvalid);
  INFO(error.message);
  CHECK(holds(error.message, part));
}

TEST_CASE("a first start that was cut off is made again") {
  const StateDir dir;
  SUBCASE("file without tables") { std::ofstream(dir.db()).close(); }
  SUBCASE("tables without marker") {
    opened(dir);
    std::filesystem::remove(dir.db() + ".made");
  }
  CHECK(opened(dir)->load()->fresh);
  CHECK(std::filesystem::exists(dir.db() + ".made"));
}

TEST_CASE("one state directory, one pointsmand") {
  const StateDir dir;
  auto store = opened(dir);
  const int status = in_child([&] {
    auto second = open_sqlite_store(dir.path());
    return !second.ok() && second.error().code == ErrorCode::kConflict ? 0 : 1;
  });
  CHECK(status == 0);
  auto shell = Database::open(dir.db());
  REQUIRE(shell.ok());
  auto read = shell->run("SELECT count(*) FROM journal");
  REQUIRE(!read.ok());
  CHECK(read.error().code == ErrorCode::kConflict);
}

TEST_CASE("a state directory that is not there is named") {
  auto store = open_sqlite_store("/nonexistent/pointsman");
  REQUIRE(!store.ok());
  CHECK(store.error().code == ErrorCode::kNotFound);
  CHECK(holds(store.error().message, "/nonexistent/pointsman"));
}

TEST_CASE("the flight recorder is bounded") {
  const StateDir dir;
  auto store = opened(dir);
  SaveBatch batch;
  for (int i = 0; i < 15000; ++i) batch.flight.push_back({{i}, "im-api", "x"});
  REQUIRE(store->save(batch).ok());
  REQUIRE(store->save(batch).ok());
  auto db_rows = store->flight("", 1000000);
  REQUIRE(db_rows.ok());
  CHECK(db_rows->size() == 10000);  // The most that one query gives.
  store.reset();
  auto db = Database::open(dir.db());
  REQUIRE(db.ok());
  CHECK(*db->ask("SELECT count(*) FROM flight") == "20000");
}

TEST_CASE("inputs beyond reason are left out, the decision is kept") {
  const StateDir dir;
  auto store = opened(dir);
  SaveBatch batch = batch_of("im-api", "{}", 1);
  batch.journal[0].inputs = Json::object({{"seen", std::string(1 << 20, 'x')}});
  REQUIRE(store->save(batch).ok());
  auto rows = store->journal({"", "", 1});
  REQUIRE(rows.ok());
  CHECK(rows->front().inputs.int_or("left_out_bytes") > (1 << 20));
  CHECK(verified(*store)->sound);
}

TEST_CASE("a full disk fails the save, and the store goes on when there is room") {
  const StateDir dir;
  fill(dir, 3);
  // A child, for the limit and the ignored signal are those of a process.
  const int status = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    auto store = open_sqlite_store(dir.path());
    if (!store.ok()) return 1;
    struct rlimit limit {};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit tight { 128 << 10, limit.rlim_max };
    ::setrlimit(RLIMIT_FSIZE, &tight);
    const auto failed = (*store)->save(batch_of("im-api", std::string(1 << 20, 'x'), 1));
    if (failed.ok() || failed.error().code != ErrorCode::kInternal) return 2;
    if (!holds(failed.error().message, "pointsman.db")) return 3;
    // Small things still fit, and the failed batch has left nothing.
    if (!(*store)->save(batch_of("im-api", R"({"epoch":8})", 1)).ok()) return 4;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*store)->save(batch_of("mail", std::string(1 << 20, 'x'), 1)).ok()) return 5;
    auto report = verified(**store);
    return report.ok() && report->sound && report->entries == 5 ? 0 : 6;
  });
  CHECK(status == 0);
  CHECK(opened(dir)->load()->states[0].second == R"({"epoch":8})");
}

namespace {

// A store whose last save has failed: the disk took no more. For a child, whose limit it sets.
std::unique_ptr<Store> failed_store(const StateDir& dir) {
  ::signal(SIGXFSZ, SIG_IGN);
  auto store = open_sqlite_store(dir.path());
  const struct rlimit tight { 64 << 10, RLIM_INFINITY };
  ::setrlimit(RLIMIT_FSIZE, &tight);
  if (!store.ok()) return nullptr;
  const SaveBatch large = batch_of("im-api", std::string(1 << 20, 'x'), 1);
  return (*store)->save(large).ok() ? nullptr : std::move(*store);
}

}  // namespace

TEST_CASE("a store damaged while in use is not trusted after a failed save") {
  const StateDir dir;
  fill(dir, 3);
  const int status = in_child([&] {
    const auto store = failed_store(dir);
    if (store == nullptr) return 1;
    std::filesystem::resize_file(dir.db(), 8192);
    const auto next = store->save(batch_of("im-api", "{}", 1));
    if (next.ok() || next.error().code != ErrorCode::kInvalid) return 3;
    return store->load().ok() ? 4 : 0;
  });
  CHECK(status == 0);
}

TEST_CASE("an older copy put in its place while in use is not taken") {
  const StateDir dir;
  fill(dir, 3);
  std::filesystem::copy_file(dir.db(), dir.path() + "/old");
  fill(dir, 1);
  const int status = in_child([&] {
    const auto store = failed_store(dir);
    if (store == nullptr) return 1;
    std::filesystem::rename(dir.path() + "/old", dir.db());
    std::filesystem::remove(dir.db() + "-journal");
    for (int again = 0; again < 2; ++again) {
      const auto next = store->save(batch_of("im-api", "{}", 1));
      if (next.ok() || !holds(next.error().message, "replaced by an older one")) return 3;
    }
    return 0;
  });
  CHECK(status == 0);
}

TEST_CASE("killed in the middle of a save, it holds all of a batch or nothing") {
  const StateDir dir;
  opened(dir);
  for (int round = 0; round < 12; ++round) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      auto store = open_sqlite_store(dir.path());
      if (!store.ok()) ::_exit(1);
      for (int i = 0;; ++i) {
        SaveBatch batch = batch_of("im-api", std::string(200, 'x') + std::to_string(i), 3);
        batch.moves = {{"m-" + std::to_string(i), "im-api", {i}, true, std::string(9000, 'y')}};
        if (!(*store)->save(batch).ok()) ::_exit(2);
      }
    }
    ::usleep(20000 + round * 7000);
    ::kill(pid, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
    auto store = opened(dir);
    auto report = verified(*store);
    REQUIRE(report.ok());
    INFO(report->problem);
    CHECK(report->sound);
    CHECK(report->entries % 3 == 0);
  }
}

}  // namespace pointsman
