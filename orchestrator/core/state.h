#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/lease.h"
#include "base/time.h"
#include "orchestrator/core/policy.h"

// Everything the core knows of one service. What is marked durable is saved before anything it led
// to may start; the rest is learned anew after a restart.

namespace pointsman {

enum class Phase {
  kUnadopted,  // Nobody has said yet who is in power: nothing automatic.
  kSteady,
  kSuspect,     // The primary is in doubt, or down and a gate is shut.
  kPreparing,   // Intent saved; the standby is asked to stop vouching.
  kFencing,     // The old site is fenced or its lease waited out; the record is being published.
  kPublishing,  // The new site serves; the record's servers do not all agree yet.
  kCatchingUp,  // Planned moves: the standby applies what the old site wrote last.
  kPromoting,
  kVerifying,
  kStuck,  // A promotion that does not end: retried, loudly.
};
inline constexpr int kPhases = 10;
const char* to_string(Phase phase);
std::optional<Phase> phase_from(std::string_view text);

enum class SiteVerdict { kUnknown, kUp, kSuspect, kDown };
const char* to_string(SiteVerdict verdict);

enum class SiteRole { kNone, kStandby, kPrimary, kFenced };
const char* to_string(SiteRole role);

// What one probe attempt showed.
enum class Sighting { kPass, kFail, kUnknown };

// Fall and rise of one probe at one site, by one observer.
struct Damper {
  int fails = 0;         // In a row.
  int passes = 0;        // In a row.
  bool down = false;     // Latched at `fall` fails, until `rise` passes.
  bool doubted = false;  // An attempt is unanswered for longer than the suspect interval.
  bool ever = false;
  Instant first_fail{0};  // Start of the first attempt of the present row of fails.
  Instant last_pass{0};   // Start of the latest attempt that passed.
  Instant heard{0};       // When the last pass or fail was known.
  std::string detail;
};

// Counts of a witness, as its agent reports them.
struct WitnessView {
  int site = -1;
  int fails = 0;
  bool passed_last = false;
  bool any = false;
  Duration age{0};
};

// What one store of a site says of itself, as far as losses are counted by it.
struct StoreView {
  std::string name;
  bool well = false;
  std::string unit;                         // Of the counts: "transactions", "bytes".
  std::optional<std::uint64_t> executed;    // All that was ever executed there.
  std::optional<std::uint64_t> taken_over;  // The same when it was last promoted.
  bool semi_sync = false;                   // A commit waits for the replica...
  Duration semi_sync_for{0};                // ...for so long.
  std::string position;  // The same as `executed`, as the store's own driver compares it; "": none.
  bool writable = false;  // By its own account, whatever ports are closed before it.
};

// Where a store of the old site stood when its fence was read back. Opaque: agents compare.
struct StorePosition {
  std::string store;
  std::string text;
  std::string unit;

