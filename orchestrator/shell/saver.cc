#include "orchestrator/shell/saver.h"

#include "base/log.h"

namespace pointsman {
namespace {
constexpr const char* kQueueFull =
    "decisions were lost while nothing could be saved: restart pointsmand";
}  // namespace

Saver::Saver(const Clock& clock, Store& store, std::size_t queued_most)
    : clock_(clock), store_(store), queue_(queued_most) {
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
  return problem_;
}

bool Saver::save_one(const Ticketed& item) {
  const Instant begun = clock_.now();
  const auto saved = with([&](Store& store) { return store.save(item.batch); });
  const Duration took = clock_.now() - begun;
  if (took > 1s) log(LogLevel::kWarning, "store-slow", {{"took_ms", whole_ms(took)}});
  const std::lock_guard lock(problem_mutex_);
  if (saved.ok()) {
    if (!problem_.empty()) log(LogLevel::kNotice, "store-recovered");
    problem_.clear();
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
    while (!save_one(*item)) {
      if (ending_) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }
}

}  // namespace pointsman
