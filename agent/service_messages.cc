#include <algorithm>

#include <fmt/format.h>

#include "agent/service_runner.h"
#include "base/crash_point.h"
#include "base/log.h"

// What a service answers to monitors, to its peer and to itself.

namespace pointsman {
namespace {

constexpr Duration kRenderWithin = 2s;
constexpr Duration kSeenMost = 15s;  // An older observation of our own says nothing.

}  // namespace

// --- Messages.

void ServiceRunner::watch(const ServicePoll& poll, bool lent) {
  if (parts_.witness == nullptr) return;
  if (poll.witness && may_watch(lent)) {
    const auto watched = parts_.witness->watch(name(), *poll.witness);
    const std::lock_guard lock(mutex_);
    if (watched) {
      spec_version_ = poll.spec_version;
      spec_lent_ = lent;
    } else {
      say("witness-refused", {false, false, false, watched.error().message});
    }
  }
  for (const std::string& site : poll.hurry) parts_.witness->hurry(name(), site);
}

// A monitor that runs dry may say what to probe while no other has.
bool ServiceRunner::may_watch(bool lent) {
  const std::lock_guard lock(mutex_);
  return !lent || spec_lent_ || spec_version_ == 0;
}

ServiceReport ServiceRunner::on_monitor_poll(const PollRequest& request, const ServicePoll& poll) {
  watch(poll, request.dry_run);
  // Not even its place in the sequence: a run noted as former could never be heard again.
  if (request.dry_run) return report();
  bool vouched = false;
  bool news = false;
  std::unique_lock lock(mutex_);
  const Instant now = parts_.clock->now();
  if (guard_.in_sequence(request.sender, request.run, request.sequence)) {
    if (poll.vouch) {
      const Verdict verdict = guard_.on_monitor_vouch(*poll.vouch, request.run, now);
      vouched = verdict.accepted;
      say("vouch-refused", verdict);
    }
    change_if(guard_.record().lease != poll.lease,
              [&](Guard& guard) { return guard.on_monitor_poll(poll.lease, now); });
    if (poll.renewal) {
      say("renewal-refused", change([&](Guard& guard) {
            return guard.on_renewal(*poll.renewal, poll.prepare_ttl, now);
          }));
    }
    change_if(request.counter > guard_.record().monitor_counter,
              [&](Guard& guard) { return guard.on_monitor_counter(request.counter); });
    if (poll.witness) {
      for (const Json& target : poll.witness->as_array()) {
        say("peer-name",
            change([&](Guard& guard) { return guard.on_peer_name(target.string_or("site")); }));
      }
    }
  }
  news = is_behind();
  lock.unlock();
  if (news) wake();
  if (vouched && bells_.lease_changed) bells_.lease_changed();
  return report();
}

ServiceReport ServiceRunner::on_peer_poll(const PollRequest& request, const ServicePoll& poll) {
  bool vouched = false;
  bool learned = false;
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    const Instant now = parts_.clock->now();
    if (guard_.in_sequence(request.sender, request.run, request.sequence)) {
      if (poll.own) learned = take_report(*poll.own, false).save;
      if (poll.vouch) {
        const Verdict verdict = guard_.on_peer_vouch(*poll.vouch, now);
        vouched = verdict.accepted;
        say("vouch-refused", verdict);
      }
    }
    news = learned || is_behind();
  }
  if (news) wake();
  if ((vouched || learned) && bells_.lease_changed) bells_.lease_changed();
  return report();
}

// A site in power that we see up ourselves is no site to take over from.
GuardSight ServiceRunner::sight_of(const Order& order, const std::vector<WitnessCount>& counts) {
  GuardSight sight = sight_locked(counts, order.max_lag);
  sight.behind = applier_.behind(order.positions, order.replication_forced, parts_.clock->now());
  return sight;
}

