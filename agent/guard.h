#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/lease.h"

// The guard: what one agent may do for one service, and the reason that two sites never both take
// writes. Pure: no clock, no files, no threads. Methods change the guard's own state only; a method
// whose verdict says `save` has changed the durable record, and the caller must make record()
// durable BEFORE it replies, acts, or calls again. When saving fails the caller goes back to its
// copy.
//
// Sources: docs/safety.md (the model), the vote of three in README "How it stays safe".

namespace pointsman {

// How long a site stays open on a person's word alone; a monitor that adopts it ends that.
inline constexpr Duration kTakenLease = 24h;

// The stores of this site are to be replaced by a copy of the site in power's; `spoiled` once they
// may have been touched: until that has ended they come to no power.
struct ReseedRecord {
  Reign reign;
  std::string move;
  bool spoiled = false;
  std::string bundle;  // Where what only they held was written down.
};

// What must survive a crash.
struct GuardRecord {
  Role role = Role::kNone;
  Reign reign;                // Last accepted as in force.
  std::string power;          // The site in power in it.
  std::string peer;           // The other site's name, once told by a monitor or by itself.
  std::uint64_t highest = 0;  // Never goes down.
  Reign highest_reign;        // Whose number `highest` is.
  std::string highest_move;
  std::optional<PrepareRenewal> prepared;
  Reign voided;
  std::uint64_t fence_epoch = 0;  // Accepted fence; acknowledged once read back.
  LeaseTerms widest;              // Largest L and F of any vouch of ours that may still be held.
  Duration lease = 3s;            // As the monitor last told it: what we vouch with.
  std::uint64_t monitor_counter = 0;
  std::optional<Taken> taken;  // By a person's word, and not adopted by a monitor yet.
  std::optional<ReseedRecord> reseed;
  bool units_owed = false;  // Stopped by us: to be started when this site comes to power.

  Json to_json() const;
  static Result<GuardRecord> from_json(const Json& json);
  bool operator==(const GuardRecord&) const;
};

// What the drivers and the kernel shall be like now: a level, not an edge.
enum class Level {
  kUntouched,  // Role none.
  kOpen,       // In power with a lease.
  kPromote,    // In power with a lease for a reign whose promotion is not read back yet.
  kClosed,     // In power without a lease: ports closed, stores read-only, writers disconnected.
  kFenced,     // By order: closed, and units stopped.
  kStandby,    // Read-only replica.
};
const char* to_string(Level level);

struct Verdict {
  bool accepted = false;
  bool save = false;   // The record changed, also with a refusal (a prepare that had run out).
  bool alarm = false;  // Should never happen in a sound estate: say it loudly.
  std::string reason;  // Of a refusal, or what was done.
};

// What the rest of the agent knows when an order comes.
struct GuardSight {
  bool peer_seen_up = false;  // Own witness probes of the peer's public address: last one passed.
  std::string replication_refusal;  // Why the stores fail the replication gate; "" when they hold.
  std::string behind;  // What the stores have not applied of the order's positions; "" when all.
  bool stores_writable = false;  // Adoption: by their own account; true without stores.
};

class Guard {
 public:
  // How a run begins. Promises are assumed at `now` (amnesia is a promise).
  struct Start {
    std::string site;
    std::string peer;  // The other site's name; "" takes the record's, or is learned.
    GuardRecord record;
    std::uint64_t incarnation = 0;
    Instant now{0};
    // What is left of the lease in the kernel set, when this site was in power and the set lives.
    Duration kernel_rest{0};
  };
  explicit Guard(Start start);

  const GuardRecord& record() const { return record_; }

  // --- From the monitor.
  // Run and number of a message: false when it is older than one already seen of that run, or of a
  // run that was replaced. Polls and orders share the numbering. Ask before anything else of a poll
  // is used; on_order() asks by itself. A poll above its run's last number brings a replaced run
  // back: what replaced it may have been the straggler of a dead run never heard before.
  bool in_sequence(const std::string& sender, const std::string& run, std::uint64_t sequence,
                   bool is_poll = true);

