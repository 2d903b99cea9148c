#include <fmt/format.h>

#include "agent/guard.h"
#include "base/planted.h"

// Orders: what a guard accepts and what it refuses. See design of the safety model in
// docs/agent.md.

namespace pointsman {
namespace {

constexpr std::uint64_t kJumpMost = 1000;

Verdict refused(std::string reason) { return {false, false, false, std::move(reason)}; }
Verdict alarmed(std::string reason) { return {false, false, true, std::move(reason)}; }
Verdict accepted(std::string reason) { return {true, true, false, std::move(reason)}; }
Verdict already(std::string reason) { return {true, false, false, std::move(reason)}; }

}  // namespace

// Whether the order is from now: it hands back a reading of our own clock.
std::optional<Verdict> Guard::refuse_stale(const Order& order, Instant now) const {
  if (order.token.incarnation != incarnation_) return refused("token of another run of this agent");
  if (order.token.n > now) return refused("token of the future");
  if (now - order.token.n > order.order_ttl) {
    return refused(fmt::format("token is {} ms old, more than {} allowed",
                               whole_ms(now - order.token.n), format_duration(order.order_ttl)));
  }
  return std::nullopt;
}

// Whether the order is for us, and about a number that may still be used.
std::optional<Verdict> Guard::refuse(const Order& order) const {
  if (order.site != site_) {
    return refused(fmt::format("addressed to {}, this is {}", order.site, site_));
  }
  if (order.power != site_ && !record_.peer.empty() && order.power != record_.peer) {
    return refused(fmt::format("{} is no site of this service", order.power));
  }
  if (!order.reign.any() || order.move.empty()) return refused("no reign or no move given");
  const std::uint64_t epoch = order.reign.epoch;
  // Numbers above the reign in force may have been burnt since; whom to follow has not changed.
  const bool of_the_follower =
      order.verb == Verb::kFollow || order.verb == Verb::kSurvey || order.verb == Verb::kReseed;
  if (of_the_follower && in_force(order)) return std::nullopt;
  if (epoch < record_.highest) {
    return refused(fmt::format("epoch {} is below {}, the highest seen", epoch, record_.highest));
  }
  if (epoch == record_.highest) {
    if (order.reign != record_.highest_reign) {
      return alarmed(fmt::format("epoch {} is reign {} here, not {}", epoch,
                                 record_.highest_reign.id.text(), order.reign.id.text()));
    }
    // A reign learned from the peer came without its move.
    if (!record_.highest_move.empty() && order.move != record_.highest_move) {
      return alarmed(fmt::format("epoch {} belongs to move {}, not {}", epoch, record_.highest_move,
                                 order.move));
    }
  } else if (epoch - record_.highest > kJumpMost && order.verb != Verb::kAdopt) {
    return alarmed(fmt::format("epoch {} is more than {} above {}, the highest seen", epoch,
                               kJumpMost, record_.highest));
  }
  return std::nullopt;
}

Verdict Guard::on_order(const Order& order, const GuardSight& sight, Instant now) {
  // First: an old message sent again must not pass for the beginning of a new run of its sender,
  // after which the living one would not be heard any more.
  if (const auto stale = refuse_stale(order, now)) return *stale;
  if (!in_sequence(order.sender, order.run, order.sequence, false)) {
    return refused("older than a message already received");
  }
  const bool ran_out = tick(now).save;
  const bool counted = on_monitor_counter(order.counter).save;
  auto verdict = refuse(order);
  if (!verdict) verdict = obey(order, sight, now);
  verdict->save = verdict->save || ran_out || counted;
  return *verdict;
}

Verdict Guard::obey(const Order& order, const GuardSight& sight, Instant now) {
  switch (order.verb) {
    case Verb::kAdopt: return adopt(order, sight, now);
    case Verb::kPrepare: return prepare(order, sight, now);
    case Verb::kFence: return fence(order);
    case Verb::kPromote: return promote(order, sight, now);
    case Verb::kFollow: return follow(order);
    case Verb::kVoid: return void_move(order);
    case Verb::kSurvey: return survey(order);
    case Verb::kReseed: return reseed(order);
  }
  return refused("unknown verb");
}

// A higher number ends what was prepared under a lower one.
void Guard::accept_number(const Order& order) {
  if (record_.prepared && record_.prepared->reign != order.reign) void_prepared();
  record_.highest = order.reign.epoch;
  record_.highest_reign = order.reign;
  record_.highest_move = order.move;
  if (order.power != site_) record_.peer = order.power;
}

void Guard::void_prepared() {
  record_.voided = record_.prepared->reign;
  record_.prepared.reset();
}

Verdict Guard::adopt(const Order& order, const GuardSight& sight, Instant now) {
  const bool mine = order.power == site_;
  if (record_.reign == order.reign && record_.power == order.power &&
      (mine ? record_.role == Role::kPrimary
            : record_.role == Role::kStandby || record_.role == Role::kFenced)) {
    return already("adopted already");
  }
  if (record_.voided == order.reign) return refused("this number was voided here");
  if (!mine) {
    accept_number(order);
    end_leases();
    record_.taken.reset();
    // A site that reigned, or was fenced, becomes a standby only by `follow`.
    if (record_.role == Role::kPrimary) {
      record_.role = Role::kFenced;
      record_.fence_epoch = order.reign.epoch;
    } else if (record_.role == Role::kNone) {
      record_.role = Role::kStandby;
    }
    record_.reign = order.reign;
    record_.power = order.power;
    return accepted(fmt::format("{} is in power in epoch {}", order.power, order.reign.epoch));
  }
  if (record_.fence_epoch >= order.reign.epoch) return refused("fenced in this number");
  if (const std::string why = spoiled(); !why.empty()) return refused(why);
  if (!order.old_fenced && !order.asserted_off && !planted(Plant::kAdoptUnfenced)) {
    const bool peer_reigns = peer_report_ && peer_report_->role == Role::kPrimary;
    if (record_.role != Role::kNone || peer_reigns || !sight.stores_writable) {
      return refused(
          "only a first run whose stores are writable may be adopted before the other "
          "site acknowledged its fence");
    }
  }
  if (order.old_fenced) promise_.released();
  if (order.asserted_off) {
    if (const auto owed = refuse_for_promise(now)) return refused(*owed);
  }
  const auto lease = grant(order.token, order.lease, incarnation_, now);
  accept_number(order);
  if (record_.prepared) record_.prepared.reset();
  record_.reseed.reset();
  end_leases();
  record_.taken.reset();
  record_.role = Role::kPrimary;
  record_.reign = order.reign;
  record_.power = site_;
  if (lease) from_monitor_ = *lease;
  return accepted(fmt::format("adopted: in power in epoch {}", order.reign.epoch));
}

// By its own word: whatever answers there now takes no writes.
bool Guard::peer_fenced() const {
  return peer_report_ && record_.reign.any() && peer_report_->fenced >= record_.reign.epoch;
}

// A lone lease may be held for a day, and a monitor that lost its memory would not know: only the
// site in power itself, its fence, or a person can say that there is none.
std::optional<std::string> Guard::refuse_for_lone(const Order& order) const {
  if (order.old_fenced || order.asserted_off || record_.power == site_) return std::nullopt;
  if (planted(Plant::kLoneUntold)) return std::nullopt;
  if (peer_fenced()) return std::nullopt;
  if (!peer_lone_told_ || !peer_report_) {
    return "the site in power has not told us since we were last out of touch whether it holds a "
           "lone lease";
  }
  if (peer_report_->lone) return "the site in power holds a lone lease";
  return std::nullopt;
}

std::optional<std::string> Guard::refuse_for_promise(Instant now) const {
  if (promise_.end() <= now || planted(Plant::kStandbyPromiseIgnored)) return std::nullopt;
  return fmt::format("our promise ends in {:.1f} s", seconds(promise_.end() - now) + 0.05);
}

// Refused for now; its number is seen all the same, and kept, so that a monitor that tries again
// and again with the next never runs out of what may follow the highest seen.
Verdict Guard::refuse_seen(const Order& order, std::string reason) {
  const bool news = record_.highest_reign != order.reign;
  if (news) accept_number(order);
  return {false, news, false, std::move(reason)};
}

std::string Guard::prepare_refusal(const Order& order, const GuardSight& sight) const {
  if (record_.role == Role::kNone) return "this agent was not adopted yet";
  if (record_.role == Role::kPrimary) return "this site is in power";
  if (std::string why = spoiled(); !why.empty()) return why;
  if (const auto reason = refuse_for_lone(order)) return *reason;
  if (order.automatic && sight.peer_seen_up && !peer_fenced()) return "we see the site in power up";
  return order.replication_forced ? "" : sight.replication_refusal;
}

Verdict Guard::prepare(const Order& order, const GuardSight& sight, Instant now) {
  if (order.power != site_)
    return refused(fmt::format("prepare names {} as the site to come", order.power));
  if (reigns(order.reign)) return already("promoted already");
  if (record_.voided == order.reign) return refused("this move was voided here");
  if (record_.fence_epoch >= order.reign.epoch) return refused("fenced in this number");
  if (record_.prepared && record_.prepared->reign == order.reign) {
    prepare_until_ = now + order.prepare_ttl;
    return already("prepared already");
  }
  if (const std::string reason = prepare_refusal(order, sight); !reason.empty()) {
    const bool standby = record_.role == Role::kStandby || record_.role == Role::kFenced;
    return standby ? refuse_seen(order, reason) : refused(reason);
  }
  accept_number(order);
  record_.reseed.reset();
  record_.prepared = PrepareRenewal{order.reign, order.move};
  prepare_until_ = now + order.prepare_ttl;
  return accepted("prepared; vouching stopped");
}

Verdict Guard::fence(const Order& order) {
  if (order.power == site_) return refused("a fence cannot name the site it fences as in power");
  if (reigns(order.reign)) return alarmed("this reign is our own: only a higher number ends it");
  if (record_.fence_epoch == order.reign.epoch) return already("fence accepted already");
  accept_number(order);
  if (record_.prepared) void_prepared();  // Of this very number.
  record_.fence_epoch = order.reign.epoch;
  record_.taken.reset();
  if (planted(Plant::kFenceUnread)) fenced_ = order.reign.epoch;
  // A standby stays one: read-only already, and its replication goes on.
  if (record_.role != Role::kStandby) record_.role = Role::kFenced;
  end_leases();
  return accepted(fmt::format("fenced in epoch {}", order.reign.epoch));
}

Verdict Guard::promote(const Order& order, const GuardSight& sight, Instant now) {
  if (order.power != site_)
    return refused(fmt::format("promote names {} as the site in power", order.power));
  if (reigns(order.reign)) return already("promotion accepted already");
  if (record_.voided == order.reign) return refused("this move was voided here");
  if (record_.fence_epoch >= order.reign.epoch) return refused("fenced in this number");
  const bool prepared = record_.prepared && record_.prepared->reign == order.reign &&
                        record_.prepared->move == order.move;
  // The site of the last reign comes to power again in a higher number: nobody to wait for. Where
  // it has heard of the other's reign since, that one must be known to be over.
  const bool over = order.old_fenced || order.asserted_off;
  const bool recrowned = (record_.role == Role::kPrimary || record_.role == Role::kFenced) &&
                         record_.reign.epoch < order.reign.epoch &&
                         (record_.power == site_ || over || planted(Plant::kUndoWithoutVoid));
  if (!prepared && !recrowned) return refused("not prepared for this reign and move");
  if (const std::string why = spoiled(); !why.empty()) return refused(why);
  // What the old site had executed at its fence is here before anything is written here (S15).
  if (!sight.behind.empty() && !planted(Plant::kPromoteBehind)) {
    return refused(sight.behind);
  }
  // A person's word stands in for a fence that cannot be acknowledged, for no promise: ours ends by
  // itself, in seconds.
  if (order.old_fenced || (recrowned && record_.power == site_)) promise_.released();
  if (const auto owed = refuse_for_promise(now)) return refused(*owed);
  accept_number(order);
  record_.prepared.reset();
  record_.reseed.reset();
  end_leases();
  record_.taken.reset();
  record_.role = Role::kPrimary;
  record_.reign = order.reign;
  record_.power = site_;
  if (planted(Plant::kOrderGrantsLease)) from_monitor_.until = now + order.lease;
  return accepted(fmt::format("{} in epoch {}; open with the first vouch",
                              recrowned ? "re-crowned" : "promoted", order.reign.epoch));
}

Verdict Guard::follow(const Order& order) {
  if (order.power == site_) return refused("a site cannot follow itself");
  if (record_.role == Role::kPrimary) return refused("this site is in power: fence it first");
  if (record_.prepared) return refused("a move to this site is prepared");
  if (const std::string why = spoiled(); !why.empty()) return refused(why);
  if (record_.role == Role::kStandby && in_force(order)) return already("follows already");
  if (!in_force(order) || order.reign.epoch > record_.highest) accept_number(order);
  record_.reseed.reset();
  record_.role = Role::kStandby;
  if (order.reign.epoch > record_.reign.epoch) record_.reign = order.reign;
  record_.power = order.power;
  return accepted(fmt::format("standby of {} in epoch {}", order.power, record_.reign.epoch));
}

Verdict Guard::void_move(const Order& order) {
  if (reigns(order.reign))
    return refused(
        "its promotion was accepted: only a fence in a higher "
        "number ends it");
  if (record_.voided == order.reign) return already("voided already");
  accept_number(order);
  record_.prepared.reset();
  record_.voided = order.reign;
  return accepted(fmt::format("epoch {} is void here", order.reign.epoch));
}

// --- The way back.

std::string Guard::spoiled() const {
  if (!record_.reseed || !record_.reseed->spoiled) return "";
  return fmt::format(
      "the stores of this site are being replaced by a copy of {}'s and are not whole",
      record_.peer);
}

// Only of a site without power, and against the one that it knows to be in power.
Verdict Guard::survey(const Order& order) const {
  if (order.power == site_) return refused("this site cannot rejoin itself");
  if (record_.role == Role::kPrimary) return refused("this site is in power");
  if (record_.role == Role::kNone) return refused("this agent was not adopted yet");
  if (record_.prepared) return refused("a move to this site is prepared");
  if (!in_force(order)) {
    return refused(fmt::format("{} is not known here to be in power in epoch {}", order.power,
                               order.reign.epoch));
  }
  return already("its stores are looked at");
}

Verdict Guard::reseed(const Order& order) {
  if (Verdict fit = survey(order); !fit.accepted) return fit;
  std::optional<ReseedRecord>& job = record_.reseed;
  if (job && job->move == order.move && job->reign == order.reign &&
      record_.role == Role::kFenced) {
    return already("its stores are being replaced");
  }
  if (!job) job.emplace();
  job->reign = order.reign;
  job->move = order.move;
  // Nothing else may be made of the stores meanwhile, nor may clients see them.
  record_.role = Role::kFenced;
  record_.fence_epoch = std::max(record_.fence_epoch, record_.reign.epoch);
  return accepted(fmt::format("its stores are replaced by a copy of {}'s", order.power));
}

Verdict Guard::on_spoil(const std::string& move, const std::string& bundle) {
  std::optional<ReseedRecord>& job = record_.reseed;
  if (!job || job->move != move || record_.role != Role::kFenced || record_.prepared ||
      job->reign != record_.reign || record_.power == site_) {
    return refused("this site is no longer to be replaced by that order");
  }
  // What was written down before the first touch is all that will ever be known of it.
  if (job->spoiled) return already("");
  job->spoiled = true;
  job->bundle = bundle;
  return accepted("");
}

Verdict Guard::on_reseeded(const std::string& move) {
  if (!record_.reseed || record_.reseed->move != move) return refused("no such order");
  record_.reseed.reset();
  return accepted("");
}

}  // namespace pointsman
