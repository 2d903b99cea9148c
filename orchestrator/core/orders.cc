#include <algorithm>

#include "base/planted.h"
#include "orchestrator/core/damping.h"
#include "orchestrator/core/turn.h"

// What is due now, told by state alone: an order whose effect no report shows is sent, and sent
// again.

namespace pointsman {
namespace {

constexpr Duration kReadEvery = 30s;
constexpr Duration kFlightMost = 20s;  // A command whose end was never told.

bool due(OrderPace& pace, Instant now) {
  if (pace.in_flight && now - pace.next < kFlightMost) return false;
  return pace.next <= now || pace.in_flight;
}

void send(Turn& turn, SendOrder order) {
  OrderPace& pace = turn.pace(order.site, order.kind);
  if (!due(pace, turn.now)) return;
  pace.in_flight = true;
  pace.next = turn.now;
  pace.attempts = std::min(pace.attempts + 1, 1'000'000);
  if (planted(Plant::kNewIdOnRetry)) order.move += std::to_string(pace.attempts);
  turn.out.commands.emplace_back(std::move(order));
}

SendOrder order_of(const Turn& turn, const Move& move, int site, OrderKind kind) {
  SendOrder order;
  order.site = site;
  order.kind = kind;
  order.reign = move.reign;
  order.power = move.to;
  order.move = move.id;
  order.automatic = move.automatic;
  order.asserted_off = move.asserted_off;
  order.replication_forced = move.forced.contains("replication");
  const bool applies = kind == OrderKind::kPrepare || kind == OrderKind::kPromote;
  if (move.positions && applies && site == move.to) order.positions = *move.positions;
  order.old_fenced =
      turn.s.fence && turn.s.fence->acknowledged && turn.s.fence->reign.epoch >= move.reign.epoch;
  return order;
}

bool fenced_by(const Turn& turn, const Move& move) {
  return turn.s.fence && turn.s.fence->acknowledged && turn.s.fence->site == move.from &&
         turn.s.fence->reign.epoch >= move.reign.epoch;
}

// The site that was asserted off is back and reigns by the move that is being undone, and the one
// that is crowned instead may know of it: only a fence ends that reign.
void fence_the_undone(Turn& turn, const Move& move) {
  if (move.kind != MoveKind::kRecrown || !move.void_first.any() || !move.promote_left) return;
  if (planted(Plant::kUndoWithoutVoid)) return;
  if (!turn.fresh_agent(move.from) || turn.agent(move.from).role != SiteRole::kPrimary ||
      turn.agent(move.from).reign != move.void_first) {
    return;
  }
  if (turn.s.fence && turn.s.fence->reign == move.reign) return;
  begin_fence(turn, move.from);
  turn.save();
}

// Whether the other site can no longer come to power by the move that this one undoes.
bool undone_for_good(Turn& turn, const Move& move) {
  if (fenced_by(turn, move)) return true;
  if (!move.void_first.any() || turn.agent(move.from).voided == move.void_first) return true;
  if (planted(Plant::kUndoWithoutVoid)) return true;
  const auto& undone = turn.s.last_move;
  if (undone && undone->reign == move.void_first && !undone->promote_left) return true;
  // A person's word stands in for a lone lease that a restarted monitor may have given; it skips no
  // ordinary promise.
  const LeaseTerms ordinary{std::max(turn.policy.lease, move.lease),
                            turn.agent(move.from).fence_bound};
  return move.asserted_off &&
         (turn.s.promise_end.at(static_cast<std::size_t>(move.from)) <= turn.now ||
          turn.now - move.begun >= promise_length(ordinary));
}

void order_promotion(Turn& turn, Move& move) {
  const AgentView& crowned = turn.agent(move.to);
  const bool shown = crowned.reign == move.reign && crowned.role == SiteRole::kPrimary;
  if (move.kind == MoveKind::kAdopt) {
    if (!shown) send(turn, order_of(turn, move, move.to, OrderKind::kAdopt));
    return;
  }
  fence_the_undone(turn, move);
  if (move.void_first.any() && turn.agent(move.from).voided != move.void_first &&
      !fenced_by(turn, move)) {
    Move voided = move;
    voided.reign = move.void_first;
    voided.id = turn.s.last_move ? turn.s.last_move->id : move.id;
    send(turn, order_of(turn, voided, move.from, OrderKind::kVoid));
  }
  // Whoever told it to, it has been told: a planned move is not undone behind its back.
  if (shown && is_planned(turn) && !move.promote_left) {
    move.promote_left = true;
    turn.save();
  }
  if (shown || !undone_for_good(turn, move)) return;
  if (!move.promote_left) {
    move.promote_left = true;  // Saved with this decision, before the order can leave.
    turn.save();
  }
  send(turn, order_of(turn, move, move.to, OrderKind::kPromote));
}

void order_move(Turn& turn) {
  // What a dry run renders, it renders on the order to prepare, agents or none.
  if (!turn.s.move || (!turn.policy.agents && !turn.policy.dry)) return;
  Move& move = *turn.s.move;
  switch (turn.s.phase) {
    case Phase::kPreparing:
    case Phase::kCatchingUp:  // Again, with what it must have applied.
      send(turn, order_of(turn, move, move.to, OrderKind::kPrepare));
      break;
    case Phase::kPromoting:
    case Phase::kStuck: order_promotion(turn, move); break;
    case Phase::kVerifying:
    case Phase::kPublishing:
      // The other site becomes the standby; it is told only after the first has accepted.
      if (move.kind == MoveKind::kAdopt && turn.fresh_agent(move.from) &&
          turn.agent(move.from).reign != move.reign) {
        send(turn, order_of(turn, move, move.from, OrderKind::kAdopt));
      }
      break;
    default: break;
  }
}

// A site that no order has reached yet (it was away at adoption, a later message overtook the
// order, or its state was lost) touches nothing until it is told who is in power.
void order_newcomer(Turn& turn) {
  if (turn.s.move || !turn.policy.agents || turn.s.phase != Phase::kSteady) return;
  const int other = turn.s.other(turn.s.primary);
  if (!turn.fresh_agent(other) || turn.agent(other).role != SiteRole::kNone) return;
  SendOrder order;
  order.site = other;
  order.kind = OrderKind::kAdopt;
  order.reign = turn.s.reign;
  order.power = turn.s.primary;
  const bool made = turn.s.last_move && turn.s.last_move->reign == turn.s.reign;
  order.move = made ? turn.s.last_move->id : "newcomer-" + std::string(turn.s.reign.id.text());
  send(turn, std::move(order));
}

// A move that was given up before its fence: the standby is told, so that it vouches again at once.
void order_void(Turn& turn) {
  if (turn.s.move || !turn.s.last_move || !turn.policy.agents) return;
  const Move& last = *turn.s.last_move;
  if (last.outcome != "voided" || last.fence_left || turn.now - last.ended > 30s) return;
  const AgentView& standby = turn.agent(last.to);
  if (!turn.fresh_agent(last.to) || standby.prepared != last.reign) return;
  send(turn, order_of(turn, last, last.to, OrderKind::kVoid));
}

void order_fence(Turn& turn) {
  if (!turn.s.fence || turn.s.fence->acknowledged) return;
  const FenceJob& job = *turn.s.fence;
  SendOrder order;
  order.site = job.site;
  order.kind = OrderKind::kFence;
  order.reign = job.reign;
  order.power = turn.s.other(job.site);
  order.move = job.move;
  send(turn, std::move(order));
}

void order_follow(Turn& turn) {
  if (!follow_due(turn)) return;
  const FollowJob& job = *turn.s.follow;
  SendOrder order;
  order.site = job.site;
  order.kind = OrderKind::kFollow;
  order.reign = job.reign;
  order.power = turn.s.primary;
  order.move = job.move;
  send(turn, std::move(order));
}

void order_rejoin(Turn& turn) {
  const std::optional<OrderKind> kind = rejoin_due(turn);
  if (!kind) return;
  RejoinJob& job = *turn.s.rejoin;
  SendOrder order;
  order.site = job.move.to;
  order.kind = *kind;
  order.reign = job.move.reign;
  order.power = turn.s.primary;
  order.move = job.move.id;
  send(turn, std::move(order));
}

void order_publication(Turn& turn) {
  if (!turn.s.publish) return;
  PublishJob& job = *turn.s.publish;
  for (std::size_t k = 0; k < job.records.size(); ++k) {
    RecordProgress& record = job.records[k];
    if (record.agreed) continue;
    if (record.in_flight && turn.now - record.next < kFlightMost) continue;
    if (!record.in_flight && record.next > turn.now) continue;
    record.in_flight = true;
    record.next = turn.now;
    record.attempts = std::min(record.attempts + 1, 1'000'000);
    const int index = static_cast<int>(k);
    if (record.accepted) {
      turn.out.commands.emplace_back(AskAuthorities{index, job.to, job.move});
    } else {
      turn.out.commands.emplace_back(PublishRecord{index, job.to, job.reign, job.move});
    }
  }
  if (job.agreed() && !turn.s.move) turn.s.publish.reset();
}

// What stands there is read again and again, also while a publication waits for a server that is
// away, for somebody may have been here since the provider accepted it; and while it is refused for
// good, so that a person sees what he has to mend.
void order_readings(Turn& turn) {
  const bool hasty = turn.s.phase == Phase::kUnadopted || turn.s.phase == Phase::kSuspect;
  const Duration every = hasty ? Duration(2s) : kReadEvery;
  for (std::size_t k = 0; k < turn.s.records.size(); ++k) {
    RecordView& record = turn.s.records[k];
    if (turn.s.publish) {
      const RecordProgress& progress = turn.s.publish->records.at(k);
      if (!progress.accepted && !progress.refused) continue;
    }
    const Duration since = turn.now - record.asked;
    if (record.asked != Instant{0} && since < (record.in_flight ? kFlightMost : every)) continue;
    record.asked = turn.now;
    record.in_flight = true;
    turn.out.commands.emplace_back(ReadRecord{static_cast<int>(k)});
  }
}

// Since when the other site is no eligible target; lone leases rest on it.
void note_eligibility(Turn& turn) {
  if (!turn.s.has_primary() || !turn.policy.agents) return;
  const int other = turn.s.other(turn.s.primary);
  SiteView& view = turn.view(other);
  const bool fit = !target_problem(turn.policy, turn.s, other, turn.now) &&
                   (!view.agent.has_stores || view.agent.applier_running);
  if (fit) {
    view.ineligible_since = Instant{0};
  } else if (view.ineligible_since == Instant{0}) {
    view.ineligible_since = turn.now;
  }
}

bool lone_due(Turn& turn) {
  const SiteView& view = turn.view(turn.s.other(turn.s.primary));
  if (view.ineligible_since == Instant{0}) return false;
  const Duration since = turn.now - view.ineligible_since;
  const bool not_rejoined = view.agent_heard && turn.fresh_agent(turn.s.other(turn.s.primary)) &&
                            view.agent.role != SiteRole::kStandby;
  const bool lost =
      !turn.fresh_agent(turn.s.other(turn.s.primary)) ||
      verdict(turn.policy, turn.s, turn.s.other(turn.s.primary), turn.now) == SiteVerdict::kDown;
  if (not_rejoined) return true;
  return lost ? since > 10s : since > 5min;
}

}  // namespace

VouchWish wish(Turn& turn) {
  if (!turn.policy.agents || turn.s.restored) return {};
  switch (turn.s.phase) {
    case Phase::kSteady:
    case Phase::kSuspect:
      // Never back to a reign whose fence may have left: it ends by a new crown.
      if (turn.s.fence && turn.s.fence->site == turn.s.primary) return {};
      return {turn.s.primary, turn.s.reign, lone_due(turn)};
    case Phase::kPromoting:
    case Phase::kStuck: {
      const Move& move = *turn.s.move;
      if (!undone_for_good(turn, move)) return {};
      return {move.to, move.reign, false};
    }
    case Phase::kVerifying:
    case Phase::kPublishing: return {turn.s.primary, turn.s.reign, false};
    case Phase::kUnadopted:
    case Phase::kPreparing:
    case Phase::kFencing:
    case Phase::kCatchingUp: return {};
  }
  return {};
}

void order_what_is_due(Turn& turn) {
  note_eligibility(turn);
  order_move(turn);
  order_newcomer(turn);
  order_void(turn);
  order_fence(turn);
  order_follow(turn);
  order_rejoin(turn);
  order_publication(turn);
  order_readings(turn);
}

}  // namespace pointsman
