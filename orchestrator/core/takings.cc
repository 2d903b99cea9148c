#include "base/planted.h"
#include "orchestrator/core/turn.h"

// What taking a row does, beyond entering its phase: one function a rule.

namespace pointsman {
namespace {

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
  turn.s.move->promote_left = true;  // Whoever it was that told it.
  turn.s.refusal.clear();
  turn.s.unprepared = {};
  turn.mark(turn.name(move.to) + " takes writes");
  step_done(turn, "promote", turn.name(move.to) + " takes writes, read back");
  measure_loss(turn, *turn.s.move);
  if (is_planned(turn)) note_nothing_lost(turn);
  aim_follower(turn);
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
  // Without a person's word the standby's void alone ends a promotion that may have left.
  const auto* asked = std::get_if<OperatorAsked>(&turn.event.what);
  move.asserted_off =
      turn.s.move->promote_left && asked != nullptr && asked->asserted_off == turn.s.move->to;
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
  move.closing_since = turn.now;
  begin_fence(turn, move.from);
  // A planned move may still be undone, and then nothing was published.
  const bool planned = is_planned(turn) && !planted(Plant::kPublishEarly);
  if (turn.policy.publish_first && !planned) begin_publish(turn, move.to);
}

void caught_up_with(Turn& turn) {
  const Move& move = *turn.s.move;
  step_done(turn, "catch up", turn.name(move.to) + " has applied all of it");
  turn.mark(turn.name(move.to) + " has applied all of it");
  step_running(turn, "promote");
}

void finish(Turn& turn, bool whole) {
  const Move& move = *turn.s.move;
  turn.s.proposed = false;
  if (whole && !is_followed(turn)) {
    end_move(turn, "partial", why_not_followed(turn));
    return;
  }
  end_move(turn, whole ? "done" : "partial",
           whole ? turn.name(move.to) + " is in power" : "the record is not everywhere yet");
}

void start_failover(Turn& turn) {
  Move move = make_failover(turn, automatic_move(turn), "pointsman",
                            turn.name(turn.s.primary) + " is down");
  const Instant first = move.trigger;
  if (turn.s.move) {
    pass_crown(turn, std::move(move));
  } else {
    begin_move(turn, std::move(move));
  }
  turn.s.move->timeline.insert(
      turn.s.move->timeline.begin(),
      {{first, "first failed probe of " + turn.name(turn.s.primary)},
       {turn.now, turn.name(turn.s.primary) + " is down, " + std::to_string(turn.policy.fall) +
                      " failures, witnesses agree"}});
  step_running(turn, "prepare");
}

bool is(const Transition& row, std::string_view rule) { return row.rule == rule; }

bool undoes(const Transition& row) {
  return row.to == Phase::kPromoting &&
         (row.on == Trigger::kCancelled || row.on == Trigger::kCancelledAfterFence ||
          row.on == Trigger::kBudgetSpent || row.on == Trigger::kPlanVoided);
}

// Of a planned move, or of an automatic one: then it is tried again.
void end_unprepared(Turn& turn, const Transition& row) {
  const bool refused = row.on == Trigger::kPrepareLate || row.on == Trigger::kRehearsed ||
                       row.on == Trigger::kStandbyVoided;
  if (refused && turn.s.move->automatic) return give_up_preparing(turn, row.why);
  const std::string& said = turn.pace(turn.s.move->to, OrderKind::kPrepare).problem;
  const bool tells = is_planned(turn) && row.on == Trigger::kPrepareLate && !said.empty();
  end_move(turn, "voided", tells ? row.why + (": " + said) : row.why);
}

}  // namespace

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
  if (undoes(row)) undo(turn, why_undone(turn, row));
  if (row.on == Trigger::kAppointed) keep_appointment(turn);
  if (is(row, "positions-told")) note_positions(turn);
  if (is(row, "caught-up")) caught_up_with(turn);
  if (is(row, "promotion-sure")) begin_publish(turn, turn.s.move->to);
  if (is(row, "fail-over") || row.on == Trigger::kCrownLost) start_failover(turn);
  if (row.on == Trigger::kVipLeft) follow_vip(turn);
  if (is(row, "prepared")) prepared(turn);
  const bool anew = from == Phase::kSuspect || from == Phase::kSteady;
  if (row.to == Phase::kPreparing && !anew && row.on != Trigger::kCrownLost) again(turn);
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
  if (row.on == Trigger::kNewSiteDown) leave_early(turn, row.why);
  if (from == Phase::kPreparing && row.to == Phase::kSteady) end_unprepared(turn, row);
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
