#include <algorithm>
#include <array>

#include "base/planted.h"
#include "orchestrator/core/damping.h"
#include "orchestrator/core/turn.h"

// The plan: which row is taken when, and what taking it does. One function a trigger, one a rule.

namespace pointsman {
namespace {

constexpr Duration kPrepareWithin = 5s;
constexpr Duration kPromoteWithin = 60s;
constexpr Duration kVerifyWithin = 60s;
constexpr Duration kAgreeWithin = 5min;

constexpr std::array kRows{
    Transition{Phase::kUnadopted, Trigger::kAdoptable, Phase::kPromoting, "adopt-first-run",
               "one site takes writes, the other follows it, and the record names it"},
    Transition{Phase::kUnadopted, Trigger::kPowerFree, Phase::kPromoting, "adopt-by-order",
               "the other site is fenced or asserted off"},
    Transition{Phase::kSteady, Trigger::kDisowned, Phase::kUnadopted, "disowned",
               "an agent knows more of this service than this monitor does"},
    Transition{Phase::kSteady, Trigger::kFoundFenced, Phase::kPromoting, "recrown-found-fenced",
               "the site in power was fenced and no move is on"},
    Transition{Phase::kSteady, Trigger::kNumberTaken, Phase::kPromoting, "number-taken",
               "the other site or a record knows our number as another reign's: we go above it"},
    Transition{Phase::kSteady, Trigger::kPrimaryDoubted, Phase::kSuspect, "suspect",
               "the site in power does not answer as it should"},
    Transition{Phase::kSteady, Trigger::kVipLeft, Phase::kPreparing, "follow-vip",
               "the site in power lost its virtual address to the other, and every gate is open"},
    Transition{Phase::kSuspect, Trigger::kDisowned, Phase::kUnadopted, "disowned-in-doubt",
               "an agent knows more of this service than this monitor does"},
    Transition{Phase::kSuspect, Trigger::kPrimaryUp, Phase::kSteady, "doubt-over",
               "the site in power answers again"},
    Transition{Phase::kSuspect, Trigger::kPrimaryDown, Phase::kPreparing, "fail-over",
               "the site in power is down and every gate is open"},
    Transition{Phase::kSuspect, Trigger::kVipLeft, Phase::kPreparing, "follow-vip-in-doubt",
               "the site in power lost its virtual address to the other, and every gate is open"},
    Transition{Phase::kPreparing, Trigger::kRestored, Phase::kUnadopted, "disowned-preparing",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kPreparing, Trigger::kPrepareAccepted, Phase::kFencing, "prepared",
               "the standby has stopped vouching for the old site"},
    Transition{Phase::kPreparing, Trigger::kVoidedAfterFence, Phase::kPreparing, "again-preparing",
               "the standby voided the number after a fence had left: again with the next"},
    Transition{Phase::kPreparing, Trigger::kCancelledAfterFence, Phase::kPromoting, "undo-again",
               "cancelled after a fence had left: the old site is crowned again"},
    Transition{Phase::kPreparing, Trigger::kPrimaryBack, Phase::kPromoting, "primary-back",
               "the old site answers again and nobody took its place: it is crowned again"},
    Transition{Phase::kPreparing, Trigger::kStandbyVoided, Phase::kSteady, "prepare-ran-out",
               "the standby voided the number before anything else had left"},
    Transition{Phase::kPreparing, Trigger::kCancelled, Phase::kSteady, "cancelled-early",
               "cancelled before the old site was fenced"},
    Transition{Phase::kPreparing, Trigger::kPrimaryUp, Phase::kSteady, "primary-came-back",
               "the site in power answers again before it was fenced"},
    Transition{Phase::kPreparing, Trigger::kRehearsed, Phase::kSteady, "rehearsed",
               "a dry run: the move was rendered and nothing was sent"},
    Transition{Phase::kPreparing, Trigger::kPrepareLate, Phase::kSteady, "prepare-late",
               "the standby did not accept within 5 s"},
    Transition{Phase::kFencing, Trigger::kRestored, Phase::kUnadopted, "disowned-fencing",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kFencing, Trigger::kCancelled, Phase::kPromoting, "undo",
               "cancelled: the old site is crowned again"},
    Transition{Phase::kFencing, Trigger::kStandbyVoided, Phase::kPreparing, "again-after-void",
               "the standby voided the number after the fence had left: again with the next"},
    Transition{Phase::kFencing, Trigger::kPowerFree, Phase::kPromoting, "power-free",
               "the old site is fenced, or its lease has surely ended"},
    Transition{Phase::kPromoting, Trigger::kRestored, Phase::kUnadopted, "disowned-promoting",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kPromoting, Trigger::kUndoneReigns, Phase::kPromoting, "undone-reigns",
               "the site whose move was being undone reigns, and nobody took its place"},
    Transition{Phase::kPromoting, Trigger::kCancelled, Phase::kPromoting, "undo-promotion",
               "cancelled: the new site is asserted off, the old one is crowned again"},
    Transition{Phase::kPromoting, Trigger::kPromoted, Phase::kVerifying, "promoted",
               "the new site takes writes, read back"},
    Transition{Phase::kPromoting, Trigger::kStandbyVoided, Phase::kPreparing,
               "again-after-late-void",
               "the standby voided the number before it accepted promotion: again with the next"},
    Transition{Phase::kPromoting, Trigger::kPromotionLate, Phase::kStuck, "stuck",
               "the promotion does not end; it is retried"},
    Transition{Phase::kStuck, Trigger::kRestored, Phase::kUnadopted, "disowned-stuck",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kStuck, Trigger::kUndoneReigns, Phase::kPromoting, "undone-reigns-at-last",
               "the site whose move was being undone reigns, and nobody took its place"},
    Transition{Phase::kStuck, Trigger::kCancelled, Phase::kPromoting, "undo-stuck",
               "cancelled: the new site is asserted off, the old one is crowned again"},
    Transition{Phase::kStuck, Trigger::kPromoted, Phase::kVerifying, "promoted-at-last",
               "the new site takes writes, read back"},
    Transition{Phase::kStuck, Trigger::kStandbyVoided, Phase::kPreparing, "again-after-stuck",
               "the standby voided the number before it accepted promotion: again with the next"},
    Transition{Phase::kVerifying, Trigger::kRestored, Phase::kUnadopted, "disowned-verifying",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kVerifying, Trigger::kServes, Phase::kPublishing, "serves",
               "the new site passes its probes"},
    Transition{Phase::kVerifying, Trigger::kVerifyLate, Phase::kPublishing, "verify-late",
               "the new site takes writes but does not pass its probes"},
    Transition{Phase::kPublishing, Trigger::kRestored, Phase::kUnadopted, "disowned-publishing",
               "this monitor was restored: an older state of it finishes no move"},
    Transition{Phase::kPublishing, Trigger::kAgreed, Phase::kSteady, "done",
               "every authoritative server names the new site"},
    Transition{Phase::kPublishing, Trigger::kVerifyLate, Phase::kSteady, "partial",
               "not every authoritative server names the new site yet; it goes on"},
};

bool primary_is(Turn& turn, SiteVerdict wanted) {
  if (planted(Plant::kAutomaticFailback) && turn.s.has_primary() && wanted == SiteVerdict::kDown &&
      turn.policy.sites.at(static_cast<std::size_t>(1 - turn.s.primary)).preferred) {
    return true;
  }
  return turn.s.has_primary() && verdict(turn.policy, turn.s, turn.s.primary, turn.now) == wanted;
}

bool prepare_accepted(Turn& turn) {
  const Move& move = *turn.s.move;
  if (turn.policy.dry) return false;
  if (!turn.policy.agents) return true;
  const AgentView& standby = turn.agent(move.to);
  return standby.prepared == move.reign && standby.prepared_move == move.id;
}

bool standby_voided(Turn& turn) {
  return turn.s.move && turn.s.move->kind == MoveKind::kFailover && turn.policy.agents &&
         turn.agent(turn.s.move->to).voided == turn.s.move->reign;
}

// Nobody can be writable at the old site any more, as far as this monitor may judge; the standby
// keeps its own promise besides.
bool power_free(Turn& turn) {
  if (!turn.s.move) return false;
  const Move& move = *turn.s.move;
  if (!turn.policy.agents) return true;
  const bool fenced = turn.s.fence && turn.s.fence->acknowledged;
  // An assertion stands in for the acknowledgement of a lone lease; it skips no ordinary promise.
  const LeaseTerms ordinary{std::max(turn.policy.lease, move.lease),
                            turn.agent(move.from).fence_bound};
  const bool asserted = move.asserted_off && turn.now - move.begun >= promise_length(ordinary);
  if (move.kind == MoveKind::kAdopt) {
    const AgentView& other = turn.agent(move.from);
    const bool never = !turn.s.fence && turn.view(move.from).agent_heard && other.highest == 0 &&
                       other.writable_known && !other.writable;
    return fenced || asserted || never || planted(Plant::kAdoptUnfenced);
  }
  const bool waited = turn.s.promise_end.at(static_cast<std::size_t>(move.from)) <= turn.now;
  if (!fenced && !asserted && !waited && !planted(Plant::kMonitorPromiseIgnored)) return false;
  if (!turn.policy.publish_first || !turn.s.publish) return true;
  return turn.s.publish->accepted() || turn.now - turn.s.publish->since >= turn.policy.publish_wait;
}

bool promoted(Turn& turn) {
  if (!turn.s.move) return false;
  const Move& move = *turn.s.move;
  if (!turn.policy.agents) return true;
  const AgentView& crowned = turn.agent(move.to);
  if (!turn.view(move.to).agent_heard || crowned.reign != move.reign ||
      crowned.role != SiteRole::kPrimary || crowned.lease_rest <= Duration::zero()) {
    return false;
  }
  // `writable` means that any store is open; promoted is the agent's word that all are.
  return !crowned.has_stores || (crowned.writable && crowned.promoted == move.reign.epoch);
}

bool serves(Turn& turn) {
  const Step* promote = step_of(turn.s, "promote");
  const Instant since = promote == nullptr ? turn.s.phase_since : promote->ended;
  const auto& probes = turn.view(turn.s.move->to).probes;
  return std::all_of(probes.begin(), probes.end(), [&](const Damper& d) {
    return d.fails == 0 && d.passes > 0 && d.last_pass >= since;
  });
}

bool disowned(Turn& turn) {
  if (turn.s.restored) return true;
  for (int site = 0; site < kSites; ++site) {
    const SiteView& view = turn.view(site);
    if (!view.agent_heard) continue;
    const Reign& theirs = view.agent.reign;
    if (theirs.epoch > turn.s.issued) return true;
    if (theirs.epoch == turn.s.reign.epoch && theirs.any() && theirs != turn.s.reign) return true;
  }
  return false;
}

bool found_fenced(Turn& turn) {
  if (turn.policy.dry || !turn.policy.agents || !turn.s.has_primary() || turn.s.move) return false;
  const int other = turn.s.other(turn.s.primary);
  if (!turn.fresh_agent(turn.s.primary) || !turn.fresh_agent(other)) return false;
  const AgentView& own = turn.agent(turn.s.primary);
  const AgentView& peer = turn.agent(other);
  return own.role == SiteRole::kFenced && own.fenced >= turn.s.reign.epoch &&
         peer.role != SiteRole::kPrimary && !peer.prepared.any();
}

// A move is undone on a person's word that its site is off; that site is back, had accepted its
// promotion and takes writes. Nobody was crowned in its place: it is in power.
bool undone_reigns(Turn& turn) {
  const Move& move = *turn.s.move;
  if (move.kind != MoveKind::kRecrown || !move.void_first.any() || move.promote_left) return false;
  return turn.fresh_agent(move.from) && turn.agent(move.from).role == SiteRole::kPrimary &&
         turn.agent(move.from).reign == move.void_first;
}

// A number that the standby voided after its fence had left is begun anew, and the standby may have
// no reason to let itself be prepared any more: the old site lives. Its reign is over; it is not.
bool primary_back(Turn& turn) {
  const Move& move = *turn.s.move;
  return move.automatic && move.fence_left && primary_is(turn, SiteVerdict::kUp) &&
         turn.policy.agents && turn.fresh_agent(turn.s.primary) && !planted(Plant::kNeverBack);
}

// Our publication is refused for a mark of ours of a number that is not below its own.
bool mark_is_above(const Turn& turn) {
  if (!turn.s.publish) return false;
  const PublishJob& job = *turn.s.publish;
  for (std::size_t k = 0; k < job.records.size(); ++k) {
    const std::uint64_t mark = turn.s.records[k].mark;
    if (job.records[k].refused && mark >= job.reign.epoch && mark <= turn.s.issued + kMarkJumpMost)
      return true;
  }
  return false;
}

// A monitor that lost its memory may draw a number which an agent that it could not ask, or a
// record, knows from before: they would refuse us for ever.
bool number_taken(Turn& turn) {
  if (turn.policy.dry || !turn.s.has_primary() || turn.s.move) return false;
  if (mark_is_above(turn)) return true;
  if (!turn.policy.agents) return false;
  const int other = turn.s.other(turn.s.primary);
  if (!turn.fresh_agent(turn.s.primary) || !turn.fresh_agent(other)) return false;
  const AgentView& own = turn.agent(turn.s.primary);
  const AgentView& theirs = turn.agent(other);
  return own.reign == turn.s.reign && own.role == SiteRole::kPrimary &&
         theirs.role != SiteRole::kPrimary && theirs.highest == turn.s.reign.epoch &&
         !theirs.highest_id.empty() && theirs.highest_id != turn.s.reign.id;
}

Wanted automatic_move(Turn& turn) {
  Wanted wanted;
  wanted.to = turn.s.has_primary() ? turn.s.other(turn.s.primary) : -1;
  return wanted;
}

// The primary is down; the gates decide. What refuses is told once per reason.
bool may_fail_over(Turn& turn) {
  if (!primary_is(turn, SiteVerdict::kDown)) return false;
  Wanted wanted = automatic_move(turn);
  if (planted(Plant::kAutomaticFailback)) wanted.forced = {"witness", "connected"};
  const std::optional<Gate> gate = first_refusal(turn.policy, turn.s, wanted, turn.now);
  if (!gate) return true;
  const bool again_later = gate->name == "prepare";
  // Another gate is shut: whatever the standby said is of another situation.
  if (!again_later) forget_attempts(turn.s.unprepared);
  const std::string refusal = gate->name;
  if (turn.s.refusal != refusal) {
    turn.s.refusal = refusal;
    turn.write("decision", gate->name, "refused", gate->reason);
    // That a move was given up has been told, with the reason.
    if (!again_later) {
      turn.tell(NoticeLevel::kUrgent, "move-refused",
                turn.policy.name + ": " + turn.name(turn.s.primary) +
                    " is down, and nothing moves: " + gate->reason);
    }
  }
  turn.out.reason = gate->name + ": " + gate->reason;
  return false;
}

// --- What taking a row does, beyond entering its phase.

void adopt_first_run(Turn& turn) {
  Move move;
  move.kind = MoveKind::kAdopt;
  move.automatic = true;
  move.actor = "pointsman";
  move.to = adoption(turn.policy, turn.s, turn.now).site;
  move.from = turn.s.other(move.to);
  move.reason = "first run";
  for (const char* name : {"promote", "verify"}) move.steps.push_back({name, {}, {}, {}, ""});
  begin_move(turn, std::move(move));
  turn.s.published = turn.s.records.empty() ? -1 : turn.s.records.front().site;
  step_running(turn, "promote");
}

void start_promotion(Turn& turn) {
  const Move& move = *turn.s.move;
  if (const Step* fence = step_of(turn.s, "fence"); fence && fence->state != StepState::kDone) {
    turn.mark("the lease of " + turn.name(move.from) + " has surely ended");
    step_done(turn, "fence",
              move.asserted_off ? "asserted off by " + move.actor
                                : "not acknowledged; its lease has surely ended");
  }
  step_running(turn, "promote");
}

void crowned(Turn& turn) {
  const Move& move = *turn.s.move;
  turn.s.primary = move.to;
  turn.s.reign = move.reign;
  turn.s.refusal.clear();
  turn.s.unprepared = {};
  turn.mark(turn.name(move.to) + " takes writes");
  step_done(turn, "promote", turn.name(move.to) + " takes writes, read back");
  measure_loss(turn, *turn.s.move);
  step_running(turn, "verify");
  for (SiteView& view : turn.s.sites) view.evidence.clear();
}

// The site in power comes to power once more, under a new number.
Move crown_again(Turn& turn, std::string reason) {
  Move move;
  move.kind = MoveKind::kRecrown;
  move.automatic = true;
  move.actor = "pointsman";
  move.to = turn.s.primary;
  move.from = turn.s.other(turn.s.primary);
  move.reason = std::move(reason);
  for (const char* name : {"promote", "verify"}) move.steps.push_back({name, {}, {}, {}, ""});
  return move;
}

// Ends the present move, if there is one, and crowns the site in power again.
void recrown(Turn& turn, Move move) {
  const bool published = turn.s.move && turn.s.publish;
  // An agent that knows the new number takes no fence under the former one.
  const bool unfenced =
      turn.s.fence && !turn.s.fence->acknowledged && turn.s.fence->site == move.from;
  end_move(turn, "voided", move.reason);
  begin_move(turn, std::move(move));
  if (unfenced) begin_fence(turn, turn.s.move->from);
  if (published) begin_publish(turn, turn.s.primary);
  step_running(turn, "promote");
}

void undo(Turn& turn, std::string reason) {
  Move move = crown_again(turn, std::move(reason));
  move.void_first = turn.s.move->reign;
  move.asserted_off = turn.s.move->promote_left;  // Else it could not have been cancelled.
  move.assert_reason = turn.s.move->assert_reason;
  recrown(turn, std::move(move));
}

void keep_undone(Turn& turn) {
  turn.s.primary = turn.s.move->from;
  turn.s.reign = turn.s.move->void_first;
  recrown(turn, crown_again(turn, turn.name(turn.s.primary) + " was not off: it reigns"));
  begin_fence(turn, turn.s.move->from);  // The failover's own fence was given up by the undo.
}

void again(Turn& turn) {
  Move move = *turn.s.move;
  end_move(turn, "voided", "the standby voided reign " + std::to_string(move.reign.epoch));
  for (Step& step : move.steps) step = {step.name, StepState::kWaiting, {}, {}, ""};
  move.outcome = "running";
  move.promote_left = false;
  move.automatic = false;  // The ceiling has counted it once.
  const bool automatic = turn.s.last_move->automatic;
  begin_move(turn, std::move(move));
  turn.s.move->automatic = automatic;
  step_running(turn, "prepare");
}

void prepared(Turn& turn) {
  Move& move = *turn.s.move;
  turn.mark(turn.name(move.to) + " is prepared");
  step_done(turn, "prepare",
            turn.name(move.to) + " has stopped vouching for " + turn.name(move.from));
  begin_fence(turn, move.from);
  if (turn.policy.publish_first) begin_publish(turn, move.to);
}

void finish(Turn& turn, bool whole) {
  const Move& move = *turn.s.move;
  turn.s.proposed = false;
  end_move(turn, whole ? "done" : "partial",
           whole ? turn.name(move.to) + " is in power" : "the record is not everywhere yet");
}

void start_failover(Turn& turn) {
  Move move = make_failover(turn, automatic_move(turn), "pointsman",
                            turn.name(turn.s.primary) + " is down");
  const Instant first = move.trigger;
  begin_move(turn, std::move(move));
  turn.s.move->timeline.insert(
      turn.s.move->timeline.begin(),
      {{first, "first failed probe of " + turn.name(turn.s.primary)},
       {turn.now, turn.name(turn.s.primary) + " is down, " + std::to_string(turn.policy.fall) +
                      " failures, witnesses agree"}});
  step_running(turn, "prepare");
}

bool is(const Transition& row, std::string_view rule) { return row.rule == rule; }

}  // namespace

std::span<const Transition> transitions() { return kRows; }

bool holds(Trigger trigger, Turn& turn) {
  const Duration in_phase = turn.now - turn.s.phase_since;
  switch (trigger) {
    case Trigger::kAdoptable:
      return !turn.s.move && !turn.s.restored && turn.s.issued == 0 && !turn.policy.dry &&
             adoption(turn.policy, turn.s, turn.now).site >= 0;
    case Trigger::kPrimaryDoubted:
      return primary_is(turn, SiteVerdict::kSuspect) || primary_is(turn, SiteVerdict::kDown);
    case Trigger::kPrimaryUp:
      return primary_is(turn, SiteVerdict::kUp) &&
             (turn.s.phase != Phase::kPreparing ||
              (turn.s.move->automatic && !turn.s.move->fence_left));
    case Trigger::kPrimaryDown: return may_fail_over(turn);
    case Trigger::kVipLeft: return may_follow_vip(turn);
    case Trigger::kFoundFenced: return found_fenced(turn);
    case Trigger::kNumberTaken: return number_taken(turn);
    case Trigger::kPrepareAccepted: return prepare_accepted(turn);
    // Once a fence has left there is no way back to where it began: it is asked for on and on.
    case Trigger::kPrepareLate: return in_phase >= kPrepareWithin && !turn.s.move->fence_left;
    case Trigger::kRehearsed:
      return turn.policy.dry && !turn.pace(turn.s.move->to, OrderKind::kPrepare).problem.empty();
    case Trigger::kVoidedAfterFence: return standby_voided(turn) && turn.s.move->fence_left;
    case Trigger::kStandbyVoided: return standby_voided(turn);
    case Trigger::kCancelledAfterFence:
      return turn.s.move && turn.s.move->cancel_asked && turn.s.move->fence_left;
    case Trigger::kPrimaryBack: return primary_back(turn);
    case Trigger::kCancelled: return turn.s.move && turn.s.move->cancel_asked;
    case Trigger::kPowerFree: return power_free(turn);
    case Trigger::kPromoted: return promoted(turn);
    case Trigger::kPromotionLate: return in_phase >= kPromoteWithin;
    case Trigger::kServes: return serves(turn);
    case Trigger::kAgreed: return !turn.s.publish || turn.s.publish->agreed();
    case Trigger::kVerifyLate:
      return in_phase >= (turn.s.phase == Phase::kVerifying ? kVerifyWithin : kAgreeWithin);
    case Trigger::kUndoneReigns: return undone_reigns(turn);
    case Trigger::kRestored: return older_move(turn);
    case Trigger::kDisowned: return !turn.s.move && turn.policy.agents && disowned(turn);
  }
  return false;
}

void take(const Transition& row, Turn& turn) {
  turn.out.reason = row.why;
  const Phase from = turn.s.phase;
  turn.enter(row.to);
  turn.write("decision", row.rule, "taken", row.why);
  if (is(row, "adopt-first-run")) adopt_first_run(turn);
  if (is(row, "adopt-by-order") || is(row, "power-free")) start_promotion(turn);
  if (is(row, "recrown-found-fenced")) {
    recrown(turn, crown_again(turn, "the site in power was found fenced"));
  }
  if (is(row, "number-taken")) recrown(turn, crown_again(turn, row.why));
  if (is(row, "primary-back")) undo(turn, turn.name(turn.s.primary) + " answers again");
  if (row.on == Trigger::kUndoneReigns) keep_undone(turn);
  if (row.to == Phase::kPromoting &&
      (row.on == Trigger::kCancelled || row.on == Trigger::kCancelledAfterFence)) {
    undo(turn, "cancelled by " + turn.s.move->actor);
  }
  if (is(row, "fail-over")) start_failover(turn);
  if (row.on == Trigger::kVipLeft) follow_vip(turn);
  if (is(row, "prepared")) prepared(turn);
  if (row.to == Phase::kPreparing && from != Phase::kSuspect && from != Phase::kSteady) {
    again(turn);
  }
  if (row.to == Phase::kVerifying) crowned(turn);
  if (is(row, "serves"))
    step_done(turn, "verify", turn.name(turn.s.move->to) + " passes its probes");
  if (is(row, "verify-late")) step_failed(turn, "verify", row.why);
  // Adoption writes no record, unless an earlier move was still writing one.
  if (row.from == Phase::kVerifying && row.to == Phase::kPublishing &&
      (turn.s.move->kind != MoveKind::kAdopt || turn.s.publish)) {
    begin_publish(turn, turn.s.move->to);
  }
  if (is(row, "done")) finish(turn, true);
  if (is(row, "partial")) finish(turn, false);
  if (from == Phase::kPreparing && row.to == Phase::kSteady) {
    const bool refused = row.on == Trigger::kPrepareLate || row.on == Trigger::kRehearsed ||
                         row.on == Trigger::kStandbyVoided;
    if (refused && turn.s.move->automatic) {
      give_up_preparing(turn, row.why);
    } else {
      end_move(turn, "voided", row.why);
    }
  }
  if (row.to == Phase::kStuck) {
    turn.tell(NoticeLevel::kUrgent, "stuck",
              turn.policy.name + ": " + turn.name(turn.s.move->to) +
                  " does not finish its promotion: " + turn.agent(turn.s.move->to).trouble);
  }
  if (row.on == Trigger::kPrimaryUp) {
    turn.s.refusal.clear();
    turn.s.unprepared = {};
    turn.s.proposed = false;
  }
  if (is(row, "suspect")) {
    for (RecordView& record : turn.s.records) record.asked = Instant{0};
  }
  if (row.to == Phase::kUnadopted) {
    // What an older state had begun is no longer ours to finish, neither at the agents nor in DNS.
    end_move(turn, "failed", row.why);
    turn.s.publish.reset();
    turn.s.fence.reset();
    if (row.on == Trigger::kDisowned && !turn.s.restored) {
      turn.tell(NoticeLevel::kUrgent, "disowned",
                turn.policy.name + ": " + adoption(turn.policy, turn.s, turn.now).refusal);
    }
  }
}

}  // namespace pointsman