  bool operator==(const StorePosition&) const = default;
};

// Whether a standby has applied what it was told to (`StorePosition`s of `move`).
struct CatchUpView {
  std::string move;
  bool held = false;
  std::string missing;  // What is not applied yet, or cannot be compared.
};

// How far the way back of a site that lost power is, as its agent tells it.
enum class RejoinStage {
  kSurveying,  // Compares what its stores hold with what the site in power has.
  kExporting,  // Writes down what only they hold.
  kSurveyed,
  kCopying,  // Fetches a copy; nothing here is touched yet.
  kLoading,  // Its stores are being replaced by it.
  kSeeded,
  kRefused,  // Not without a person.
  kFailed,   // Worth another attempt.
};
inline constexpr int kRejoinStages = 8;
const char* to_string(RejoinStage stage);
std::optional<RejoinStage> rejoin_stage_from(std::string_view text);

struct RejoinView {
  std::string move;
  RejoinStage stage = RejoinStage::kSurveying;
  bool diverged = false;
  std::string what;     // What diverged.
  std::string problem;  // Of kRefused, kFailed.
  std::string bundle;   // Where what only they hold was written, on its host; "": nowhere.
  std::string holds;    // What the bundle holds.
  std::string store;    // At which it works.
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // Bytes; 0: not known.
};

// What keepalived of a site did last with the service's virtual address.
struct VipView {
  bool holds = false;
  Duration since{0};  // Age of that word.
  Duration heard{0};  // Since its scripts last called, or its agent started.
  bool told = true;   // By a script since then.
};

// What an agent said last. The shell makes it from the agent's report.
struct AgentView {
  SiteRole role = SiteRole::kNone;
  Reign reign;
  std::string power;
  std::uint64_t highest = 0;
  ReignId highest_id;  // Whose number that is; "": not known.
  Reign prepared;      // none: epoch 0
  std::string prepared_move;
  Reign voided;
  std::uint64_t fenced = 0;
  std::uint64_t promoted = 0;
  bool writable = false;
  bool writable_known = false;
  Duration lease_rest{0};
  bool lone = false;
  Duration promise_rest{0};
  Duration fence_bound = kFenceBoundUnarmed;
  bool armed = false;
  bool has_stores = false;
  bool stores_well = false;  // Every store up and answering.
  std::string stores_problem;
  std::vector<StoreView> stores;
  bool replica = false;  // Every store is set to follow somebody.
  bool applier_running = false;
  std::string errant;
  std::optional<Duration> caught_up_age;  // Of the store that was furthest behind,
  Duration told_age{0};                   // as is this (behind_at_contact()).
  std::optional<Duration> lag;
  bool units_stopped_by_role = false;
  bool peer_answers = false;
  std::vector<WitnessView> witness;
  std::uint64_t monitor_counter = 0;
  // In power by a person's word at that site, while we were away: whose and why; "": it is not.
  std::string taken;
  // Why it would refuse, now, the automatic prepare that it refused last; "": it no longer would.
  // Unset: it refused none.
  std::optional<std::string> prepare_refusal;
  std::optional<VipView> vip;           // Unset: keepalived never told anything.
  std::optional<CatchUpView> catch_up;  // Unset: it was not told any positions.
  std::optional<RejoinView> rejoin;     // Unset: it is on no way back.
  std::string host;                     // By its own name; "": an older agent.
  std::string trouble;
};

// What a report of the standby says of replication, for the gate.
struct Evidence {
  Instant at{0};  // On our clock, when the request left.
  bool applier_running = false;
  bool has_stores = false;
  std::string errant;
  std::optional<Duration> caught_up_age;
  Duration told_age{0};  // Of what the primary's store last told; of the store furthest behind.
  std::optional<Duration> lag;
};

struct SiteView {
  std::vector<Damper> probes;
  bool agent_heard = false;   // In this run.
  Instant agent_at{0};        // Last reply.
  bool agent_silent = false;  // The last poll failed.
  std::string agent_problem;
  AgentView agent;
  std::deque<Evidence> evidence;  // Newest last, at most 16; frozen while the primary is in doubt.
  Instant ineligible_since{0};    // As a target; Instant{0}: eligible.
};

// What was last read of one record.
struct RecordView {
  bool read = false;       // Ever, in this run.
  bool readable = false;   // The last reading succeeded.
  Instant at{0};           // Of the last sound reading.
  Instant asked{0};        // When a reading was last asked for;
  bool in_flight = false;  // its end was not told yet.
  int site = -1;           // Whose values stand there; -1: of no site.
  std::uint64_t mark = 0;  // The number in our mark beside them; 0: none of this service.
  Reign ours;              // Read back once: our value under the mark of this reign.
  std::string values;      // As text, for people.
  std::string problem;
  bool provider_well = true;  // The last pre-flight did not fail for good.
  std::string provider_problem;
};

enum class StepState { kWaiting, kRunning, kDone, kFailed, kSkipped };
const char* to_string(StepState state);

struct Step {
  std::string name;
  StepState state = StepState::kWaiting;
  Instant started{0};
  Instant ended{0};
  std::string detail;
};

struct TimelineMark {
  Instant at;
  std::string what;
};

enum class MoveKind {
  kFailover,
  kAdopt,       // A person, or the first run, says who is in power.
  kRecrown,     // The same site again, under a new number: an undo, or a site found fenced.
  kSwitchover,  // Planned: the old site is fenced first, and the new one applies all of it.
  kRejoin,      // Moves no power: the site that lost it becomes a standby again.
};
const char* to_string(MoveKind kind);
std::optional<MoveKind> move_kind_from(std::string_view text);

// What one store may have lost by a failover.
struct StoreLoss {
  std::string name;
  std::string unit;
  std::optional<std::uint64_t> missing;     // At most.
  std::optional<std::uint64_t> taken_over;  // What the new site's store held when it was promoted.
  bool proved = false;                      // That nothing acknowledged is missing.
  std::string reason;                       // How it is known, or why it is not.
};

struct Loss {
  std::vector<StoreLoss> stores;
  bool proved = false;           // Of all stores.
  std::optional<Duration> span;  // Writes of at most so long; unset: not known.
};

// A plan being carried out. Durable, all of it.
struct Move {
  std::string id;
  MoveKind kind = MoveKind::kFailover;
  bool automatic = false;
  std::string actor;
  int from = -1;
  int to = -1;
  Reign reign;
  Reign former;
  Instant trigger{0};  // The first failed attempt, or the order.
  Instant begun{0};
  Instant ended{0};
  std::vector<Step> steps;
  std::vector<TimelineMark> timeline;
  std::string outcome = "running";  // running | done | partial | failed | voided
  std::string reason;
  std::set<std::string> forced;
  bool asserted_off = false;
  std::string assert_reason;
  bool fence_left = false;    // A fence order may have left.
  bool promote_left = false;  // A promote order may have left.
  bool cancel_asked = false;
  std::optional<Loss> lost;  // Of a failover, once the new site takes writes.
  // All that the old site had executed by then was at the new one; not known: unset.
  std::optional<Instant> arrived_until;
  Instant closed_at{0};  // The old site took no writes from then on, at the latest.
  Reign void_first;      // Recrown: this must be void at the other site before promotion.
  Duration lease{0};     // The longest ordinary lease that a vouch before this move may carry.
  // Switchover: where the old site's stores stood when its fence was read back, once told.
  std::optional<std::vector<StorePosition>> positions;
  Instant closing_since{0};  // Switchover: since when the budget runs; from a restart in full.
};

// One record on its way to name a site.
struct RecordProgress {
  bool accepted = false;  // By the provider, read back.
  bool agreed = false;    // By every authoritative server.
  bool in_flight = false;
  bool refused = false;  // For good (somebody else was here, rights): told, tried rarely.
  int attempts = 0;
  Instant next{0};
  std::string detail;
};

// Publishing outlives its move: it is tried for as long as it takes. Durable.
struct PublishJob {
  int to = -1;
  Reign reign;
  std::string move;
  Instant since{0};
  std::vector<RecordProgress> records;

