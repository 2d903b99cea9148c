#include "agent/applier.h"

#include <algorithm>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr Duration kKnownMost = 3s;  // An older reading of a store says nothing of now.

}  // namespace

Applier::Applier(std::string service, std::vector<AttachedDriver> drivers,
                 Duration stop_units_after, const Clock& clock)
    : service_(std::move(service)), stop_units_after_(stop_units_after) {
  for (AttachedDriver& attached : drivers) {
    drivers_.push_back({std::make_unique<DriverWorker>(std::move(attached.driver), service_,
                                                       attached.verb_within, clock),
                        attached.only_primary});
  }
}

void Applier::attach(const std::function<void()>& changed) {
  for (Attached& attached : drivers_) attached.worker->attach(changed);
}

void Applier::start(const std::function<void()>& changed) {
  for (Attached& attached : drivers_) attached.worker->start(changed);
}

void Applier::stop() {
  for (Attached& attached : drivers_) attached.worker->stop();
}

std::vector<DriverWorker*> Applier::workers() const {
  std::vector<DriverWorker*> workers;
  for (const Attached& attached : drivers_) workers.push_back(attached.worker.get());
  return workers;
}

// --- Acting.

void Applier::aim_stores(const Goal& goal, const Standing& standing) {
  for (Attached& attached : drivers_) {
    if (!attached.worker->is_store()) continue;
    Goal own = goal;
    if (goal.aim == Aim::kStandby && standing.follow) {
      const auto source = standing.sources.find(attached.worker->name());
      if (source != standing.sources.end()) own.source = source->second;
    }
    attached.worker->aim(own);
  }
}

void Applier::aim_units(const Goal& goal) {
  for (Attached& attached : drivers_) {
    if (!attached.worker->is_store() && attached.only_primary) attached.worker->aim(goal);
  }
}

// Stores open before units start, and the kernel holds the lease before stores open.
ReadBack Applier::open(const Standing& standing) {
  closed_since_.reset();
  const DeadmanState& deadman = standing.deadman;
  if (deadman.configured && deadman.available && !deadman.armed) return {};
  aim_stores({Aim::kOpen, standing.until, ""}, standing);
  if (!stores_reached()) return {};
  ReadBack back;
  back.open = true;
  if (!start_units_) return back;
  aim_units({Aim::kOpen, standing.until, ""});
  const bool started = std::all_of(drivers_.begin(), drivers_.end(), [](const Attached& one) {
    return one.worker->is_store() || !one.only_primary || one.worker->reached();
  });
  // From here on a unit that ends is its supervisor's care, or its operator's wish.
  if (started) {
    start_units_ = false;
    aim_units({});
  }
  return back;
}

ReadBack Applier::apply(const Standing& standing, Instant now) {
  const bool in_power = standing.level == Level::kOpen || standing.level == Level::kPromote;
  if (standing.level != level_) {
    if (level_ == Level::kUntouched && in_power && !units_owed_) start_units_ = false;
    level_ = standing.level;
    level_since_ = now;
  }
  if (in_power) return open(standing);
  ReadBack back;
  switch (standing.level) {
    case Level::kClosed:
      aim_stores({Aim::kClosed, {}, ""}, standing);
      if (!closed_since_) closed_since_ = now;
      if (now - *closed_since_ >= stop_units_after_) {
        start_units_ = true;
        aim_units({Aim::kFenced, {}, ""});
      }
      return back;
    case Level::kFenced:
      start_units_ = true;
      aim_stores({Aim::kFenced, {}, ""}, standing);
      aim_units({Aim::kFenced, {}, ""});
      back.closed = all_closed(standing);
      return back;
    case Level::kStandby:
      start_units_ = true;
      aim_stores({Aim::kStandby, {}, ""}, standing);
      aim_units({Aim::kStandby, {}, ""});
      back.closed = all_closed(standing);
      back.following = standing.follow && stores_reached() && all_have_sources(standing);
      return back;
    default:
      aim_stores({}, standing);
      aim_units({});
      return back;
  }
}

