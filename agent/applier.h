#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/catch_up.h"
#include "agent/driver_worker.h"
#include "agent/guard.h"

// Makes a site what its guard says: turns a Level into goals of the drivers and their readings into
// what was read back. It knows drivers and their order, and no reigns.

namespace pointsman {

// What the kernel set does for this service now.
struct DeadmanState {
  bool configured = false;
  bool available = false;
  bool armed = false;   // In power: everything passes only while the lease's elements live.
  bool closed = false;  // Armed, and the kernel was read back to hold no living element.
  Instant holds{0};     // Armed: until when the kernel lets pass, as last set.
  std::string trouble;
};

struct Standing {
  Level level = Level::kUntouched;
  Instant until{0};     // Of the lease.
  bool follow = false;  // kStandby by a follow order: `sources` are to be followed.
  std::map<std::string, std::string> sources;  // Store name -> "host:port" of the peer.
  DeadmanState deadman;
};

// What was read back for the standing last applied.
struct ReadBack {
  bool closed = false;     // kFenced, kStandby: everything is closed, confirmed.
  bool open = false;       // kOpen, kPromote: every store takes writes.
  bool following = false;  // kStandby by follow: every store follows its source.
};

struct AttachedDriver {
  std::unique_ptr<Driver> driver;
  bool only_primary = true;  // Units: false is only reported.
  Duration verb_within = 2s;
};

class Applier {
 public:
  Applier(std::string service, std::vector<AttachedDriver> drivers, Duration stop_units_after,
          const Clock& clock);

  // `changed` is called from the drivers' threads.
  void attach(const std::function<void()>& changed);
  void start(const std::function<void()>& changed);
  void stop();

  // For whoever turns the drivers' workers without their threads.
  std::vector<DriverWorker*> workers() const;

  // Called by one thread. The units of a site that is open already are left as they are.
  ReadBack apply(const Standing& standing, Instant now);
  // The site goes on in power (restart with a living lease): units are not started.
  void leave_units() { start_units_ = false; }
  // A former run stopped them, and died before it had started them again.
  void owe_units() { units_owed_ = true; }
  bool owes_units() const;

  // From any thread.
  void fill(ServiceReport& report, const DeadmanState& deadman, Instant now) const;
  std::string trouble() const;
  // Why the stores are no sound replica; "" when they are, or there are none. `catch_up` is the
  // caller's.
  std::string replication_refusal(const CatchUp& catch_up, Duration max_lag, Instant now) const;
  bool stores_writable() const;
  bool stores_settled() const { return stores_reached(); }  // Each reached its present goal.
  // Every driver reached its goal, and none waits for time to pass.
  bool is_at_rest() const;
  bool has_stores() const;
  // What the stores have not applied of `positions` (store -> position of the old site's store);
  // "" when they hold all of it. With `only_comparable` what cannot be compared is left out.
  std::string behind(const std::vector<std::pair<std::string, std::string>>& positions,
                     bool only_comparable, Instant now) const;
  // What keeps stores from following at all; "" when each has a source.
  std::string unadvertised(const std::map<std::string, std::string>& sources) const;
  // Compares what each store holds with what the primary told.
  void confirm(CatchUp& catch_up) const;
  std::vector<std::string> render(Verb verb, Duration within) const;

 private:
  struct Attached {
    std::unique_ptr<DriverWorker> worker;
    bool only_primary = true;
  };

  void aim_stores(const Goal& goal, const Standing& standing);
  void aim_units(const Goal& goal);
  bool stores_reached() const;
  bool all_have_sources(const Standing& standing) const;
  bool units_stopped() const;
  bool store_closed(const DriverWorker& worker, const Standing& standing) const;
  bool all_closed(const Standing& standing) const;
  ReadBack open(const Standing& standing);

  const std::string service_;
  const Duration stop_units_after_;
  std::vector<Attached> drivers_;
  Level level_ = Level::kUntouched;
  Instant level_since_{0};
  std::optional<Instant> closed_since_;
  bool start_units_ = true;
  bool units_owed_ = false;
};

}  // namespace pointsman
