#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/shell/decider.h"
#include "orchestrator/shell/publisher.h"
#include "orchestrator/sim/clients.h"
#include "orchestrator/sim/network.h"
#include "orchestrator/sim/sim_zone.h"

// The monitor: the real decider, book and publishers on virtual time, with a twin of the disk, of
// the workers and of the probe engine's schedule.

namespace pointsman {

class World;

class SimMonitor {
 public:
  explicit SimMonitor(World& world);
  ~SimMonitor();

  void start();
  void stop();

  // Events for the decider; only while the process runs and is not frozen.
  void give(const std::string& service, decltype(Event::what) what);
  void ask(int service, OperatorAsked asked);
  // Sends an order as the deciding core would; for what people do by hand.
  void order(int service, const SendOrder& order);

  const ServiceState* state(int service) const;
  bool is_running() const { return decider_ != nullptr; }

  struct Disk {
    std::map<std::string, std::string> states;
    std::uint64_t counter = 0;
  };
  Disk disk;
  std::deque<Disk> backups;  // Oldest first, at most 8.
  bool dry = false;          // From its next start on: nothing is kept, and nothing leaves.
  void back_up();
  bool disk_fails = false;
  Duration disk_slow{0};

 private:
  class SaverTwin;
  class ExecutorTwin;
  struct Poller {
    Timeline::Ticket due;  // The next poll.
    bool open = false;     // A poll is under way.
    Instant next{0};       // True time.
  };
  struct Eye {  // One probe of one site of one service.
    int service = 0;
    int site = 0;
    int probe = 0;
    bool failing = false;
    bool doubted = false;
    int burst = 0;
    Instant passed{0};
  };

  HostClock& clock() const;
  void add_service(int service);
  void make_publishers(int service);
  void turn(std::optional<LoopEvent> event);
  void queue_turn();
  void poll(std::size_t site);
  void polled(std::size_t site, Instant asked, std::uint64_t sequence, CallReply* reply);
  void queue_poll(std::size_t site, Instant when);
  void attempt(std::size_t eye, bool again);
  void known(std::size_t eye, Instant started, ProbeSeenThere seen, Duration held_up);
  void burst(std::size_t eye, bool at_once);
  void look_at_references(bool again);
  bool has_agents() const;

  World& world_;
  std::unique_ptr<SharedBook> book_;
  std::unique_ptr<SaverTwin> saver_;
  std::unique_ptr<ExecutorTwin> executor_;
  std::unique_ptr<Decider> decider_;
  std::array<Poller, kSites> pollers_;
  std::vector<Eye> eyes_;
  bool hurried_ = false;
  Instant reference_pass_{0};
  Timeline::Ticket turn_;  // The next one without an event,
  Instant turn_at_{0};     // and when.
  bool reference_queued_ = false;
};

}  // namespace pointsman
