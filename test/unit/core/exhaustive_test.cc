// The core under every event in every phase: drawn courses of events, in which what must hold of
// any decision is asked after each step. Figures that a run reaches are told by --success.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "orchestrator/core/machine.h"

using namespace pointsman;

namespace {

// Sanitizers look at each step, and need no such many; what is met in all is asked without them.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PM_SANITIZED 1
#endif
#endif
#ifdef PM_SANITIZED
constexpr unsigned kCourses = 30;
#else
constexpr unsigned kCourses = 200;
#endif
constexpr bool kAll = kCourses == 200;

constexpr std::size_t kEvents = std::variant_size_v<decltype(Event::what)>;

ServicePolicy policy_of(unsigned shape) {
  ServicePolicy policy;
  policy.name = "s";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  policy.fall = 2;
  policy.rise = 1;
  policy.quorum = 1;
  policy.hold_down = 0s;
  policy.max_moves_per_day = 1000;
  policy.agents = shape % 8 != 1;
  policy.publish_first = shape % 3 != 0;
  policy.unfenced_allowed = shape % 2 == 0;
  policy.dry = shape % 16 == 7;
  if (shape % 5 == 4) policy.vip_silent = 9s;
  return policy;
}

// A course of events: chance, and what it has led to so far.
class Course {
 public:
  explicit Course(unsigned seed)
      : policy(policy_of(seed)), random_(seed), state(begin(policy, std::nullopt, now)) {
    slow_ = seed % 3 == 0;
    rejoins_ = seed % 10 == 3;
    if (!policy.dry) return;  // One that runs dry adopts nobody: it goes on from a state.
    state.phase = Phase::kSteady;
    state.primary = 0;
    state.reign = {1, "r-0"};
    state.issued = 1;
  }

  const ServicePolicy policy;
  Instant now = Instant{} + 1000s;

  Event draw();
  void go(const Event& event);

  bool one_in(unsigned n) { return random_() % n == 0; }
  std::int64_t wall() const { return 1'000'000 + (now - Instant{}) / std::chrono::seconds(1); }

 private:
  int site() { return static_cast<int>(random_() % kSites); }
  Reign reign();
  AgentView agent(int site);
  AgentView agent_that_obeyed(int site);
  OperatorAsked order();
  decltype(Event::what) what(std::size_t kind);

  std::mt19937 random_;
  bool slow_ = false;     // The standby takes its time.
  bool rejoins_ = false;  // People bring sites back; moves are rarer beside that.
  std::uint64_t ids_ = 0;

