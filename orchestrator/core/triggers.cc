#include <algorithm>

#include "base/planted.h"
#include "orchestrator/core/damping.h"
#include "orchestrator/core/step_bounds.h"
#include "orchestrator/core/turn.h"

// When a row of the plan is taken: one function a trigger.

namespace pointsman {
namespace {

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
  if (move.kind == MoveKind::kSwitchover) return false;  // By its fence alone, read back.
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
    // Given up by us, or never issued, and in force there.
    if (theirs.epoch > turn.s.reign.epoch) return true;
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
  if (planted(Plant::kUndoWithoutVoid)) return false;
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

// Nobody is in power while a site is crowned again. Where that site cannot be, by its death or by a
// store of its own that is down, the other one may be all that users have.
bool crown_lost(Turn& turn) {
  if (!may_pass_crown(turn)) return false;
  const int site = turn.s.move->to;
  const AgentView& agent = turn.agent(site);
  const bool helpless = !turn.fresh_agent(site) || (agent.has_stores && !agent.stores_well);
  const bool late = turn.now - turn.s.phase_since >= kCrownWithin;
  return late && (helpless || turn.s.phase == Phase::kStuck) && may_fail_over(turn);
}

// The verdict counts from the promotion on, and only where the site had passed since.
bool new_site_down(Turn& turn) {
  const Step* verify = step_of(turn.s, "verify");
  return verify != nullptr && verify->state == StepState::kDone &&
         primary_is(turn, SiteVerdict::kDown);
}

// Our publication is refused for a mark of ours of a number that is not below its own, or was made,
// and a later state of ours that was lost has written since.
bool mark_is_above(const Turn& turn) {
  if (!turn.s.publish) return false;
  const PublishJob& job = *turn.s.publish;
  for (std::size_t k = 0; k < job.records.size(); ++k) {
    const std::uint64_t mark = turn.s.records[k].mark;
    const bool refused = job.records[k].refused && mark >= job.reign.epoch;
    const bool overtaken = job.records[k].accepted && mark > job.reign.epoch;
    if ((refused || overtaken) && mark <= turn.s.issued + kMarkJumpMost) return true;
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

}  // namespace

bool may_pass_crown(Turn& turn) {
  if (!turn.s.move || turn.s.move->kind != MoveKind::kRecrown || !turn.policy.agents) return false;
  if (turn.s.phase != Phase::kPromoting && turn.s.phase != Phase::kStuck) return false;
  const Move& move = *turn.s.move;
  const auto& undone = turn.s.last_move;
  const bool sent = !undone || undone->reign != move.void_first || undone->promote_left;
  return !move.void_first.any() || !sent || turn.agent(move.from).voided == move.void_first;
}

Wanted automatic_move(Turn& turn) {
  Wanted wanted;
  wanted.to = turn.s.has_primary() ? turn.s.other(turn.s.primary) : -1;
  return wanted;
}

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
    case Trigger::kAppointed: return appointed(turn);
    case Trigger::kPositionsTold: return positions_told(turn);
    case Trigger::kCaughtUp: return caught_up(turn);
    case Trigger::kBudgetSpent: return budget_spent(turn);
    case Trigger::kPlanVoided: return plan_voided(turn);
    case Trigger::kPromotionSure: return promotion_sure(turn);
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
    case Trigger::kAgreed:
      return (!turn.s.publish || turn.s.publish->agreed()) &&
             (is_followed(turn) || in_phase >= kFollowWithin);
    case Trigger::kVerifyLate:
      return in_phase >= (turn.s.phase == Phase::kVerifying ? kVerifyWithin : kAgreeWithin);
    case Trigger::kUndoneReigns: return undone_reigns(turn);
    case Trigger::kRestored: return turn.s.move && older_move(turn);
    case Trigger::kCrownLost: return crown_lost(turn);
    case Trigger::kNewSiteDown: return new_site_down(turn);
    case Trigger::kDisowned: return !turn.s.move && turn.policy.agents && disowned(turn);
  }
  return false;
}

}  // namespace pointsman
