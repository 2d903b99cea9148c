#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "orchestrator/core/machine.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/shell/lane.h"
#include "orchestrator/shell/publisher.h"
#include "orchestrator/shell/shared_book.h"

// The only one that changes the outside world, by workers. A narrow door: the dry run is another
// implementation of it, and so is the simulator's.

namespace pointsman {

class Executor {
 public:
  virtual ~Executor() = default;

  // Starts `command` of `service`; what comes of it is told to the sink as an event. Never blocks.
  virtual void start(const std::string& service, const Command& command) = 0;
};

// Everything one service needs outside: policy, publishers, agents.
struct ServiceOutside {
  ServicePolicy policy;
  std::vector<std::unique_ptr<Publisher>> publishers;
  std::vector<Lane*> publisher_lanes;  // Of each record's provider.
  std::array<std::string, kSites> agent_urls;
};

// One write that a move would make, for a dry run.
struct RenderedStep {
  std::string step;
  std::vector<std::string> writes;
  std::string problem;
};

// A move that would be made.
struct Rehearsal {
  int from = -1;
  int to = -1;
  Reign reign;
  bool planned = false;  // A switchover, else a failover.
};

class RealExecutor : public Executor {
 public:
  using Sink = std::function<void(const std::string& service, decltype(Event::what))>;

  struct Parts {
    const Clock& clock;
    std::map<std::string, ServiceOutside>& outside;  // Outlives the executor, as the book does.
    SharedBook& book;
    TlsIdentity tls;
    std::string sender;
    Sink sink;
    // Hands a notice on to people; never blocks. Unset: it is only logged.
    std::function<void(const std::string& service, const Notice& notice)> tell_people = {};
  };
  explicit RealExecutor(Parts parts);
  ~RealExecutor() override;

  void start(const std::string& service, const Command& command) override;

  // What a move would write at provider and agents, in its order, read for real, nothing sent.
  // Blocks.
  std::vector<RenderedStep> rehearse(const std::string& service, const Rehearsal& move);

  // What a site's stores hold that those of the site in power never had: a survey under a name of
  // its own, which changes nothing. Blocks until it has ended, for `within` at most.
  RenderedStep rehearse_survey(const std::string& service, const SendOrder& survey,
                               Duration within);

 protected:
  void on_lane(Lane& lane, const std::string& service, const Command& command);
  Lane& agent_lane(const std::string& service, int site);
  Lane& asking_lane(const std::string& service);
  void tell(const std::string& service, decltype(Event::what) what) {
    sink_(service, std::move(what));
  }

 private:
  void send(const std::string& service, const SendOrder& order);
  Result<OrderReply> deliver(const std::string& service, const SendOrder& order, bool dry_run,
                             Duration within);
  RenderedStep rehearse_order(const std::string& service, const SendOrder& order);
  RenderedStep rehearse_record(const std::string& service, std::size_t index, int to,
                               const Reign& reign);

  const Clock& clock_;
  std::map<std::string, ServiceOutside>& outside_;
  SharedBook& book_;
  const TlsIdentity tls_;
  const std::string sender_;
  const Sink sink_;
  const std::function<void(const std::string&, const Notice&)> tell_people_;
  std::map<std::string, std::unique_ptr<HttpClient>> clients_;  // One per agent lane.
  std::map<std::string, std::string> told_;             // Last outcome logged, per agent lane.
  std::map<std::string, std::unique_ptr<Lane>> lanes_;  // Made in the constructor.
};

// Reads for real; every write is rendered to the log, once a move, and none is sent.
class DryExecutor final : public RealExecutor {
 public:
  using RealExecutor::RealExecutor;
  void start(const std::string& service, const Command& command) override;

 private:
  void render(const std::string& service, const SendOrder& first);

  std::map<std::string, std::string> rendered_;  // Service -> move; the loop's thread alone.
};

}  // namespace pointsman
