#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/driver.h"
#include "base/json.h"
#include "base/lease.h"
#include "base/result.h"
#include "base/time.h"

// What monitor and agents say to each other, and agents among themselves: JSON over mutual TLS.
//
//   POST /v1/poll   PollRequest  -> PollReply    monitor to agent, agent to its peer
//   POST /v1/order  Order        -> OrderReply   monitor to agent only
//
// Durations travel as whole milliseconds, 64-bit numbers as decimal strings, tokens as
// {"incarnation":"..","n":".."}. Unknown members are ignored (an older monitor beside a newer
// agent). Requests are read strictly: a missing member, a wrong type, an unknown verb or a duration
// out of its range refuses the whole message (kInvalid names the member). In replies and reports a
// missing member means its default; a wrong type is refused there too.

namespace pointsman {

inline constexpr int kProtocolVersion = 1;

// What a request may ask for; of a lone lease kLoneLeaseMost at most.
inline constexpr Duration kLeaseLeast = 200ms;
inline constexpr Duration kLeaseMost = 10min;
inline constexpr Duration kOrderTtlLeast = 100ms;
inline constexpr Duration kOrderTtlMost = 1min;
inline constexpr Duration kPrepareTtlLeast = 1s;
inline constexpr Duration kPrepareTtlMost = 10min;
inline constexpr Duration kMaxLagMost = 24h;

enum class Role {
  kNone,     // Never reigned, never told: touches nothing.
  kStandby,  // Read-only, follows, vouches for its peer.
  kPrimary,  // In power in `reign`; writable only while a lease holds.
  kFenced,   // Lost power by order.
};
const char* to_string(Role role);
std::optional<Role> role_from(std::string_view text);

struct Vouch {
  std::uint64_t number = 0;  // Within the run of the sender.
  Reign reign;
  Token token;  // Of the receiver's last reply.
  Duration lease{0};
  bool lone = false;
};

// Sent with each poll of a move: keeps an accepted prepare alive.
struct PrepareRenewal {
  Reign reign;
  std::string move;
};

struct WitnessCount {
  std::string site;   // Whom the probes asked.
  std::string probe;  // ProbeSpec::name.
  int fails = 0;      // In a row, since the last pass.
  int passes = 0;     // In a row, since the last fail.
  std::string last;   // "pass", "fail" or "unknown"; "" before the first.
  Duration age{0};    // Of the last observation.
  std::string detail;
};

struct UnitReport {
  std::string name;
  bool only_primary = true;
  bool active = false;
  std::string detail;
};

// What an agent knows of its peer from the peer's own replies.
struct PeerView {
  bool answers = false;
  Duration age{0};  // Since its last reply.
  Role role = Role::kNone;
  Reign reign;
  bool lone = false;
};

struct Prepared {
  Reign reign;
  std::string move;
  Duration rest{0};  // Until it runs out, unless renewed.
};

// What keepalived does here with the service's virtual address, as its scripts told last.
struct VipReport {
  bool holds = false;  // Else it stands by, is faulty or was stopped.
  Duration since{0};   // Age of that word.
  Duration heard{0};   // Since any of its scripts called: long when it is gone or hangs.
  bool told = true;    // In this run of the agent; else the word is of a former one.
};

// A person's word that the other site is off, given at this site.
struct Take {
  std::string off;  // The other site.
  std::string actor;
  std::string reason;
  std::string at;  // As people write it.
};
struct Taken {
  Reign reign;
  Take by;
};

// Whether this site's stores have applied what an order to prepare told it to, as of this report.
struct CaughtUp {
  std::string move;
  bool held = false;
  std::string missing;  // The first store that has not, or cannot be compared.
};

// How far the way back of this site is (agent/rejoiner.h): what its stores hold that those of the
// site in power never had, where that was written down, how much of a copy is here.
struct RejoinReport {
  std::string move;
  std::string stage;  // surveying exporting surveyed copying loading seeded refused failed
  bool diverged = false;
  std::string what;     // What diverged, store by store.
  std::string problem;  // Of refused, failed.
  std::string bundle;   // The folder; "": nothing was written down.
  std::string holds;    // What is in it.
  std::string store;    // At which it works.
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // Bytes; 0: not known.
};

struct ServiceReport {
  std::string service;
  std::string site;
  Token token;  // Read at this reply.

  Role role = Role::kNone;
  Reign reign;                // The last it accepted as in force, its own or its peer's.
  std::string power;          // The site in power in `reign`.
  std::uint64_t highest = 0;  // Above every number it ever accepted lies what it may accept.
  ReignId highest_id;         // Of the reign whose number that is; "": it knows of none.
  std::optional<Prepared> prepared;
  Reign voided;                // The last it voided, by order or by running out.
  std::uint64_t fenced = 0;    // The highest epoch whose fence was made and read back here.
  std::uint64_t promoted = 0;  // The epoch in which its stores were promoted and read back.

