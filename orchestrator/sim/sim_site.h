#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/deadman_keeper.h"
#include "agent/service_runner.h"
#include "orchestrator/sim/sim_host.h"
#include "orchestrator/sim/timeline.h"

// One site: the real agent (guard, runner, appliers, keeper of the dead-man switch) turned on
// virtual time, its disk, and its own probes of the other site.

namespace pointsman {

class World;

class SimSite {
 public:
  SimSite(World& world, int site);
  ~SimSite();

  void start();
  void stop();  // Everything in memory is gone.

  // --- Messages; these run on this host.
  void on_monitor_poll(const PollRequest& request, std::uint64_t call);
  void on_peer_poll(const PollRequest& request, std::uint64_t call);
  void on_order(const Order& order, std::uint64_t call);

  const GuardRecord& disk(int service) const { return disk_.at(static_cast<std::size_t>(service)); }
  bool disk_fails = false;
  Duration slow_verbs{0};  // What each round with a store may take more.
  // When the probes of this site last counted `fall` failures of the other in a row; true time.
  Instant fell_at(int service) const { return fell_at_.at(static_cast<std::size_t>(service)); }
  bool fence_read_back(int service) const;
  // Up to when it holds, or held, its last lease since it booted, as its agent last told.
  Instant lease_end(int service) const { return lease_end_.at(static_cast<std::size_t>(service)); }
  void on_boot() { lease_end_.assign(lease_end_.size(), Instant{0}); }
  // keepalived's script calls: whether this site is fit to serve. No agent, no.
  bool ask_vip(int service, std::optional<bool> holds);

 private:
  class WitnessTwin;
  struct Service {
    std::unique_ptr<ServiceRunner> runner;
    DriverWorker* worker = nullptr;
    Timeline::Ticket turn;   // The next one,
    Timeline::Ticket round;  // and the end of the worker's round.
    Instant begins{0};       // When that begins,
    bool busy = false;       // and whether it has.
    bool woken = false;      // A turn is due now.
  };
  struct Eye {  // On the other site.
    int fails = 0;
    int passes = 0;
    std::string last;
    Instant at{0};
    bool watches = false;
    std::uint64_t burst = 0;
  };

  int end() const { return end_of(site_); }
  ServiceReport noted(std::size_t k, ServiceReport report);
  const HostClock& clock() const;
  Result<void> keep(int service, const GuardRecord& record);
  void start_service(int service, std::uint64_t incarnation);
  void queue_turn(std::size_t k, Duration in);
  void turn(std::size_t k);
  void follow_up(std::size_t k);
  void follow_up_all(const PollRequest& request);
  void queue_round(std::size_t k, Duration in);
  void begin_round(std::size_t k);
  void end_round(std::size_t k);
  void queue_keeper(Duration in);
  void turn_keeper();
  void poll_peer();
  void look(std::size_t k, bool again);
  void answer_fence(const Order& order, OrderReply reply, std::uint64_t call, int tries);

  World& world_;
  const int site_;
  std::vector<GuardRecord> disk_;
  std::vector<Service> services_;
  std::vector<Eye> eyes_;
  std::vector<Instant> fell_at_;  // What was reported outlives the process.
  std::vector<Instant> lease_end_;
  std::unique_ptr<WitnessTwin> witness_;
  std::unique_ptr<DeadmanKeeper> keeper_;
  Timeline::Ticket keeper_turn_;
  bool keeper_woken_ = false;  // By a bell.
  std::string run_;
  std::uint64_t sequence_ = 0;
};

}  // namespace pointsman
