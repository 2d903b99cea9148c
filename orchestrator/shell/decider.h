#pragma once

#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "orchestrator/core/machine.h"
#include "orchestrator/shell/executor.h"
#include "orchestrator/shell/flight.h"
#include "orchestrator/shell/saver.h"
#include "orchestrator/shell/shared_book.h"
#include "orchestrator/shell/state_codec.h"

// What the loop does, without its thread: the only caller of step(). Event -> step -> save ->
// start. One caller at a time; the simulator turns it on virtual time.

namespace pointsman {

// What everybody else may read of a service, as of the last event.
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

// Neutral references, as the probes see them.
struct ReferencesSeen {
  bool set = false;      // There are any.
  Instant last_pass{0};  // Start of the latest probe that passed.
};

class Decider {
 public:
  struct Parts {
    const Clock& clock;
    Executor& executor;
    SharedBook& book;
    Saving& saver;
    std::uint64_t counter = 0;  // As loaded.
    int moves_at_once = 3;
    Duration breaker_window = 1min;
    std::string actor = {};  // This monitor's name, for the journal.
    std::function<std::uint64_t()> chance = random_u64;
    // Whether what only people and the store read is made: journal, moves, the flight recorder.
    bool keeps_history = true;
    // Called with each decision, before anything of it is saved or started; may be empty.
    std::function<void(const ServicePolicy&, const ServiceState& next, const Consequence&)> watch =
        {};
  };

  explicit Decider(Parts parts);

  // Before begin().
  void add(const ServicePolicy& policy, std::optional<KeptState> kept);
  void begin();

  // One turn: starts what was saved meanwhile, takes `event`, and turns every service that is due.
  // A gap of more than a second since the last turn means that we were frozen or starved.
  void turn(std::optional<LoopEvent> event, const ReferencesSeen& references, Instant now);

  // When to turn next, if nothing happens before.
  Instant due() const;
  // Whether commands wait for a save: turn again as soon as more is durable.
  bool waits() const;
  const ServiceState& state(const std::string& service) const {
    return services_.at(service).state;
  }
  bool is_late(Instant now) const { return now < late_until_; }

  // Every service that has changed since it was last asked for.
  std::map<std::string, ServiceSnapshot> changes(Instant now);

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
  // What the pollers were told last.
  struct Guided {
    int hurried = -1;  // The site in doubt.
    int renewed = -1;  // Whose prepare is kept,
    Reign reign;       // and for which reign.

    bool operator==(const Guided&) const = default;
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
    std::optional<Guided> guided;
    bool changed = true;  // Since changes() was last asked.
  };

  void step_one(Service& service, LoopEvent event, Instant now);
  void decide(Service& service, Consequence&& decision,
              std::unique_ptr<std::promise<OperatorAnswer>> answer, Instant now);
  std::uint64_t save(Service& service, const Consequence& decision, Instant now);
  void add_history(SaveBatch& batch, Service& service, const Consequence& decision, Instant now);
  JournalEntry entry_of(const Service& service, const JournalLine& line, Instant now) const;
  void set_widest(Service& service, const VouchWish& wish, Instant now);
  void start_saved();
  void start_all(Service& service, Waiting waiting);
  void guide_pollers(Service& service, bool hurry);
  Surroundings surroundings(const std::string& service, Instant now);
  int others_moving(const std::string& service, Instant now);

  Parts parts_;
  std::map<std::string, Service> services_;
  std::uint64_t counter_;
  std::deque<std::pair<Instant, std::string>> breaker_;  // Automatic moves begun: when, whose.
  ReferencesSeen references_;
  Instant last_turn_{0};
  Instant late_until_{0};
  bool all_failed_ = false;  // Every site of every service, as of all_failed_at_.
  Instant all_failed_at_{0};
};

}  // namespace pointsman
