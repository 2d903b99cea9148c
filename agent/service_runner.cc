#include "agent/service_runner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr Duration kTurn = 100ms;
constexpr Duration kCalmTurn = 500ms;  // When only a message or a driver can bring something new.

std::string record_path(const std::string& state_dir, const std::string& service) {
  return state_dir + "/" + service + ".json";
}

}  // namespace

Result<GuardRecord> load_record(const std::string& state_dir, const std::string& service) {
  const std::string path = record_path(state_dir, service);
  auto text = read_file(path);
  if (!text) return text.error();
  const auto json = Json::parse(*text);
  if (!json) return {ErrorCode::kInvalid, fmt::format("{}: {}", path, json.error().message)};
  auto record = GuardRecord::from_json(*json);
  if (!record) return {ErrorCode::kInvalid, fmt::format("{}: {}", path, record.error().message)};
  return record;
}

// The instant is kept and not the rest: whatever time passes until here is taken from it.
Guard::Start ServiceRunner::guard_start(const Parts& parts) {
  const Instant now = parts.clock->now();
  return {parts.site,        "",  parts.record,
          parts.incarnation, now, std::max(parts.kernel_until - now, Duration::zero())};
}

ServiceRunner::ServiceRunner(Parts parts)
    : parts_(std::move(parts)),
      applier_(parts_.settings.name, std::move(parts_.drivers), parts_.stop_units_after,
               *parts_.clock),
      guard_(guard_start(parts_)),
      vip_(parts_.vip_holds, parts_.clock->now()) {
  deadman_.configured = parts_.settings.deadman.has_value();
  deadman_.holds = parts_.kernel_until;
  told_lone_ = guard_.lone(parts_.clock->now());
  closed_ = guard_.record().role == Role::kStandby;
  if (guard_.record().units_owed) {
    applier_.owe_units();
  } else if (guard_.lease_until() > parts_.clock->now()) {
    applier_.leave_units();
  }
}

ServiceRunner::~ServiceRunner() { stop(); }

RecordKeeper record_keeper(const std::string& state_dir, const std::string& service) {
  return [path = record_path(state_dir, service)](const GuardRecord& record) {
    return write_file_durably(path, record.to_json().dump() + "\n");
  };
}

void ServiceRunner::attach(Bells bells) {
  bells_ = std::move(bells);
  applier_.attach([this] { wake(); });
}

void ServiceRunner::start(std::function<void()> lease_changed) {
  bells_.lease_changed = std::move(lease_changed);
  applier_.start([this] { wake(); });
  thread_ = std::thread([this] { run(); });
  hook_thread_ = std::thread([this] { run_hooks(); });
}

void ServiceRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  progress_.notify_all();
  hooks_.close();
  if (thread_.joinable()) thread_.join();
  if (hook_thread_.joinable()) hook_thread_.join();
  if (parts_.rejoiner) parts_.rejoiner->stop();
  applier_.stop();
}

void ServiceRunner::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
  if (bells_.woken) bells_.woken();
}

// --- The guard and its disk.

bool ServiceRunner::save() {
  if (!parts_.keep) return true;
  const GuardRecord& record = guard_.record();
  const char* what = record.prepared ? "prepared" : to_string(record.role);
  crash_point("before-record", what);
  const auto saved = parts_.keep(record);
  crash_point("after-record", what);
  if (saved) {
    save_trouble_.clear();
    return true;
  }
  if (save_trouble_.empty()) {
    log(LogLevel::kError, "save-failed", {{"service", name()}, {"reason", saved.error().message}});
  }
  save_trouble_ = saved.error().message;
  return false;
}

// What has no order of its own: said once, until it is over or something else is said.
void ServiceRunner::say(const char* event, const Verdict& verdict) {
  auto said = said_.find(std::string_view(event));
  if (said == said_.end()) {
    if (verdict.reason.empty()) return;
    said = said_.emplace(event, "").first;
  }
  if (said->second == verdict.reason) return;
  said->second = verdict.reason;
  if (verdict.reason.empty()) return;
  // A refusal without alarm is everyday: a message that crossed another, a run that ended.
  const LogLevel level = verdict.alarm  ? LogLevel::kError
                         : verdict.save ? LogLevel::kNotice
                                        : LogLevel::kInfo;
  log(level, event, {{"service", name()}, {"reason", verdict.reason}});
}