  bool accepted() const;
  bool agreed() const;
};

// Fencing a lost site goes on until it acknowledges, for days if need be. Durable.
struct FenceJob {
  int site = -1;
  Reign reign;
  std::string move;
  bool acknowledged = false;
};

// The site that lost power by a planned move follows the new one: ordered until its reports show
// it, and again whenever they no longer do, for as long as that reign lasts. Durable.
struct FollowJob {
  int site = -1;
  Reign reign;
  std::string move;
  Instant since{0};      // From a restart in full.
  bool reached = false;  // Shown by a report, once.
  bool told = false;     // That it does not end.
};

// A site that lost power becomes a standby again: surveyed, by a person's word rid of what only it
// holds, made to follow, caught up with. Durable; its last one stays until the next begins.
struct RejoinJob {
  Move move;                // As people see it: of `to`, under the reign that it rejoins.
  bool discard = false;     // What only it holds may be given up.
  bool reseeding = false;   // An order to replace its stores may have left.
  Instant since{0};         // Learned anew: from a restart in full.
  std::uint64_t done = 0;   // Learned anew, as the next.
  std::uint64_t total = 0;  // Bytes of the present step; 0: not known.

  bool is_on() const { return move.outcome == "running"; }
};

// A switchover that begins by itself at a time of day. Durable.
struct Appointment {
  int to = -1;
  std::int64_t at_s = 0;  // Seconds since 1970.
  std::string at;         // The same, as people write it.
  std::set<std::string> forced;
  std::string actor;
  std::string reason;
  std::string refusal;    // Why it has not begun, once it is due; learned anew.
  bool failback = false;  // Not before the site has been a sound standby for some time.
};

struct Hold {
  bool on = false;
  std::string reason;
  std::string actor;
  std::optional<Instant> until;
  std::optional<Duration> lasting;  // As asked: after a restart it counts from the restart.
};

// Pacing of one kind of order to one site.
struct OrderPace {
  bool in_flight = false;
  Instant next{0};
  int attempts = 0;
  std::string problem;
};
inline constexpr int kOrderKinds = 8;

// An automatic move that ends before it begins, because the standby does not accept `prepare`: it
// is tried again, each time with a number of its own, less and less often.
struct Unprepared {
  int attempts = 0;    // In a row.
  Instant since{0};    // When the first of them was given up.
  Instant last{0};     // When the latest was.
  Instant next{0};     // Not before.
  std::string reason;  // As the standby last gave it.
  // What its report said when the latest was given up.
  std::optional<std::string> reported;
  std::set<std::string> told;  // Reasons that people know, without their numbers.
  bool alarmed = false;
};

// What the surroundings of the monitor are like.
struct Surroundings {
  bool references_set = false;
  Instant reference_pass{0};  // Start of the latest probe of a neutral reference that passed.
  bool loop_late = false;
  bool all_failed = false;  // Every site of every service at once.
  int others_moving = 0;    // Automatic moves of other services within the breaker's window.
  int moves_at_once = 3;
  std::int64_t wall_s = 0;    // Seconds since 1970, by this host's clock; 0: not known.
  std::string store_problem;  // State cannot be saved.
};

// For whom the monitor vouches, as a level.
struct VouchWish {
  int site = -1;  // -1: for nobody.
  Reign reign;
  bool lone = false;

