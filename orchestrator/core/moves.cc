#include <algorithm>

#include "base/planted.h"
#include "orchestrator/core/damping.h"
#include "orchestrator/core/turn.h"

namespace pointsman {
namespace {

constexpr std::uint64_t kMarkMost = std::uint64_t{1} << 62;

}  // namespace

bool PublishJob::accepted() const {
  return std::all_of(records.begin(), records.end(), [](const auto& r) { return r.accepted; });
}

bool PublishJob::agreed() const {
  return std::all_of(records.begin(), records.end(), [](const auto& r) { return r.agreed; });
}

Step* step_of(ServiceState& state, std::string_view name) {
  if (!state.move) return nullptr;
  for (Step& step : state.move->steps) {
    if (step.name == name) return &step;
  }
  return nullptr;
}

void step_running(Turn& turn, std::string_view name, std::string detail) {
  Step* found = step_of(turn.s, name);
  if (found == nullptr || found->state != StepState::kWaiting) return;
  found->state = StepState::kRunning;
  found->started = turn.now;
  found->detail = std::move(detail);
  turn.save();
}

void step_done(Turn& turn, std::string_view name, std::string detail) {
  Step* found = step_of(turn.s, name);
  if (found == nullptr || found->state == StepState::kDone) return;
  if (found->state == StepState::kWaiting) found->started = turn.now;
  found->state = StepState::kDone;
  found->ended = turn.now;
  found->detail = std::move(detail);
  turn.save();
}

void step_failed(Turn& turn, std::string_view name, std::string detail) {
  Step* found = step_of(turn.s, name);
  if (found == nullptr || found->state == StepState::kDone) return;
  found->state = StepState::kFailed;
  found->ended = turn.now;
  found->detail = std::move(detail);
  turn.save();
}

std::uint64_t next_number(Turn& turn, std::uint64_t least_gap) {
  std::uint64_t highest = std::max(turn.s.issued, turn.s.reign.epoch);
  for (const SiteView& view : turn.s.sites) {
    if (!view.agent_heard || planted(Plant::kOwnNumbersOnly)) continue;
    highest = std::max({highest, view.agent.highest, view.agent.reign.epoch,
                        view.agent.voided.epoch, view.agent.prepared.epoch, view.agent.fenced});
  }
  // The mark beside the record remembers numbers too, and without agents it alone; one that leaps
  // ahead is no work of ours, unless we have lost all memory.
  const bool lost = turn.s.issued == 0 && !turn.policy.agents;
  const std::uint64_t believed = lost ? kMarkMost : highest + kMarkJumpMost;
  for (const RecordView& record : turn.s.records) {
    if (record.mark <= believed) highest = std::max(highest, record.mark);
  }
  if (planted(Plant::kEpochReused)) highest = turn.s.reign.epoch;
  turn.s.issued = highest + least_gap;
  return turn.s.issued;
}

Move make_failover(Turn& turn, const Wanted& wanted, std::string actor, std::string reason) {
  Move move;
  move.kind = MoveKind::kFailover;
  move.automatic = wanted.automatic;
  move.actor = std::move(actor);
  move.from = turn.s.primary;
  move.to = wanted.to;
  move.forced = wanted.forced;
  move.asserted_off = wanted.asserted_off == turn.s.primary && wanted.asserted_off >= 0;
  move.reason = std::move(reason);
  move.trigger = first_failure(turn.view(turn.s.primary), turn.now);
  for (const char* name : {"prepare", "publish", "fence", "promote", "verify"}) {
    move.steps.push_back({name, StepState::kWaiting, {}, {}, ""});
  }
  return move;
}

void begin_move(Turn& turn, Move move) {
  end_rejoin(turn, "failed",
             std::string("a move began: ") + to_string(move.kind) + " to " + turn.name(move.to));
  move.id = turn.event.fresh.move;
  move.reign = {next_number(turn, move.kind == MoveKind::kAdopt && turn.s.restored ? 50 : 1),
                turn.event.fresh.reign};
  move.former = turn.s.reign;
  move.begun = turn.now;
  move.lease = turn.policy.lease;
  if (move.void_first.any() && turn.s.last_move && turn.s.last_move->reign == move.void_first) {
    move.lease = std::max(move.lease, turn.s.last_move->lease);
  }
  if (move.trigger == Instant{0}) move.trigger = turn.now;
  if (move.kind == MoveKind::kFailover) note_last_arrival(turn, move);
  if (turn.s.fence && turn.s.fence->site == move.to) turn.s.fence.reset();
  for (auto& site : turn.s.pace) site = {};
  if (move.automatic && move.kind == MoveKind::kFailover) {
    turn.s.automatic_moves.push_back(turn.now);
  }
  turn.s.move = std::move(move);
  if (planted(Plant::kFenceBeforeConsent) && turn.s.move->kind == MoveKind::kFailover) {
    begin_fence(turn, turn.s.move->from);
  }
  const Move& begun = *turn.s.move;
  turn.mark("intent saved: reign " + std::to_string(begun.reign.epoch) + " for " +
            turn.name(begun.to));
  turn.write("decision", std::string("begin-") + to_string(begun.kind), "started", begun.reason);
}

void end_move(Turn& turn, std::string outcome, std::string reason, bool tell) {
  if (!turn.s.move) return;
  Move& move = *turn.s.move;
  move.outcome = std::move(outcome);
  move.ended = turn.now;
  if (!reason.empty()) move.reason = reason;
  for (Step& step : move.steps) {
    if (step.state == StepState::kWaiting) step.state = StepState::kSkipped;
    if (step.state == StepState::kRunning) step.state = StepState::kFailed;
  }
  if (move.outcome == "voided" && move.automatic && move.kind == MoveKind::kFailover &&
      !move.fence_left && !turn.s.automatic_moves.empty()) {
    turn.s.automatic_moves.pop_back();  // Nothing left this host but a question.
  }
  turn.mark("move " + move.outcome);
  turn.write("decision", "end-move", move.outcome, move.reason);
  if (tell) {
    turn.tell(move.outcome == "done" ? NoticeLevel::kWarning : NoticeLevel::kUrgent, "move-ended",
              turn.policy.name + ": " + to_string(move.kind) + " to " + turn.name(move.to) + " " +
                  move.outcome + ": " + move.reason);
  }
  turn.s.last_move = std::move(turn.s.move);
  turn.s.move.reset();
}

void leave_early(Turn& turn, std::string reason) {
  if (!turn.s.move) return;
  // Whatever comes next may be undone: the record shall name the site in power by then.
  if (turn.s.move->kind != MoveKind::kAdopt || turn.s.publish) begin_publish(turn, turn.s.primary);
  end_move(turn, "partial", std::move(reason));
}

void pass_crown(Turn& turn, Move move) {
  end_move(turn, "voided", move.reason);
  begin_move(turn, std::move(move));
  // The former reign ended by a fence: there is no way back to it.
  turn.s.move->fence_left = true;
}

void begin_publish(Turn& turn, int to) {
  if (turn.s.publish && turn.s.publish->to == to && turn.s.publish->reign == turn.s.move->reign) {
    return;
  }
  PublishJob job;
  job.to = to;
  job.reign = turn.s.move->reign;
  job.move = turn.s.move->id;
  job.since = turn.now;
  job.records.resize(static_cast<std::size_t>(turn.policy.records));
  for (RecordProgress& record : job.records) record.next = turn.now;
  turn.s.publish = std::move(job);
  step_running(turn, "publish");
}

void begin_fence(Turn& turn, int site) {
  if (!turn.policy.agents) return;
  turn.s.move->fence_left = true;
  turn.s.fence = FenceJob{site, turn.s.move->reign, turn.s.move->id, false};
  turn.pace(site, OrderKind::kFence) = {};
  step_running(turn, "fence");
}

}  // namespace pointsman
