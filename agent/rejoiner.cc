#include "agent/rejoiner.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "agent/bundle.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/time_of_day.h"

namespace pointsman {
namespace {

constexpr Duration kSurveyWithin = 10s;
constexpr Duration kAgainAfter = 2s;   // A failed attempt; the next ones wait longer,
constexpr Duration kAgainMost = 1min;  // but not for longer than this.

class StoreRejoiner final : public Rejoiner {
 public:
  explicit StoreRejoiner(RejoinerParts parts) : parts_(std::move(parts)) {}
  ~StoreRejoiner() override { stop(); }
  StoreRejoiner(const StoreRejoiner&) = delete;
  StoreRejoiner& operator=(const StoreRejoiner&) = delete;

  std::string begin(RejoinTask task) override;
  void cancel(const std::string& why) override;
  std::optional<RejoinReport> report() const override;
  void stop() override;

 private:
  std::string refusal_of(const RejoinTask& task) const;
  void run(const RejoinTask& task);
  Result<void> survey(const RejoinTask& task);
  Result<void> write_down(const RejoinTask& task);
  Result<void> reseed(const RejoinTask& task);
  Result<void> replace_all(const RejoinTask& task, const std::string& folder);
  void note_spoiled(const RejoinTask& task);
  Result<void> begin_copying(const std::string& folder) const;
  static Result<std::string> source_of(const RejoinTask& task, const std::string& store);
  WayBackWatch watch_of(const std::string& store);
  bool is_cancelled() const { return cancelled_.load(); }
  void end(const Result<void>& done);

  template <typename Change>
  void tell(Change change) {
    const std::lock_guard lock(mutex_);
    change(report_);
  }

  RejoinerParts parts_;
  std::atomic<bool> cancelled_ = false;

  // Guards all below.
  mutable std::mutex mutex_;
  RejoinReport report_;
  bool known_ = false;
  bool busy_ = false;
  bool reseeds_ = false;  // What is under way, or was last.
  Instant failed_at_{0};
  int failures_ = -1;  // Of this order in a row, less one.
  std::string why_cancelled_;

