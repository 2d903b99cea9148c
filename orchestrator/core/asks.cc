#include <algorithm>

#include "orchestrator/core/turn.h"

// What an operator asks, and the answer he gets.

namespace pointsman {
namespace {

OperatorAnswer refused(std::string gate, std::string text) {
  return {false, std::move(gate), std::move(text), ""};
}
OperatorAnswer done(std::string text, std::string move = "") {
  return {true, "", std::move(text), std::move(move)};
}

// A move whose site is in power and only has to be seen or named yet stands in nobody's way; nor
// does the crowning of a site that a failover takes away from.
bool gives_way(Turn& turn, const OperatorAsked& asked) {
  if (!turn.s.move || turn.s.phase == Phase::kVerifying || turn.s.phase == Phase::kPublishing) {
    return true;
  }
  return asked.kind == AskKind::kFailover && may_pass_crown(turn);
}

void begin_ordered(Turn& turn, Move move) {
  const bool crowning =
      turn.s.move && turn.s.phase != Phase::kVerifying && turn.s.phase != Phase::kPublishing;
  turn.enter(Phase::kPreparing);
  if (crowning) {
    pass_crown(turn, std::move(move));
  } else {
    leave_early(turn, "another move was ordered by " + move.actor);
    begin_move(turn, std::move(move));
  }
  step_running(turn, "prepare");
}

OperatorAnswer fail_over(Turn& turn, const OperatorAsked& asked) {
  if (!gives_way(turn, asked)) {
    return refused("state", "a move is on already: " + turn.s.move->id);
  }
  if (!turn.s.has_primary() || turn.s.phase == Phase::kUnadopted) {
    return refused("adopted", adoption(turn.policy, turn.s, turn.now).refusal);
  }
  const int to = asked.to < 0 ? turn.s.other(turn.s.primary) : asked.to;
  if (to == turn.s.primary) {
    return refused("target", turn.name(to) + " is in power already");
  }
  const Wanted wanted{false, to, asked.forced, asked.asserted_off};
  if (const auto gate = first_refusal(turn.policy, turn.s, wanted, turn.now)) {
    return refused(gate->name, gate->reason);
  }
  Move move = make_failover(turn, wanted, asked.actor,
                            asked.reason.empty() ? "ordered by " + asked.actor : asked.reason);
  move.assert_reason = asked.reason;
  begin_ordered(turn, std::move(move));
  return done("failover to " + turn.name(to) + " has begun", turn.s.move->id);
}

OperatorAnswer appoint(Turn& turn, const OperatorAsked& asked, int to, bool failback) {
  if (turn.s.appointment) {
    return refused("state", "a switchover to " + turn.name(turn.s.appointment->to) +
                                " is appointed for " + turn.s.appointment->at +
                                " already: cancel it first");
  }
  turn.s.appointment =
      Appointment{to, asked.at_s, asked.at, asked.forced, asked.actor, asked.reason, "", failback};
  return done(std::string(failback ? "the failback to " : "the switchover to ") + turn.name(to) +
              " begins by itself at " + asked.at + ", if every gate is open then");
}

OperatorAnswer switch_over(Turn& turn, const OperatorAsked& asked) {
  const bool later = asked.at_s != 0;
  if (is_planned(turn) && !later && (asked.to < 0 || asked.to == turn.s.move->to)) {
    return done("the switchover to " + turn.name(turn.s.move->to) + " is on already",
                turn.s.move->id);
  }
  if (!gives_way(turn, asked)) {
    return refused("state", "a move is on already: " + turn.s.move->id);
  }
  if (!turn.s.has_primary() || turn.s.phase == Phase::kUnadopted) {
    return refused("adopted", adoption(turn.policy, turn.s, turn.now).refusal);
  }
  const int to = asked.to < 0 ? turn.s.other(turn.s.primary) : asked.to;
  if (to == turn.s.primary) return refused("target", turn.name(to) + " is in power already");
  if (later && asked.at_s <= turn.s.around.wall_s) {
    return refused("state", asked.at + " is past already");
  }
  const Wanted wanted{false, to, asked.forced, -1, true};
  if (const auto gate = first_refusal(turn.policy, turn.s, wanted, turn.now)) {
    return refused(gate->name, gate->reason);
  }
  const bool failback = asked.kind == AskKind::kFailback;
  if (later) return appoint(turn, asked, to, failback);
  const Refusal early = failback ? unsettled(turn.policy, turn.s, to, turn.now) : std::nullopt;
  if (early) return refused("stable", *early);
  leave_early(turn, "another move was ordered by " + asked.actor);
  turn.enter(Phase::kPreparing);
  begin_switchover(turn, wanted, asked.actor,
                   asked.reason.empty() ? "ordered by " + asked.actor : asked.reason);
  return done("switchover to " + turn.name(to) + " has begun", turn.s.move->id);
}

// A switchover to the site that a person prefers, once it has been a sound standby for some time.
OperatorAnswer fail_back(Turn& turn, const OperatorAsked& asked) {
  OperatorAsked back = asked;
  back.to = preferred_site(turn.policy);
  if (back.to < 0) {
    return refused("target", "no site of " + turn.policy.name +
                                 " is preferred: `pointsman switchover " + turn.policy.name +
                                 " --to SITE` names one");
  }
  if (back.to == turn.s.primary) {
    return refused("target", turn.name(back.to) + ", the preferred site, is in power already");
  }
  return switch_over(turn, back);
}

// The agent of the site in power answers and does not hold our reign: its state was lost.
bool reign_is_lost(Turn& turn) {
  return turn.policy.agents && turn.s.has_primary() && !turn.s.move &&
         turn.fresh_agent(turn.s.primary) &&
         turn.agent(turn.s.primary).reign.epoch < turn.s.reign.epoch;
}

OperatorAnswer adopt(Turn& turn, const OperatorAsked& asked) {
  // An adoption that does not come to its end, or any move that is stuck, ends by a person's word.
  const bool adopting = turn.s.move && turn.s.move->kind == MoveKind::kAdopt &&
                        (turn.s.phase == Phase::kUnadopted || turn.s.phase == Phase::kPromoting);
  const bool anew = adopting || turn.s.phase == Phase::kStuck || reign_is_lost(turn);
  if (turn.s.move && !anew) return refused("state", "a move is on already: " + turn.s.move->id);
  if (turn.s.phase != Phase::kUnadopted && !anew) {
    return refused("adopted", turn.name(turn.s.primary) + " is in power already");
  }
  if (asked.to < 0) return refused("state", "adopt needs --primary SITE");
  const int other = turn.s.other(asked.to);
  if (turn.policy.agents && !turn.fresh_agent(asked.to)) {
    return refused("target", "the agent of " + turn.name(asked.to) + " does not answer");
  }
  if (turn.policy.agents && !turn.fresh_agent(other) && asked.asserted_off != other) {
    return refused("fence", "the agent of " + turn.name(other) + " does not answer; " +
                                "--assert-off " + turn.name(other) + " says that it is off");
  }
  Move move;
  move.kind = MoveKind::kAdopt;
  move.actor = asked.actor;
  move.to = asked.to;
  move.from = other;
  move.asserted_off = asked.asserted_off == other;
  move.assert_reason = asked.reason;
  move.reason = "adopted by " + asked.actor;
  for (const char* name : {"fence", "promote", "verify"}) {
    move.steps.push_back({name, {}, {}, {}, ""});
  }
  // A site that was not heard in this run may have reigned: it is fenced when it comes back.
  const bool reigned = anew || !turn.view(other).agent_heard || turn.agent(other).highest != 0 ||
                       turn.agent(other).writable;
  if (anew) {
    end_move(turn, "voided", "ordered anew by " + asked.actor);
    turn.enter(Phase::kUnadopted);
  }
  turn.s.fence.reset();
  end_restore(turn);
  begin_move(turn, std::move(move));
  turn.s.restored = false;
  for (const SiteView& view : turn.s.sites) {
    turn.out.counter_least = std::max(turn.out.counter_least, view.agent.monitor_counter + 1);
  }
  if (reigned) begin_fence(turn, other);
  if (!turn.s.records.empty() && turn.s.records.front().readable) {
    turn.s.published = turn.s.records.front().site;
  }
  return done("adoption of " + turn.name(asked.to) + " has begun", turn.s.move->id);
}

OperatorAnswer cancel(Turn& turn, const OperatorAsked& asked) {
  if (!turn.s.move && turn.s.appointment) {
    const std::string at = turn.s.appointment->at;
    turn.s.appointment.reset();
    return done("the switchover appointed for " + at + " is off");
  }
  if (!turn.s.move && turn.s.rejoin && turn.s.rejoin->is_on()) {
    if (const Refusal why = cancel_rejoin(turn, asked.actor)) return refused("state", *why);
    return done("the rejoin is off");
  }
  if (!turn.s.move) return refused("state", "no move is on");
  Move& move = *turn.s.move;
  const AgentView& crowned = turn.agent(move.to);
  const bool shown = crowned.reign == move.reign && crowned.role == SiteRole::kPrimary;
  const bool ours = move.kind == MoveKind::kFailover || move.kind == MoveKind::kSwitchover;
  if (ours && asked.asserted_off == move.to && !shown &&
      (turn.s.phase == Phase::kPromoting || turn.s.phase == Phase::kStuck)) {
    move.cancel_asked = true;
    move.actor = asked.actor;
    move.assert_reason = asked.reason;
    return done("the move is being undone: " + turn.name(move.to) + " is asserted off", move.id);
  }
  // The standby answers and has not accepted: its void is all that it takes. Were it to accept
  // before that void comes, it would refuse the void and reign.
  if (is_planned(turn) && move.promote_left && !shown && turn.fresh_agent(move.to) &&
      (turn.s.phase == Phase::kPromoting || turn.s.phase == Phase::kStuck)) {
    move.cancel_asked = true;
    move.actor = asked.actor;
    return done("the move is being undone, if " + turn.name(move.to) + " has not accepted it",
                move.id);
  }
  if (move.promote_left || !ours ||
      (turn.s.phase != Phase::kPreparing && turn.s.phase != Phase::kFencing &&
       turn.s.phase != Phase::kCatchingUp)) {
    return refused("state", "the move has promoted or may have: it goes forward" +
                                std::string(ours ? ", unless --assert-off says that " +
                                                       turn.name(move.to) + " is off"
                                                 : ""));
  }
  move.cancel_asked = true;
  move.actor = asked.actor;
  return done("the move is being undone", move.id);
}

OperatorAnswer pause(Turn& turn, const OperatorAsked& asked) {
  const std::string reason =
      asked.reason.empty() && turn.s.hold.on ? turn.s.hold.reason : asked.reason;
  turn.s.hold = {true, reason, asked.actor, std::nullopt, asked.lasting};
  if (asked.lasting) turn.s.hold.until = turn.now + *asked.lasting;
  return done(turn.policy.name + " is paused: nothing moves by itself" +
              (asked.lasting ? " for " + say(*asked.lasting) : ""));
}

OperatorAnswer acknowledge(Turn& turn) {
  turn.s.automatic_moves.clear();
  turn.s.refusal.clear();
  turn.s.unprepared = {};
  return done(turn.policy.name + " is armed again");
}

}  // namespace

void obey(Turn& turn, const OperatorAsked& asked) {
  OperatorAnswer answer;
  const char* rule = "ack";
  switch (asked.kind) {
    case AskKind::kFailover:
      rule = "failover";
      answer = fail_over(turn, asked);
      break;
    case AskKind::kSwitchover:
      rule = "switchover";
      answer = switch_over(turn, asked);
      break;
    case AskKind::kFailback:
      rule = "failback";
      answer = fail_back(turn, asked);
      break;
    case AskKind::kRejoin:
      rule = "rejoin";
      answer = begin_rejoin(turn, asked);
      break;
    case AskKind::kAdopt:
      rule = "adopt";
      answer = adopt(turn, asked);
      break;
    case AskKind::kCancel:
      rule = "cancel";
      answer = cancel(turn, asked);
      break;
    case AskKind::kPause:
      rule = "pause";
      answer = pause(turn, asked);
      break;
    case AskKind::kResume:
      rule = "resume";
      turn.s.hold = Hold{};
      answer = done(turn.policy.name + " moves by itself again");
      break;
    case AskKind::kAck: answer = acknowledge(turn); break;
  }
  turn.write("operator", rule, answer.accepted ? "done" : "refused",
             answer.text + (asked.reason.empty() ? "" : " (" + asked.reason + ")"));
  turn.out.journal.back().actor = asked.actor;
  turn.out.reason = answer.text;
  turn.out.answer = std::move(answer);
}

}  // namespace pointsman