 public:
  ServiceState state;
};

// One that is about: of the move, of the one before it, or in force.
Reign Course::reign() {
  std::vector<Reign> known{state.reign, {}};
  if (state.move) known.insert(known.end(), 6, state.move->reign);
  if (state.last_move) known.push_back(state.last_move->reign);
  if (one_in(40)) known.push_back({state.issued + 1, "stranger"});
  return known[random_() % known.size()];
}

// As an agent would be that has done what was asked of it so far.
AgentView Course::agent_that_obeyed(int site) {
  AgentView view = state.sites[static_cast<std::size_t>(site)].agent;
  view.stores_well = view.applier_running = view.writable_known = true;
  view.replica = !view.writable;
  view.caught_up_age = 100ms;
  view.peer_answers = true;
  view.vip = VipView{one_in(4), 1s, one_in(4) ? 20s : 1s};
  if (state.rejoin && state.rejoin->is_on() && state.rejoin->move.to == site) {
    RejoinView told;
    told.move = state.rejoin->move.id;
    told.stage = static_cast<RejoinStage>(random_() % kRejoinStages);
    told.diverged = one_in(2);
    if (!one_in(5)) view.rejoin = told;
    view.role = state.follow || one_in(2) ? SiteRole::kStandby : SiteRole::kFenced;
  } else if (state.rejoin && !state.move && view.role == SiteRole::kFenced && one_in(2)) {
    view.role = SiteRole::kStandby;  // It came back by another way.
  }
  if (!state.move) return view;
  const Move& move = *state.move;
  view.highest = std::max(view.highest, move.reign.epoch);
  if (site == move.from && move.fence_left) {
    view.role = state.follow && one_in(2) ? SiteRole::kStandby : SiteRole::kFenced;
    view.fenced = move.reign.epoch;
    view.writable = false;
    view.has_stores = true;
    view.stores = {{"mysql", !one_in(4), "transactions", {}, {}, false, {}, "0-1-7"}};
  }
  if (site != move.to) return view;
  // Its prepare ran out.
  view.voided = one_in(slow_ && state.phase != Phase::kStuck ? 3 : 8) ? move.reign : Reign{};
  const bool waits = slow_ && state.phase == Phase::kPreparing && !one_in(6);
  view.prepared = view.voided.any() || waits ? Reign{} : move.reign;
  view.prepared_move = move.id;
  if (move.positions) view.catch_up = CatchUpView{move.id, one_in(3), "mysql is at 0-1-5"};
  if (slow_ && !one_in(20)) return view;
  if (state.phase != Phase::kPromoting && state.phase != Phase::kStuck) return view;
  view.role = SiteRole::kPrimary;
  view.reign = move.reign;
  view.promoted = move.reign.epoch;
  view.writable = true;
  view.lease_rest = 2s;
  return view;
}

AgentView Course::agent(int site) {
  if (!one_in(4)) return agent_that_obeyed(site);
  AgentView view;
  view.role = static_cast<SiteRole>(random_() % 4);
  view.reign = reign();
  view.power = policy.sites[random_() % kSites].name;
  view.highest = view.reign.epoch + (one_in(8) ? 1 : 0);
  // A number that was never issued ends every move: rarely, or nothing else would be seen.
  if (!one_in(20)) view.highest = std::min(view.highest, state.issued);
  // So does a promotion that never left.
  const bool left = !state.move || state.move->promote_left || state.move->void_first.any();
  if (!left && !one_in(20)) view.reign = state.reign;
  view.prepared = one_in(2) ? reign() : Reign{};
  view.prepared_move = state.move ? state.move->id : "";
  view.voided = one_in(4) ? reign() : Reign{};
  view.fenced = one_in(3) ? reign().epoch : 0;
  view.promoted = one_in(2) ? view.reign.epoch : 0;
  view.has_stores = one_in(2);
  view.writable = one_in(2);
  view.writable_known = !one_in(8);
  view.lease_rest = one_in(3) ? 0s : 2s;
  view.lone = one_in(10);
  view.armed = one_in(2);
  view.stores_well = view.applier_running = !one_in(5);
  view.replica = one_in(2);
  if (one_in(2)) view.caught_up_age = Duration(100ms) * (random_() % 50);
  view.peer_answers = one_in(2);
  view.monitor_counter = one_in(25) ? 1'000'000 : 0;
  if (one_in(10)) view.prepare_refusal = one_in(2) ? "" : "we see the site in power up";
  return view;
}

OperatorAsked Course::order() {
  OperatorAsked asked;
  asked.kind =
      state.move && one_in(2) ? AskKind::kCancel : static_cast<AskKind>(random_() % kAskKinds);
  const bool back = asked.kind == AskKind::kRejoin || asked.kind == AskKind::kFailback;
  if (back && !rejoins_) asked.kind = state.move ? AskKind::kCancel : AskKind::kSwitchover;
  asked.to = one_in(4) ? -1 : site();
  asked.asserted_off = one_in(2) ? site() : -1;
  if (state.move && one_in(2)) asked.asserted_off = state.move->to;
  asked.reason = "drawn";
  asked.actor = "chance";
  asked.discard = one_in(2);
  if (one_in(2)) asked.forced = {"replication", "target", "fence", "record", "provider"};
  if (asked.kind == AskKind::kPause) asked.lasting = 1s;
  if (asked.kind == AskKind::kSwitchover && one_in(2)) {
    asked.at_s = wall() + 5;
    asked.at = "later";
  }
  return asked;
}

decltype(Event::what) Course::what(std::size_t kind) {
  const std::string move = state.move && !one_in(5) ? state.move->id : "m-0";
  const int to = state.move ? state.move->to : site();
  switch (kind) {
    case 0: return Tick{};
    case 1: {
      const int of = site();
      const auto seen = one_in(3)   ? Sighting::kFail
                        : one_in(9) ? Sighting::kUnknown
                                    : Sighting::kPass;
      return ProbeSeen{of, 0, seen, now - 100ms, "drawn"};
    }
    case 2: return ProbeDoubted{site(), 0, now - 300ms};
    case 3: {
      const int of = site();
      return AgentHeard{of, agent(of), now - 50ms};
    }
    case 4: return AgentSilent{site(), "drawn"};
    case 5:
      if (state.move && one_in(2)) {
        return OrderAnswered{to, OrderKind::kPrepare, false, true, "not now"};
      }
      return OrderAnswered{site(), static_cast<OrderKind>(random_() % kOrderKinds), one_in(2),
                           !one_in(4), "drawn"};
    case 6: {
      RecordRead read;
      read.readable = !one_in(5);
      read.site = one_in(6) ? -1 : site();
      read.mark = reign().epoch;
      read.values = "192.0.2.10";
      return read;
    }
    case 7: return PublishAnswered{0, move, one_in(2), one_in(6), "192.0.2.10", "drawn"};
    case 8: return AuthoritiesAnswered{0, move, to, one_in(2), one_in(2), "drawn"};
    case 9: return ProviderJudged{0, !one_in(5), "drawn"};
    case 10: return PolicyChanged{policy, one_in(4)};
    default: return order();
  }
}

Event Course::draw() {
  Event event;
  // Most of what comes are readings; the rest is rare, but comes in every phase.
  const std::size_t kind = one_in(2) ? random_() % kEvents : one_in(2) ? 3 : 1;
  event.what = what(kind);
  const std::string id = std::to_string(++ids_);
  event.fresh = {"r-" + id, "m-" + id, static_cast<std::uint32_t>(random_())};
  event.around.references_set = true;
  event.around.reference_pass = one_in(20) ? Instant{} : now;
  event.around.loop_late = one_in(50);
  event.around.wall_s = wall();
  for (Instant& end : event.promise_end) end = one_in(2) ? now - 1s : now + 4s;
  event.counter = 5;
  return event;
}

// What an order of the core may be in a phase: an agent refuses all others by its own rules.
bool order_fits(Phase phase, OrderKind kind) {
  switch (kind) {
    case OrderKind::kPrepare: return phase == Phase::kPreparing || phase == Phase::kCatchingUp;
    case OrderKind::kPromote: return phase == Phase::kPromoting || phase == Phase::kStuck;
    case OrderKind::kVoid:
    case OrderKind::kAdopt:
      return phase != Phase::kPreparing && phase != Phase::kFencing && phase != Phase::kCatchingUp;
    case OrderKind::kFence: return true;  // Goes on until it is acknowledged, for days.
    case OrderKind::kFollow:
      return phase == Phase::kVerifying || phase == Phase::kPublishing || phase == Phase::kSteady ||
             phase == Phase::kSuspect;
    case OrderKind::kSurvey:
    case OrderKind::kReseed: return phase == Phase::kSteady || phase == Phase::kSuspect;
  }
  return false;
}

// The rows that a decision says it took lead, one after the other, from phase to phase.
void check_path(const Decision& out, Phase from, bool by_order, std::set<std::string>& fired) {
  std::map<std::string, Transition> rows;
  for (const Transition& row : transitions()) rows.insert({row.rule, row});
  int taken = 0;
  for (const JournalLine& line : out.journal) {
    if (line.kind != "decision" || line.outcome != "taken") continue;
    const auto row = rows.find(line.rule);
    REQUIRE_MESSAGE(row != rows.end(), line.rule);
    if (by_order && taken == 0) from = row->second.from;  // An operator's order comes first.
    REQUIRE_MESSAGE(row->second.from == from, line.rule, " from ", to_string(from));
    from = row->second.to;
    fired.insert(line.rule);
    ++taken;
  }
  if (!by_order || taken > 0) REQUIRE_EQ(to_string(out.next.phase), std::string(to_string(from)));
  REQUIRE_LT(taken, 12);  // L6: no circle of phases without an event between.
}

// Nothing is asked of the stores of the site in power, nor beside a move, nor of any reign but the
// present one; and they are replaced only where a person gave up what they hold, durably.
void check_rejoin(const Decision& out, const SendOrder& order) {
  if (order.kind != OrderKind::kSurvey && order.kind != OrderKind::kReseed) return;
  const ServiceState& s = out.next;
  REQUIRE_NE(order.site, s.primary);
  REQUIRE_EQ(order.power, s.primary);
  REQUIRE_FALSE(s.move.has_value());
  REQUIRE(order.reign == s.reign);
  REQUIRE(s.rejoin.has_value());
  REQUIRE(s.rejoin->is_on());
  REQUIRE_EQ(order.move, s.rejoin->move.id);
  for (const Command& command : out.commands) {
    const auto* other = std::get_if<SendOrder>(&command);
    if (other != nullptr) REQUIRE((other->kind != OrderKind::kFollow));
  }
  if (order.kind != OrderKind::kReseed) return;
  REQUIRE_FALSE(s.follow.has_value());
  REQUIRE(s.rejoin->discard);
  REQUIRE(s.rejoin->reseeding);
}

void check_orders(const ServicePolicy& policy, const Decision& out) {
  for (const Command& command : out.commands) {
    const auto* order = std::get_if<SendOrder>(&command);
    if (order == nullptr) continue;
    CAPTURE(to_string(order->kind));
    CAPTURE(to_string(out.next.phase));
    REQUIRE(order_fits(out.next.phase, order->kind));
    REQUIRE((policy.agents || policy.dry));
    REQUIRE(!order->move.empty());
    REQUIRE(order->reign.any());
    REQUIRE_LE(order->reign.epoch, out.next.issued);
    const bool for_power = order->kind == OrderKind::kPrepare || order->kind == OrderKind::kPromote;
    if (for_power) REQUIRE_EQ(order->site, order->power);
    if (order->kind == OrderKind::kFence) REQUIRE_NE(order->site, order->power);
    // What may have left is durable before it leaves.
    if (order->kind == OrderKind::kPromote) REQUIRE(out.next.move->promote_left);
    if (order->kind == OrderKind::kFollow) REQUIRE_NE(order->site, out.next.primary);
    check_rejoin(out, *order);
  }
}

// S15 and "never published while it may be undone", as far as the core can tell.
void check_planned(const ServicePolicy& policy, const ServiceState& before, const Decision& out) {
  if (!policy.agents || !out.next.move || out.next.move->kind != MoveKind::kSwitchover) return;
  const Move& move = *out.next.move;
  const AgentView& standby = out.next.sites[static_cast<std::size_t>(move.to)].agent;
  if (out.next.publish && out.next.publish->reign == move.reign) {
    REQUIRE(move.promote_left);
  }
  for (const Command& command : out.commands) {
    const auto* order = std::get_if<SendOrder>(&command);
    if (order == nullptr || order->kind != OrderKind::kPromote) continue;
    REQUIRE(move.positions.has_value());
    REQUIRE(order->old_fenced);
    REQUIRE_EQ(order->positions, *move.positions);
  }
  const bool entered = before.phase == Phase::kCatchingUp && out.next.phase == Phase::kPromoting;
  if (!entered || move.positions->empty()) return;
  REQUIRE(standby.catch_up.has_value());
  REQUIRE(standby.catch_up->held);
  REQUIRE_EQ(standby.catch_up->move, move.id);
}

void check_state(const ServiceState& before, const ServiceState& after) {
  REQUIRE_GE(after.issued, before.issued);
  REQUIRE_GE(after.reign.epoch, before.reign.epoch);
  const bool moving = after.phase == Phase::kPreparing || after.phase == Phase::kFencing ||
                      after.phase == Phase::kCatchingUp || after.phase == Phase::kPromoting ||
                      after.phase == Phase::kStuck || after.phase == Phase::kVerifying ||
                      after.phase == Phase::kPublishing;
  if (moving) REQUIRE(after.move.has_value());
  if (after.move) REQUIRE_EQ(after.move->outcome, "running");
  if (after.phase == Phase::kSteady || after.phase == Phase::kSuspect) {
    REQUIRE(after.has_primary());
    REQUIRE_FALSE(after.move.has_value());
  }
  REQUIRE_LE(after.automatic_moves.size(), 1100U);
}

// Counted over all courses.
std::set<std::pair<Phase, std::size_t>> met;
std::set<std::string> fired;

void Course::go(const Event& event) {
  const ServiceState before = state;
  Decision out = step(policy, before, event, now);
  const Decision twin = step(policy, before, event, now);
  REQUIRE_EQ(out.reason, twin.reason);
  REQUIRE_EQ(out.commands.size(), twin.commands.size());
  REQUIRE_EQ(out.journal.size(), twin.journal.size());
  met.insert({before.phase, event.what.index()});
  REQUIRE_FALSE(out.reason.empty());
  REQUIRE(out.wake_at.has_value());  // No phase waits for an event that may never come.
  REQUIRE_LE(*out.wake_at, now + 1s);
  const bool by_order = std::holds_alternative<OperatorAsked>(event.what);
  REQUIRE_EQ(out.answer.has_value(), by_order);
  check_path(out, before.phase, by_order, fired);
  check_orders(policy, out);
  check_state(before, out.next);
  check_planned(policy, before, out);
  if (before.phase != out.next.phase) REQUIRE(out.save);
  state = std::move(out.next);
  // It comes to rest: asked again in the same instant, no phase follows the other without end.
  Event tick = event;
  tick.what = Tick{};
  ServiceState rest = state;
  for (int k = 0; k < 4; ++k) {
    const Phase phase = rest.phase;
    rest = step(policy, std::move(rest), tick, now).next;
    if (rest.phase == phase) return;
  }
  FAIL("it does not come to rest in phase ", to_string(state.phase));
}

}  // namespace

TEST_CASE("every event in every phase leads to a decision that can be obeyed") {
  met.clear();
  fired.clear();
  for (unsigned seed = 1; seed <= kCourses; ++seed) {
    CAPTURE(seed);
    Course course(seed);
    for (int k = 0; k < 1200; ++k) {
      const bool long_rest = course.one_in(course.state.phase == Phase::kPromoting ? 15 : 60);
      course.now = course.now + (long_rest ? Duration(70s) : Duration(150ms));
      course.go(course.draw());
    }
  }
  if (!kAll) return;
  for (int phase = 0; phase < kPhases; ++phase) {
    for (std::size_t event = 0; event < kEvents; ++event) {
      CAPTURE(std::string(to_string(static_cast<Phase>(phase))));
      CAPTURE(event);
      CHECK(met.contains({static_cast<Phase>(phase), event}));
    }
  }
  // A few rows need a longer chain of chances than is drawn here: the simulator meets them.
  std::string unmet;
  for (const Transition& row : transitions()) {
    if (!fired.contains(row.rule)) unmet += std::string(" ") + row.rule;
  }
  CHECK_MESSAGE(fired.size() + 9 >= transitions().size(), "rows never met:", unmet);
}
