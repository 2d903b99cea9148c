#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/applier.h"
#include "agent/catch_up.h"
#include "agent/config.h"
#include "agent/deadman.h"
#include "agent/guard.h"
#include "agent/rejoiner.h"
#include "agent/vip.h"
#include "agent/witness.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/planted.h"
#include "base/queue.h"

// One service of this agent: its guard, the disk of the guard, its drivers, and the thread that
// makes the site what the guard says. Messages come on other threads and are answered from what is
// known: none waits on a store.
//
// Nothing in it needs its threads: whoever attaches bells instead of starting it turns it, and the
// workers of its drivers, when they ring (the simulator does, on virtual time).

namespace pointsman {

// What the dead-man thread shall make of this service's ports.
struct DeadmanGoal {
  DeadmanMode mode = DeadmanMode::kUntouched;
  Instant until{0};  // kArmed: of the lease.
};

// Tells keepalived what this site is worth; empty: nobody is told.
using WorthTeller = std::function<Result<void>(int)>;

using RunHook = std::function<Result<void>(const HookSettings&, const std::string& json)>;

// Makes a record durable; empty: nothing is kept (dry run).
using RecordKeeper = std::function<Result<void>(const GuardRecord&)>;

// How long the reply to a fence order waits for its reading back, and that to an order to prepare
// for the stores to have applied what it tells.
inline constexpr Duration kFenceWait = 150ms;

class ServiceRunner {
 public:
  struct Parts {
    std::string site;
    RecordKeeper keep;
    AgentServiceSettings settings;
    Duration stop_units_after = 30s;
    GuardRecord record;
    std::uint64_t incarnation = 0;
    Instant kernel_until{0};  // Until when the kernel set, left by a former run, lets pass.
    std::vector<AttachedDriver> drivers;
    std::unique_ptr<Rejoiner> rejoiner;  // None: its stores rejoin by hand.
    Witness* witness = nullptr;          // Outlives the runner; may be nullptr.
    RunHook run_hook;
    WorthTeller tell_worth;
    std::optional<bool> vip_holds;  // As a former run was told.
    const Clock* clock = nullptr;
  };

  explicit ServiceRunner(Parts parts);
  ~ServiceRunner();
  ServiceRunner(const ServiceRunner&) = delete;
  ServiceRunner& operator=(const ServiceRunner&) = delete;

  // What is told at once, on the thread of whoever caused it; neither may block.
  struct Bells {
    std::function<void()> lease_changed;  // The dead-man switch has something to do.
    std::function<void()> woken;          // turn() has.
  };
  void attach(Bells bells);

  // Attaches `lease_changed` and starts the threads.
  void start(std::function<void()> lease_changed);
  void stop();

  // Carries the guard's level to the drivers and reads back. Returns how long to rest.
  Duration turn();
  std::vector<DriverWorker*> workers() const { return applier_.workers(); }

  const std::string& name() const { return parts_.settings.name; }
  const std::string& peer_url() const { return parts_.settings.peer; }

  // --- Messages; the caller has checked who sent them.
  ServiceReport on_monitor_poll(const PollRequest& request, const ServicePoll& poll);
  ServiceReport on_peer_poll(const PollRequest& request, const ServicePoll& poll);
  // Accepts durably, then waits at most kFenceWait for a fence to be read back.
  OrderReply on_order(const Order& order);
  // The same without the wait.
  OrderReply take_order(const Order& order);
  ServiceReport report();
  // A script of keepalived called; answers what this site is like.
  ServiceReport on_vip(std::optional<bool> holds);
  // A person's word at this site; `rest` is then until power comes.
  struct TakeAnswer {
    Verdict verdict;
    Duration rest{0};
  };
  TakeAnswer take(const Take& take, const std::string& reign_id);

  // --- The peer poller.
  std::string peer_name();  // "" until it was told.
  Duration lease();
  ServicePoll poll_for_peer();
  void on_peer_reply(const ServiceReport& report, Instant asked);

  // --- The dead-man thread.
  DeadmanGoal deadman_goal();
  void on_deadman(const DeadmanState& state);

  // --- The end of the process.
  // Closes the site before the agent leaves it without a kernel that would; at once, softly.
  void begin_leaving();
  // Whether nothing of ours is open without a kernel that closes it.
  bool may_leave();

  // When the runner's thread last came round.
  Instant last_turn() const { return Instant{last_turn_ns_.load()}; }

 private:
  struct Hook {
    std::string on;
    std::string json;
  };

