#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "orchestrator/core/policy.h"
#include "orchestrator/core/state.h"

// The decision core. It turns one event into one decision and does nothing else: no I/O, no clock,
// no threads, no randomness, no logging. Equal arguments give equal results, so any decision can be
// replayed from the journal, by a test or by an operator who asks why.

namespace pointsman {

// --- What can reach the core.

struct ProbeSeen {
  int site = 0;
  int probe = 0;
  Sighting sighting = Sighting::kUnknown;
  Instant started;
  std::string detail;
};
struct ProbeDoubted {  // An attempt is unanswered for longer than the suspect interval.
  int site = 0;
  int probe = 0;
  Instant started;
};
struct AgentHeard {
  int site = 0;
  AgentView view;
  Instant asked;  // When the request left.
};
struct AgentSilent {
  int site = 0;
  std::string problem;
};
enum class OrderKind { kAdopt, kPrepare, kFence, kPromote, kFollow, kVoid, kSurvey, kReseed };
const char* to_string(OrderKind kind);
struct OrderAnswered {  // The reply itself comes as AgentHeard before it.
  int site = 0;
  OrderKind kind = OrderKind::kPrepare;
  bool accepted = false;
  bool reached = false;  // The agent replied.
  std::string reason;
};
struct RecordRead {
  int record = 0;
  bool readable = false;
  int site = -1;
  std::uint64_t mark = 0;  // The number in our mark beside it; 0: none of this service.
  std::string values;
  std::string problem;
};
struct PublishAnswered {
  int record = 0;
  std::string move;
  bool accepted = false;
  bool for_good = false;  // Of a refusal: trying again cannot help until a person acts.
  std::string values;     // What now stands there, read back.
  std::string detail;
};
struct AuthoritiesAnswered {
  int record = 0;
  std::string move;
  int site = -1;  // Whose values they were compared with.
  bool agreed = false;
  bool any_agreed = false;
  std::string detail;
};
struct ProviderJudged {
  int record = 0;
  bool well = true;
  std::string problem;
};
struct PolicyChanged {  // The caller steps with the new policy from now on.
  ServicePolicy policy;
  bool probes_differ = false;  // What was seen by the former ones says nothing about these.
};
struct Tick {};

enum class AskKind {
  kFailover,
  kAdopt,
  kCancel,
  kPause,
  kResume,
  kAck,
  kSwitchover,
  kRejoin,
  kFailback,
};
inline constexpr int kAskKinds = 9;
struct OperatorAsked {
  AskKind kind = AskKind::kAck;
  int to = -1;
  std::set<std::string> forced;
  int asserted_off = -1;
  std::string reason;
  std::string actor;
  std::optional<Duration> lasting;  // Of a pause.
  bool discard = false;             // Of a rejoin: what only that site holds may be given up.
  // Of a switchover that shall begin later: seconds since 1970, and the same for people.
  std::int64_t at_s = 0;
  std::string at;
};

// Random ids, drawn by the caller: the core has no chance of its own.
struct FreshIds {
  ReignId reign;
  std::string move;
  std::uint32_t jitter = 0;
};

struct Event {
  std::variant<Tick, ProbeSeen, ProbeDoubted, AgentHeard, AgentSilent, OrderAnswered, RecordRead,
               PublishAnswered, AuthoritiesAnswered, ProviderJudged, PolicyChanged, OperatorAsked>
      what;
  FreshIds fresh;
  Surroundings around;                        // As of now, never older: the breaker rests on it.
  std::array<Instant, kSites> promise_end{};  // What the voucher owes each site now.
  std::uint64_t counter = 0;                  // The state counter of this monitor.
};

// --- What the core can ask for.

struct SendOrder {
  int site = 0;
  OrderKind kind = OrderKind::kPrepare;
  Reign reign;
  int power = 0;
  std::string move;
  bool automatic = false;
  bool old_fenced = false;
  bool asserted_off = false;
  bool replication_forced = false;
  // Prepare, promote of a planned move: what the standby must have applied.
  std::vector<StorePosition> positions;
};
struct PublishRecord {
  int record = 0;
  int site = 0;
  Reign reign;
  std::string move;
};
struct AskAuthorities {
  int record = 0;
  int site = 0;
  std::string move;
};
struct ReadRecord {
  int record = 0;
};
enum class NoticeLevel { kNote, kWarning, kUrgent };
struct Notice {
  NoticeLevel level = NoticeLevel::kNote;
  std::string rule;
  std::string text;
};
using Command = std::variant<SendOrder, PublishRecord, AskAuthorities, ReadRecord, Notice>;

// One line for the journal.
struct JournalLine {
  std::string kind;  // "decision" | "step" | "operator"
  std::string rule;
  std::string outcome;
  std::string reason;
  std::string actor;  // "": this monitor.
};

// The answer to an operator.
struct OperatorAnswer {
  bool accepted = false;
  std::string gate;  // Of a refusal: the gate that is shut, or "state".
  std::string text;
  std::string move;
};

// What one event led to, besides the next state.
struct Consequence {
  bool save = false;               // Save the next state durably BEFORE starting anything.
  std::vector<Command> commands;   // Start in this order.
  VouchWish vouch;                 // Stopping is obeyed at once, beginning only after saving.
  bool hurry = false;              // Poll the agents every suspect interval, witnesses probe now.
  std::optional<Instant> wake_at;  // Send a Tick no later than this, if set.
  std::string reason;              // One sentence for the operator. Never empty.
  std::vector<JournalLine> journal;
  std::optional<OperatorAnswer> answer;  // Set exactly for OperatorAsked.
  std::uint64_t counter_least = 0;       // A restored monitor goes on above what agents have seen.
};

// All of it.
struct Decision : Consequence {
  ServiceState next;
};

// Decides what `event`, arriving at `now`, means for the service in `state`.
//
// Never fails: an event that is late, repeated or of an older epoch yields the same state, no
// commands, and a reason that says so.
//
// REQUIRES: `now` is not before the `now` of any earlier call for this service.
Decision step(const ServicePolicy& policy, ServiceState state, const Event& event, Instant now);

// The same where the state lies, for whoever steps often: `state` becomes the next one.
Consequence step_in_place(const ServicePolicy& policy, ServiceState& state, const Event& event,
                          Instant now);

// The state a service begins with: `saved` as it was made durable (none: first run), timers
// restarted in full, nothing known of the world.
ServiceState begin(const ServicePolicy& policy, std::optional<ServiceState> saved, Instant now);

// --- The gates.

// Why a transition may not be taken; nullopt when it may.
using Refusal = std::optional<std::string>;

struct Gate {
  std::string name;
  bool open = true;
  std::string reason;  // Open or shut, one sentence.
  std::string value;
  double age_s = -1;  // Of what it rests on; below 0: has no age.
};

struct Wanted {
  bool automatic = true;
  int to = -1;
  std::set<std::string> forced;
  int asserted_off = -1;
  bool planned = false;  // A switchover: the old site must answer, for it must tell where it ended.
};

// Every gate for the move that would be made now, in the order of the manual.
std::vector<Gate> gates(const ServicePolicy& policy, const ServiceState& state,
                        const Wanted& wanted, Instant now);

// The first shut gate that counts for this move.
std::optional<Gate> first_refusal(const ServicePolicy& policy, const ServiceState& state,
                                  const Wanted& wanted, Instant now);

// How far a store of the standby was behind when the store that it follows was last heard: the ages
// of the newest position of the primary that reached the standby whole, and of the newest that was
// told at all. A primary that died may have been silent for an interval and two polls before its
// first failed probe; more silence than that is no excuse.
Duration behind_at_contact(const ServicePolicy& policy, Duration caught_up_age, Duration told_age);

SiteVerdict verdict(const ServicePolicy& policy, const ServiceState& state, int site, Instant now);

// --- The plan, as data.

enum class Trigger {
  kAdoptable,
  kPrimaryDoubted,
  kPrimaryUp,
  kPrimaryDown,
  kFoundFenced,
  kPrepareAccepted,
  kPrepareLate,
  kRehearsed,  // A dry run: what the move would write has been rendered.
  kStandbyVoided,
  kCancelled,
  kPowerFree,  // The old site acknowledged its fence, both promises ended, or it was asserted off.
  kPromoted,
  kPromotionLate,
  kServes,  // The new site passes its probes.
  kAgreed,  // Every record's servers agree.
  kVerifyLate,
  kVoidedAfterFence,
  kCancelledAfterFence,
  kPrimaryBack,   // The old site and its agent answer; a fence had left, and nobody is prepared.
  kRestored,      // State of this monitor that is older than what an agent knows.
  kUndoneReigns,  // A site asserted off, whose move is being undone, is back and had come to power.
  kNumberTaken,   // The other site knows our number as another reign's.
  kAppointed,     // The time of a planned move has come, and every gate is open.
  kPositionsTold,  // The old site is fenced, and told where each of its stores stood then.
  kCaughtUp,       // The standby has applied all of that.
  kBudgetSpent,    // It has not, within the budget.
  kPlanVoided,     // The standby voided the number of a planned move.
  kPromotionSure,  // The standby accepted its promotion: nothing can undo a planned move any more.
  kVipLeft,      // The site in power gave a virtual address up, the other holds it, gates are open.
  kDisowned,     // An agent knows more than we do: restored state, or another reign.
  kCrownLost,    // The site that is to be crowned again is down; the gates to the other are open.
  kNewSiteDown,  // The new site had passed its probes, and is down.
};
inline constexpr int kTriggers = 32;
const char* to_string(Trigger trigger);

struct Transition {
  Phase from;
  Trigger on;
  Phase to;
  const char* rule;  // Fixed name: for the journal, coverage and the diagram.
  const char* why;   // What journal, log and notice will say.
};

// The whole plan. Rows of a phase are tried in order; the first whose trigger holds, and whose
// gates are open, is taken.
std::span<const Transition> transitions();

}  // namespace pointsman