GuardSight ServiceRunner::sight_locked(const std::vector<WitnessCount>& counts, Duration max_lag) {
  GuardSight sight;
  bool any = false;
  bool all = true;
  for (const WitnessCount& count : counts) {
    if (count.site != guard_.record().peer) continue;
    any = true;
    all = all && count.last == "pass" && count.age < kSeenMost;
  }
  sight.peer_seen_up = any && all;
  sight.stores_writable = applier_.stores_writable();
  applier_.confirm(catch_up_);
  const GuardRecord& record = guard_.record();
  const bool own_reign = record.role == Role::kFenced && record.power == parts_.site;
  if (!own_reign) {
    sight.replication_refusal =
        applier_.replication_refusal(catch_up_, max_lag, parts_.clock->now());
  }
  return sight;
}

std::vector<WitnessCount> ServiceRunner::witness_counts() const {
  return parts_.witness == nullptr ? std::vector<WitnessCount>{} : parts_.witness->counts(name());
}

OrderReply ServiceRunner::take_order(const Order& order) {
  const auto counts = witness_counts();
  if (order.dry_run) return rehearse(order, counts);
  OrderReply reply;
  {
    const std::lock_guard lock(mutex_);
    const GuardSight seen = sight_of(order, counts);
    Verdict verdict =
        change([&](Guard& guard) { return guard.on_order(order, seen, parts_.clock->now()); });
    begin_rejoin(order, verdict);
    reply.accepted = verdict.accepted;
    reply.reason = verdict.reason;
    note_order(order, verdict);
  }
  wake();
  if (bells_.lease_changed) bells_.lease_changed();
  reply.report = report();
  return reply;
}

OrderReply ServiceRunner::on_order(const Order& order) {
  OrderReply reply = take_order(order);
  crash_point("before-reply", to_string(order.verb));
  const bool catches_up = order.verb == Verb::kPrepare && !order.positions.empty();
  if (!reply.accepted || order.dry_run || (order.verb != Verb::kFence && !catches_up)) {
    return reply;
  }
  {
    std::unique_lock lock(mutex_);
    const Instant until = parts_.clock->now() + kFenceWait;
    while (!stopping_ && parts_.clock->now() < until && !is_there(order)) {
      progress_.wait_for(lock, std::min<Duration>(until - parts_.clock->now(), 10ms));
    }
  }
  reply.report = report();
  return reply;
}

// What the reply to an order waits for.
bool ServiceRunner::is_there(const Order& order) const {
  if (order.verb == Verb::kFence) return guard_.fenced() >= order.reign.epoch;
  return applier_.behind(order.positions, order.replication_forced, parts_.clock->now()).empty();
}

void ServiceRunner::note_order(const Order& order, const Verdict& verdict) {
  const LogLevel level = verdict.alarm      ? LogLevel::kError
                         : verdict.accepted ? LogLevel::kNotice
                                            : LogLevel::kWarning;
  // A monitor asks again and again for what has to wait.
  std::string& said = said_["order"];
  const std::string now =
      fmt::format("{}/{}/{}", to_string(order.verb), order.reign.epoch,
                  verdict.reason.substr(0, verdict.reason.find_first_of("0123456789")));
  const bool again = said == now && !verdict.save;
  said = now;
  if (verdict.accepted) refused_prepare_.reset();
  if (!verdict.accepted && order.verb == Verb::kPrepare && order.automatic) {
    refused_prepare_ = order;
  }
  if (!again) {
    log(level, verdict.accepted ? "order-accepted" : "order-refused",
        {{"service", name()},
         {"verb", to_string(order.verb)},
         {"epoch", order.reign.epoch},
         {"move", order.move},
         {"from", order.sender},
         {"reason", verdict.reason}});
  }
  if (!verdict.accepted) return;
  follow_ = order.verb == Verb::kFollow || (follow_ && order.verb != Verb::kPromote);
  if (order.verb == Verb::kPrepare && !order.positions.empty()) {
    goal_ = CatchUpGoal{order.move, order.positions, order.replication_forced};
  }
  if (!verdict.save) return;
  if (order.verb == Verb::kFence) hook_due_ = "fenced";
  if (order.verb == Verb::kPromote) hook_due_ = "promoted";
  if (order.verb == Verb::kFollow) hook_due_ = "following";
}

