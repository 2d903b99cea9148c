#include "agent/driver_worker.h"

#include <algorithm>
#include <array>
#include <random>

#include "base/crash_point.h"
#include "base/crypto.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kLookWithin = 400ms;
constexpr Duration kOpenLeast = 100ms;  // A shorter rest of the lease is not worth an attempt.
constexpr Duration kOpenMost = 5s;
constexpr Duration kFollowWithin = 15s;
constexpr Duration kFenceFirst = 500ms;  // Of a store; one that hangs is judged by its ports.
constexpr Duration kStorePeriod = 120ms;
constexpr Duration kUnitPeriod = 1s;
constexpr Duration kRetryFirst = 50ms;
constexpr Duration kRetryMost = 1s;

// 0.75 to 1.25 of `d`.
Duration jittered(Duration d) {
  static thread_local std::minstd_rand random(static_cast<unsigned>(random_u64() | 1));
  return std::chrono::duration_cast<Duration>(
      d * std::uniform_real_distribution<double>(0.75, 1.25)(random));
}

bool closing(Aim aim) { return aim == Aim::kClosed || aim == Aim::kFenced || aim == Aim::kStandby; }

}  // namespace

const char* to_string(Aim aim) {
  constexpr std::array<const char*, 5> kAims = {"none", "open", "closed", "fenced", "standby"};
  return kAims[static_cast<std::size_t>(aim)];
}

DriverWorker::DriverWorker(std::unique_ptr<Driver> driver, std::string service,
                           Duration verb_within, const Clock& clock)
    : driver_(std::move(driver)),
      service_(std::move(service)),
      verb_within_(verb_within),
      clock_(clock),
      name_(driver_->name()),
      is_store_(driver_->is_store()) {}

DriverWorker::~DriverWorker() { stop(); }

void DriverWorker::start(std::function<void()> changed) {
  attach(std::move(changed));
  thread_ = std::thread([this] { run(); });
}

void DriverWorker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DriverWorker::aim(const Goal& goal) {
  {
    const std::lock_guard lock(mutex_);
    const bool same = goal.aim == goal_.aim && goal.source == goal_.source;
    goal_ = goal;
    if (same) return;
    ++turn_;
    state_.reached = false;
    state_.trouble.clear();
  }
  wake_.notify_all();
}

DriverState DriverWorker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::vector<std::string> DriverWorker::render(const std::string& verb, Duration within) {
  std::future<std::vector<std::string>> lines;
  {
    const std::lock_guard lock(mutex_);
    rendering_ = std::make_unique<Rendering>();
    rendering_->verb = verb;
    lines = rendering_->lines.get_future();
  }
  wake_.notify_all();
  if (lines.wait_for(within) != std::future_status::ready) return {};
  try {
    return lines.get();
  } catch (const std::future_error&) {  // Another rendering took its place.
    return {};
  }
}

void DriverWorker::answer_rendering() {
  std::unique_ptr<Rendering> asked;
  {
    const std::lock_guard lock(mutex_);
    asked = std::move(rendering_);
  }
  if (asked) asked->lines.set_value(driver_->render(asked->verb));
}

bool DriverWorker::has_fresh_goal() const {
  const std::lock_guard lock(mutex_);
  return turn_ != taken_turn_;
}

void DriverWorker::begin_round() {
  answer_rendering();
  {
    const std::lock_guard lock(mutex_);
    taken_ = goal_;
    fresh_ = turn_ != taken_turn_;
    taken_turn_ = turn_;
  }
  if (!fresh_) return;
  acted_ = settled_ = false;
  failures_ = 0;
  trouble_.clear();
}

Duration DriverWorker::end_round() {
  const bool looked = state_.looked;
  const Liveness liveness = report_.liveness;
  const bool writable = report_.writable;
  work(taken_, fresh_);
  bool news = !looked || liveness != report_.liveness || writable != report_.writable;
  {
    const std::lock_guard lock(mutex_);
    if (turn_ == taken_turn_) {
      const bool reached = settled_ && is_reached(taken_);
      news = news || !reached || !state_.reached;
      state_.reached = reached;
      state_.trouble = reached ? "" : trouble_;
    }
  }
  if (news && changed_) changed_();
  return pause();
}

void DriverWorker::run() {
  for (;;) {
    begin_round();
    const Duration rest = jittered(end_round());
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, rest,
                   [&] { return stopping_ || turn_ != taken_turn_ || rendering_ != nullptr; });
    if (stopping_) return;
  }
}