  bool writable = false;  // By the stores' own account (all drivers, ports included).
  bool writable_known = false;
  Duration lease_rest{0};           // Of its own lease; zero when closed.
  bool lone = false;                // Holds a lone lease.
  std::uint64_t monitor_vouch = 0;  // Number of the monitor's vouch in force, of run `monitor_run`.
  std::string monitor_run;
  Duration fence_bound = kFenceBoundUnarmed;
  bool deadman_armed = false;
  bool deadman_available = false;
  Duration promise_rest{0};  // What it owes its peer.

  // Replication, seen from the standby: the age of the newest position of the primary that has
  // reached it whole, over all stores. Unset: nothing comparable.
  std::optional<Duration> caught_up_age;
  std::vector<StoreReport> stores;
  std::vector<UnitReport> units;
  PeerView peer;
  // Store name -> "host:port" where the peer can follow it; what `follow` goes by.
  std::vector<std::pair<std::string, std::string>> advertise;
  std::vector<WitnessCount> witness;
  std::uint64_t monitor_counter = 0;  // Highest state counter of a monitor ever seen.
  std::uint64_t spec_version = 0;     // Of the witness probes it runs.
  std::optional<Taken> taken;         // In power by a person's word, until a monitor adopts it.
  std::optional<VipReport> vip;       // Unset: keepalived never told anything.
  // Why it would refuse, now, the automatic prepare that it refused last; "": it no longer would.
  // Unset: it refused none.
  std::optional<std::string> prepare_refusal;
  std::optional<CaughtUp> catch_up;    // Unset: it was told no positions, or has forgotten them.
  std::optional<RejoinReport> rejoin;  // Unset: it is on no way back, or has forgotten it.
  std::string host;                    // By its own name.
  std::string trouble;                 // What it is trying and failing to do; "" when at rest.
};

struct ServicePoll {
  std::string service;
  std::optional<Vouch> vouch;
  std::optional<PrepareRenewal> renewal;
  // From the monitor, for the standby's own vouches and bounds.
  Duration lease = 3s;
  Duration prepare_ttl = 10s;
  std::uint64_t spec_version = 0;
  std::optional<Json>
      witness;  // Array of {"site","spec"}; sent when the agent has another version.
  std::vector<std::string> hurry;  // Sites in doubt: probe them now.
  // From a peer: its own report, so that one exchange informs both.
  std::optional<ServiceReport> own;
};

struct PollRequest {
  std::string run;             // Random id of the sender's run.
  std::uint64_t sequence = 0;  // Grows within the run, over polls and orders alike.
  std::string sender;          // Must be among the certificate's names.
  std::uint64_t counter = 0;   // Monitor only: its state counter.
  std::vector<ServicePoll> services;
  // From a monitor that runs dry: answered, and nothing of it is kept.
  bool dry_run = false;
};

struct PollReply {
  std::string site;
  int version = kProtocolVersion;
  std::vector<ServiceReport> services;  // In the order asked; unknown services are left out.
};

// kSurvey: what do your stores hold that those of `power` never had? Written down when it is
// something; nothing else changes. kReseed: replace them by a copy of `power`'s; only after that.
enum class Verb { kAdopt, kPrepare, kFence, kPromote, kFollow, kVoid, kSurvey, kReseed };
const char* to_string(Verb verb);
std::optional<Verb> verb_from(std::string_view text);

struct Order {
  std::string run;
  std::uint64_t sequence = 0;
  std::string sender;
  std::string service;
  std::string site;  // Addressee: another site refuses.
  Verb verb = Verb::kPrepare;
  Reign reign;
  std::string power;  // The site that is in power in `reign`.
  std::string move;
  Token token;  // Of the addressee's last reply.
  bool automatic = false;
  bool old_fenced = false;    // Promote: the old site acknowledged its fence in an epoch this high.
  bool asserted_off = false;  // Promote, adopt: a person said that the other site is off.
  bool replication_forced = false;  // Prepare: a person overrode the replication gate.
  Duration lease = 3s;
  Duration order_ttl = 5s;
  Duration prepare_ttl = 10s;
  Duration max_lag = 1s;
  std::uint64_t counter = 0;
  bool dry_run = false;
  // Prepare, promote of a planned move: store -> where the old site's stood after its fence. Such a
  // promotion is refused until ours have applied all of it; with `replication_forced` stores that
  // cannot be compared are left out.
  std::vector<std::pair<std::string, std::string>> positions;
};

struct OrderReply {
  bool accepted = false;
  std::string reason;  // Why not, or what goes on.
  ServiceReport report;
  std::vector<std::string> rendered;  // Dry run: what would be sent to the stores and units.
};

inline constexpr std::size_t kPollBodyMost = 1 << 20;

inline constexpr std::size_t kTakeTextMost = 500;
Json to_json(const Taken& taken);
Result<Taken> taken_from(const Json& json);

Json to_json(const ServiceReport& report);
Result<ServiceReport> service_report_from(const Json& json);
Json to_json(const PollRequest& request);
Result<PollRequest> poll_request_from(const Json& json);
Json to_json(const PollReply& reply);
Result<PollReply> poll_reply_from(const Json& json);
Json to_json(const Order& order);
Result<Order> order_from(const Json& json);
Json to_json(const OrderReply& reply);
Result<OrderReply> order_reply_from(const Json& json);

}  // namespace pointsman