  // Each poll of a monitor, first. `lease` is kept for our own vouches. When this agent was left
  // unpolled for longer than a lease, the peer must tell anew whether it holds a lone lease.
  Verdict on_monitor_poll(Duration lease, Instant now);
  Verdict on_monitor_vouch(const Vouch& vouch, const std::string& run, Instant now);
  Verdict on_monitor_counter(std::uint64_t counter);
  // Whether units are still to be started; a run that dies in between leaves it to the next.
  Verdict on_units_owed(bool owed);
  // A monitor names the other site. Names do not change once an agent has a role.
  Verdict on_peer_name(const std::string& name);
  Verdict on_renewal(const PrepareRenewal& renewal, Duration prepare_ttl, Instant now);
  Verdict on_order(const Order& order, const GuardSight& sight, Instant now);
  // Why a prepare like this one would be refused now, whatever its number; "" when it would not.
  std::string prepare_refusal(const Order& order, const GuardSight& sight) const;

  // --- From a person at this site, while the monitor is dead and the other site off.
  // Accepted: vouching for the peer has stopped for good, and finish_take() takes power when our
  // promises have ended. Refused while the peer or a monitor is heard. A site that was taken before
  // and is open gets its lease anew, at once.
  Verdict begin_take(const Take& take, const std::string& reign_id, Instant now);
  // To be called with each tick(). Not accepted: given up, for the peer or a monitor was heard.
  Verdict finish_take(Instant now);
  Duration take_rest(Instant now) const;  // Until power comes; zero when none is being taken.

  // --- From and to the peer.
  Verdict on_peer_vouch(const Vouch& vouch, Instant now);
  // The peer's own report, received at `now`. May accept the peer's reign, or end our own (save).
  // `answer`: it answers a poll of ours, so it cannot have been on its way for long; a report that
  // came with the peer's poll may, and does not count as telling that it holds no lone lease.
  Verdict on_peer_report(const ServiceReport& report, Instant now, bool answer = true);
  // The vouch to send with a poll of the peer now, if this agent vouches. The promise is made here.
  // `save` is set when terms grew wider than any before.
  struct PeerVouch {
    std::optional<Vouch> vouch;
    bool save = false;
  };
  PeerVouch vouch_for_peer(Duration lease, Instant now);

  // --- From the drivers.
  Verdict on_fence_read_back(std::uint64_t epoch);  // Everything closed, confirmed.
  Verdict on_promotion_read_back(const Reign& reign);
  // The stores are about to be replaced; nothing of them may be touched unless this is accepted.
  Verdict on_spoil(const std::string& move, const std::string& bundle);
  Verdict on_reseeded(const std::string& move);
  void set_fence_bound(Duration bound, bool armed) {
    fence_bound_ = bound;
    armed_ = armed;
  }

  // A prepare that ran out is voided here (save). Call at least every 100 ms and before reports.
  Verdict tick(Instant now);

  // --- Whether a call may change the record. Where it may not, there is nothing to go back to.
  bool tick_may_save(Instant now) const { return record_.prepared && now >= prepare_until_; }
  bool is_taking() const { return taking_.has_value(); }
  bool report_may_save(const ServiceReport& report) const;
  bool vouch_may_save(Duration lease, Instant now) const;

  // --- Reading.
  Level level(Instant now) const;
  Instant lease_until() const;  // The latest of its leases; in the past: none.
  bool lone(Instant now) const;
  Instant promise_end() const;
  std::uint64_t epoch() const { return record_.reign.epoch; }
  std::uint64_t fenced() const { return fenced_; }      // Read back.
  std::uint64_t promoted() const { return promoted_; }  // Read back.
  // Fills the guard's part of a report, its token read at `now`.
  void fill(ServiceReport& report, Instant now) const;

