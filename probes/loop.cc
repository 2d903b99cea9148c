#include "probes/loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>

#include <fmt/format.h>

#include "base/check.h"
#include "base/descriptor_limit.h"
#include "probes/dial.h"

namespace pointsman {
namespace {

// Wake-ups cost more than anything else here, so starts and deadlines share them.
constexpr Duration kGrid = 10ms;
// The longest sleep: stats().last_turn is younger while the thread is well.
constexpr Duration kSleepMost = 500ms;
// Woken later than this, or at work in one round for longer, this thread was held up; less is
// ordinary scheduling, and a round of many handshakes.
constexpr Duration kWakeLate = 25ms;
constexpr Duration kRoundLong = 100ms;
// So late, the schedule alone is more than we can do, and everybody looks doubtful: bursts would
// bury us.
constexpr Duration kBehind = 100ms;
constexpr std::uint64_t kWakeEvent = std::uint64_t{1} << 62;
constexpr int kBatchesMost = 64;
constexpr std::size_t kHurriedMost = 10'000;
constexpr std::uint32_t kGenerationMask = 0xffffff;

Instant grid_up(Instant at) {
  const auto grid = kGrid.count();
  if (at.ns > Instant::never().ns - grid) return Instant::never();
  return {(at.ns + grid - 1) / grid * grid};
}

// Phase of the n-th target within its interval. Steps of the golden ratio spread any number of
// targets evenly, and adding one moves no other.
Duration phase_of(std::uint32_t n, Duration interval) {
  const auto step = static_cast<std::uint32_t>(n * 2654435769u);
  return Duration(static_cast<std::int64_t>(static_cast<double>(interval.count()) *
                                            (static_cast<double>(step) / 4294967296.0)));
}

}  // namespace

std::size_t attempts_most(const ProbeSpec& spec) {
  const auto ceiling = [&](Duration spacing) {
    return static_cast<std::size_t>((spec.timeout + spacing - 1ns) / spacing);
  };
  return ceiling(spec.interval) + ceiling(spec.suspect_interval) +
         static_cast<std::size_t>(spec.fall) + 2;
}

std::size_t attempts_that_fit(std::uint64_t descriptors) {
  return std::max<std::size_t>(descriptors / 4 * 3, 8);
}

ProbeLoop::ProbeLoop(const Clock& clock, ProbeEngine::Sink sink, const MakeSpeaker& make_speaker)
    : clock_(clock), sink_(std::move(sink)) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0);
  epoll_event event{EPOLLIN, {.u64 = kWakeEvent}};
  CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
  speaker_ = make_speaker(epoll_fd_);
  now_ = woken_ = clock_.now();
  last_turn_ns_.store(now_.ns);
  // Signals are for the program's main thread; and a TLS write to a peer that has gone must not
  // end the program by SIGPIPE.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ProbeLoop::~ProbeLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  for (std::uint32_t slot = 0; slot < targets_.size(); ++slot) {
    if (targets_[slot]) remove(slot);
  }
  speaker_.reset();
  close(wake_fd_);
  close(epoll_fd_);
}

Result<void> ProbeLoop::watch(std::vector<ProbeSpec> specs) {
  std::set<std::string> names;
  for (const ProbeSpec& spec : specs) {
    const auto probe = make_probe(spec);
    if (!probe) return probe.error();
    if (!names.insert(spec.name).second) {
      return Error{ErrorCode::kInvalid, fmt::format("probe {}: name: stands twice", spec.name)};
    }
  }
  {
    const std::lock_guard lock(mutex_);
    wanted_ = std::move(specs);
  }
  wake();
  return {};
}

void ProbeLoop::hurry(const std::string& target) {
  {
    const std::lock_guard lock(mutex_);
    if (hurried_.size() >= kHurriedMost) return;
    hurried_.insert(target);
  }
  wake();
}

EngineStats ProbeLoop::stats() const {
  return {lateness_.count(), lateness_.over_100ms(), lateness_.p99(), {last_turn_ns_.load()}};
}