// --- Reading back.

bool Applier::stores_reached() const {
  return std::all_of(drivers_.begin(), drivers_.end(), [](const Attached& one) {
    return !one.worker->is_store() || one.worker->reached();
  });
}

bool Applier::is_at_rest() const {
  return !closed_since_ && std::all_of(drivers_.begin(), drivers_.end(),
                                       [](const Attached& one) { return one.worker->reached(); });
}

bool Applier::all_have_sources(const Standing& standing) const {
  return std::all_of(drivers_.begin(), drivers_.end(), [&](const Attached& one) {
    return !one.worker->is_store() || standing.sources.contains(one.worker->name());
  });
}

bool Applier::owes_units() const {
  return start_units_ && level_ != Level::kUntouched &&
         std::any_of(drivers_.begin(), drivers_.end(), [](const Attached& one) {
           return !one.worker->is_store() && one.only_primary;
         });
}

bool Applier::units_stopped() const {
  return std::all_of(drivers_.begin(), drivers_.end(), [](const Attached& one) {
    return one.worker->is_store() || !one.only_primary || one.worker->reached();
  });
}

// A store that hangs cannot be asked; it is closed when nothing can reach it.
bool Applier::store_closed(const DriverWorker& worker, const Standing& standing) const {
  const bool alone = standing.deadman.closed && units_stopped();
  return worker.read([&](const DriverState& state) {
    if (state.reached) return true;
    if (!state.looked || state.looked_at < level_since_) return false;
    if (state.report.liveness == Liveness::kStopped) return true;
    return state.report.liveness == Liveness::kHung && alone;
  });
}

bool Applier::all_closed(const Standing& standing) const {
  const DeadmanState& deadman = standing.deadman;
  // In role standby the ports are open on purpose; a kernel that cannot be asked is told as
  // trouble, and then the stores' own word decides.
  const bool ports = standing.level == Level::kStandby || !deadman.configured ||
                     !deadman.available || deadman.closed || !deadman.trouble.empty();
  return ports && units_stopped() &&
         std::all_of(drivers_.begin(), drivers_.end(), [&](const Attached& one) {
           return !one.worker->is_store() || store_closed(*one.worker, standing);
         });
}

bool Applier::has_stores() const {
  return std::any_of(drivers_.begin(), drivers_.end(),
                     [](const Attached& one) { return one.worker->is_store(); });
}

bool Applier::stores_writable() const {
  return std::all_of(drivers_.begin(), drivers_.end(), [](const Attached& one) {
    if (!one.worker->is_store()) return true;
    return one.worker->read([](const DriverState& state) {
      const StoreReport& report = state.report;
      return report.liveness == Liveness::kUp && report.writable && !report.replica;
    });
  });
}

void Applier::fill(ServiceReport& report, const DeadmanState& deadman, Instant now) const {
  report.deadman_available = deadman.available;
  report.stores.clear();
  report.units.clear();
  bool any_writable = false;
  bool all_known = true;
  for (const Attached& one : drivers_) {
    DriverState state = one.worker->state();
    state.report.name = one.worker->name();
    const Liveness liveness = state.report.liveness;
    if (!one.worker->is_store()) {
      report.units.push_back(
          {one.worker->name(), one.only_primary, liveness == Liveness::kUp, state.report.detail});
      continue;
    }
    // The positions are those of the last sound reading, and so is their age.
    const Instant read = state.sound_at.ns != 0 ? state.sound_at : state.looked_at;
    state.report.age = state.looked ? std::max(now - read, Duration::zero()) : Duration::zero();
    const bool sound = liveness == Liveness::kUp || liveness == Liveness::kStopped;
    all_known = all_known && state.looked && sound && now - state.looked_at < kKnownMost;
    any_writable = any_writable || state.report.writable;
    report.stores.push_back(std::move(state.report));
  }
  const bool ports = !deadman.armed || report.lease_rest > Duration::zero();
  const bool in_power = report.role == Role::kPrimary && report.lease_rest > Duration::zero();
  report.writable = ports && (report.stores.empty() ? in_power : any_writable);
  report.writable_known = all_known;
}