// --- The dead-man thread.

DeadmanGoal ServiceRunner::deadman_goal() {
  const std::lock_guard lock(mutex_);
  switch (guard_.record().role) {
    case Role::kNone: return {};
    case Role::kPrimary: return {DeadmanMode::kArmed, guard_.lease_until()};
    case Role::kStandby: return {closed_ ? DeadmanMode::kStandby : DeadmanMode::kArmed, Instant{0}};
    case Role::kFenced: break;
  }
  // A store that hangs is fenced by its ports alone: they stay closed until it is read-only.
  const bool read_back = guard_.fenced() != 0 && guard_.fenced() == guard_.record().fence_epoch;
  return {read_back && closed_ ? DeadmanMode::kStandby : DeadmanMode::kArmed, Instant{0}};
}

void ServiceRunner::on_deadman(const DeadmanState& state) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = state.armed != deadman_.armed || state.closed != deadman_.closed ||
           state.available != deadman_.available || state.trouble != deadman_.trouble ||
           state.holds < deadman_.holds;
    deadman_ = state;
    const bool armed = state.armed && state.trouble.empty();
    guard_.set_fence_bound(armed ? kFenceBoundArmed : kFenceBoundUnarmed, armed);
  }
  if (news) wake();
}

// --- The runner's thread.

Standing ServiceRunner::standing(Instant now) {
  Standing standing;
  standing.level = guard_.level(now);
  standing.until = guard_.lease_until();
  const bool open = standing.level == Level::kOpen || standing.level == Level::kPromote;
  if (leaving_ && open) standing.level = Level::kClosed;
  standing.follow = follow_;
  if (follow_) standing.sources = sources_;
  standing.deadman = deadman_;
  return standing;
}

void ServiceRunner::note_level(Level level, Instant now) {
  if (level == level_) return;
  const bool lapsed = level == Level::kClosed && (level_ == Level::kOpen);
  log(lapsed ? LogLevel::kWarning : LogLevel::kNotice, lapsed ? "lease-ended" : "level-changed",
      {{"service", name()},
       {"from", to_string(level_)},
       {"to", to_string(level)},
       {"epoch", guard_.epoch()},
       {"lease_s", seconds(std::max(guard_.lease_until() - now, Duration::zero()))}});
  level_ = level;
}

void ServiceRunner::read_back(const ReadBack& back, const Standing& applied,
                              std::uint64_t fence_epoch, const Reign& reign) {
  const bool closing = applied.level == Level::kFenced || applied.level == Level::kStandby;
  if (closing && applier_.stores_settled() && !std::exchange(closed_, true)) {
    if (bells_.lease_changed) bells_.lease_changed();
  }
  if (guard_.record().role == Role::kPrimary) closed_ = planted(Plant::kHungFenceOpens);
  std::string reached;
  if (back.closed && guard_.fenced() != fence_epoch &&
      guard_.on_fence_read_back(fence_epoch).accepted) {
    if (bells_.lease_changed) bells_.lease_changed();
    log(LogLevel::kNotice, "fence-read-back", {{"service", name()}, {"epoch", fence_epoch}});
    reached = "fenced";
  }
  if (back.open && guard_.promoted() != reign.epoch &&
      guard_.on_promotion_read_back(reign).accepted) {
    log(LogLevel::kNotice, "promotion-read-back", {{"service", name()}, {"epoch", reign.epoch}});
    reached = "promoted";
  }
  if (back.following && applied.follow && follow_) {
    follow_ = false;
    log(LogLevel::kNotice, "following", {{"service", name()}, {"epoch", reign.epoch}});
    reached = "following";
  }
  if (reached.empty()) return;
  if (reached == hook_due_) {
    hook_due_.clear();
    queue_hooks(reached);
  }
  progress_.notify_all();
}

// After the stores and ports: these do not wait for the disk of a file.
void ServiceRunner::tell_worth(Role role, Instant now) {
  if (!parts_.tell_worth) return;
  const bool holds = [this] {
    const std::lock_guard lock(mutex_);
    return vip_.holds();
  }();
  const int worth = worth_.now(role, now, holds);
  if (told_worth_ == worth) return;
  const auto told = parts_.tell_worth(worth);
  if (told) told_worth_ = worth;
  const std::lock_guard lock(mutex_);
  say("vip-untold", {told.ok(), false, !told.ok(), told ? "" : told.error().message});
}