void ProbeLoop::wake() {
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then a wake-up is under way anyway.
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

void ProbeLoop::run() {
  while (wait()) {
    take_finished();
    // What has been answered is read before anything is given up or begun, and a round lasts until
    // then: an engine with more to do than time shows it by long rounds.
    for (int batches = 1; more_ && batches < kBatchesMost; ++batches) {
      if (!wait()) return;
      take_finished();
    }
    more_ = false;
    run_timers();
    take_finished();
    last_turn_ns_.store(now_.ns, std::memory_order_relaxed);
  }
}

Instant ProbeLoop::wake_time() const {
  const Instant timers = timers_.empty() ? Instant::never() : grid_up(timers_.top().when);
  return std::min(timers, speaker_->next_turn());
}

bool ProbeLoop::wait() {
  const Instant before = clock_.now();
  const Instant planned =
      more_ ? before : std::max(before, std::min(wake_time(), before + kSleepMost));
  const auto sleep_ms = (planned - before + 1ms - 1ns) / 1ms;
  std::array<epoll_event, 512> events;
  const int count = epoll_wait(epoll_fd_, events.data(), events.size(), static_cast<int>(sleep_ms));
  now_ = clock_.now();
  if (!more_) {
    stall_total_ = stall_until(before);
    if (now_ - planned >= kWakeLate) stall_total_ += now_ - planned;
    woken_ = now_;
  }
  more_ = count == static_cast<int>(events.size());
  bool orders = false;
  for (int i = 0; i < count; ++i) {
    orders = orders || events[i].data.u64 == kWakeEvent;
    on_event(events[i].data.u64, events[i].events);
  }
  // Last, so that no event of this round can belong to a target that has gone.
  if (orders) take_orders();
  const std::lock_guard lock(mutex_);
  return !stopping_;
}

void ProbeLoop::on_event(std::uint64_t data, std::uint32_t events) {
  if ((data & HttpSpeaker::kHttpEvent) != 0) return speaker_->ready(data, events);
  if (data == kWakeEvent) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
    return;
  }
  const auto slot = static_cast<std::uint32_t>(data);
  const bool current = slot < attempts_.size() && attempts_[slot].running &&
                       attempts_[slot].fd >= 0 && event_of(slot) == data;
  if (current) on_connected(slot, (events & (EPOLLERR | EPOLLHUP)) != 0);
}

std::uint64_t ProbeLoop::event_of(std::uint32_t slot) const {
  const std::uint64_t generation = attempts_[slot].generation & kGenerationMask;
  return generation << 32 | slot;
}

void ProbeLoop::take_finished() {
  speaker_->turn(now_, clock_.wall(), finished_);
  for (auto& done : finished_) {
    const auto slot = static_cast<std::uint32_t>(done.attempt);
    attempts_[slot].exchange = nullptr;
    finish(slot, done.reply);
  }
  finished_.clear();
}

void ProbeLoop::run_timers() {
  behind_ = Duration(0);
  while (!timers_.empty() && timers_.top().when <= now_) {
    const Timer timer = timers_.top();
    timers_.pop();
    run_timer(timer);
  }
}

void ProbeLoop::run_timer(const Timer& timer) {
  if (timer.kind == Kind::kStart) {
    const auto& target = targets_[timer.slot];
    const bool current =
        target && target->generation == timer.generation && target->armed == timer.when;
    if (current) start_due(timer.slot);
    return;
  }
  const Attempt& attempt = attempts_[timer.slot];
  if (!attempt.running || attempt.generation != timer.generation) return;
  timer.kind == Kind::kDoubt ? on_doubt(timer.slot) : on_deadline(timer.slot);
}

void ProbeLoop::take_orders() {
  std::optional<std::vector<ProbeSpec>> wanted;
  std::set<std::string> hurried;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(wanted_);
    hurried.swap(hurried_);
  }
  if (wanted) replace(std::move(*wanted));
  for (const std::string& name : hurried) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) continue;
    targets_[found->second]->pace.hurry(now_);
    arm(found->second);
  }
}

void ProbeLoop::replace(std::vector<ProbeSpec> specs) {
  in_flight_most_ = attempts_that_fit(descriptor_limit().soft);
  std::unordered_map<std::string_view, const ProbeSpec*> wanted;
  for (const ProbeSpec& spec : specs) wanted.emplace(spec.name, &spec);
  for (std::uint32_t slot = 0; slot < targets_.size(); ++slot) {
    if (!targets_[slot]) continue;
    const auto found = wanted.find(targets_[slot]->probe->spec().name);
    const bool stays = found != wanted.end() && *found->second == targets_[slot]->probe->spec();
    if (!stays) remove(slot);
  }
  for (const ProbeSpec& spec : specs) {
    if (!by_name_.contains(spec.name)) add(spec);
  }
}