std::string Applier::trouble() const {
  std::string all;
  for (const Attached& one : drivers_) {
    const std::string trouble =
        one.worker->read([](const DriverState& state) { return state.trouble; });
    if (trouble.empty() || all.size() > 2000) continue;
    all += (all.empty() ? "" : "; ") + trouble.substr(0, 500);
  }
  return all;
}

// --- Replication.

void Applier::confirm(CatchUp& catch_up) const {
  for (const Attached& one : drivers_) {
    if (!one.worker->is_store()) continue;
    const DriverWorker& worker = *one.worker;
    if (!catch_up.waits_for(worker.name())) continue;
    const std::string here =
        worker.read([](const DriverState& state) { return state.report.received; });
    catch_up.standby_read(worker.name(), here,
                          [&](const std::string& received, const std::string& executed) {
                            return worker.contains(received, executed);
                          });
  }
}

std::string Applier::replication_refusal(const CatchUp& catch_up, Duration max_lag,
                                         Instant now) const {
  for (const Attached& one : drivers_) {
    if (!one.worker->is_store()) continue;
    const std::string& name = one.worker->name();
    const DriverState state = one.worker->state();
    const StoreReport& report = state.report;
    if (!state.looked || now - state.looked_at > kKnownMost || report.liveness != Liveness::kUp) {
      return name + " does not answer here";
    }
    if (!report.replica) return name + " is no replica here";
    if (!report.applier_running) return name + ": the applier is not running";
    if (!report.errant.empty()) {
      return fmt::format("{} holds writes that its source never had: {}", name, report.errant);
    }
    const auto caught_up = catch_up.caught_up(name);
    const auto told = catch_up.told(name);
    if (!told || !caught_up) return name + ": never seen to have caught up with the site in power";
    if (*told - *caught_up > max_lag) {
      return fmt::format(
          "{} has not received what the site in power had executed {} before it "
          "was last heard ({:.1f} s behind)",
          name, format_duration(max_lag), seconds(*told - *caught_up));
    }
  }
  return "";
}

std::string Applier::behind(const std::vector<std::pair<std::string, std::string>>& positions,
                            bool only_comparable, Instant now) const {
  for (const auto& [store, position] : positions) {
    const auto found =
        std::find_if(drivers_.begin(), drivers_.end(), [&, &wanted = store](const Attached& one) {
          return one.worker->is_store() && one.worker->name() == wanted;
        });
    if (found == drivers_.end()) {
      if (only_comparable) continue;
      return store + ": there is no such store here";
    }
    const DriverState state = found->worker->state();
    if (!state.looked || now - state.looked_at > kKnownMost ||
        state.report.liveness != Liveness::kUp) {
      return store + " does not answer here";
    }
    const auto held = found->worker->contains(state.report.executed, position);
    if (held.value_or(only_comparable)) continue;
    return fmt::format("{} is at {}, the old site ended at {}{}", store, state.report.executed,
                       position, held ? "" : ": they cannot be compared");
  }
  return "";
}

std::string Applier::unadvertised(const std::map<std::string, std::string>& sources) const {
  for (const Attached& one : drivers_) {
    if (!one.worker->is_store() || sources.contains(one.worker->name())) continue;
    return one.worker->name() + ": the other site's agent does not advertise where to follow it";
  }
  return "";
}

std::vector<std::string> Applier::render(Verb verb, Duration within) const {
  std::string word;
  switch (verb) {
    case Verb::kFence: word = "fence"; break;
    case Verb::kPromote: word = "promote"; break;
    case Verb::kFollow: word = "follow"; break;
    default: return {};
  }
  std::vector<std::string> lines;
  for (const Attached& one : drivers_) {
    if (!one.worker->is_store() && !one.only_primary) continue;
    for (std::string& line : one.worker->render(word, within)) {
      lines.push_back(one.worker->name() + ": " + std::move(line));
    }
  }
  return lines;
}

}  // namespace pointsman
