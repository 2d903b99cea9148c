#pragma once

#include <deque>
#include <map>

#include "orchestrator/sim/sim_monitor.h"

namespace pointsman {

// The workers' twin: one lane an agent and service, one for the provider. Orders go out as the
// real executor sends them; publishers are the real ones.
class SimMonitor::ExecutorTwin final : public Executor {
 public:
  ExecutorTwin(World& world, SimMonitor& monitor, SharedBook& book)
      : world_(world), monitor_(monitor), book_(book), provider_(world) {}

  void add_service(int service);
  void start(const std::string& service, const Command& command) override;

 private:
  struct OrderLane {
    std::deque<SendOrder> queue;
    bool busy = false;
  };
  struct ProviderJob {
    int service = 0;
    Command command;
  };

  void rehearse(int service, const Command& command);
  void next_order(int service, int site);
  void deliver(int service, const SendOrder& order);
  void answered(int service, const SendOrder& order, const OrderReply* reply);
  void next_job();
  void read_record(const ProviderJob& job);
  void publish(const ProviderJob& job);
  void finish_job(int service, decltype(Event::what) what);
  Publisher& publisher(int service, int record) {
    return *publishers_.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(record));
  }
  bool reaches_provider() const;

  World& world_;
  SimMonitor& monitor_;
  SharedBook& book_;
  StagedProvider provider_;
  std::vector<std::vector<std::unique_ptr<Publisher>>> publishers_;
  std::map<std::pair<int, int>, OrderLane> lanes_;
  std::map<std::pair<int, int>, std::pair<Instant, std::uint64_t>> sent_;
  std::deque<ProviderJob> jobs_;
  bool working_ = false;
};

}  // namespace pointsman