// The same way through a copy of the guard; nothing is accepted, nothing is sent.
OrderReply ServiceRunner::rehearse(const Order& order, const std::vector<WitnessCount>& counts) {
  OrderReply reply;
  {
    const std::lock_guard lock(mutex_);
    const GuardSight seen = sight_locked(counts, order.max_lag);
    Guard copy = guard_;
    Order as_if = order;
    if (order.verb == Verb::kPromote) {
      // In a real move the standby is prepared and the old site's power has ended by now.
      as_if.verb = Verb::kPrepare;
      copy.on_order(as_if, seen, parts_.clock->now());
      as_if.verb = Verb::kPromote;
      as_if.old_fenced = true;
    } else if (order.verb == Verb::kFollow) {  // And it was fenced.
      as_if.verb = Verb::kFence;
      copy.on_order(as_if, seen, parts_.clock->now());
      as_if.verb = Verb::kFollow;
    }
    const Verdict verdict = copy.on_order(as_if, seen, parts_.clock->now());
    if (order.verb == Verb::kSurvey) return rehearse_survey(order, verdict);
    reply.accepted = verdict.accepted;
    reply.reason = verdict.reason;
  }
  reply.rendered = applier_.render(order.verb, kRenderWithin);
  reply.report = report();
  return reply;
}

ServiceReport ServiceRunner::report() {
  std::vector<WitnessCount> counts = witness_counts();
  const std::lock_guard lock(mutex_);
  ServiceReport report = report_locked(parts_.clock->now());
  if (refused_prepare_) {
    report.prepare_refusal =
        guard_.prepare_refusal(*refused_prepare_, sight_locked(counts, refused_prepare_->max_lag));
  }
  report.witness = std::move(counts);
  return report;
}

// A monitor that reads a vouch here counts on nothing longer being held. The kernel may hold a
// longer one still, and go on with it should this process die now: until it has been shortened
// there too, the reply says what it said before.
void ServiceRunner::tell_vouch(ServiceReport& report) {
  if (deadman_.holds > guard_.lease_until() && deadman_.holds > parts_.clock->now()) {
    report.lone = report.lone || told_lone_;
  } else {
    told_vouch_ = report.monitor_vouch;
    told_run_ = report.monitor_run;
    told_lone_ = report.lone;
  }
  report.monitor_vouch = told_vouch_;
  report.monitor_run = told_run_;
}

ServiceReport ServiceRunner::report_locked(Instant now) {
  ServiceReport report;
  report.service = name();
  applier_.confirm(catch_up_);
  guard_.fill(report, now);
  tell_vouch(report);
  applier_.fill(report, deadman_, now);
  const AgentServiceSettings& settings = parts_.settings;
  if (settings.mysql && !settings.mysql->advertise.empty()) {
    report.advertise.emplace_back("mysql", settings.mysql->advertise);
  }
  if (settings.redis && !settings.redis->advertise.empty()) {
    report.advertise.emplace_back("redis", settings.redis->advertise);
  }
  if (guard_.record().role != Role::kPrimary) {
    bool comparable = !report.stores.empty();
    for (StoreReport& store : report.stores) {
      const auto age = [&](const std::optional<Instant>& at) -> std::optional<Duration> {
        if (!at) return std::nullopt;
        return std::max(now - *at, Duration::zero());
      };
      store.caught_up_age = age(catch_up_.caught_up(store.name));
      store.told_age = age(catch_up_.told(store.name));
      comparable = comparable && store.caught_up_age;
      if (!store.caught_up_age) continue;
      report.caught_up_age =
          std::max(report.caught_up_age.value_or(Duration::zero()), *store.caught_up_age);
    }
    if (!comparable) report.caught_up_age.reset();
  }
  if (goal_ && guard_.record().prepared && guard_.record().prepared->move == goal_->move) {
    const std::string missing = applier_.behind(goal_->positions, goal_->only_comparable, now);
    report.catch_up = CaughtUp{goal_->move, missing.empty(), missing.substr(0, 1000)};
  }
  report.spec_version = spec_version_;
  report.vip = vip_.report(now);
  fill_rejoin(report);
  report.trouble = applier_.trouble();
  std::string unadvertised;
  if (follow_) unadvertised = applier_.unadvertised(sources_);
  for (const std::string& more :
       {unadvertised, rejoin_trouble(), deadman_.trouble, save_trouble_}) {
    if (more.empty()) continue;
    report.trouble += (report.trouble.empty() ? "" : "; ") + more.substr(0, 500);
  }
  return report;
}