  bool operator==(const VouchWish&) const = default;
};

struct ServiceState {
  // Durable.
  Phase phase = Phase::kUnadopted;
  Reign reign;
  int primary = -1;
  int published = -1;
  std::uint64_t issued = 0;  // The highest number we ever issued.
  Hold hold;
  std::optional<Move> move;
  std::optional<Move> last_move;
  std::optional<PublishJob> publish;
  std::optional<FenceJob> fence;
  std::optional<FollowJob> follow;
  std::optional<RejoinJob> rejoin;
  std::optional<Appointment> appointment;
  Reign failback_offered;  // The reign in which the way back to the preferred site was offered.
  std::deque<Instant> automatic_moves;  // Of the last 24 h; after a restart, all of them now.

  // Learned anew.
  bool restored = false;  // An agent knows a later state of ours than we do.
  std::string restored_why;
  Instant phase_since{0};
  std::array<SiteView, kSites> sites;
  std::vector<RecordView> records;
  Surroundings around;
  std::array<std::array<OrderPace, kOrderKinds>, kSites> pace;
  std::array<Instant, kSites> promise_end{};  // What the voucher owes each site.
  std::string refusal;                        // Why no move starts, last told.
  bool proposed = false;                      // A proposal was told for this doubt.
  Instant sound_since{0};  // The other site is a standby that has caught up; Instant{0}: it is not.
  Instant apart_since{0};  // The agents do not reach each other; Instant{0}: they do.
  bool apart = false;      // That was told.
  Unprepared unprepared;
  Instant waits_told{0};    // The trigger of the move whose wait after its fence was told.
  Reign rewritten;          // The reign whose values were written over an older mark of ours,
  int rewrites = 0;         // and how often.
  std::string vip_refusal;  // Why power does not follow the virtual address, last told.
  bool vip_twice = false;   // Both sites hold it: that was told.

  int other(int site) const { return 1 - site; }
  bool has_primary() const { return primary >= 0; }
};

}  // namespace pointsman
