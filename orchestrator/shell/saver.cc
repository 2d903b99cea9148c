#include "orchestrator/shell/saver.h"

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"

namespace pointsman {
namespace {
constexpr const char* kQueueFull =
    "decisions were lost while nothing could be saved: restart pointsmand";
constexpr Duration kAgainAfter = 500ms;
constexpr auto kRestPiece = std::chrono::milliseconds(50);
constexpr std::size_t kRulesMost = 4;

// Which decisions of which services; no content.
std::string describe(const SaveBatch& batch) {
  std::string services;
  std::size_t bytes = 0;
  for (const auto& [service, json] : batch.states) {
    services += (services.empty() ? "" : ", ") + service;
    bytes += json.size();
  }
  std::string rules;
  for (std::size_t k = 0; k < std::min(kRulesMost, batch.journal.size()); ++k) {
    rules += (k == 0 ? "" : ", ") + batch.journal[k].rule;
  }
  return fmt::format("the state of {} ({} bytes) with {} journal entries{}{}", services, bytes,
                     batch.journal.size(), rules.empty() ? "" : ": ", rules);
}

// Each record of the journal is a place of its own to die at.
void pass_crash_points(const char* when, const SaveBatch& batch) {
  for (const JournalEntry& line : batch.journal) crash_point(when, line.rule);
  if (batch.journal.empty()) crash_point(when, "state");
}

}  // namespace

Saver::Saver(const Clock& clock, Store& store, std::size_t queued_most, Duration stuck_after)
    : clock_(clock), store_(store), stuck_after_(stuck_after), queue_(queued_most) {
  thread_ = std::thread([this] { run(); });
}

Saver::~Saver() {
  ending_ = true;
  queue_.close();
  thread_.join();
}

std::uint64_t Saver::save(SaveBatch batch) {
  const std::uint64_t ticket = ++last_ticket_;
  // A full queue means that the disk has been gone for hours. What is dropped here is never saved,
  // so nothing that waits for it, or for what was decided on top of it, may start.
  if (!queue_.push({ticket, std::move(batch)}) && ticket < lost_) {
    lost_ = ticket;
    log(LogLevel::kError, "save-queue-full", {{"problem", kQueueFull}});
  }
  return ticket;
}

std::uint64_t Saver::done() const { return std::min(done_.load(), lost_.load() - 1); }

std::string Saver::problem() const {
  if (lost_ != std::numeric_limits<std::uint64_t>::max()) return kQueueFull;
  const std::lock_guard lock(problem_mutex_);
  return problem_ + stuck_;
}

// The one batch that does not go in stops everything behind it: people must know which.
void Saver::note_stuck(const Ticketed& item, Stuck& stuck) {
  ++stuck.attempts;
  const Instant now = clock_.now();
  if (now < stuck.tell_at) return;
  const Duration lasting = now - stuck.since;
  stuck.tell_at = now + std::clamp<Duration>(lasting, stuck_after_, 1h);
  const std::string what = describe(item.batch);
  log(LogLevel::kError, "store-stuck",
      {{"batch", what},
       {"attempts", stuck.attempts},
       {"for_s", whole_ms(lasting) / 1000},
       {"waiting", queue_.size()}});
  const std::lock_guard lock(problem_mutex_);
  stuck_ = fmt::format(" ({} was refused {} times in {} s; all later decisions wait behind it)",
                       what, stuck.attempts, whole_ms(lasting) / 1000);
}

Result<ChainReport> Saver::verify() {
  ChainReport report;
  while (!report.done && !ending_) {
    auto more = with([&](Store& store) { return store.verify(report); });
    if (!more.ok()) return more;
    report = std::move(*more);
    // A mutex favours whoever takes it again at once: leave a save its turn.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!report.done) return Error{ErrorCode::kUnavailable, "the daemon is ending"};
  return report;
}

bool Saver::save_one(const Ticketed& item) {
  const Instant begun = clock_.now();
  pass_crash_points("before-save", item.batch);
  const auto saved = with([&](Store& store) { return store.save(item.batch); });
  pass_crash_points("after-save", item.batch);
  const Duration took = clock_.now() - begun;
  if (took > 1s) log(LogLevel::kWarning, "store-slow", {{"took_ms", whole_ms(took)}});
  const std::lock_guard lock(problem_mutex_);
  if (saved.ok()) {
    if (!problem_.empty()) log(LogLevel::kNotice, "store-recovered");
    problem_.clear();
    stuck_.clear();
    done_ = item.ticket;
    return true;
  }
  if (problem_ != saved.error().message) {
    log(LogLevel::kError, "store-failed", {{"problem", saved.error().message}});
  }
  problem_ = saved.error().message;
  return false;
}

void Saver::run() {
  while (true) {
    auto item = queue_.pop(500ms);
    if (!item) {
      if (queue_.closed()) return;
      continue;
    }
    Stuck stuck{clock_.now(), clock_.now() + stuck_after_};
    while (!save_one(*item)) {
      note_stuck(*item, stuck);
      // A lone writer on a disk of its own: nobody whom jitter would spread us from.
      for (Duration rest = kAgainAfter; rest > Duration::zero(); rest -= kRestPiece) {
        if (ending_) return;
        std::this_thread::sleep_for(kRestPiece);
      }
    }
  }
}

}  // namespace pointsman
