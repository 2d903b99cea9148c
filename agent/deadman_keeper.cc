#include "agent/deadman_keeper.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kTurn = 250ms;  // Whoever changes a goal rings.
constexpr Duration kLookPeriod = 1s;
// A lease longer by less is carried to the kernel with the next vouch.
constexpr Duration kRenewStep = 50ms;

}  // namespace

DeadmanKeeper::DeadmanKeeper(std::unique_ptr<Deadman> deadman, std::vector<Guarded> services,
                             const Clock& clock)
    : deadman_(std::move(deadman)), clock_(clock) {
  for (Guarded& guarded : services) {
    Entry entry;
    entry.guarded = std::move(guarded);
    entry.state.configured = true;
    entries_.push_back(std::move(entry));
  }
}

Instant DeadmanKeeper::turn() {
  Instant next = clock_.now() + kTurn;
  for (Entry& entry : entries_) {
    const Instant now = clock_.now();
    turn(entry, now);
    if (entry.renewed > now) next = std::min(next, entry.renewed);
  }
  return next;
}

// All services at once; those without a role are only looked at.
Result<void> DeadmanKeeper::set_up() {
  std::vector<DeadmanPorts> ports;
  for (const Entry& entry : entries_) ports.push_back(entry.guarded.ports);
  RETURN_IF_ERROR(deadman_->set_up(ports));
  set_up_ = true;
  for (Entry& entry : entries_) entry.mode = DeadmanMode::kUntouched;  // Looked at afresh.
  return {};
}

void DeadmanKeeper::say(Entry& entry, const std::string& trouble) {
  if (entry.said == trouble) return;
  entry.said = trouble;
  if (trouble.empty()) {
    log(LogLevel::kNotice, "deadman-sound", {{"service", entry.guarded.ports.service}});
  } else {
    log(LogLevel::kError, "deadman-trouble",
        {{"service", entry.guarded.ports.service}, {"reason", trouble}});
  }
}

// Whether table, chains and mode are still ours; somebody may have flushed the rules.
void DeadmanKeeper::look(Entry& entry, const DeadmanGoal& goal, Instant now) {
  if (now - entry.looked_at < kLookPeriod) return;
  entry.looked_at = now;
  if (!set_up_) {
    const auto done = set_up();
    entry.state.available = done.ok();
    if (!done) return;
  }
  if (goal.mode == DeadmanMode::kUntouched || entry.mode == DeadmanMode::kUntouched) return;
  const auto sound = deadman_->verify(entry.guarded.ports.service);
  if (sound) return;
  say(entry, "re-making it: " + sound.error().message);
  set_up_ = false;
}

// A former run of ours may have left the switch just as it shall be, with a lease that lives.
Result<void> DeadmanKeeper::find(Entry& entry) {
  const std::string& service = entry.guarded.ports.service;
  const auto found = deadman_->mode(service);
  if (!found) return found.error();
  const auto rest = deadman_->rest(service);
  if (!rest) return rest.error();
  entry.mode = *found;
  entry.renewed = *rest > Duration::zero() ? clock_.now() + *rest : Instant{0};
  return {};
}

Result<void> DeadmanKeeper::follow_goal(Entry& entry, const DeadmanGoal& goal, Instant now) {
  if (!set_up_) RETURN_IF_ERROR(set_up());
  if (entry.mode == DeadmanMode::kUntouched) RETURN_IF_ERROR(find(entry));
  // Armed together with the lease where there is one: nothing is closed in between.
  const bool lives = goal.mode == DeadmanMode::kArmed && goal.until > now;
  if (entry.mode != goal.mode && !lives) {
    const bool standby = goal.mode == DeadmanMode::kStandby;
    crash_point("before-mode", standby ? "standby" : "armed");
    RETURN_IF_ERROR(deadman_->set_mode(entry.guarded.ports.service, goal.mode));
    crash_point("after-mode", standby ? "standby" : "armed");
    entry.mode = goal.mode;
    entry.renewed = Instant{0};
  }
  if (goal.mode != DeadmanMode::kArmed) return {};
  return lives ? renew(entry, goal, now) : close(entry);
}

// What the kernel is about to hold is told first, and then the goal is read again: whoever ends or
// shortens the lease in between either is heeded, or knows that the kernel may hold more.
Result<void> DeadmanKeeper::renew(Entry& entry, DeadmanGoal goal, Instant now) {
  const std::string& service = entry.guarded.ports.service;
  const bool armed = entry.mode == DeadmanMode::kArmed;
  const bool shorter = goal.until < entry.renewed;
  if (armed && !shorter && goal.until - entry.renewed < kRenewStep && entry.renewed > now)
    return {};
  entry.state.closed = false;
  entry.state.holds = std::max(entry.renewed, goal.until);
  entry.guarded.runner->on_deadman(entry.state);
  const DeadmanGoal again = entry.guarded.runner->deadman_goal();
  if (again.mode != goal.mode) return {};  // Another turn follows at once.
  goal.until = std::min(goal.until, again.until);
  crash_point("before-ports", armed ? "renew" : "arm");
  RETURN_IF_ERROR(armed ? deadman_->renew(service, goal.until)
                        : deadman_->arm(service, goal.until));
  crash_point("after-ports", armed ? "renew" : "arm");
  entry.mode = DeadmanMode::kArmed;
  entry.renewed = goal.until;
  return {};
}

Result<void> DeadmanKeeper::close(Entry& entry) {
  const std::string& service = entry.guarded.ports.service;
  const auto rest = deadman_->rest(service);
  if (!rest) return rest.error();
  if (*rest > Duration::zero()) {
    crash_point("before-ports", "close");
    RETURN_IF_ERROR(deadman_->close(service));
    crash_point("after-ports", "close");
    log(LogLevel::kNotice, "ports-closed", {{"service", service}});
  }
  entry.renewed = Instant{0};
  entry.state.closed = true;
  return {};
}

void DeadmanKeeper::turn(Entry& entry, Instant now) {
  const DeadmanGoal goal = entry.guarded.runner->deadman_goal();
  look(entry, goal, now);
  if (goal.mode == DeadmanMode::kUntouched) {
    entry.guarded.runner->on_deadman(entry.state);
    return;
  }
  const auto done = follow_goal(entry, goal, clock_.now());
  if (done) {
    entry.state.available = true;
    entry.state.trouble.clear();
    entry.state.armed = entry.mode == DeadmanMode::kArmed;
    if (!entry.state.armed) entry.state.closed = false;
    entry.state.holds = entry.renewed;
    say(entry, "");
  } else {
    if (done.error().code == ErrorCode::kUnavailable) entry.state.available = false;
    entry.state.trouble = "dead-man switch: " + done.error().message;
    entry.state.armed = entry.state.closed = false;
    entry.mode = DeadmanMode::kUntouched;  // Looked at afresh next time.
    set_up_ = false;
    say(entry, done.error().message);
  }
  entry.guarded.runner->on_deadman(entry.state);
}

}  // namespace pointsman
