#include "agent/guard.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/planted.h"

namespace pointsman {
namespace {

constexpr std::size_t kFormerMost = 64;
constexpr std::size_t kSendersMost = 64;
// A prepare found in the record of a former run lasts this long, unless renewed.
constexpr Duration kPrepareRest = 10s;

template <typename T>
void remember(std::deque<T>& former, const T& item) {
  former.push_back(item);
  if (former.size() > kFormerMost) former.pop_front();
}

}  // namespace

Guard::Guard(Start start)
    : site_(std::move(start.site)),
      record_(std::move(start.record)),
      incarnation_(start.incarnation) {
  CHECK(incarnation_ != 0);
  if (!start.peer.empty()) record_.peer = std::move(start.peer);
  const Instant now = start.now;
  // Also with an empty record: it may have been lost.
  if (planted(Plant::kWidestForgotten)) record_.widest = LeaseTerms{1s, kFenceBoundArmed};
  promise_.assumed(now, record_.widest);
  long_until_ = late_until_ = now + promise_length(record_.widest);
  owed_epoch_ = record_.reign.epoch;
  prepare_until_ = now + kPrepareRest;
  if (record_.role == Role::kPrimary && start.kernel_rest > Duration::zero()) {
    from_kernel_ = Lease{now + start.kernel_rest, start.kernel_rest > record_.lease};
  }
}

// --- Messages.

bool Guard::in_sequence(const std::string& sender, const std::string& run, std::uint64_t sequence,
                        bool is_poll) {
  const auto found = sequences_.find(sender);
  if (found == sequences_.end()) {
    if (sequences_.size() >= kSendersMost) return false;
    sequences_[sender] = {{run, sequence}, {}};
    return true;
  }
  Sequence& seen = found->second;
  if (seen.run.id != run) {
    const auto former = std::find_if(seen.former.begin(), seen.former.end(),
                                     [&](const Run& each) { return each.id == run; });
    if (former != seen.former.end()) {
      if (!is_poll || sequence <= former->number) return false;
      if (planted(Plant::kRunShutOut)) return false;
      seen.former.erase(former);
    }
    remember(seen.former, seen.run);
    seen.run = {run, sequence};
    return true;
  }
  if (sequence < seen.run.number) return false;
  seen.run.number = sequence;
  return true;
}

Verdict Guard::on_monitor_poll(Duration lease, Instant now) {
  const Duration longest = std::max(lease, record_.lease);
  if (!polled_at_ || now - *polled_at_ > longest) peer_lone_told_ = false;
  polled_at_ = now;
  Verdict verdict{true, record_.lease != lease, false, ""};
  record_.lease = lease;
  return verdict;
}

Verdict Guard::on_monitor_counter(std::uint64_t counter) {
  if (counter <= record_.monitor_counter) return {true, false, false, ""};
  record_.monitor_counter = counter;
  return {true, true, false, ""};
}

Verdict Guard::on_units_owed(bool owed) {
  if (record_.role == Role::kNone || record_.units_owed == owed) return {true, false, false, ""};
  record_.units_owed = owed;
  return {true, true, false, ""};
}

Verdict Guard::on_peer_name(const std::string& name) {
  if (name.empty() || name == site_ || name == record_.peer) return {true, false, false, ""};
  if (!record_.peer.empty() && record_.role != Role::kNone) {
    return {false, false, true,
            fmt::format("told that the other site is {}, not {}", name, record_.peer)};
  }
  record_.peer = name;
  return {true, true, false, ""};
}

Verdict Guard::on_renewal(const PrepareRenewal& renewal, Duration prepare_ttl, Instant now) {
  const bool ran_out = tick(now).save;
  if (reigns(renewal.reign)) return {true, false, false, ""};  // Promoted since.
  if (!record_.prepared || record_.prepared->reign != renewal.reign ||
      record_.prepared->move != renewal.move) {
    return {false, ran_out, false, "not prepared for this move"};
  }
  prepare_until_ = now + prepare_ttl;
  return {true, false, false, ""};
}

// --- What we hold.

// Why a vouch grants nothing; nullopt when grant() gives its lease.
std::optional<std::string> Guard::unfit(const Vouch& vouch, Instant now) const {
  if (!reigns(vouch.reign)) return "vouches for a reign that is not ours";
  if (!grant(vouch.token, vouch.lease, incarnation_, now)) {
    return "its token is of another run or of the future";
  }
  return std::nullopt;
}

Verdict Guard::on_monitor_vouch(const Vouch& vouch, const std::string& run, Instant now) {
  Vouches& seen = monitor_;
  if (run == seen.run ? vouch.number <= seen.number : vouch.token.n <= seen.token_n) {
    return {false, false, false, "older than a vouch already received"};
  }
  if (const auto why = unfit(vouch, now)) return {false, false, false, *why};
  seen.run = run;
  seen.number = vouch.number;
  seen.token_n = std::max(seen.token_n, vouch.token.n);
  from_monitor_ = *grant(vouch.token, vouch.lease, incarnation_, now);
  from_monitor_.lone = vouch.lone;
  // What the kernel set still held may have been a longer vouch of the monitor's, and from this
  // reply on it counts on the new one alone.
  from_kernel_ = {};
  return {true, false, false, ""};
}

// The peer never shortens what it vouched for and keeps a promise for each vouch: the longest
// counts, in whatever order they come and of whichever of its runs.
Verdict Guard::on_peer_vouch(const Vouch& vouch, Instant now) {
  if (vouch.lone) return {false, false, true, "a peer gives no lone lease"};
  if (const auto why = unfit(vouch, now)) return {false, false, false, *why};
  const Lease lease = *grant(vouch.token, vouch.lease, incarnation_, now);
  if (lease.until <= from_peer_.until) {
    return {false, false, false, "older than a vouch already received"};
  }
  from_peer_ = lease;
  return {true, false, false, ""};
}

void Guard::end_leases() {
  from_monitor_ = {};
  from_peer_ = {};
  from_kernel_ = {};
}

Instant Guard::lease_until() const {
  if (record_.role != Role::kPrimary) return Instant{0};
  return std::max({from_monitor_.until, from_peer_.until, from_kernel_.until});
}

bool Guard::lone(Instant now) const {
  if (record_.role != Role::kPrimary) return false;
  return (from_monitor_.lone && from_monitor_.holds(now)) ||
         (from_kernel_.lone && from_kernel_.holds(now));
}

// --- The peer.

// A poll of a dead run may come first of that run and late, after reports of the living one, and
// take its place: what answers us now brings the living one back.
bool Guard::is_stale(const ServiceReport& report, bool answer) {
  if (!peer_report_) return false;
  const Token& last = peer_report_->token;
  if (report.token.incarnation == last.incarnation) return report.token.n < last.n;
  const auto former = std::find_if(peer_former_.begin(), peer_former_.end(), [&](const Token& t) {
    return t.incarnation == report.token.incarnation;
  });
  if (former != peer_former_.end()) {
    if (!answer || report.token.n <= former->n) return true;
    if (planted(Plant::kPeerShutOut)) return true;
    peer_former_.erase(former);
  }
  remember(peer_former_, last);
  return false;
}

Verdict Guard::on_peer_report(const ServiceReport& report, Instant now, bool answer) {
  if (report.site == site_ || (!record_.peer.empty() && report.site != record_.peer)) {
    return {false, false, true, fmt::format("a report of {} came as the peer's", report.site)};
  }
  if (is_stale(report, answer)) {
    return {false, false, false, "older than a report already received"};
  }
  const bool named = record_.peer.empty();
  if (named) record_.peer = report.site;
  const bool lone_before = peer_report_ && peer_report_->lone;
  peer_report_ = PeerReport{report.token,  report.role,        report.reign,
                            report.fenced, report.fence_bound, report.lone};
  peer_report_at_ = now;
  if (answer) peer_lone_told_ = true;
  if (!answer && lone_before) peer_report_->lone = true;
  // A fence in a number at least as high ended every reign that we vouched for.
  if (report.fenced != 0 && report.fenced >= owed_epoch_) promise_.released();
  Verdict verdict = learn_reign(report);
  verdict.save = verdict.save || named;
  return verdict;
}

bool Guard::report_may_save(const ServiceReport& report) const {
  return record_.peer.empty() ||
         (report.role == Role::kPrimary && report.reign.epoch > record_.reign.epoch);
}

// The peer says that it is in power: the way in which a standby learns of a new number, and the
// last way in which a former primary may learn that its time is over.
Verdict Guard::learn_reign(const ServiceReport& report) {
  if (report.role != Role::kPrimary || report.power != report.site || !report.reign.any()) {
    return {true, false, false, ""};
  }
  const std::uint64_t epoch = report.reign.epoch;
  const bool same_number = (epoch == record_.reign.epoch && report.reign != record_.reign) ||
                           (epoch == record_.highest && report.reign != record_.highest_reign);
  if (same_number) {
    // Taken at both sites by persons' words, of which one is wrong: neither is believed.
    if (record_.taken) end_leases();
    return {false, false, true,
            fmt::format("{} reigns in epoch {} under another id than ours", report.site, epoch)};
  }
  if (epoch <= record_.reign.epoch || record_.prepared) return {true, false, false, ""};
  if (epoch > record_.highest) {
    record_.highest = epoch;
    record_.highest_reign = report.reign;
    record_.highest_move.clear();
  }
  Verdict verdict{true, true, false, fmt::format("{} is in power in epoch {}", report.site, epoch)};
  if (record_.role == Role::kPrimary) {
    record_.role = Role::kFenced;
    record_.fence_epoch = epoch;
    record_.taken.reset();
    end_leases();
    verdict.alarm = true;
  }
  record_.reign = report.reign;
  record_.power = report.site;
  return verdict;
}

// Each bound goes up at once, and down only when the last vouch with the wider one has surely
// ended.
LeaseTerms Guard::widened(const LeaseTerms& terms, Instant now) const {
  LeaseTerms widest = record_.widest;
  if (terms.lease >= widest.lease || now >= long_until_) widest.lease = terms.lease;
  if (terms.fence_bound >= widest.fence_bound || now >= late_until_) {
    widest.fence_bound = terms.fence_bound;
  }
  return widest;
}

// Notes the terms of a vouch about to be sent; true when the record changed.
bool Guard::note_terms(const LeaseTerms& terms, Instant now) {
  const LeaseTerms before = record_.widest;
  const LeaseTerms widest = record_.widest = widened(terms, now);
  const Instant end = now + promise_length(widest);
  if (widest.lease == terms.lease) long_until_ = end;
  if (widest.fence_bound == terms.fence_bound) late_until_ = end;
  return widest.lease != before.lease || widest.fence_bound != before.fence_bound;
}

LeaseTerms Guard::peer_terms(Duration lease) const {
  return {lease, std::max(peer_report_->fence_bound, kFenceBoundArmed)};
}

bool Guard::vouch_may_save(Duration lease, Instant now) const {
  if (!peer_report_) return false;
  const LeaseTerms widest = widened(peer_terms(lease), now);
  return widest.lease != record_.widest.lease || widest.fence_bound != record_.widest.fence_bound;
}

Guard::PeerVouch Guard::vouch_for_peer(Duration lease, Instant now) {
  PeerVouch out;
  if (record_.role == Role::kPrimary || record_.prepared || !peer_report_) return out;
  const PeerReport& report = *peer_report_;
  if (record_.power != record_.peer || !record_.reign.any() || report.role != Role::kPrimary ||
      report.reign != record_.reign || report.token.incarnation == 0) {
    return out;
  }
  const LeaseTerms terms = peer_terms(lease);
  out.save = note_terms(terms, now);
  promise_.made(++own_number_, peer_report_at_, terms);
  owed_epoch_ = std::max(owed_epoch_, record_.reign.epoch);
  out.vouch = Vouch{own_number_, record_.reign, report.token, lease, false};
  return out;
}

Instant Guard::promise_end() const { return promise_.end(); }

// --- Drivers and time.

Verdict Guard::on_fence_read_back(std::uint64_t epoch) {
  const bool closed = record_.role == Role::kFenced || record_.role == Role::kStandby;
  if (!closed || epoch == 0 || epoch != record_.fence_epoch) {
    return {false, false, false, "no such fence is in force"};
  }
  fenced_ = epoch;
  return {true, false, false, ""};
}

Verdict Guard::on_promotion_read_back(const Reign& reign) {
  if (!reigns(reign)) return {false, false, false, "not the reign in force"};
  promoted_ = reign.epoch;
  return {true, false, false, ""};
}

Verdict Guard::tick(Instant now) {
  if (planted(Plant::kPrepareForever)) return {true, false, false, ""};
  if (!record_.prepared || now < prepare_until_) return {true, false, false, ""};
  const std::string reason =
      fmt::format("prepare of epoch {} ran out and is void", record_.prepared->reign.epoch);
  void_prepared();
  return {true, true, false, reason};
}

Level Guard::level(Instant now) const {
  switch (record_.role) {
    case Role::kNone: return Level::kUntouched;
    case Role::kStandby: return Level::kStandby;
    case Role::kFenced: return Level::kFenced;
    case Role::kPrimary: break;
  }
  if (now >= lease_until()) return Level::kClosed;
  return promoted_ == record_.reign.epoch ? Level::kOpen : Level::kPromote;
}

void Guard::fill(ServiceReport& report, Instant now) const {
  report.site = site_;
  report.token = {incarnation_, now};
  report.role = record_.role;
  report.reign = record_.reign;
  report.power = record_.power;
  report.highest = record_.highest;
  report.highest_id = record_.highest_reign.id;
  report.prepared.reset();
  if (record_.prepared) {
    const Duration rest = std::max(prepare_until_ - now, Duration::zero());
    report.prepared = Prepared{record_.prepared->reign, record_.prepared->move, rest};
  }
  report.voided = record_.voided;
  report.fenced = fenced_;
  report.promoted = promoted_;
  report.lease_rest = std::max(lease_until() - now, Duration::zero());
  report.lone = lone(now);
  report.monitor_vouch = monitor_.number;
  report.monitor_run = monitor_.run;
  report.fence_bound = fence_bound_;
  report.deadman_armed = armed_;
  report.promise_rest = std::max(promise_.end() - now, Duration::zero());
  report.monitor_counter = record_.monitor_counter;
  report.taken = record_.taken;
  report.peer = {};
  if (peer_report_) {
    report.peer.age = std::max(now - peer_report_at_, Duration::zero());
    report.peer.answers = report.peer.age <= record_.lease;
    report.peer.role = peer_report_->role;
    report.peer.reign = peer_report_->reign;
    report.peer.lone = peer_report_->lone;
  }
}

}  // namespace pointsman