void ProbeLoop::add(const ProbeSpec& spec) {
  auto probe = make_probe(spec);
  auto place = place_of(spec);
  CHECK(probe.ok() && place.ok());  // watch() has asked before.
  if (targets_free_.empty()) {
    targets_free_.push_back(static_cast<std::uint32_t>(targets_.size()));
    targets_.emplace_back();
  }
  const std::uint32_t slot = targets_free_.back();
  targets_free_.pop_back();
  const Instant first = grid_up(now_ + phase_of(targets_made_, spec.interval));
  targets_[slot] =
      std::make_unique<Target>(Target{std::move(*probe), std::move(*place), Pace(spec, first)});
  targets_[slot]->generation = targets_made_++;
  targets_[slot]->in_flight_most = attempts_most(spec);
  by_name_[spec.name] = slot;
  arm(slot);
}

void ProbeLoop::remove(std::uint32_t slot) {
  while (!targets_[slot]->in_flight.empty()) release(targets_[slot]->in_flight.back());
  speaker_->forget(slot);
  by_name_.erase(targets_[slot]->probe->spec().name);
  targets_[slot].reset();
  targets_free_.push_back(slot);
}

void ProbeLoop::arm(std::uint32_t slot) {
  Target& target = *targets_[slot];
  const Instant next = target.pace.next();
  if (target.armed == next) return;
  target.armed = next;
  timers_.push({next, Kind::kStart, slot, target.generation});
}

void ProbeLoop::start_due(std::uint32_t slot) {
  Target& target = *targets_[slot];
  target.armed = Instant::never();
  const auto due = target.pace.take(now_);
  const Duration late = clock_.now() - due.since;
  behind_ = std::max(behind_, late);
  for (const bool one : {due.fixed, due.extra && behind_ < kBehind}) {
    if (!one) continue;
    lateness_.note(late);
    start(slot);
  }
  arm(slot);
}

std::uint32_t ProbeLoop::new_attempt(std::uint32_t target) {
  if (attempts_free_.empty()) {
    attempts_free_.push_back(static_cast<std::uint32_t>(attempts_.size()));
    attempts_.emplace_back();
  }
  const std::uint32_t slot = attempts_free_.back();
  attempts_free_.pop_back();
  Attempt& attempt = attempts_[slot];
  attempt = {.target = target, .generation = attempt.generation + 1, .running = true};
  attempt.started = clock_.now();
  attempt.stalled_before = stall_until(attempt.started);
  targets_[target]->in_flight.push_back(slot);
  ++in_flight_;
  return slot;
}

// An attempt that could not even begin.
void ProbeLoop::unable(const Target& target, std::string_view why) {
  const Instant at = clock_.now();
  sink_({EngineEvent::Kind::kObservation,
         target.probe->spec().name,
         at,
         at,
         {Outcome::kUnknown, Duration(0), std::string(why)}});
}

void ProbeLoop::start(std::uint32_t target_slot) {
  Target& target = *targets_[target_slot];
  if (target.in_flight.size() >= target.in_flight_most || in_flight_ >= in_flight_most_) {
    return unable(target, "too many attempts are unanswered (limit of this host)");
  }
  const ProbeSpec& spec = target.probe->spec();
  const std::uint32_t slot = new_attempt(target_slot);
  const std::uint32_t generation = attempts_[slot].generation;
  const Instant started = attempts_[slot].started;
  // One timer at a time: most attempts are answered before either.
  if (spec.suspect_interval < spec.timeout) {
    timers_.push({started + spec.suspect_interval, Kind::kDoubt, slot, generation});
  } else {
    timers_.push({started + spec.timeout, Kind::kDeadline, slot, generation});
  }
  if (target.place.http && spec.keep_alive) {
    attempts_[slot].exchange = speaker_->begin({slot, target_slot, spec, target.place}, -1);
    return;
  }
  const auto fd = dial(target.place);
  if (!fd) return finish(slot, fd.error());
  attempts_[slot].fd = *fd;
  epoll_event event{EPOLLOUT, {.u64 = event_of(slot)}};
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, *fd, &event) != 0) {
    finish(slot, Error{ErrorCode::kInternal, "cannot wait for a connection: epoll refused"});
  }
}

