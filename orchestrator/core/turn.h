#pragma once

#include <string>
#include <utility>

#include "orchestrator/core/gates.h"
#include "orchestrator/core/machine.h"

// One call of step() while it is under way: the state that changes and what it asks for. Private to
// the core.

namespace pointsman {

struct Turn {
  const ServicePolicy& policy;
  ServiceState& s;
  Consequence& out;
  const Event& event;
  Instant now;

  SiteView& view(int site) { return s.sites.at(static_cast<std::size_t>(site)); }
  const std::string& name(int site) const {
    return policy.sites.at(static_cast<std::size_t>(site)).name;
  }
  const AgentView& agent(int site) { return view(site).agent; }
  bool fresh_agent(int site) {
    return view(site).agent_heard && now - view(site).agent_at <= policy.lease;
  }
  OrderPace& pace(int site, OrderKind kind) {
    return s.pace.at(static_cast<std::size_t>(site)).at(static_cast<std::size_t>(kind));
  }

  void save() { out.save = true; }
  void write(std::string kind, std::string rule, std::string outcome, std::string reason) {
    out.save = true;
    out.journal.push_back(
        {std::move(kind), std::move(rule), std::move(outcome), std::move(reason), ""});
  }
  void tell(NoticeLevel level, std::string rule, std::string text) {
    out.commands.emplace_back(Notice{level, std::move(rule), std::move(text)});
  }
  void enter(Phase phase) {
    s.phase = phase;
    s.phase_since = now;
    out.save = true;
  }
  void mark(std::string what) {
    if (s.move && s.move->timeline.size() < 64) s.move->timeline.push_back({now, std::move(what)});
  }
};

// fold.cc: what the event tells, without any decision.
void fold(Turn& turn);

// fold.cc: whether the move is one of an older state of this monitor, or a person took a site
// since.
bool older_move(const Turn& turn);

// triggers.cc: whether the trigger of a row holds.
bool holds(Trigger trigger, Turn& turn);
Wanted automatic_move(Turn& turn);
// Whether the site that is being crowned again may be given up for the other one: that one cannot
// come to power any more by the move that is being undone.
bool may_pass_crown(Turn& turn);
// takings.cc: what taking a row does.
void take(const Transition& row, Turn& turn);

// moves.cc
Step* step_of(ServiceState& state, std::string_view name);
void step_running(Turn& turn, std::string_view name, std::string detail = "");
void step_done(Turn& turn, std::string_view name, std::string detail = "");
void step_failed(Turn& turn, std::string_view name, std::string detail);
void begin_move(Turn& turn, Move move);
// `tell`: people do not know of it yet.
void end_move(Turn& turn, std::string outcome, std::string reason, bool tell = true);
void begin_publish(Turn& turn, int to);
void begin_fence(Turn& turn, int site);
// Ends a move whose site is in power and has only to be seen or named yet; that goes on beside.
void leave_early(Turn& turn, std::string reason);
// Ends the crowning of a site and begins `move` to the other in its place.
void pass_crown(Turn& turn, Move move);
std::uint64_t next_number(Turn& turn, std::uint64_t least_gap);
// A mark further above what is known than this is no work of ours; as agents have it.
inline constexpr std::uint64_t kMarkJumpMost = 1000;
Move make_failover(Turn& turn, const Wanted& wanted, std::string actor, std::string reason);

// unprepared.cc: what a standby that does not accept `prepare` leads to.
void give_up_preparing(Turn& turn, const std::string& why);
void forget_attempts(Unprepared& known);
void look_again_at_standby(Turn& turn);  // Its report may say that the reason is gone.
void watch_preparing(Turn& turn);        // After a fence it is asked on and on: loudly.

// loss.cc: at the beginning of a failover, once its site takes writes, and when the fence is
// acknowledged.
void note_last_arrival(Turn& turn, Move& move);
void measure_loss(Turn& turn, Move& move);
void learn_loss(Turn& turn);  // The old site is fenced: it may be known better now.

// drift.cc: records that somebody else changed.
void tell_drift(Turn& turn, const RecordRead& read);  // Before its view is brought up to date.
void restore_record(Turn& turn);
bool end_restore(Turn& turn);  // True when one was on.

// orders.cc: what is due now, by state alone.
void order_what_is_due(Turn& turn);
VouchWish wish(Turn& turn);

// planned.cc: switchovers.
bool is_planned(const Turn& turn);
void begin_switchover(Turn& turn, const Wanted& wanted, std::string actor, std::string reason);
bool positions_told(Turn& turn);
void note_positions(Turn& turn);
void distrust_positions(Turn& turn);  // The old site is open again.
bool caught_up(Turn& turn);
bool budget_spent(Turn& turn);
bool plan_voided(Turn& turn);
bool promotion_sure(Turn& turn);
std::string why_undone(Turn& turn, const Transition& row);
void note_nothing_lost(Turn& turn);
void aim_follower(Turn& turn);  // Somebody was crowned.
bool follow_due(Turn& turn);
bool is_followed(const Turn& turn);
std::string why_not_followed(Turn& turn);
void watch_follower(Turn& turn);
bool appointed(Turn& turn);  // What refuses is kept until it is told.
void keep_appointment(Turn& turn);
void watch_appointment(Turn& turn);

// rejoin.cc: the way back of a site that lost power.
OperatorAnswer begin_rejoin(Turn& turn, const OperatorAsked& asked);
// Why it cannot be called off now; nullopt when it was.
Refusal cancel_rejoin(Turn& turn, const std::string& actor);
void end_rejoin(Turn& turn, std::string outcome, std::string reason);
// What is due of it: an order to survey or to reseed.
std::optional<OrderKind> rejoin_due(Turn& turn);
bool rejoin_comes_first(Turn& turn, int site);  // Before that site is asked to follow.
void watch_rejoin(Turn& turn);

// failback.cc: whether the standby has been sound for long enough to come back.
void watch_standby(Turn& turn);

// vip.cc: where keepalived moved a virtual address.
bool may_follow_vip(Turn& turn);  // What refuses is told once.
void follow_vip(Turn& turn);
void watch_vip(Turn& turn);

// asks.cc
void obey(Turn& turn, const OperatorAsked& asked);

}  // namespace pointsman
