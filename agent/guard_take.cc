#include <algorithm>

#include <fmt/format.h>

#include "agent/guard.h"

// Power by the word of a person who stands at this site, when the monitor's host is dead as well:
// nobody is left who could vouch, so that he vouches himself that the other site is off.

namespace pointsman {
namespace {

constexpr std::uint64_t kTakeGap = 50;  // As an adoption: above what anybody may have issued.
// A prepare of our own making; the runner comes round ten times a second.
constexpr Duration kTakeRest = 10s;

Verdict refused(std::string reason) { return {false, false, false, std::move(reason)}; }

}  // namespace

// Whoever is heard is not off, or not dead.
std::optional<std::string> Guard::contradicted(Instant since) const {
  if (peer_report_ && peer_report_at_ > since) {
    return record_.peer + " answers: it is not off; stop its agent or its host first";
  }
  if (polled_at_ && *polled_at_ > since) {
    return "a monitor polls this agent: use `pointsman failover` with --assert-off";
  }
  return std::nullopt;
}

Verdict Guard::begin_take(const Take& take, const std::string& reign_id, Instant now) {
  if (record_.role == Role::kNone) {
    return refused("this agent was never adopted: it knows neither peer nor number");
  }
  if (take.off != record_.peer || take.off.empty()) {
    return refused(
        fmt::format("{} is not the other site of this service, {} is", take.off, record_.peer));
  }
  if (take.reason.empty()) return refused("no reason given");
  if (taking_) return {true, false, false, "being taken already"};
  if (const std::string why = spoiled(); !why.empty()) return refused(why);
  if (const auto why = contradicted(now - record_.lease)) return refused(*why);
  if (record_.role == Role::kPrimary && lease_until() > now) {
    if (!record_.taken || record_.taken->reign != record_.reign) {
      return refused("this site is in power, and its lease holds");
    }
    from_monitor_ = Lease{now + kTakenLease, true};
    record_.taken->by = take;
    return {true, true, false, "still in power by a person's word; its lease begins anew"};
  }
  if (record_.prepared) void_prepared();
  const Reign reign{record_.highest + kTakeGap, reign_id};
  record_.highest = reign.epoch;
  record_.highest_reign = reign;
  record_.highest_move = "take-" + reign_id;
  const Instant ready = std::max(promise_.end(), now + promise_length(record_.widest));
  // Prepared, we vouch for nobody.
  record_.prepared = PrepareRenewal{reign, record_.highest_move};
  prepare_until_ = ready + kTakeRest;
  taking_ = Taking{take, reign, now, ready};
  return {true, true, false,
          fmt::format("in power in epoch {} when {:.1f} s have passed: {} is off by the word of {}",
                      reign.epoch, seconds(ready - now), take.off, take.actor)};
}

Verdict Guard::finish_take(Instant now) {
  if (!taking_) return {true, false, false, ""};
  const Taking taking = *taking_;
  const bool ours = record_.prepared && record_.prepared->reign == taking.reign;
  std::optional<std::string> why = contradicted(taking.begun);
  if (!ours) why = "another order came, or the time to take power had passed";
  if (why) {
    taking_.reset();
    if (ours) void_prepared();
    return {false, true, true, "not taken: " + *why};
  }
  if (now < taking.ready) return {true, false, false, ""};
  taking_.reset();
  record_.prepared.reset();
  end_leases();
  record_.role = Role::kPrimary;
  record_.reign = taking.reign;
  record_.power = site_;
  record_.taken = Taken{taking.reign, taking.by};
  from_monitor_ = Lease{now + kTakenLease, true};
  return {true, true, false,
          fmt::format("in power in epoch {} by the word of {}: {}", taking.reign.epoch,
                      taking.by.actor, taking.by.reason)};
}

Duration Guard::take_rest(Instant now) const {
  return taking_ ? std::max(taking_->ready - now, Duration::zero()) : Duration::zero();
}

}  // namespace pointsman