  void run();
  void run_hooks();
  // Changes the guard, then saves its record if it has to; takes everything back when that fails.
  template <typename Change>
  Verdict change(Change change);
  // The same for a change that may leave the record as it is: then there is no copy to go back to.
  template <typename Change>
  Verdict change_if(bool may_save, Change change);
  bool save();
  Standing standing(Instant now);
  void read_back(const ReadBack& back, const Standing& applied, std::uint64_t fence_epoch,
                 const Reign& reign);
  void note_order(const Order& order, const Verdict& verdict);
  bool finish_take(Instant now);
  // The way back (service_rejoin.cc).
  void begin_rejoin(const Order& order, Verdict& verdict);
  RejoinTask rejoin_task(const Order& order) const;  // What both kinds of it have in common.
  void stop_rejoin(const std::string& why);
  void fill_rejoin(ServiceReport& report);
  std::string rejoin_trouble();
  OrderReply rehearse_survey(const Order& order, Verdict verdict);
  void note_level(Level level, Instant now);
  void tell_worth(Role role, Instant now);
  void say(const char* event, const Verdict& verdict);
  void watch(const ServicePoll& poll, bool lent);
  bool may_watch(bool lent);
  std::vector<WitnessCount> witness_counts() const;  // Not under the lock: it has one of its own.
  GuardSight sight_of(const Order& order, const std::vector<WitnessCount>& counts);
  bool is_there(const Order& order) const;
  GuardSight sight_locked(const std::vector<WitnessCount>& counts, Duration max_lag);
  ServiceReport report_locked(Instant now);
  void tell_vouch(ServiceReport& report);
  OrderReply rehearse(const Order& order, const std::vector<WitnessCount>& counts);
  void queue_hooks(const std::string& on);
  Verdict take_report(const ServiceReport& report, bool answer);
  static Guard::Start guard_start(const Parts& parts);
  void wake();
  bool is_calm() const;
  // Whether a turn would make of the guard what the last one did not.
  bool is_behind() const;

  Parts parts_;
  Applier applier_;
  Bells bells_;

  // Guards all below: messages, the runner's own thread and the dead-man thread meet here. Held
  // over the saving of the record, because nothing may happen between a decision and its disk.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable progress_;  // A fence or promotion was read back.
  bool woken_ = false;
  bool stopping_ = false;
  bool leaving_ = false;
  Guard guard_;
  CatchUp catch_up_;
  VipWatch vip_;
  DeadmanState deadman_;
  std::map<std::string, std::string> sources_;  // As the peer advertises its stores.
  bool follow_ = false;
  bool closed_ = false;  // Every store was found closed since this site was last in power.
  std::uint64_t spec_version_ = 0;
  bool spec_lent_ = false;  // By a monitor that runs dry: any other replaces it.
  std::string hook_due_;    // The event whose reading back is awaited.
  std::map<std::string, std::string, std::less<>> said_;  // Event -> reason last said.
  std::string save_trouble_;
  // What the stores shall have applied before a planned move promotes them. In memory only: a
  // monitor tells it again and again.
  struct CatchUpGoal {
    std::string move;
    std::vector<std::pair<std::string, std::string>> positions;
    bool only_comparable = false;
  };
  std::optional<CatchUpGoal> goal_;
  std::optional<Order> refused_prepare_;  // The latest automatic one, until an order is accepted.
  std::uint64_t told_vouch_ = 0;  // The monitor's vouch that replies name, of run `told_run_`.
  std::string told_run_;
  bool told_lone_ = false;
  Level level_ = Level::kUntouched;
  Standing applied_;  // By the runner's thread, last.
  VipWorth worth_;    // This and the next are the runner's thread's own.
  std::optional<int> told_worth_;

  std::atomic<std::int64_t> last_turn_ns_{0};
  Queue<Hook> hooks_{16};
  std::thread thread_;
  std::thread hook_thread_;
};

template <typename Change>
Verdict ServiceRunner::change(Change change) {
  Guard before = guard_;
  Verdict verdict = change(guard_);
  if (planted(Plant::kStoreAfterActing) && verdict.accepted &&
      guard_.record().role == Role::kPrimary) {
    return verdict;
  }
  if (!verdict.save || save()) return verdict;
  guard_ = std::move(before);
  return {false, false, true, "cannot keep it: " + save_trouble_};
}

template <typename Change>
Verdict ServiceRunner::change_if(bool may_save, Change change) {
  if (may_save) return this->change(std::move(change));
  Verdict verdict = change(guard_);
  CHECK(!verdict.save);
  return verdict;
}

// The record on disk: kNotFound when there is none yet; kInvalid when it is broken, and then
// nothing may start, for the promises in it are lost.
Result<GuardRecord> load_record(const std::string& state_dir, const std::string& service);

// Keeps the record where load_record() finds it.
RecordKeeper record_keeper(const std::string& state_dir, const std::string& service);

}  // namespace pointsman
