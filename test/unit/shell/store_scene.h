#pragma once

#include "base/file.h"
#include "orchestrator/shell/journal_chain.h"
#include "orchestrator/shell/sqlite_database.h"
#include "orchestrator/shell/store.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

// Stores in folders of their own, and batches to save in them.

namespace pointsman {

// A state directory of its own, gone with its scope.
class StateDir {
 public:
  StateDir() {
    char name[] = "/tmp/pm-store-XXXXXX";
    CHECK(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~StateDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string db() const { return path_ + "/pointsman.db"; }

 private:
  std::string path_;
};

inline std::unique_ptr<Store> opened(const StateDir& dir) {
  auto store = open_sqlite_store(dir.path());
  INFO((store.ok() ? std::string() : store.error().message));
  REQUIRE(store.ok());
  return std::move(*store);
}

inline Error refusal(const StateDir& dir) {
  auto store = open_sqlite_store(dir.path());
  REQUIRE(!store.ok());
  return store.error();
}

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline JournalEntry entry(const std::string& service, const std::string& reason) {
  JournalEntry e;
  e.at = {1700000000000000000};
  e.service = service;
  e.kind = "decision";
  e.rule = "all-gates-open";
  e.epoch = 7;
  e.move = "m-1";
  e.actor = "monitor-1";
  e.outcome = "started";
  e.reason = reason;
  e.inputs = Json::object({{"fails", 3}});
  return e;
}

inline SaveBatch batch_of(const std::string& service, const std::string& state, int entries) {
  SaveBatch batch;
  batch.states = {{service, state}};
  for (int i = 0; i < entries; ++i) batch.journal.push_back(entry(service, state));
  return batch;
}

// Changes a closed store behind its back.
inline void tamper(const StateDir& dir, const char* sql) {
  auto db = Database::open(dir.db());
  REQUIRE(db.ok());
  REQUIRE(db->run(sql).ok());
}

inline void fill(const StateDir& dir, int entries) {
  REQUIRE(opened(dir)->save(batch_of("im-api", R"({"epoch":7})", entries)).ok());
}

// Runs `work` in a child and returns its wait status.
template <typename Work>
int in_child(Work work) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) ::_exit(work());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return status;
}

// The whole chain, piece by piece.
inline Result<ChainReport> verified(Store& store) {
  ChainReport report;
  while (!report.done) {
    auto more = store.verify(report);
    if (!more.ok()) return more;
    report = std::move(*more);
  }
  return report;
}

}  // namespace pointsman