// True when power was taken just now.
bool ServiceRunner::finish_take(Instant now) {
  if (!guard_.is_taking()) return false;
  const Verdict verdict = change([&](Guard& guard) { return guard.finish_take(now); });
  say(verdict.accepted ? "taken" : "not-taken", verdict);
  if (!verdict.accepted || !verdict.save) return false;
  follow_ = false;
  hook_due_ = "promoted";
  return true;
}

Duration ServiceRunner::turn() {
  Standing next;
  std::uint64_t fence_epoch = 0;
  Reign reign;
  Instant now;
  Role role = Role::kNone;
  bool took = false;
  {
    const std::lock_guard lock(mutex_);
    now = parts_.clock->now();
    last_turn_ns_ = now.ns;
    if (guard_.tick_may_save(now)) {
      say("prepare-void", change([&](Guard& guard) { return guard.tick(now); }));
    }
    took = finish_take(now);
    next = standing(now);
    note_level(next.level, now);
    fence_epoch = guard_.record().fence_epoch;
    reign = guard_.record().reign;
    role = guard_.record().role;
  }
  if (took && bells_.lease_changed) bells_.lease_changed();
  const ReadBack back = applier_.apply(next, now);
  tell_worth(role, now);
  const std::lock_guard lock(mutex_);
  read_back(back, next, fence_epoch, reign);
  if (const bool owed = applier_.owes_units(); owed != guard_.record().units_owed) {
    change([&](Guard& guard) { return guard.on_units_owed(owed); });
  }
  applied_ = std::move(next);
  const Duration most = is_calm() ? kCalmTurn : kTurn;
  const Duration rest = applied_.until - parts_.clock->now();
  return rest > Duration::zero() ? std::min(rest, most) : most;
}

// Nothing of it ends with time but the lease, and that is known.
bool ServiceRunner::is_calm() const {
  const Level level = applied_.level;
  return level != Level::kClosed && level != Level::kPromote && !guard_.record().prepared &&
         !guard_.is_taking() && !follow_ && applier_.is_at_rest();
}

bool ServiceRunner::is_behind() const {
  return follow_ || guard_.level(parts_.clock->now()) != level_;
}

void ServiceRunner::run() {
  for (;;) {
    const Duration pause = turn();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, pause, [&] { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

// --- Hooks and the end.

void ServiceRunner::queue_hooks(const std::string& on) {
  const GuardRecord& record = guard_.record();
  const Json json = Json::object({{"service", name()},
                                  {"site", parts_.site},
                                  {"event", on},
                                  {"epoch", std::to_string(record.reign.epoch)},
                                  {"reign", record.reign.id.text()},
                                  {"power", record.power}});
  for (const HookSettings& hook : parts_.settings.hooks) {
    if (hook.on != on) continue;
    if (!hooks_.push({on, json.dump()})) {
      log(LogLevel::kError, "hook-dropped", {{"service", name()}, {"on", on}});
    }
    break;
  }
}

void ServiceRunner::run_hooks() {
  while (!hooks_.closed()) {
    const auto due = hooks_.pop(1s);
    if (!due) continue;
    for (const HookSettings& hook : parts_.settings.hooks) {
      if (hook.on != due->on || !parts_.run_hook) continue;
      const auto ran = parts_.run_hook(hook, due->json);
      log(ran ? LogLevel::kInfo : LogLevel::kError, ran ? "hook-ran" : "hook-failed",
          {{"service", name()},
           {"on", hook.on},
           {"program", hook.argv.empty() ? "" : hook.argv[0]},
           {"reason", ran ? "" : ran.error().message}});
    }
  }
}

void ServiceRunner::begin_leaving() {
  {
    const std::lock_guard lock(mutex_);
    // With a living kernel set everything goes on: the next start takes the rest of the lease.
    leaving_ = !(deadman_.armed && deadman_.trouble.empty());
  }
  wake();
}

bool ServiceRunner::may_leave() {
  const std::lock_guard lock(mutex_);
  if (!leaving_ || guard_.record().role != Role::kPrimary || !applier_.has_stores()) return true;
  return applied_.level == Level::kClosed && applier_.trouble().empty() &&
         applier_.stores_settled();
}

}  // namespace pointsman
