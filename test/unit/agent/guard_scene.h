#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "agent/guard.h"

// Two guards and a monitor that speak by hand: each call is one message, each answer one line, so
// that a test reads as a transcript.

namespace pointsman::scene {

inline Instant at(Duration d) { return Instant{} + 1000s + d; }
inline Reign reign(std::uint64_t epoch) { return {epoch, fmt::format("{:016x}", epoch * 7)}; }

inline std::string line(const Verdict& verdict) {
  return fmt::format("{}{}{}: {}", verdict.accepted ? "yes" : "no", verdict.save ? ", save" : "",
                     verdict.alarm ? ", ALARM" : "", verdict.reason);
}

// One agent: its guard, and what its disk holds.
class Agent {
 public:
  Agent(std::string site, std::string peer, Instant now)
      : site_(std::move(site)),
        peer_(std::move(peer)),
        guard_({site_, peer_, GuardRecord{}, incarnation_, now, 0s}) {
    guard_.set_fence_bound(kFenceBoundArmed, true);
  }

  // The process dies and starts again; only the record is left, and what the kernel set holds.
  void restart(Instant now, Duration kernel_rest = 0s) {
    auto record = GuardRecord::from_json(guard_.record().to_json());
    guard_ = Guard({site_, peer_, *record, ++incarnation_, now, kernel_rest});
    guard_.set_fence_bound(kFenceBoundArmed, true);
  }

  ServiceReport report(Instant now) const {
    ServiceReport report;
    report.service = "im-api";
    guard_.fill(report, now);
    return report;
  }

  // Messages of the monitor. Its token is read at `read`, and it arrives at `now`.
  std::string order(Order order, Instant now, GuardSight sight = {}) {
    if (order.sequence == 0) order.sequence = ++sequence_;
    return line(guard_.on_order(order, sight, now));
  }
  std::string vouch(Vouch vouch, Instant now, const std::string& run = "m1") {
    return line(guard_.on_monitor_vouch(vouch, run, now));
  }

  Guard& guard() { return guard_; }
  const std::string& site() const { return site_; }
  const GuardRecord& record() const { return guard_.record(); }
  std::string level(Instant now) const { return to_string(guard_.level(now)); }
  Token token(Instant read) const { return {incarnation_, read}; }

 private:
  std::string site_;
  std::string peer_;
  std::uint64_t incarnation_ = 100;
  std::uint64_t sequence_ = 0;
  Guard guard_;
};

// hz in power in epoch 1, sh its standby; the clock stands at at(0s).
struct Pair {
  Agent hz{"hz", "sh", at(-100s)};
  Agent sh{"sh", "hz", at(-100s)};
  std::uint64_t vouches = 0;

  Pair() {
    GuardSight sight;
    sight.stores_writable = true;
    hz.order(order(Verb::kAdopt, hz, {1, "hz", at(0s)}), at(0s), sight);
    sh.order(order(Verb::kAdopt, sh, {1, "hz", at(0s)}), at(0s));
    hz.guard().on_promotion_read_back(reign(1));
    hz.guard().on_monitor_poll(3s, at(0s));
    sh.guard().on_monitor_poll(3s, at(0s));
    sh_hears_hz(at(0s));
  }

  // An order of the monitor; its token was read at `read`.
  struct Told {
    std::uint64_t epoch;
    std::string power;
    Instant read;
  };
  static Order order(Verb verb, const Agent& to, const Told& told) {
    const auto& [epoch, power, read] = told;
    Order order;
    order.run = "m1";
    order.sender = "monitor";
    order.service = "im-api";
    order.site = to.site();
    order.verb = verb;
    order.reign = reign(epoch);
    order.power = power;
    order.move = fmt::format("move-{}", epoch);
    order.token = to.token(read);
    return order;
  }

  std::string tell(Verb verb, Agent& to, const Told& told) {
    return to.order(order(verb, to, told), told.read);
  }

  // The monitor vouches with a token read at `read`.
  std::string monitor_vouches(Agent& to, std::uint64_t epoch, Instant read, Instant now) {
    return to.vouch({++vouches, reign(epoch), to.token(read), 3s, false}, now);
  }
  std::string monitor_vouches_lone(Agent& to, std::uint64_t epoch, Instant now) {
    return to.vouch({++vouches, reign(epoch), to.token(now), 24h, true}, now);
  }

  // sh polls hz and hears its report; the other way round.
  std::string sh_hears_hz(Instant now) {
    return line(sh.guard().on_peer_report(hz.report(now), now));
  }
  std::string hz_hears_sh(Instant now) {
    return line(hz.guard().on_peer_report(sh.report(now), now));
  }
  // One whole exchange: hears, vouches, and the vouch arrives.
  bool sh_vouches(Instant now) {
    sh_hears_hz(now);
    const auto out = sh.guard().vouch_for_peer(3s, now);
    return out.vouch && hz.guard().on_peer_vouch(*out.vouch, now).accepted;
  }
};

}  // namespace pointsman::scene
