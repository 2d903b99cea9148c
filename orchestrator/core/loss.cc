#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/core/turn.h"

// What a failover may have lost: what the old site acknowledged and the new one did not hold when
// it was promoted. Told as it is known, and known better when the old site's fence is acknowledged.

namespace pointsman {
namespace {

const StoreView* store_of(const AgentView& agent, const std::string& name) {
  for (const StoreView& store : agent.stores) {
    if (store.name == name) return &store;
  }
  return nullptr;
}

// No commit is acknowledged by the old site alone before its lease has ended.
bool waits_for_replica(const ServicePolicy& policy, const StoreView& store) {
  return store.semi_sync &&
         store.semi_sync_for >= promise_length({policy.lease, kFenceBoundUnarmed});
}

// What was known before, by the same move.
const StoreLoss* known_of(const Move& move, const std::string& store) {
  if (!move.lost) return nullptr;
  const auto& all = move.lost->stores;
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const StoreLoss& each) { return each.name == store; });
  return found == all.end() ? nullptr : &*found;
}

StoreLoss loss_of(Turn& turn, const Move& move, const StoreView& here) {
  const StoreLoss* known = known_of(move, here.name);
  // Proved stays proved: a commit that waited for its replica stands at the old site,
  // unacknowledged.
  if (known != nullptr && known->proved) return *known;
  StoreLoss loss{here.name, here.unit, std::nullopt, here.taken_over, false, ""};
  if (known != nullptr && known->taken_over) loss.taken_over = known->taken_over;
  const std::string& old_site = turn.name(move.from);
  const StoreView* there = store_of(turn.agent(move.from), here.name);
  const bool fenced =
      turn.view(move.from).agent_heard && turn.agent(move.from).fenced >= move.reign.epoch;
  if (there != nullptr && waits_for_replica(turn.policy, *there)) {
    loss.missing = 0;
    loss.proved = true;
    loss.reason = "semi-synchronous replication without fallback";
  } else if (!loss.taken_over) {
    loss.reason = "what it held when it was promoted is not known";
  } else if (!fenced) {
    loss.reason = old_site + " has not acknowledged its fence: where it ended is not known";
  } else if (there == nullptr || !there->executed || !there->well) {
    loss.reason = "it does not answer at " + old_site + ": where it ended is not known";
  } else {
    loss.missing = *there->executed - std::min(*there->executed, *loss.taken_over);
    loss.proved = *loss.missing == 0;
    loss.reason = "read at " + old_site + " after its fence";
  }
  return loss;
}

}  // namespace

void note_last_arrival(Turn& turn, Move& move) {
  const auto& evidence = turn.view(move.to).evidence;
  const Instant before = move.trigger;
  const auto sound = std::find_if(evidence.rbegin(), evidence.rend(),
                                  [&](const Evidence& each) { return each.at <= before; });
  if (sound != evidence.rend() && sound->caught_up_age) {
    move.arrived_until = sound->at - *sound->caught_up_age;
  }
}

void measure_loss(Turn& turn, Move& move) {
  if (move.kind != MoveKind::kFailover || !turn.policy.agents) return;
  const AgentView& crowned = turn.agent(move.to);
  // Another reign has begun there since: what its stores say now is of that one.
  if (crowned.stores.empty() || crowned.reign != move.reign) return;
  Loss loss;
  for (const StoreView& here : crowned.stores) loss.stores.push_back(loss_of(turn, move, here));
  loss.proved = std::all_of(loss.stores.begin(), loss.stores.end(),
                            [](const StoreLoss& store) { return store.proved; });
  if (!move.lost) move.closed_at = turn.now;  // Closed at the latest when the other one opened.
  if (loss.proved) {
    loss.span = Duration(0);
  } else if (move.arrived_until) {
    loss.span = std::max(move.closed_at - *move.arrived_until, Duration::zero());
  }
  move.lost = std::move(loss);
  turn.save();
}

void learn_loss(Turn& turn) {
  for (auto* move : {&turn.s.move, &turn.s.last_move}) {
    if (!*move || !(*move)->lost) continue;
    measure_loss(turn, **move);
  }
}

}  // namespace pointsman