  // What diverged, of the latest survey; its thread's own.
  std::vector<std::pair<std::string, std::string>> diverged_;
  std::thread thread_;
};

// Under the lock.
std::string StoreRejoiner::refusal_of(const RejoinTask& task) const {
  const bool same = known_ && report_.move == task.move;
  if (busy_) return "another rejoin is under way here";
  const Duration pause =
      std::min<Duration>(kAgainAfter * (1 << std::clamp(failures_, 0, 6)), kAgainMost);
  if (same && report_.stage == "failed" && parts_.clock->now() - failed_at_ < pause) {
    return "failed just now: " + report_.problem;
  }
  // What is to be given up was written down under this very order.
  if (task.reseed && (!same || report_.bundle.empty())) {
    return "not surveyed for this order";
  }
  return "";
}

std::string StoreRejoiner::begin(RejoinTask task) {
  {
    const std::lock_guard lock(mutex_);
    const bool same = known_ && report_.move == task.move;
    if (busy_ && same) return "";
    if (busy_ && !task.dry) {
      cancelled_ = true;
      why_cancelled_ = "another rejoin was ordered";
    }
    const bool over =
        same && report_.stage != "failed" && (report_.stage != "surveyed" || !task.reseed);
    if (!busy_ && over) return "";
    if (std::string refusal = refusal_of(task); !refusal.empty()) return refusal;
    if (!same) report_ = {};
    if (!same) failures_ = -1;
    known_ = busy_ = true;
    reseeds_ = task.reseed;
    report_.move = task.move;
    report_.stage = task.reseed ? "copying" : "surveying";
    report_.problem.clear();
    report_.done = report_.total = 0;
    cancelled_ = false;
    why_cancelled_.clear();
  }
  if (thread_.joinable()) thread_.join();  // It has ended, or is about to.
  thread_ = std::thread([this, task = std::move(task)] { run(task); });
  return "";
}

void StoreRejoiner::cancel(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!busy_ || cancelled_) return;
  why_cancelled_ = why;
  cancelled_ = true;
}

std::optional<RejoinReport> StoreRejoiner::report() const {
  const std::lock_guard lock(mutex_);
  if (!known_) return std::nullopt;
  return report_;
}

void StoreRejoiner::stop() {
  cancel("this agent ends");
  if (thread_.joinable()) thread_.join();
}

// --- The thread.

void StoreRejoiner::run(const RejoinTask& task) {
  log(LogLevel::kNotice, "rejoin-begun",
      {{"service", parts_.service},
       {"verb", task.reseed ? "reseed" : "survey"},
       {"move", task.move},
       {"epoch", task.reign.epoch},
       {"power", task.power},
       {"dry_run", task.dry}});
  const Result<void> done = task.reseed ? reseed(task) : survey(task);
  end(done);
}

void StoreRejoiner::end(const Result<void>& done) {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  report_.store.clear();
  if (!done) {
    const bool for_good = done.error().code == ErrorCode::kRefused && !is_cancelled();
    report_.stage = for_good ? "refused" : "failed";
    report_.problem = is_cancelled() ? why_cancelled_ : done.error().message;
    failed_at_ = parts_.clock->now();
    ++failures_;
  } else {
    failures_ = -1;
  }
  log(done ? LogLevel::kNotice : LogLevel::kWarning, "rejoin-ended",
      {{"service", parts_.service},
       {"move", report_.move},
       {"stage", report_.stage},
       {"diverged", report_.what},
       {"bundle", report_.bundle},
       {"reason", report_.problem}});
}

Result<std::string> StoreRejoiner::source_of(const RejoinTask& task, const std::string& store) {
  const auto found = task.sources.find(store);
  if (found != task.sources.end()) return found->second;
  // It may not have answered yet.
  return {ErrorCode::kUnavailable,
          fmt::format("{}: the agent of {} does not tell where to follow it (advertise)", store,
                      task.power)};
}

WayBackWatch StoreRejoiner::watch_of(const std::string& store) {
  tell([&](RejoinReport& report) {
    report.store = store;
    report.done = report.total = 0;
  });
  return {[this] { return is_cancelled(); },
          [this](std::uint64_t done, std::uint64_t total) {
            tell([&](RejoinReport& report) {
              report.done = done;
              report.total = total;
            });
          }};
}

// Its stores are not whole: there is nothing left to compare. They were written down before the
// first touch; a person may have taken that away since.
void StoreRejoiner::note_spoiled(const RejoinTask& task) {
  const auto bundle = read_bundle(task.bundle);
  if (bundle) {
    for (const BundleEntry& entry : bundle->stores) diverged_.emplace_back(entry.store, entry.what);
  } else {
    for (const auto& store : parts_.stores) diverged_.emplace_back(store->name(), "");
  }
  tell([&](RejoinReport& report) {
    report.diverged = true;
    report.what = "its stores were being replaced";
    report.bundle = task.bundle;
    report.holds = bundle ? bundle->text() : "no longer there";
    report.stage = "surveyed";
  });
}

Result<void> StoreRejoiner::survey(const RejoinTask& task) {
  diverged_.clear();
  if (task.spoiled) {
    note_spoiled(task);
    return {};
  }
  std::string what;
  for (const auto& store : parts_.stores) {
    const std::string name = store->name();
    tell([&](RejoinReport& report) { report.store = name; });
    const auto source = source_of(task, name);
    if (!source) return source.error();
    const auto found = store->survey(*source, kSurveyWithin);
    if (!found) return found.error();
    if (is_cancelled()) return {ErrorCode::kConflict, "cancelled"};
    if (found->empty()) continue;
    diverged_.emplace_back(name, *found);
    what += (what.empty() ? "" : "; ") + name + ": " + *found;
  }
  tell([&](RejoinReport& report) {
    report.diverged = !diverged_.empty();
    report.what = what;
  });
  if (!diverged_.empty() && !task.dry) RETURN_IF_ERROR(write_down(task));
  tell([&](RejoinReport& report) { report.stage = "surveyed"; });
  return {};
}

Result<void> StoreRejoiner::write_down(const RejoinTask& task) {
  Bundle bundle;
  bundle.folder = bundle_folder(parts_.state_dir, parts_.service, task.move);
  tell([](RejoinReport& report) { report.stage = "exporting"; });
  if (auto known = read_bundle(bundle.folder)) {
    bundle = std::move(*known);
  } else {
    const auto part = begin_bundle(bundle.folder);
    if (!part) return part.error();
    for (const auto& [name, what] : diverged_) {
      const auto store =
          std::find_if(parts_.stores.begin(), parts_.stores.end(),
                       [&, &wanted = name](const auto& each) { return each->name() == wanted; });
      auto holds = (*store)->write_down(task.sources.at(name), *part, watch_of(name));
      if (!holds) return holds.error();
      bundle.stores.push_back({name, what, std::move(*holds)});
    }
    Json about = Json::object({{"service", parts_.service},
                               {"site", parts_.site},
                               {"power", task.power},
                               {"epoch", std::to_string(task.reign.epoch)},
                               {"move", task.move},
                               {"written", format_wall(parts_.clock->wall())}});
    RETURN_IF_ERROR(complete_bundle(bundle, *part, std::move(about)));
  }
  tell([&](RejoinReport& report) {
    report.bundle = bundle.folder;
    report.holds = bundle.text();
  });
  return {};
}

// Copies of other orders are of no use any more.
Result<void> StoreRejoiner::begin_copying(const std::string& folder) const {
  namespace fs = std::filesystem;
  const fs::path above = fs::path(folder).parent_path();
  std::error_code why;
  for (fs::directory_iterator at(above, why), end; !why && at != end; at.increment(why)) {
    if (at->path() == folder) continue;
    std::error_code ignored;
    fs::remove_all(at->path(), ignored);
  }
  fs::create_directories(folder, why);
  if (!why) fs::permissions(folder, fs::perms::owner_all, why);
  if (why) return {ErrorCode::kInternal, fmt::format("making {}: {}", folder, why.message())};
  return {};
}

Result<void> StoreRejoiner::reseed(const RejoinTask& task) {
  const std::string kept =
      task.spoiled ? task.bundle : bundle_folder(parts_.state_dir, parts_.service, task.move);
  if (!task.spoiled) {
    const auto bundle = read_bundle(kept);
    if (!bundle) return bundle.error();
  }
  const std::string folder =
      fmt::format("{}/seed/{}/{}", parts_.state_dir, parts_.service, task.move);
  RETURN_IF_ERROR(begin_copying(folder));
  for (const auto& store : parts_.stores) {
    const auto is_its = [&](const auto& one) { return one.first == store->name(); };
    if (std::none_of(diverged_.begin(), diverged_.end(), is_its)) continue;
    const auto source = source_of(task, store->name());
    if (!source) return source.error();
    const WayBackWatch watch = watch_of(store->name());
    RETURN_IF_ERROR(store->preflight(*source, folder));
    RETURN_IF_ERROR(store->copy(*source, folder, watch));
    if (is_cancelled()) return {ErrorCode::kConflict, "cancelled"};
  }
  crash_point("before-reseed", "spoil");
  RETURN_IF_ERROR(task.may_spoil(kept));
  crash_point("after-reseed", "spoil");
  tell([](RejoinReport& report) { report.stage = "loading"; });
  RETURN_IF_ERROR(replace_all(task, folder));
  crash_point("before-reseed", "whole");
  RETURN_IF_ERROR(task.replaced());
  crash_point("after-reseed", "whole");
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  tell([](RejoinReport& report) { report.stage = "seeded"; });
  return {};
}

Result<void> StoreRejoiner::replace_all(const RejoinTask& task, const std::string& folder) {
  for (const auto& store : parts_.stores) {
    const auto is_its = [&](const auto& one) { return one.first == store->name(); };
    if (std::none_of(diverged_.begin(), diverged_.end(), is_its)) continue;
    log(LogLevel::kNotice, "store-replaced",
        {{"service", parts_.service}, {"store", store->name()}, {"by", task.power}});
    RETURN_IF_ERROR(
        store->replace(task.sources.at(store->name()), folder, watch_of(store->name())));
    if (is_cancelled()) return {ErrorCode::kConflict, "cancelled"};
  }
  return {};
}

}  // namespace

std::unique_ptr<Rejoiner> make_rejoiner(RejoinerParts parts) {
  return std::make_unique<StoreRejoiner>(std::move(parts));
}

}  // namespace pointsman
