#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/queue.h"
#include "orchestrator/core/machine.h"
#include "orchestrator/shell/executor.h"
#include "orchestrator/shell/flight.h"
#include "orchestrator/shell/saver.h"
#include "orchestrator/shell/state_codec.h"

// The loop: the only caller of step(). Event -> step -> save -> start.

namespace pointsman {

// What everybody else may read of the services, as of the last event.
struct ServiceSnapshot {
  ServicePolicy policy;
  ServiceState state;
  VouchWish vouch;
  Instant at;
};

struct LoopEvent {
  std::string service;  // "": to every service.
  decltype(Event::what) what;
  // Set for OperatorAsked: told once the decision is durable.
  std::unique_ptr<std::promise<OperatorAnswer>> answer;
};

class Loop {
 public:
  struct Parts {
    const Clock& clock;
    Executor& executor;
    Voucher& voucher;
    Saver& saver;
    std::uint64_t counter = 0;  // As loaded.
    int moves_at_once = 3;
    Duration breaker_window = 1min;
    std::string actor;  // This monitor's name, for the journal.
  };

  explicit Loop(Parts parts);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Before start().
  void add(const ServicePolicy& policy, std::optional<KeptState> kept);

  void start();
  void end();

  // From any thread. False when the queue is full (the event is lost and counted).
  bool post(LoopEvent event);
  // An operator's order: waits for its durable answer. kTimeout after `within`.
  Result<OperatorAnswer> ask(const std::string& service, OperatorAsked asked, Duration within);

  // Settings that changed by a reload; the names of the sites must be the same.
  void set_policy(const ServicePolicy& policy, bool probes_differ);
  // Neutral references: whether there are any, and the start of the latest probe that passed.
  void set_references(bool set) { references_set_ = set; }
  void reference_passed(Instant started) { reference_pass_ = started.ns; }

  std::map<std::string, ServiceSnapshot> snapshot() const;
  std::string store_problem() const;
  Instant last_turn() const { return {last_turn_.load()}; }
  bool is_late() const { return late_.load(); }

 private:
  struct Waiting {  // Commands and a vouch that wait for a save.
    std::uint64_t ticket = 0;
    std::uint64_t counter = 0;  // Durable with the ticket: what agents may be told.
    std::vector<Command> commands;
    std::optional<VouchWish> vouch;
    std::uint64_t vouch_turn = 0;
    std::unique_ptr<std::promise<OperatorAnswer>> answer;
    OperatorAnswer answered;
  };
  struct Service {
    ServicePolicy policy;
    ServiceState state;
    VouchWish vouch;               // In force or waiting for a save.
    std::uint64_t vouch_turn = 0;  // Of its latest change.
    Duration widest{0};            // Durable, or waiting to be.
    Flight flight;
    std::uint64_t last_ticket = 0;
    std::uint64_t last_counter = 0;  // Durable with it; other services have later ones.
    std::deque<Waiting> waiting;
    Instant wake_at{0};
    Instant around_at{0};  // When it was last told of its surroundings.
  };

  void run();
  void turn(Service& service, LoopEvent event, Instant now);
  void decide(Service& service, Decision decision, LoopEvent event, Instant now);
  std::uint64_t save(Service& service, const Decision& decision, Instant now);
  void set_widest(Service& service, const VouchWish& wish, Instant now);
  void start_saved();
  void start_all(Service& service, Waiting waiting);
  void guide_pollers(Service& service, bool hurry);
  Surroundings surroundings(const std::string& service, Instant now);
  void publish_snapshot();

  Parts parts_;
  std::map<std::string, Service> services_;
  Queue<LoopEvent> queue_;
  std::uint64_t counter_;
  std::deque<std::pair<Instant, std::string>> breaker_;  // Automatic moves begun: when, whose.
  Instant late_until_{0};
  std::atomic<bool> references_set_{false};
  std::atomic<std::int64_t> reference_pass_{0};
  std::atomic<std::int64_t> last_turn_{0};
  std::atomic<bool> late_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
  mutable std::mutex snapshot_mutex_;  // The published snapshot, and nothing else.
  std::map<std::string, ServiceSnapshot> snapshot_;
};

}  // namespace pointsman
