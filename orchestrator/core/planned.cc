#include <fmt/format.h>

#include <algorithm>

#include "base/planted.h"
#include "orchestrator/core/turn.h"

// Planned moves: the old site is fenced first, and never by its lease alone; where its stores stood
// then is what the standby must have applied before its promotion may leave. Until that leaves the
// move is undone when its budget is spent, and nothing was published.

namespace pointsman {
namespace {

// Its agent tells at once when nothing is in the way; what is in the way is told by then.
constexpr Duration kFollowTold = 60s;
// A planned move that could not begin within this of its time does not begin any more.
constexpr std::int64_t kAppointmentLateMost = 30;

std::string told(const std::vector<StorePosition>& positions) {
  std::string text;
  for (const StorePosition& position : positions) {
    text += (text.empty() ? "" : ", ") + position.store + " at " + position.text.substr(0, 200);
  }
  return text.empty() ? "no stores" : text;
}

// Also of a gate that was forced: then this store alone is not compared.
bool is_compared(const Move& move, const StoreView& store) {
  return !store.position.empty() || !move.forced.contains("replication");
}

// What keeps the old site from following, as far as it is known.
std::string obstacle(Turn& turn, int site) {
  const std::string& said = turn.pace(site, OrderKind::kFollow).problem;
  if (!said.empty()) return said;
  if (!turn.fresh_agent(site)) return "its agent does not answer";
  const AgentView& agent = turn.agent(site);
  return agent.trouble.empty() ? "it has not shown it yet" : agent.trouble;
}

// What the standby says of the positions that it was told.
std::string what_is_missing(Turn& turn, const Move& move) {
  if (!turn.fresh_agent(move.to)) return "its agent does not answer";
  const std::optional<CatchUpView>& standby = turn.agent(move.to).catch_up;
  if (standby && standby->move == move.id) return standby->missing;
  return "its agent does not say how far it is; one of an older version cannot";
}

bool is_due(const Turn& turn) {
  if (!turn.s.appointment) return false;
  const std::int64_t now = turn.s.around.wall_s;
  return now >= turn.s.appointment->at_s && now - turn.s.appointment->at_s <= kAppointmentLateMost;
}

// Shown by its reports: no primary, and every store a replica that applies.
bool follows(Turn& turn, const FollowJob& job) {
  const AgentView& old_site = turn.agent(job.site);
  if (!turn.fresh_agent(job.site) || old_site.role != SiteRole::kStandby) return false;
  return !old_site.has_stores || (old_site.replica && old_site.applier_running);
}

}  // namespace

bool is_planned(const Turn& turn) {
  return turn.s.move && turn.s.move->kind == MoveKind::kSwitchover;
}

void begin_switchover(Turn& turn, const Wanted& wanted, std::string actor, std::string reason) {
  Move move;
  move.kind = MoveKind::kSwitchover;
  move.actor = std::move(actor);
  move.from = turn.s.primary;
  move.to = wanted.to;
  move.forced = wanted.forced;
  move.reason = std::move(reason);
  for (const char* name :
       {"prepare", "fence", "catch up", "promote", "publish", "verify", "follow"}) {
    move.steps.push_back({name, StepState::kWaiting, {}, {}, ""});
  }
  turn.s.appointment.reset();
  begin_move(turn, std::move(move));
  step_running(turn, "prepare");
}

// --- Until promotion.

std::string untellable(const ServiceState& state, const Wanted& wanted) {
  const AgentView& old_site = state.sites.at(static_cast<std::size_t>(state.primary)).agent;
  const AgentView& standby =
      state.sites.at(static_cast<std::size_t>(state.other(state.primary))).agent;
  if (old_site.has_stores && !old_site.stores_well) return old_site.stores_problem;
  if (wanted.forced.contains("replication")) return "";
  for (const StoreView& store : old_site.stores) {
    if (store.position.empty()) return store.name + " cannot tell where it stands";
  }
  for (const StoreView& store : standby.stores) {
    const auto same = [&](const StoreView& each) { return each.name == store.name; };
    if (std::none_of(old_site.stores.begin(), old_site.stores.end(), same)) {
      return "its agent knows no store " + store.name + ", and the other site's does";
    }
  }
  return "";
}

bool positions_told(Turn& turn) {
  if (!is_planned(turn) || !turn.policy.agents) return false;
  const Move& move = *turn.s.move;
  const AgentView& old_site = turn.agent(move.from);
  // Read in this run, after the fence: by a report that says that the fence was read back.
  if (!turn.view(move.from).agent_heard || old_site.fenced < move.reign.epoch) return false;
  return std::all_of(old_site.stores.begin(), old_site.stores.end(), [&](const StoreView& store) {
    return store.well && !store.writable && (!store.position.empty() || !is_compared(move, store));
  });
}

void note_positions(Turn& turn) {
  Move& move = *turn.s.move;
  move.positions.emplace();
  for (const StoreView& store : turn.agent(move.from).stores) {
    if (store.position.empty()) continue;
    move.positions->push_back({store.name, store.position, store.unit});
  }
  const std::string text = turn.name(move.from) + " ended with " + told(*move.positions);
  step_done(turn, "fence", text);
  turn.mark(text);
  turn.write("step", "positions-told", "done", text);
  turn.pace(move.to, OrderKind::kPrepare) = {};  // Told to the standby at once.
  step_running(turn, "catch up");
}

void distrust_positions(Turn& turn) {
  if (turn.s.phase != Phase::kCatchingUp || !is_planned(turn) || !turn.s.move->positions) return;
  Move& move = *turn.s.move;
  if (!turn.fresh_agent(move.from)) return;
  const auto& stores = turn.agent(move.from).stores;
  const auto open = std::find_if(stores.begin(), stores.end(), [](const StoreView& store) {
    return store.well && store.writable;
  });
  if (open == stores.end()) return;
  // It may hold more by now than it told, and whoever compares would not know.
  move.positions.reset();
  const std::string text = open->name + " of " + turn.name(move.from) +
                           " is open again after its fence: the move will be undone";
  turn.mark(text);
  turn.write("step", "positions-distrusted", "failed", text);
}

bool caught_up(Turn& turn) {
  if (!is_planned(turn) || !turn.s.move->positions) return false;
  const Move& move = *turn.s.move;
  if (planted(Plant::kPromoteBehind)) return true;
  for (const StoreView& store : turn.agent(move.to).stores) {
    const bool told = std::any_of(move.positions->begin(), move.positions->end(),
                                  [&](const auto& each) { return each.store == store.name; });
    if (!told && !move.forced.contains("replication")) return false;
  }
  if (move.positions->empty()) return true;  // No stores, or none that can be compared.
  const std::optional<CatchUpView>& standby = turn.agent(move.to).catch_up;
  return turn.fresh_agent(move.to) && standby && standby->move == move.id && standby->held;
}

bool budget_spent(Turn& turn) {
  return is_planned(turn) && turn.policy.agents &&
         turn.now - turn.s.move->closing_since >= turn.policy.switchover_budget;
}

bool plan_voided(Turn& turn) {
  // Undone when it is too late: the new site has a lease already.
  if (planted(Plant::kUndoWithoutVoid) && is_planned(turn) && turn.s.move->promote_left &&
      turn.agent(turn.s.move->to).lease_rest > Duration::zero()) {
    return true;
  }
  return is_planned(turn) && turn.policy.agents &&
         turn.agent(turn.s.move->to).voided == turn.s.move->reign;
}

// The agent there keeps it durably, and refuses a void of it from then on.
bool promotion_sure(Turn& turn) {
  if (!is_planned(turn) || !turn.policy.publish_first) return false;
  const Move& move = *turn.s.move;
  if (turn.policy.agents && !move.promote_left) return false;
  if (turn.s.publish && turn.s.publish->reign == move.reign) return false;
  if (!turn.policy.agents) return true;
  const AgentView& crowned = turn.agent(move.to);
  return crowned.reign == move.reign && crowned.role == SiteRole::kPrimary;
}

std::string why_undone(Turn& turn, const Transition& row) {
  const Move& move = *turn.s.move;
  if (row.on == Trigger::kCancelled || row.on == Trigger::kCancelledAfterFence) {
    return "cancelled by " + move.actor;
  }
  if (row.on == Trigger::kPlanVoided) return turn.name(move.to) + " voided the move";
  const std::string within = " within " + say(turn.policy.switchover_budget);
  if (move.positions) {
    return turn.name(move.to) + " did not apply all that " + turn.name(move.from) +
           " had executed" + within + ": " + what_is_missing(turn, move);
  }
  if (row.from == Phase::kCatchingUp) {
    return "a store of " + turn.name(move.from) + " was open again after its fence";
  }
  const bool fenced = turn.s.fence && turn.s.fence->acknowledged;
  return turn.name(move.from) +
         (fenced ? " is fenced, but did not tell where its stores ended"
                 : " did not acknowledge its fence") +
         within;
}

// --- After promotion.

void note_nothing_lost(Turn& turn) {
  Move& move = *turn.s.move;
  if (!turn.policy.agents || !move.positions) return;
  Loss loss;
  loss.proved = true;
  const std::string how = "all that " + turn.name(move.from) + " had executed at its fence was " +
                          "applied before " + turn.name(move.to) + " took writes";
  for (const StoreView& store : turn.agent(move.from).stores) {
    const bool compared = std::any_of(move.positions->begin(), move.positions->end(),
                                      [&](const auto& each) { return each.store == store.name; });
    if (compared) continue;
    loss.stores.push_back({store.name, store.unit, std::nullopt, std::nullopt, false,
                           "it cannot be compared, and the gate was forced"});
    loss.proved = false;
  }
  // Forced, the standby left out whatever it could not compare, and its own writes were no
  // obstacle.
  const bool forced = move.forced.contains("replication");
  for (const StorePosition& position : *move.positions) {
    if (forced) {
      loss.stores.push_back({position.store, position.unit, std::nullopt, std::nullopt, false,
                             "the gate replication was forced"});
    } else {
      loss.stores.push_back({position.store, position.unit, 0, std::nullopt, true, how});
    }
  }
  loss.proved = loss.proved && !forced;
  if (loss.proved) loss.span = Duration(0);
  move.lost = std::move(loss);
}

void aim_follower(Turn& turn) {
  const Move& move = *turn.s.move;
  std::optional<FollowJob>& job = turn.s.follow;
  const bool any = planted(Plant::kFollowErrant) && move.kind == MoveKind::kFailover;
  if ((move.kind == MoveKind::kSwitchover || any) && turn.policy.agents) {
    job = FollowJob{move.from, move.reign, move.id, turn.now, false, false};
    turn.pace(move.from, OrderKind::kFollow) = {};
    step_running(turn, "follow");
  } else if (job && (move.kind == MoveKind::kAdopt || job->site == turn.s.primary)) {
    job.reset();
  } else if (job) {  // The same site was crowned again: it is followed by its new number.
    job = FollowJob{job->site, move.reign, move.id, turn.now, job->reached, job->told};
  }
}

bool is_followed(const Turn& turn) {
  return !is_planned(turn) || !turn.policy.agents || (turn.s.follow && turn.s.follow->reached);
}

std::string why_not_followed(Turn& turn) {
  if (!turn.s.follow) return "";
  return turn.name(turn.s.follow->site) +
         " does not follow yet: " + obstacle(turn, turn.s.follow->site) + "; it is asked on and on";
}

bool follow_due(Turn& turn) {
  if (!turn.s.follow || !turn.policy.agents || turn.policy.dry) return false;
  const FollowJob& job = *turn.s.follow;
  const Phase phase = turn.s.phase;
  const bool settled = phase == Phase::kVerifying || phase == Phase::kPublishing ||
                       phase == Phase::kSteady || phase == Phase::kSuspect;
  if (!settled || job.site == turn.s.primary || job.reign != turn.s.reign) return false;
  if (rejoin_comes_first(turn, job.site)) return false;
  if (turn.agent(job.site).role == SiteRole::kPrimary || follows(turn, job)) return false;
  if (!job.reached) return true;
  // One that followed before is asked again only for what an order can mend, and by nobody's word
  // but ours: never while a person has paused it.
  const bool may = turn.policy.mode == Mode::kAuto && !turn.s.hold.on;
  return may && (turn.fresh_agent(job.site) && turn.agent(job.site).stores_well &&
                 turn.agent(job.site).has_stores && !turn.agent(job.site).replica);
}

void watch_follower(Turn& turn) {
  if (!turn.s.follow || turn.s.follow->reached) return;
  FollowJob& job = *turn.s.follow;
  if (job.reign != turn.s.reign) return;
  const std::string& site = turn.name(job.site);
  if (follows(turn, job)) {
    job.reached = true;
    const std::string text = site + " follows " + turn.name(turn.s.primary);
    step_done(turn, "follow", text);
    turn.mark(text);
    turn.write("step", "following", "done", text);
    if (job.told) turn.tell(NoticeLevel::kNote, "following", turn.policy.name + ": " + text);
    return;
  }
  if (job.told || turn.now - job.since < kFollowTold) return;
  job.told = true;
  const std::string text = turn.policy.name + ": " + why_not_followed(turn);
  turn.write("decision", "follow-late", "refused", text);
  turn.tell(NoticeLevel::kUrgent, "follow-late", text);
}

// --- At a time of day.

bool appointed(Turn& turn) {
  if (!is_due(turn)) return false;
  Appointment& due = *turn.s.appointment;
  if (turn.policy.dry) {
    due.refusal = "mode: a dry run moves nothing";
    return false;
  }
  if (due.to == turn.s.primary) {
    due.refusal = "target: " + turn.name(due.to) + " is in power already";
    return false;
  }
  // Nothing begins by itself while a person has paused it, whoever asked for it before.
  if (turn.s.hold.on) {
    due.refusal = "held: paused by " + turn.s.hold.actor;
    return false;
  }
  const Wanted wanted{false, due.to, due.forced, -1, true};
  const std::optional<Gate> gate = first_refusal(turn.policy, turn.s, wanted, turn.now);
  if (gate) due.refusal = gate->name + ": " + gate->reason;
  if (gate || !due.failback) return !gate;
  const Refusal early = unsettled(turn.policy, turn.s, due.to, turn.now);
  if (early) due.refusal = "stable: " + *early;
  return !early;
}

void keep_appointment(Turn& turn) {
  const Appointment due = *turn.s.appointment;
  begin_switchover(
      turn, Wanted{false, due.to, due.forced, -1, true}, due.actor,
      due.reason.empty() ? "appointed by " + due.actor + " for " + due.at : due.reason);
}

void watch_appointment(Turn& turn) {
  if (!turn.s.appointment) return;
  Appointment& due = *turn.s.appointment;
  const std::int64_t now = turn.s.around.wall_s;
  if (is_due(turn) && turn.s.phase != Phase::kSteady) {
    due.refusal = turn.s.move ? "state: a move was on" : "state: the site in power was in doubt";
  }
  if (now == 0 || now - due.at_s <= kAppointmentLateMost) return;
  const bool missed = due.refusal.empty();
  const std::string text = fmt::format(
      "{}: the switchover to {} appointed for {} does not begin: {}", turn.policy.name,
      turn.name(due.to), due.at, missed ? "this monitor was away at that time" : due.refusal);
  const char* const rule = missed ? "appointment-missed" : "appointment-refused";
  turn.write("decision", rule, "refused", text);
  turn.tell(NoticeLevel::kUrgent, rule, text);
  turn.s.appointment.reset();
}

}  // namespace pointsman
