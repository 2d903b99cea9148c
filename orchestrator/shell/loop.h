#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/queue.h"
#include "orchestrator/shell/decider.h"

// The loop: the decider on a thread of its own, with a queue before it and a snapshot behind it.

namespace pointsman {

class Loop {
 public:
  explicit Loop(Decider::Parts parts, std::size_t queued_most = 20'000);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Before start().
  void add(const ServicePolicy& policy, std::optional<KeptState> kept);

  void start();
  void end();

  // From any thread. False when the queue is full (the event is lost and counted).
  bool post(LoopEvent event);
  // An operator's order: its answer comes once it is durable. kUnavailable: it was not taken.
  using Asked = std::future<OperatorAnswer>;
  Result<Asked> give(const std::string& service, OperatorAsked asked);
  // kTimeout after `within`; the order is in force or refused all the same.
  Result<OperatorAnswer> await(Asked& asked, Duration within) const;
  // Both in one.
  Result<OperatorAnswer> ask(const std::string& service, OperatorAsked asked, Duration within);

  // Settings that changed by a reload; the names of the sites must be the same.
  // False when it was not taken: the queue is full.
  bool set_policy(const ServicePolicy& policy, bool probes_differ);
  // Neutral references: whether there are any, and the start of the latest probe that passed.
  void set_references(bool set) { references_set_ = set; }
  void reference_passed(Instant started) { reference_pass_ = started.ns; }

  std::map<std::string, ServiceSnapshot> snapshot() const;
  std::string store_problem() const;
  Instant last_turn() const { return {last_turn_.load()}; }
  bool is_late() const { return late_.load(); }

 private:
  void run();
  void publish_snapshot(Instant now);
  void tell_lost(Instant now);

  const Clock& clock_;
  Saving& saver_;
  Decider decider_;  // Of the loop's thread, once it runs.
  Queue<LoopEvent> queue_;
  std::atomic<bool> references_set_{false};
  std::atomic<std::int64_t> reference_pass_{0};
  std::atomic<std::int64_t> last_turn_{0};
  std::atomic<bool> late_{false};
  std::atomic<bool> ending_{false};
  std::uint64_t lost_told_ = 0;  // Of the loop's thread, as the next.
  Instant lost_next_{0};
  std::thread thread_;
  mutable std::mutex snapshot_mutex_;  // The published snapshot, and nothing else.
  std::map<std::string, ServiceSnapshot> snapshot_;
};

}  // namespace pointsman