void ProbeLoop::on_connected(std::uint32_t slot, bool troubled) {
  Attempt& attempt = attempts_[slot];
  const Target& target = *targets_[attempt.target];
  if (troubled) {
    if (const auto failure = dial_failure(target.place, attempt.fd)) return finish(slot, *failure);
  }
  if (!target.place.http) return finish(slot, ProbeReply{});
  const int fd = attempt.fd;
  attempt.fd = -1;
  attempt.exchange =
      speaker_->begin({slot, attempt.target, target.probe->spec(), target.place}, fd);
}

void ProbeLoop::on_doubt(std::uint32_t slot) {
  const Attempt attempt = attempts_[slot];
  Target& target = *targets_[attempt.target];
  timers_.push(
      {attempt.started + target.probe->spec().timeout, Kind::kDeadline, slot, attempt.generation});
  if (stalled(attempt) || !target.pace.unanswered(attempt.started, now_)) return;
  arm(attempt.target);
  sink_({EngineEvent::Kind::kDoubt, target.probe->spec().name, attempt.started, now_, {}});
}

void ProbeLoop::on_deadline(std::uint32_t slot) {
  const Target& target = *targets_[attempts_[slot].target];
  const char* waiting_for = attempts_[slot].fd >= 0 ? "connection" : "answer";
  const std::string silence =
      fmt::format("no {} from {} within {}", waiting_for, target.place.where,
                  format_duration(target.probe->spec().timeout));
  // Our own link may have gone while we waited.
  if (has_route(target.place)) return finish(slot, Error{ErrorCode::kTimeout, silence});
  finish(slot, Error{ErrorCode::kInternal, silence + ", but this host knows no way there"});
}

// A hold-up in the midst of this round counts already: what it spoiled may be judged before the
// next wait.
Duration ProbeLoop::stall_until(Instant now) const {
  const Duration round = now - woken_;
  return stall_total_ + (round >= kRoundLong ? round : Duration(0));
}

// Half of the timeout is left to an attempt that is not called stalled: enough for an answer that
// comes at all, and no host is so busy that nothing ever fails.

bool ProbeLoop::stalled(const Attempt& attempt) const {
  const ProbeSpec& spec = targets_[attempt.target]->probe->spec();
  return (stall_until(clock_.now()) - attempt.stalled_before) * 2 >= spec.timeout;
}

void ProbeLoop::finish(std::uint32_t slot, const Result<ProbeReply>& reply) {
  const Attempt attempt = attempts_[slot];
  Target& target = *targets_[attempt.target];
  const Instant at = clock_.now();
  const Duration took = at - attempt.started;
  Observation seen = target.probe->judge(reply, took);
  const bool late = took > target.probe->spec().timeout + kGrid * 2;
  if (seen.outcome == Outcome::kPass && late) {
    seen = {Outcome::kFail, took, "answered, but too late: " + seen.detail};
  }
  // While we slept the site may have answered, given up, or lost patience with us.
  if (seen.outcome == Outcome::kFail && stalled(attempt)) {
    seen = {Outcome::kUnknown, Duration(0), "our own loop was held up; " + seen.detail};
  }
  release(slot);
  if (seen.outcome == Outcome::kPass) target.pace.passed(attempt.started);
  if (seen.outcome == Outcome::kFail) target.pace.failed(attempt.started, now_);
  arm(attempt.target);
  sink_({EngineEvent::Kind::kObservation, target.probe->spec().name, attempt.started, at,
         std::move(seen)});
}

void ProbeLoop::release(std::uint32_t slot) {
  Attempt& attempt = attempts_[slot];
  if (attempt.exchange != nullptr) speaker_->cancel(attempt.exchange);
  if (attempt.fd >= 0) close(attempt.fd);
  attempt.exchange = nullptr;
  attempt.fd = -1;
  attempt.running = false;
  auto& siblings = targets_[attempt.target]->in_flight;
  siblings.erase(std::find(siblings.begin(), siblings.end(), slot));
  attempts_free_.push_back(slot);
  --in_flight_;
}

}  // namespace pointsman