 private:
  Verdict adopt(const Order& order, const GuardSight& sight, Instant now);
  Verdict prepare(const Order& order, const GuardSight& sight, Instant now);
  Verdict fence(const Order& order);
  Verdict promote(const Order& order, const GuardSight& sight, Instant now);
  Verdict follow(const Order& order);
  Verdict void_move(const Order& order);
  Verdict survey(const Order& order) const;
  Verdict reseed(const Order& order);
  std::string spoiled() const;  // Why this site comes to no power; "" when it may.
  Verdict obey(const Order& order, const GuardSight& sight, Instant now);
  std::optional<Verdict> refuse_stale(const Order& order, Instant now) const;
  std::optional<Verdict> refuse(const Order& order) const;
  bool peer_fenced() const;
  std::optional<std::string> refuse_for_lone(const Order& order) const;
  std::optional<std::string> refuse_for_promise(Instant now) const;
  Verdict refuse_seen(const Order& order, std::string reason);
  std::optional<std::string> contradicted(Instant since) const;
  void accept_number(const Order& order);
  void void_prepared();
  void end_leases();
  bool reigns(const Reign& reign) const {
    return record_.role == Role::kPrimary && record_.reign == reign;
  }
  bool in_force(const Order& order) const {
    return record_.reign == order.reign && record_.power == order.power;
  }
  bool is_stale(const ServiceReport& report, bool answer);
  Verdict learn_reign(const ServiceReport& report);
  bool note_terms(const LeaseTerms& terms, Instant now);
  LeaseTerms widened(const LeaseTerms& terms, Instant now) const;
  LeaseTerms peer_terms(Duration lease) const;

  std::string site_;
  GuardRecord record_;
  std::uint64_t incarnation_ = 0;
  Duration fence_bound_ = kFenceBoundUnarmed;
  bool armed_ = false;

  // What we hold.
  Lease from_monitor_;
  Lease from_peer_;
  Lease from_kernel_;  // What a restarted agent found in the kernel set.
  // Vouches of the monitor: the latest of a run replaces all before. A run that has died got its
  // last token before its successor got its first, so that its stragglers are known by theirs.
  struct Vouches {
    std::string run;
    std::uint64_t number = 0;
    Instant token_n{0};  // The latest reading of ours that came back with one, of whatever run.
  };
  std::optional<std::string> unfit(const Vouch& vouch, Instant now) const;
  Vouches monitor_;

  // Messages of one sender.
  struct Run {
    std::string id;
    std::uint64_t number = 0;  // Of its latest message.
  };
  struct Sequence {
    Run run;
    std::deque<Run> former;  // Runs before: their stragglers are ignored.
  };
  std::map<std::string, Sequence> sequences_;
  std::optional<Instant> polled_at_;  // By a monitor, last.

  // What we owe and know of the peer.
  Promise promise_;
  std::uint64_t own_number_ = 0;
  std::uint64_t owed_epoch_ = 0;  // The highest reign that a promise of ours may speak of.
  Instant long_until_{0};         // When the last vouch with the widest lease has surely ended,
  Instant late_until_{0};         // and that with the widest fence bound.
  // Of the peer's report what counts.
  struct PeerReport {
    Token token;
    Role role = Role::kNone;
    Reign reign;
    std::uint64_t fenced = 0;
    Duration fence_bound{0};
    bool lone = false;
  };
  std::optional<PeerReport> peer_report_;
  Instant peer_report_at_{0};
  std::deque<Token> peer_former_;  // Last tokens of its incarnations before.
  bool peer_lone_told_ = false;    // It has told since we last had reason to doubt.
  Instant prepare_until_{0};
  struct Taking {
    Take by;
    Reign reign;
    Instant begun;
    Instant ready;
  };
  std::optional<Taking> taking_;
  std::uint64_t fenced_ = 0;    // Read back.
  std::uint64_t promoted_ = 0;  // Read back.
};

}  // namespace pointsman