// --- keepalived at this site.

ServiceReport ServiceRunner::on_vip(std::optional<bool> holds) {
  {
    const std::lock_guard lock(mutex_);
    if (vip_.heard(holds, parts_.clock->now())) {
      log(LogLevel::kNotice, *holds ? "vip-holds" : "vip-yields",
          {{"service", name()}, {"role", to_string(guard_.record().role)}});
    }
  }
  return report();
}

// --- A person at this site.

ServiceRunner::TakeAnswer ServiceRunner::take(const Take& take, const std::string& reign_id) {
  TakeAnswer answer;
  const std::lock_guard lock(mutex_);
  const Instant now = parts_.clock->now();
  answer.verdict = change([&](Guard& guard) { return guard.begin_take(take, reign_id, now); });
  answer.rest = guard_.take_rest(now);
  log(answer.verdict.accepted ? LogLevel::kWarning : LogLevel::kNotice,
      answer.verdict.accepted ? "take-begun" : "take-refused",
      {{"service", name()},
       {"off", take.off},
       {"actor", take.actor},
       {"why", take.reason},
       {"reason", answer.verdict.reason}});
  return answer;
}

// --- The peer.

std::string ServiceRunner::peer_name() {
  const std::lock_guard lock(mutex_);
  return guard_.record().peer;
}

Duration ServiceRunner::lease() {
  const std::lock_guard lock(mutex_);
  return guard_.record().lease;
}

ServicePoll ServiceRunner::poll_for_peer() {
  const std::lock_guard lock(mutex_);
  const Instant now = parts_.clock->now();
  ServicePoll poll;
  poll.service = name();
  poll.lease = guard_.record().lease;
  poll.spec_version = spec_version_;
  std::optional<Vouch> vouch;
  const Verdict verdict =
      change_if(guard_.vouch_may_save(poll.lease, now), [&](Guard& guard) -> Verdict {
        Guard::PeerVouch made = guard.vouch_for_peer(poll.lease, now);
        vouch = std::move(made.vouch);
        return {true, made.save, false, ""};
      });
  if (verdict.accepted) poll.vouch = std::move(vouch);
  poll.own = report_locked(now);
  return poll;
}

// By the peer's report a former primary may learn that its reign is over, and is fenced by that.
Verdict ServiceRunner::take_report(const ServiceReport& report, bool answer) {
  const Role before = guard_.record().role;
  const std::string power_before = guard_.record().power;
  const Reign reign_before = guard_.record().reign;
  const Verdict verdict = change_if(guard_.report_may_save(report), [&](Guard& guard) {
    return guard.on_peer_report(report, parts_.clock->now(), answer);
  });
  if (answer || verdict.save || verdict.alarm) say("peer-report", verdict);
  if (before == Role::kPrimary && guard_.record().role == Role::kFenced) hook_due_ = "fenced";
  if (guard_.record().power != power_before) catch_up_.forget();
  if (verdict.save && guard_.record().reign != reign_before) stop_rejoin("another reign began");
  return verdict;
}

void ServiceRunner::on_peer_reply(const ServiceReport& report, Instant asked) {
  bool learned = false;
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    const Verdict taken = take_report(report, true);
    learned = taken.save;
    news = learned || is_behind();
    if (!taken.accepted) return;
    sources_.clear();
    for (const auto& [store, address] : report.advertise) sources_[store] = address;
    if (report.site == guard_.record().power) {
      for (const StoreReport& store : report.stores) {
        catch_up_.primary_told(store.name, store.executed, asked - store.age);
      }
      applier_.confirm(catch_up_);
    }
  }
  if (news) wake();
  if (learned && bells_.lease_changed) bells_.lease_changed();
}

}  // namespace pointsman