// Closing comes before looking, so that a store is not open for the length of a reading more;
// opening comes after it. Of a store that hung a moment ago nothing can be had at once: whether it
// still hangs is what must be known first.
void DriverWorker::work(const Goal& goal, bool fresh) {
  const bool quiet = report_.replica && !report_.writable && goal.aim == Aim::kClosed;
  const bool hung = report_.liveness == Liveness::kHung;
  if (fresh && closing(goal.aim) && !quiet && !hung) {
    const auto done = act(goal);
    if (!done) trouble_ = done.error().message;
  }
  look();
  if (!is_reached(goal)) {
    if (settled_ && closing(goal.aim)) {
      log(LogLevel::kError, "found-open",
          {{"service", service_},
           {"driver", name_},
           {"level", to_string(goal.aim)},
           {"detail", report_.detail}});
      settled_ = false;
    }
    const auto done = act(goal);
    if (!done) trouble_ = done.error().message;
    look();
  }
  if (is_reached(goal)) {
    settled_ = true;
    failures_ = 0;
    trouble_.clear();
  } else {
    ++failures_;
    if (trouble_.empty()) trouble_ = name_ + " is not yet " + to_string(goal.aim);
  }
}

void DriverWorker::look() {
  const Instant began = clock_.now();
  StoreReport report = driver_->report(kLookWithin);
  const bool sound = report.liveness == Liveness::kUp;
  if (!sound) {  // What it held when it last answered is still the best that is known.
    report.executed = report_.executed;
    report.received = report_.received;
    report.unit = report_.unit;
    report.executed_count = report_.executed_count;
    report.taken_over = report_.taken_over;
    report.replica = report_.replica;
    report.source = report_.source;
  }
  report_ = report;
  const std::lock_guard lock(mutex_);
  state_.report = std::move(report);
  state_.looked = true;
  state_.looked_at = began;
  if (sound) state_.sound_at = began;
}

Result<void> DriverWorker::open(const Goal& goal) {
  const Duration within = std::min(goal.until - clock_.now(), kOpenMost);
  // Units are no stores: what they start is stopped by their own goal, and may take its time.
  if (!is_store_) return driver_->promote(verb_within_);
  if (within < kOpenLeast) return {ErrorCode::kUnavailable, "the lease is about to end"};
  return report_.replica ? driver_->promote(within) : driver_->unfence(within);
}

Result<void> DriverWorker::act(const Goal& goal) {
  Result<void> done;
  crash_point("before-act", name_, to_string(goal.aim));
  const bool first = is_store_ && failures_ == 0;
  const Duration fence_within = first ? std::min(verb_within_, kFenceFirst) : verb_within_;
  switch (goal.aim) {
    case Aim::kNone: return {};
    case Aim::kOpen: done = open(goal); break;
    case Aim::kClosed: done = driver_->fence(FenceDepth::kLease, fence_within); break;
    case Aim::kFenced: done = driver_->fence(FenceDepth::kOrder, fence_within); break;
    case Aim::kStandby:
      done = goal.source.empty() || !is_store_
                 ? driver_->keep_standby(verb_within_)
                 : driver_->follow({goal.source}, std::max(verb_within_, kFollowWithin));
      break;
  }
  crash_point("after-act", name_, to_string(goal.aim));
  if (done) acted_ = true;
  return done;
}

bool DriverWorker::is_reached(const Goal& goal) const {
  const bool up = report_.liveness == Liveness::kUp;
  const bool stopped = report_.liveness == Liveness::kStopped;
  if (!is_store_) {
    if (goal.aim == Aim::kOpen) return up;
    return goal.aim == Aim::kNone || goal.aim == Aim::kClosed || stopped;
  }
  switch (goal.aim) {
    case Aim::kNone: return true;
    case Aim::kOpen: return up && report_.writable && !report_.replica;
    case Aim::kClosed:
      // A standby that was promoted and has no lease yet was never open.
      return stopped || (up && !report_.writable && (acted_ || report_.replica));
    case Aim::kFenced: return stopped || (up && !report_.writable && acted_);
    case Aim::kStandby: return up && !report_.writable && acted_;
  }
  return false;
}

Duration DriverWorker::pause() const {
  if (failures_ == 0) return is_store_ ? kStorePeriod : kUnitPeriod;
  const int doublings = std::min(failures_ - 1, 6);
  return std::min(kRetryFirst * (1 << doublings), kRetryMost);
}

}  // namespace pointsman
