#include "orchestrator/shell/loop.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kRestMost = 250ms;
constexpr Duration kLostEvery = 10s;
constexpr Duration kSavePoll = 2ms;  // How soon a save that ended is noticed.

}  // namespace

Loop::Loop(Decider::Parts parts, std::size_t queued_most)
    : clock_(parts.clock), saver_(parts.saver), decider_(std::move(parts)), queue_(queued_most) {}

Loop::~Loop() { end(); }

void Loop::add(const ServicePolicy& policy, std::optional<KeptState> kept) {
  decider_.add(policy, std::move(kept));
}

void Loop::start() {
  decider_.begin();
  publish_snapshot(clock_.now());
  thread_ = std::thread([this] { run(); });
}

void Loop::end() {
  ending_ = true;
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

bool Loop::post(LoopEvent event) { return queue_.push(std::move(event)); }

Result<Loop::Asked> Loop::give(const std::string& service, OperatorAsked asked) {
  LoopEvent event{service, std::move(asked), std::make_unique<std::promise<OperatorAnswer>>()};
  auto future = event.answer->get_future();
  if (!post(std::move(event))) return {ErrorCode::kUnavailable, "the daemon is busy or ending"};
  return Result<Asked>(std::move(future));
}

Result<OperatorAnswer> Loop::await(Asked& asked, Duration within) const {
  if (asked.wait_for(within) != std::future_status::ready) {
    const std::string why = saver_.problem();
    return {ErrorCode::kTimeout, why.empty() ? "the decision is not durable yet: ask for status"
                                             : "state cannot be saved: " + why};
  }
  try {
    return asked.get();
  } catch (const std::future_error&) {  // Its event was never answered.
    return {ErrorCode::kUnavailable, "the daemon is ending, or knows no such service"};
  }
}

Result<OperatorAnswer> Loop::ask(const std::string& service, OperatorAsked asked, Duration within) {
  auto given = give(service, std::move(asked));
  if (!given.ok()) return given.error();
  return await(*given, within);
}

bool Loop::set_policy(const ServicePolicy& policy, bool probes_differ) {
  // Rides the queue as a turn of its own, so that the loop alone touches its services.
  LoopEvent event{policy.name, PolicyChanged{policy, probes_differ}, nullptr};
  return post(std::move(event));
}

// What was lost may have been an answer that somebody waits for: never in silence.
void Loop::tell_lost(Instant now) {
  const std::uint64_t lost = queue_.dropped();
  if (lost == lost_told_ || now < lost_next_) return;
  log(LogLevel::kError, "events-lost", {{"lost", lost - lost_told_}, {"in_all", lost}});
  lost_told_ = lost;
  lost_next_ = now + kLostEvery;
}

void Loop::run() {
  pthread_setname_np(pthread_self(), "loop");
  while (!ending_) {
    const Instant before = clock_.now();
    const Instant next =
        std::min(before + kRestMost, decider_.waits() ? before + kSavePoll : decider_.due());
    const Duration rest = std::clamp<Duration>(next - before, 0ms, kRestMost);
    std::optional<LoopEvent> event = queue_.pop(rest);
    const Instant now = clock_.now();
    decider_.turn(std::move(event), {references_set_, Instant{reference_pass_}}, now);
    last_turn_ = now.ns;
    late_ = decider_.is_late(now);
    publish_snapshot(now);
    tell_lost(now);
  }
}

void Loop::publish_snapshot(Instant now) {
  std::map<std::string, ServiceSnapshot> fresh = decider_.changes(now);
  if (fresh.empty()) return;
  const std::lock_guard lock(snapshot_mutex_);
  for (auto& [name, shot] : fresh) snapshot_[name] = std::move(shot);
}

std::map<std::string, ServiceSnapshot> Loop::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

std::string Loop::store_problem() const { return saver_.problem(); }

}  // namespace pointsman
