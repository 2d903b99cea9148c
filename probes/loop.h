#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "probes/engine.h"
#include "probes/exchange.h"
#include "probes/lateness.h"
#include "probes/pace.h"

namespace pointsman {

// The engine's thread: schedule, connections, deadlines and judgement. HTTP itself is the
// speaker's.
class ProbeLoop {
 public:
  using MakeSpeaker = std::function<std::unique_ptr<HttpSpeaker>(int epoll_fd)>;

  ProbeLoop(const Clock& clock, ProbeEngine::Sink sink, const MakeSpeaker& make_speaker);
  ~ProbeLoop();
  ProbeLoop(const ProbeLoop&) = delete;
  ProbeLoop& operator=(const ProbeLoop&) = delete;

  Result<void> watch(std::vector<ProbeSpec> specs);
  void hurry(const std::string& target);
  EngineStats stats() const;

 private:
  struct Target {
    std::unique_ptr<Probe> probe;
    Place place;
    Pace pace;
    Instant armed = Instant::never();  // The timer that counts; others of this target are stale.
    std::vector<std::uint32_t> in_flight{};  // Slots of attempts_.
    std::uint32_t generation = 0;            // Never the same twice.
    std::size_t in_flight_most = 0;
  };
  struct Attempt {
    std::uint32_t target = 0;
    std::uint32_t generation = 0;  // Counts the uses of this slot.
    bool running = false;
    int fd = -1;  // While we connect.
    HttpExchange* exchange = nullptr;
    Instant started{};
    Duration stalled_before{0};
  };
  enum class Kind : std::uint8_t { kStart, kDoubt, kDeadline };
  struct Timer {
    Instant when;
    Kind kind;
    std::uint32_t slot;
    std::uint32_t generation;
    bool operator>(const Timer& other) const { return when > other.when; }
  };

  void run();
  bool wait();  // False when it is time to stop.
  void wake();
  void on_event(std::uint64_t data, std::uint32_t events);
  void on_connected(std::uint32_t slot, bool troubled);
  void take_finished();
  void run_timers();
  void run_timer(const Timer& timer);
  void take_orders();
  void replace(std::vector<ProbeSpec> specs);
  void add(const ProbeSpec& spec);
  void remove(std::uint32_t slot);

  void arm(std::uint32_t slot);
  void start_due(std::uint32_t slot);
  void start(std::uint32_t slot);
  void on_doubt(std::uint32_t slot);
  void on_deadline(std::uint32_t slot);
  void finish(std::uint32_t slot, const Result<ProbeReply>& reply);
  void release(std::uint32_t slot);
  void unable(const Target& target, std::string_view why);

  std::uint32_t new_attempt(std::uint32_t target);
  Duration stall_until(Instant now) const;
  bool stalled(const Attempt& attempt) const;
  std::uint64_t event_of(std::uint32_t slot) const;
  Instant wake_time() const;

  const Clock& clock_;
  const ProbeEngine::Sink sink_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::unique_ptr<HttpSpeaker> speaker_;

  Instant now_;
  bool more_ = false;        // The last batch of events was full: the round goes on.
  Instant woken_;            // When this round began.
  Duration stall_total_{0};  // Time this thread was held up, to the end of the last wait.
  Duration behind_{0};       // The latest start of this round.
  std::size_t in_flight_ = 0;
  std::size_t in_flight_most_ = 0;
  std::uint32_t targets_made_ = 0;

  std::vector<std::unique_ptr<Target>> targets_;
  std::vector<std::uint32_t> targets_free_;
  std::unordered_map<std::string, std::uint32_t> by_name_;
  std::vector<Attempt> attempts_;
  std::vector<std::uint32_t> attempts_free_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<HttpSpeaker::Finished> finished_;

  // The door for other threads; the sink is never called with it held.
  std::mutex mutex_;
  std::optional<std::vector<ProbeSpec>> wanted_;
  std::set<std::string> hurried_;
  bool stopping_ = false;

  Lateness lateness_;
  std::atomic<std::int64_t> last_turn_ns_{0};
  std::thread thread_;
};

}  // namespace pointsman
