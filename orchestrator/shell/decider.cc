#include "orchestrator/shell/decider.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/log.h"
#include "base/planted.h"

namespace pointsman {
namespace {

constexpr Duration kLateMost = 1s;  // A turn later than this: doubt ourselves.
constexpr Duration kLateHolds = 5s;
constexpr Duration kRestMost = 250ms;
constexpr Duration kAllFailedEvery = 50ms;  // It looks at every service.

std::string hex16(std::uint64_t n) {
  std::string text(16, '0');
  for (std::size_t k = text.size(); n != 0; n >>= 4) text[--k] = "0123456789abcdef"[n & 15];
  return text;
}

bool says_down(const ServicePolicy& policy, const ServiceState& state, Instant now) {
  for (int site = 0; site < kSites; ++site) {
    if (verdict(policy, state, site, now) != SiteVerdict::kDown) return false;
  }
  return true;
}

}  // namespace

Decider::Decider(Parts parts) : parts_(std::move(parts)), counter_(parts_.counter) {
  last_turn_ = parts_.clock.now();
}

void Decider::add(const ServicePolicy& policy, std::optional<KeptState> kept) {
  Service service;
  service.policy = policy;
  service.widest = kept ? kept->widest : Duration::zero();
  std::optional<ServiceState> saved;
  if (kept) saved = std::move(kept->state);
  service.state = pointsman::begin(policy, std::move(saved), parts_.clock.now());
  // How long ago they began is not known any more: as every timer, the breaker's window restarts.
  if (!service.state.automatic_moves.empty()) {
    breaker_.emplace_back(parts_.clock.now(), policy.name);
  }
  services_.emplace(policy.name, std::move(service));
}

void Decider::begin() {
  parts_.book.with([&](VouchBook& book) { book.set_counter(counter_); });
  last_turn_ = parts_.clock.now();
}

Instant Decider::due() const {
  Instant next = last_turn_ + kRestMost;
  for (const auto& [name, service] : services_) next = std::min(next, service.wake_at);
  return next;
}

bool Decider::waits() const {
  return std::any_of(services_.begin(), services_.end(),
                     [](const auto& each) { return !each.second.waiting.empty(); });
}

std::map<std::string, ServiceSnapshot> Decider::changes(Instant now) {
  std::map<std::string, ServiceSnapshot> changes;
  for (auto& [name, service] : services_) {
    if (!std::exchange(service.changed, false)) continue;
    changes[name] = {service.policy, service.state, service.vouch, now};
  }
  return changes;
}

void Decider::turn(std::optional<LoopEvent> event, const ReferencesSeen& references, Instant now) {
  references_ = references;
  if (now - last_turn_ > kLateMost) {
    // We were frozen or starved: what we saw meanwhile says nothing about the sites.
    late_until_ = now + kLateHolds;
    log(LogLevel::kWarning, "loop-late", {{"gap_ms", whole_ms(now - last_turn_)}});
  }
  last_turn_ = now;
  start_saved();
  if (now - all_failed_at_ >= kAllFailedEvery) {
    all_failed_at_ = now;
    all_failed_ = std::all_of(services_.begin(), services_.end(), [&](const auto& each) {
      return says_down(each.second.policy, each.second.state, now);
    });
  }
  if (event) {
    if (event->service.empty()) {
      for (auto& [name, service] : services_) step_one(service, {name, event->what, nullptr}, now);
    } else if (auto found = services_.find(event->service); found != services_.end()) {
      step_one(found->second, std::move(*event), now);
    }
  }
  for (auto& [name, service] : services_) {
    if (service.wake_at > now) continue;
    step_one(service, {name, Tick{}, nullptr}, now);
  }
  start_saved();
}

Surroundings Decider::surroundings(const std::string& service, Instant now) {
  Surroundings around;
  around.references_set = references_.set;
  around.reference_pass = references_.last_pass;
  around.loop_late = now < late_until_;
  around.store_problem = parts_.saver.problem();
  around.moves_at_once = parts_.moves_at_once;
  around.others_moving = others_moving(service, now);
  around.all_failed = all_failed_;
  around.wall_s = parts_.clock.wall().ns / 1'000'000'000;
  return around;
}

// Services, not attempts: one whose standby refuses tries again and again.
int Decider::others_moving(const std::string& service, Instant now) {
  while (!breaker_.empty() && now - breaker_.front().first > parts_.breaker_window) {
    breaker_.pop_front();
  }
  if (planted(Plant::kBreakerPerService)) return 0;
  std::set<std::string_view> others;
  for (const auto& [at, whose] : breaker_) {
    if (whose != service) others.insert(whose);
  }
  return static_cast<int>(others.size());
}

void Decider::step_one(Service& service, LoopEvent event, Instant now) {
  if (const auto* changed = std::get_if<PolicyChanged>(&event.what)) {
    service.policy = changed->policy;
  }
  Event input;
  input.what = std::move(event.what);
  input.fresh = {hex16(parts_.chance()), "m-" + hex16(parts_.chance()),
                 static_cast<std::uint32_t>(parts_.chance())};
  input.around = surroundings(service.policy.name, now);
  input.counter = counter_;
  parts_.book.with([&](VouchBook& book) {
    for (int site = 0; site < kSites; ++site) {
      input.promise_end.at(static_cast<std::size_t>(site)) =
          book.promise_end(service.policy.name, site);
    }
  });
  if (parts_.keeps_history) {
    service.flight.note(service.policy, input, now, parts_.clock.wall());
  }
  // One step may end a move and begin the next.
  const std::string move_before = service.state.move ? service.state.move->id : "";
  Consequence decision = step_in_place(service.policy, service.state, input, now);
  const std::optional<Move>& move = service.state.move;
  // Also one that follows a virtual address: it is counted as automatic, though a person's in kind.
  const auto& counted = service.state.automatic_moves;
  const bool counts = move && (move->automatic || (!counted.empty() && counted.back() == now));
  if (counts && move->id != move_before && move->kind == MoveKind::kFailover) {
    breaker_.emplace_back(now, service.policy.name);
  }
  decide(service, std::move(decision), std::move(event.answer), now);
}

void Decider::set_widest(Service& service, const VouchWish& wish, Instant now) {
  if (!service.policy.agents || planted(Plant::kWidestVolatile)) return;
  const Duration ordinary = service.policy.lease;
  // A lease that grew, or the first ever, is durable before any vouch carries it.
  service.widest = std::max(service.widest, ordinary);
  if (wish.lone) {
    service.widest = std::max(service.widest, service.policy.lone_lease);
  } else if (service.widest > ordinary && parts_.book.with([&](VouchBook& book) {
               return book.only_ordinary(service.policy.name, now);
             })) {
    service.widest = ordinary;
  }
}

void Decider::decide(Service& service, Consequence&& decision,
                     std::unique_ptr<std::promise<OperatorAnswer>> answer, Instant now) {
  const std::string& name = service.policy.name;
  service.changed = true;
  const ServiceState& next = service.state;
  if (parts_.watch) parts_.watch(service.policy, next, decision);
  const Duration widest = service.widest;
  set_widest(service, decision.vouch, now);
  const bool vouch_changes = decision.vouch != service.vouch;
  // Stopping is obeyed at once, before anything is saved: no vouch for the former reign leaves any
  // more.
  if (vouch_changes &&
      (decision.vouch.site != service.vouch.site || decision.vouch.reign != service.vouch.reign)) {
    parts_.book.with([&](VouchBook& book) { book.stop(name); });
  }
  for (const JournalLine& line : decision.journal) {
    log(LogLevel::kNotice, "journal",
        {{"service", name},
         {"kind", line.kind},
         {"rule", line.rule},
         {"outcome", line.outcome},
         {"epoch", next.move ? next.move->reign.epoch : next.reign.epoch},
         {"phase", to_string(next.phase)},
         {"reason", line.reason}});
  }
  const bool save_now = decision.save || widest != service.widest;
  service.wake_at = decision.wake_at.value_or(now + kRestMost);
  if (save_now) {
    service.last_ticket = save(service, decision, now);
    service.last_counter = counter_;
  }
  guide_pollers(service, decision.hurry);

  Waiting waiting;
  waiting.ticket = planted(Plant::kVolatileIntent) ? 0 : service.last_ticket;
  waiting.counter = service.last_counter;
  waiting.commands = std::move(decision.commands);
  if (vouch_changes || widest != service.widest) {
    waiting.vouch = decision.vouch;
    waiting.vouch_turn = ++service.vouch_turn;
  }
  service.vouch = decision.vouch;
  if (decision.answer) waiting.answered = *decision.answer;
  waiting.answer = std::move(answer);
  if (waiting.commands.empty() && !waiting.vouch && !waiting.answer && !save_now) return;
  service.waiting.push_back(std::move(waiting));
}

JournalEntry Decider::entry_of(const Service& service, const JournalLine& line, Instant now) const {
  const ServiceState& s = service.state;
  const std::optional<Move>& move = s.move ? s.move : s.last_move;
  JournalEntry entry;
  entry.service = service.policy.name;
  entry.kind = line.kind;
  entry.rule = line.rule;
  entry.outcome = line.outcome;
  entry.reason = line.reason;
  entry.actor = line.actor.empty() ? parts_.actor : line.actor;
  entry.epoch = s.move ? s.move->reign.epoch : s.reign.epoch;
  if (move) entry.move = move->id;
  const bool of_rejoin =
      line.rule.starts_with("rejoin-") || line.rule == "begin-rejoin" || line.rule == "end-rejoin";
  if (of_rejoin && s.rejoin) entry.move = s.rejoin->move.id;
  entry.inputs = Json::object({{"phase", to_string(s.phase)}});
  for (int site = 0; site < kSites; ++site) {
    const SiteView& view = s.sites.at(static_cast<std::size_t>(site));
    entry.inputs.set(service.policy.sites.at(static_cast<std::size_t>(site)).name,
                     Json::object({{"verdict", to_string(verdict(service.policy, s, site, now))},
                                   {"role", to_string(view.agent.role)},
                                   {"agent_heard", view.agent_heard},
                                   {"probe", view.probes.empty() ? "" : view.probes[0].detail}}));
  }
  return entry;
}

std::uint64_t Decider::save(Service& service, const Consequence& decision, Instant now) {
  SaveBatch batch;
  counter_ = std::max(counter_ + 1, decision.counter_least);
  batch.counter = counter_;
  batch.states.emplace_back(service.policy.name,
                            encode_state(service.policy, service.state, service.widest));
  if (parts_.keeps_history) add_history(batch, service, decision, now);
  return parts_.saver.save(std::move(batch));
}

void Decider::add_history(SaveBatch& batch, Service& service, const Consequence& decision,
                          Instant now) {
  const WallTime wall = parts_.clock.wall();
  for (const JournalLine& line : decision.journal) {
    batch.journal.push_back(entry_of(service, line, now));
    batch.journal.back().at = wall;
  }
  // A decision keeps what was seen before it; while a move is on, each save keeps what came since.
  if (!decision.journal.empty()) batch.flight = service.flight.take(service.policy.name, now);
  const ServiceState& s = service.state;
  for (const Move* move : {s.last_move ? &*s.last_move : nullptr, s.move ? &*s.move : nullptr,
                           s.rejoin ? &s.rejoin->move : nullptr}) {
    if (move == nullptr) continue;
    const Move& m = *move;
    batch.moves.push_back({m.id,
                           service.policy.name,
                           {wall.ns - (now - m.begun).count()},
                           m.outcome == "running",
                           move_json(service.policy, m, now, wall).dump()});
  }
}

void Decider::start_saved() {
  const std::uint64_t done = parts_.saver.done();
  for (auto& [name, service] : services_) {
    while (!service.waiting.empty() && service.waiting.front().ticket <= done) {
      Waiting waiting = std::move(service.waiting.front());
      service.waiting.pop_front();
      start_all(service, std::move(waiting));
    }
  }
}

void Decider::start_all(Service& service, Waiting waiting) {
  const std::string& name = service.policy.name;
  parts_.book.with([&](VouchBook& book) {
    // What agents are told as our counter must be durable first.
    book.set_counter(waiting.counter);
    // A later decision may already have stopped or changed it, or the widest lease it needs.
    if (!waiting.vouch || waiting.vouch_turn != service.vouch_turn) return;
    book.set_widest(name, service.widest);
    book.wish(name, *waiting.vouch);
  });
  for (const Command& command : waiting.commands) parts_.executor.start(name, command);
  if (waiting.answer) waiting.answer->set_value(waiting.answered);
}

// What the pollers tell the agents besides: whom to probe at once, and which prepare to keep.
void Decider::guide_pollers(Service& service, bool hurry) {
  const ServiceState& s = service.state;
  const bool prepares =
      s.move && (s.move->kind == MoveKind::kFailover || s.move->kind == MoveKind::kSwitchover);
  const bool renew = prepares && (s.phase == Phase::kPreparing || s.phase == Phase::kFencing ||
                                  s.phase == Phase::kCatchingUp || s.phase == Phase::kPromoting ||
                                  s.phase == Phase::kStuck);
  const Guided guided{hurry ? s.primary : -1, renew ? s.move->to : -1,
                      renew ? s.move->reign : Reign{}};
  if (service.guided == guided) return;
  service.guided = guided;
  std::vector<std::string> hurried;
  if (guided.hurried >= 0) {
    hurried.push_back(service.policy.sites.at(static_cast<std::size_t>(s.primary)).name);
  }
  parts_.book.with([&](VouchBook& book) {
    book.set_hurry(service.policy.name, hurried);
    if (renew) {
      book.set_renewal(service.policy.name, s.move->to, PrepareRenewal{s.move->reign, s.move->id});
    } else {
      book.set_renewal(service.policy.name, -1, std::nullopt);
    }
  });
}

}  // namespace pointsman
