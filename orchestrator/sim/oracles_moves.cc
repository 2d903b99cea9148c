#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/oracles.h"
#include "orchestrator/sim/world.h"

// What is asked of decisions: when moves may begin, and that they come to an end.

namespace pointsman {
namespace {

// The slowest a clock may run, as a factor on what it measures, and the fastest.
Duration at_least(Duration d) { return d * 100 / 112; }
Duration at_most(Duration d) { return d * 100 / 88; }

}  // namespace

// Its latest move was a question that left nothing behind.
void Oracles::forget_in_breaker(int service) {
  const auto latest = std::find_if(breaker_.rbegin(), breaker_.rend(),
                                   [&](const auto& each) { return each.second == service; });
  if (latest != breaker_.rend()) breaker_.erase(std::next(latest).base());
}

void Oracles::count(const JournalLine& line) {
  Figures& figures = world_.figures;
  if (line.outcome == "refused") ++figures.refusals[line.rule];
  if (line.rule == "begin-failover" || line.rule == "begin-switchover" ||
      line.rule == "begin-adopt" || line.rule == "begin-recrown") {
    ++figures.moves;
  }
  if (line.rule == "end-move" && line.outcome == "done") ++figures.done;
}

void Oracles::on_decision(int service, const ServiceState& next, const Consequence& decision) {
  if (world_.onlooker) world_.onlooker(service, next, decision);
  Service& s = of(service);
  int rows = 0;
  for (const JournalLine& line : decision.journal) {
    if (line.kind == "decision" && line.outcome == "taken") {
      ++rows;
      on_row(service, line.rule, next);
    }
    count(line);
    const auto& last = next.last_move;
    if (!world_.monitor.dry && line.rule == "end-move" && line.outcome == "voided" && last &&
        last->automatic && !last->fence_left && !s.automatic.empty()) {
      s.automatic.pop_back();
      forget_in_breaker(service);
    }
    if (world_.traces()) {
      world_.note(fmt::format("{} {} {} {} [{}]", world_.policy(service).name, line.rule,
                              line.outcome, line.reason, to_string(next.phase)));
    }
  }
  if (rows >= 12) world_.fail("L6", "a circle of phases without an event between");
  if (world_.monitor.dry) return;
  // A move that a person has ordered begins by no row.
  if (rows == 0 && next.phase != s.phase) spring(world_, service, next);
  s.phase = next.phase;
  note_vouch(service, decision.vouch);
  if (!next.move) return;
  s.kind = next.move->kind;
  if (s.kind == MoveKind::kFailover) s.failover = next.move->reign.epoch;
  if (s.kind == MoveKind::kSwitchover) {
    s.planned = next.move->reign.epoch;
    s.planned_to = next.move->to;
  } else if (s.planned == next.move->reign.epoch) {
    s.planned = 0;
  }
}

void Oracles::note_vouch(int service, const VouchWish& wish) {
  Service& s = of(service);
  if (world_.traces() && wish != s.vouch) {
    world_.note(fmt::format("{} vouch for site {} in reign {}{}", world_.policy(service).name,
                            wish.site, wish.reign.epoch, wish.lone ? ", lone" : ""));
  }
  s.vouch = wish;
}

void Oracles::on_row(int service, const std::string& rule, const ServiceState& next) {
  ++world_.figures.rows[rule];
  world_.note(fmt::format("row {} {}", world_.policy(service).name, rule));
  if (world_.monitor.dry) return;
  spring(world_, service, next);
  const bool by_vip = rule == "follow-vip" || rule == "follow-vip-in-doubt";
  if (rule == "fail-over" || by_vip) on_automatic(service, by_vip, next);
}

// An automatic move begins.
void Oracles::on_automatic(int service, bool by_vip, const ServiceState& next) {
  const ServicePolicy& policy = world_.policy(service);
  const int from = next.move ? next.move->from : 0;
  if (policy.mode != Mode::kAuto || next.hold.on) {
    world_.fail("S19", "an automatic move of a service that is held or watched only");
  }
  if (by_vip) {
    of(service).trigger = now();
    // An agent that just woke may still tell of its keepalived as of one that was silent.
    const bool woke = world_.site_host(from).frozen_until >= now() - at_most(policy.lease) - 4s;
    if (!world_.vip.has_left(service, from) && !woke) {
      world_.fail("S9", "follows a virtual address that has not moved");
    }
  } else {
    check_sight(service, from);
  }
  if (policy.agents && !world_.site_host(1 - from).up &&
      world_.site_host(1 - from).frozen_until < now() - at_most(policy.lease) - 4s) {
    world_.fail("S10", "moves to a site that is down");
  }
  check_pace(service, next);
}

// Whoever says that the site is down has seen it, and is sound.
void Oracles::check_sight(int service, int from) {
  Service& s = of(service);
  const ServicePolicy& policy = world_.policy(service);
  const auto k = static_cast<std::size_t>(from);
  s.trigger = s.first_fail.at(k);
  const Duration fresh =
      at_most(policy.lease + policy.fall * policy.interval + policy.timeout) + 4s;
  if (policy.probes == 1 && !s.fell.at(k) && now() - s.fell_at.at(k) > fresh) {
    world_.fail("S9", fmt::format("moves after {} failures of {}", s.fails.at(k), policy.fall));
  }
  const SimSite& standby = world_.sites.at(1 - k);
  if (policy.agents && policy.quorum == 2 && now() - standby.fell_at(service) > fresh) {
    world_.fail("S9", "moves, and no second observer saw the primary down");
  }
  if (world_.setting.references &&
      reference_pass_at_ < s.first_fail.at(k) - at_most(policy.timeout + 1s)) {
    world_.fail("S11", "moves, and no reference answered since the first failure");
  }
}

// How soon after others.
void Oracles::check_pace(int service, const ServiceState& next) {
  Service& s = of(service);
  const ServicePolicy& policy = world_.policy(service);
  if (!s.automatic.empty() && now() - s.automatic.back() < at_least(policy.hold_down)) {
    world_.fail("S12", fmt::format("moves {:.1f} s after the last automatic move",
                                   seconds(now() - s.automatic.back())));
  }
  s.automatic.push_back(now());
  if (next.move) s.automatic_number = next.move->reign.epoch;
  if (static_cast<int>(s.automatic.size()) > policy.max_moves_per_day) {
    world_.fail("S12", "more automatic moves than a day may have");
  }
  const Duration window = at_least(world_.setting.breaker_window);
  std::erase_if(breaker_, [&](const auto& each) { return now() - each.first > window; });
  breaker_.emplace_back(now(), service);
  std::set<int> whose;
  for (const auto& [at, who] : breaker_) whose.insert(who);
  if (static_cast<int>(whose.size()) > world_.setting.moves_at_once) {
    world_.fail("S13",
                fmt::format("{} services move within {:.0f} s", whose.size(), seconds(window)));
  }
}

}  // namespace pointsman
