#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// A Driver knows one product at one site: a database, a cache, a unit. It obeys five verbs, each
// idempotent and each verified by reading back, and it decides nothing.

namespace pointsman {

enum class Liveness {
  kUnknown,  // Not asked yet, or our own fault.
  kUp,
  kHung,     // Accepts or holds connections and does not answer in time.
  kStopped,  // Confirmed: no process listens at its socket or port.
};
const char* to_string(Liveness liveness);

// What a store says of itself.
struct StoreReport {
  std::string name;  // "mysql", "redis": unique within a service.
  Liveness liveness = Liveness::kUnknown;
  bool writable = false;          // An ordinary client's write would be accepted now.
  bool replica = false;           // Configured to follow somebody.
  std::string source;             // Whom, "host:port".
  bool receiver_running = false;  // Connected to the source. False with a lost source is no fault.
  bool applier_running = false;   // Applies what was received.
  std::string executed;           // Opaque position of all that is applied or was written here.
  std::string received;           // Opaque position of all that reached this host, applied or not.
  std::optional<Duration> lag;    // As the product tells it.
  std::string errant;             // Writes found here that the source never had; empty: none seen.
  bool semi_sync = false;         // An acknowledged write is on the replica too...
  Duration semi_sync_for{0};      // ...or has waited so long for it.
  // The same positions as sums, comparable between stores of one history; "" and unset: not known.
  std::string unit;  // "transactions" or "bytes".
  std::optional<std::uint64_t> executed_count;
  std::optional<std::uint64_t> taken_over;  // What was here when it was last promoted.
  std::string detail;                       // For people; never a secret.
  Duration age{0};  // How long ago this was read (set by whoever caches it).
  // A standby's, set by whoever compares: the ages of the newest position of the primary's store
  // that reached this one whole, and of the newest that the primary's store told at all.
  std::optional<Duration> caught_up_age;
  std::optional<Duration> told_age;
};

// Of a store whose state could not be read: kNotFound when nobody listens, kTimeout when it hangs.
StoreReport unread(const std::string& store, const Error& why);

// Where a replica shall follow.
struct FollowTarget {
  std::string source;    // "host:port" the peer advertises.
  bool discard = false;  // A person gave up what only this store holds, where the product can.
};

enum class FenceDepth {
  kLease,  // The lease ended: read-only, writers disconnected. Units go on.
  kOrder,  // By order: the same, and units of the primary are stopped.
};

// Calls block at most `within`; one caller at a time. kTimeout from a verb says that it is unknown
// whether it took effect: read again.
class Driver {
 public:
  virtual ~Driver() = default;

  virtual std::string name() const = 0;
  virtual bool is_store() const = 0;

  virtual StoreReport report(Duration within) = 0;

  // After success no client's write is acknowledged any more, confirmed by reading back. Remembers
  // former settings that unfence() restores.
  virtual Result<void> fence(FenceDepth depth, Duration within) = 0;

  // Opens what fence() closed; for a store that is the primary already. Starts nothing new.
  virtual Result<void> unfence(Duration within) = 0;

  // Makes it the primary: all that was received is applied first (kTimeout when that does not end
  // within), then it leaves its source, then it takes writes. Nothing received is ever thrown away.
  virtual Result<void> promote(Duration within) = 0;

  // Makes it a read-only replica of `target`. kConflict when it holds writes the source never had.
  virtual Result<void> follow(const FollowTarget& target, Duration within) = 0;

  // Read-only, as a standby must be; touches nothing that already is so.
  virtual Result<void> keep_standby(Duration within) = 0;

  // What the verb ("fence", "promote", ...) would send, for a dry run. Secrets masked.
  virtual std::vector<std::string> render(const std::string& verb) = 0;

  // Whether a replica that has `received` holds everything of a primary that had `executed`;
  // nullopt when the two cannot be compared. Pure.
  virtual std::optional<bool> contains(const std::string& received,
                                       const std::string& executed) const = 0;
};

}  // namespace pointsman
