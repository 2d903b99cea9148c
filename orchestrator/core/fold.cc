#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "orchestrator/core/damping.h"
#include "orchestrator/core/turn.h"

namespace pointsman {
namespace {

constexpr std::size_t kEvidenceMost = 16;

bool in_doubt(const SiteView& view) {
  return std::any_of(view.probes.begin(), view.probes.end(),
                     [](const Damper& d) { return d.fails > 0 || d.doubted; });
}

Damper* damper(Turn& turn, int site, int probe) {
  if (site < 0 || site >= kSites) return nullptr;
  auto& probes = turn.view(site).probes;
  const auto index = static_cast<std::size_t>(probe);
  return probe >= 0 && index < probes.size() ? &probes[index] : nullptr;
}

void fold_one(Turn& turn, const ProbeSeen& seen) {
  if (Damper* found = damper(turn, seen.site, seen.probe)) {
    note_probe(*found, seen, turn.policy, turn.now);
  }
}

void fold_one(Turn& turn, const ProbeDoubted& doubted) {
  Damper* found = damper(turn, doubted.site, doubted.probe);
  if (found == nullptr || found->last_pass > doubted.started || found->doubted) return;
  found->doubted = true;
  if (found->fails == 0) found->first_fail = doubted.started;
}

// In a failover the old site is down, whatever its probes still have to show. Fenced by a planned
// move, or crowned again after one, it takes no writes, and the standby can be judged by it.
bool stands_still_or_reigns(const Turn& turn) {
  if (!turn.s.move) return true;
  const MoveKind kind = turn.s.move->kind;
  return turn.s.phase == Phase::kVerifying || turn.s.phase == Phase::kPublishing ||
         kind == MoveKind::kSwitchover || kind == MoveKind::kRecrown;
}

// The evidence of the standby is kept only while the primary is beyond doubt, so that what stands
// last is from before its first failed attempt.
void keep_evidence(Turn& turn, const AgentHeard& heard) {
  if (turn.s.has_primary() && in_doubt(turn.view(turn.s.primary))) return;
  if (!stands_still_or_reigns(turn)) return;
  Evidence evidence;
  evidence.at = heard.asked;
  evidence.applier_running = heard.view.applier_running;
  evidence.has_stores = heard.view.has_stores;
  evidence.errant = heard.view.errant;
  evidence.caught_up_age = heard.view.caught_up_age;
  evidence.told_age = heard.view.told_age;
  evidence.lag = heard.view.lag;
  auto& all = turn.view(heard.site).evidence;
  // What is kept must reach back to before an attempt whose failure is known only late, however
  // often the agent is polled: the newest takes the place of one that came just before it.
  const ServicePolicy& policy = turn.policy;
  const Duration spacing = std::min<Duration>(
      (policy.interval + policy.suspect_interval + policy.timeout) / 12, policy.lease);
  if (all.size() >= 2 && evidence.at - all[all.size() - 2].at < spacing) all.pop_back();
  all.push_back(std::move(evidence));
  if (all.size() > kEvidenceMost) all.pop_front();
}

// A number that this monitor never issued: a later state of it did, or a person at that site.
bool above_ours(const Turn& turn, const AgentView& view) {
  return turn.policy.agents && std::max(view.highest, view.reign.epoch) > turn.s.issued &&
         !planted(Plant::kOlderMoveGoesOn);
}

// The number of an order to promote which that agent knows, and which never left us; 0: none.
std::uint64_t foreign_promotion(const Turn& turn, const AgentView& view) {
  const Move& move = *turn.s.move;
  const bool fences = move.kind == MoveKind::kFailover || move.kind == MoveKind::kSwitchover;
  if (fences && !move.promote_left && view.reign == move.reign) return move.reign.epoch;
  const auto& undone = turn.s.last_move;
  const bool ours = undone && undone->reign == move.void_first && undone->promote_left;
  if (!move.void_first.any() || ours || view.reign != move.void_first) return 0;
  return move.void_first.epoch;
}

// How a report shows that a later state of this monitor was lost; "": it does not. A monitor that
// was restored in the midst of a move may have saved so much since that its counter tells nothing.
std::string later_state(const Turn& turn, const AgentHeard& heard) {
  const AgentView& view = heard.view;
  if (view.monitor_counter > turn.event.counter) {
    return fmt::format("a later state of this monitor ({} > {})", view.monitor_counter,
                       turn.event.counter);
  }
  if (!turn.s.move || !view.taken.empty()) return "";
  const Move& move = *turn.s.move;
  if (above_ours(turn, view)) {
    return fmt::format("number {}, and this monitor issued none above {}",
                       std::max(view.highest, view.reign.epoch), turn.s.issued);
  }
  if (view.highest == move.reign.epoch && !view.highest_id.empty() &&
      view.highest_id != move.reign.id && !planted(Plant::kOlderMoveGoesOn)) {
    return fmt::format("number {} as another reign's", view.highest);
  }
  const bool fences = move.kind == MoveKind::kFailover || move.kind == MoveKind::kSwitchover;
  const bool fenced = fences && heard.site == move.from && view.fenced >= move.reign.epoch;
  if (planted(Plant::kOlderMoveGoesOn)) return "";
  if (fenced && !move.fence_left) {
    return fmt::format("a fence of number {}, and none had left", view.fenced);
  }
  if (const std::uint64_t number = foreign_promotion(turn, view); number != 0) {
    return fmt::format("a promotion of number {}, and none had left", number);
  }
  return "";
}

void fold_one(Turn& turn, const AgentHeard& heard) {
  SiteView& view = turn.view(heard.site);
  if (view.agent_heard && heard.asked < view.agent_at) return;  // Overtaken by a later one.
  view.agent_heard = true;
  if (std::exchange(view.agent_silent, false)) {
    // Back again: whatever is owed to it is due at once.
    for (OrderPace& pace : turn.s.pace.at(static_cast<std::size_t>(heard.site))) {
      pace.attempts = 0;
      pace.next = std::min(pace.next, turn.now);
    }
  }
  view.agent_problem.clear();
  view.agent_at = heard.asked;
  view.agent = heard.view;
  keep_evidence(turn, heard);
  look_again_at_standby(turn);
  if (turn.s.restored) return;
  const std::string known = later_state(turn, heard);
  if (known.empty()) return;
  turn.s.restored = true;
  turn.s.restored_why = fmt::format(
      "the agent of {} knows {}: it was restored or its state was lost; `pointsman adopt {} "
      "--primary SITE` settles it",
      turn.name(heard.site), known, turn.policy.name);
  turn.tell(NoticeLevel::kUrgent, "restored-state", turn.s.restored_why);
}

void fold_one(Turn& turn, const AgentSilent& silent) {
  SiteView& view = turn.view(silent.site);
  view.agent_silent = true;
  view.agent_problem = silent.problem;
}

void fold_one(Turn& turn, const OrderAnswered& answered) {
  OrderPace& pace = turn.pace(answered.site, answered.kind);
  pace.in_flight = false;
  pace.problem = answered.accepted ? "" : answered.reason;
  // An order that was accepted is shown done by reports; it is sent again only when they do not. A
  // refusal (a promise that lasts) is worth asking again soon, an agent out of reach less and less
  // often.
  Duration pause = 500ms;
  if (!answered.accepted && answered.reached) {
    pause = pace.attempts < 100 ? Duration(100ms) : Duration(1s);
  } else if (!answered.accepted) {
    pause = std::min<Duration>(Duration(200ms) * (1 << std::min(pace.attempts, 6)), 5s);
    pause += pause / 4 * (turn.event.fresh.jitter % 100) / 100;
  }
  pace.next = turn.now + pause;
}

void fold_one(Turn& turn, const RecordRead& read) {
  const auto index = static_cast<std::size_t>(read.record);
  if (index >= turn.s.records.size()) return;
  RecordView& view = turn.s.records[index];
  view.in_flight = false;
  view.readable = read.readable;
  view.problem = read.problem;
  if (!read.readable) {
    view.read = view.read || turn.now - turn.s.phase_since > 10s;
    return;
  }
  tell_drift(turn, read);
  // What a dry run would write there is another thing now.
  if (turn.policy.dry && view.values != read.values) forget_attempts(turn.s.unprepared);
  view.read = true;
  view.at = turn.now;
  view.site = read.site;
  view.mark = read.mark;
  view.values = read.values;
  if (read.site == turn.s.primary && read.mark == turn.s.reign.epoch) view.ours = turn.s.reign;
}

void fold_one(Turn& turn, const PublishAnswered& answered) {
  if (!turn.s.publish || turn.s.publish->move != answered.move) return;
  const auto index = static_cast<std::size_t>(answered.record);
  if (index >= turn.s.publish->records.size()) return;
  RecordProgress& record = turn.s.publish->records[index];
  record.in_flight = false;
  record.detail = answered.detail;
  if (answered.accepted) {
    record.accepted = true;
    record.refused = false;
    if (index < turn.s.records.size()) {
      RecordView& view = turn.s.records[index];
      view.read = view.readable = true;
      view.at = turn.now;
      view.site = turn.s.publish->to;
      view.mark = turn.s.publish->reign.epoch;
      view.values = answered.values;
      view.asked = Instant{0};  // Whether the mark stands there too is read at once.
    }
    record.attempts = 0;
    record.next = turn.now;
    turn.mark("provider accepted the change of record " + std::to_string(answered.record + 1));
    turn.write("step", "publish-accepted", "done", answered.detail);
    return;
  }
  if (answered.for_good && !record.refused) {
    turn.tell(NoticeLevel::kUrgent, "publish-refused", answered.detail);
  }
  record.refused = answered.for_good;
  if (record.refused && end_restore(turn)) return;
  const int step = std::min(record.attempts, 5);
  const Duration pause = answered.for_good ? Duration(30s) : Duration(250ms) * (1 << step);
  record.next =
      turn.now + pause + Duration(pause.count() / 4 * (turn.event.fresh.jitter % 100) / 100);
}

void fold_one(Turn& turn, const AuthoritiesAnswered& answered) {
  if (!turn.s.publish || turn.s.publish->move != answered.move ||
      turn.s.publish->to != answered.site) {
    return;
  }
  const auto index = static_cast<std::size_t>(answered.record);
  if (index >= turn.s.publish->records.size()) return;
  RecordProgress& record = turn.s.publish->records[index];
  record.in_flight = false;
  record.next = turn.now + (record.attempts < 20 ? Duration(250ms) : Duration(2s));
  const std::string former = std::exchange(record.detail, answered.detail);
  if (former != answered.detail && answered.any_agreed) turn.mark(answered.detail);
  if (answered.agreed && !record.agreed) {
    record.agreed = true;
    turn.save();
  }
}

void fold_one(Turn& turn, const ProviderJudged& judged) {
  const auto index = static_cast<std::size_t>(judged.record);
  if (index >= turn.s.records.size()) return;
  turn.s.records[index].provider_well = judged.well;
  turn.s.records[index].provider_problem = judged.problem;
}

void fold_one(Turn& turn, const PolicyChanged& changed) {
  forget_attempts(turn.s.unprepared);
  if (!changed.probes_differ) return;
  for (SiteView& view : turn.s.sites) {
    view.probes.assign(static_cast<std::size_t>(turn.policy.probes), Damper{});
  }
}
void fold_one(Turn&, const Tick&) {}
void fold_one(Turn&, const OperatorAsked&) {}

}  // namespace

bool older_move(const Turn& turn) {
  return turn.s.restored ||
         std::any_of(turn.s.sites.begin(), turn.s.sites.end(), [&](const SiteView& view) {
           return view.agent_heard && above_ours(turn, view.agent);
         });
}

void fold(Turn& turn) {
  turn.s.promise_end = turn.event.promise_end;
  turn.s.around = turn.event.around;
  std::visit([&](const auto& what) { fold_one(turn, what); }, turn.event.what);

  while (!turn.s.automatic_moves.empty() && turn.now - turn.s.automatic_moves.front() > 24h) {
    turn.s.automatic_moves.pop_front();
    turn.save();
  }
  if (turn.s.hold.on && turn.s.hold.until && turn.now >= *turn.s.hold.until) {
    turn.s.hold = Hold{};
    turn.write("decision", "hold-ended", "done", "the pause ran out");
    turn.tell(NoticeLevel::kNote, "hold-ended", "the pause of " + turn.policy.name + " ran out");
  }
  if (turn.s.fence && !turn.s.fence->acknowledged && turn.view(turn.s.fence->site).agent_heard &&
      turn.agent(turn.s.fence->site).fenced >= turn.s.fence->reign.epoch) {
    turn.s.fence->acknowledged = true;
    turn.mark(turn.name(turn.s.fence->site) + " acknowledged its fence");
    step_done(turn, "fence", "acknowledged by " + turn.name(turn.s.fence->site));
    turn.write("step", "fence-acknowledged", "done",
               turn.name(turn.s.fence->site) + " is fenced, read back");
    learn_loss(turn);
  }
  if (turn.s.publish && turn.s.publish->agreed() && turn.s.published != turn.s.publish->to) {
    turn.s.published = turn.s.publish->to;
    step_done(turn, "publish", "every authoritative server names " + turn.name(turn.s.published));
    turn.write("step", "published", "done",
               "every authoritative server names " + turn.name(turn.s.published));
  }
}

}  // namespace pointsman
