#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "probes/probe.h"

// The probe engine: many targets, each on a fixed schedule of its own, several attempts of one
// target in flight at once, on one thread (libcurl multi handles on epoll).

namespace pointsman {

// The most attempts of one target that are ever in flight.
std::size_t attempts_most(const ProbeSpec& spec);
// The most attempts in flight of a program that may have `descriptors` open: the rest of it needs
// some too.
std::size_t attempts_that_fit(std::uint64_t descriptors);

struct EngineEvent {
  enum class Kind {
    kObservation,  // One attempt was judged.
    kDoubt,        // An attempt is unanswered for suspect_interval; a burst has begun. At most one
                   // between two passes.
  };
  Kind kind = Kind::kObservation;
  std::string target;       // ProbeSpec::name.
  Instant started;          // When the attempt began.
  Instant at;               // When this was known.
  Observation observation;  // kObservation only.
};

struct EngineStats {
  std::uint64_t attempts = 0;
  std::uint64_t late = 0;    // Starts later than 100 ms after their time.
  Duration lateness_p99{0};  // Of starts, over the last 10,000.
  Instant last_turn;         // When the engine's thread last came round.
};

// Schedule of a target: attempts start at phase + k * interval whether or not earlier ones have
// been answered; the phase spreads targets evenly. Starts are batched on a grid of some
// milliseconds, which saves wake-ups and so most of the CPU time. In doubt (an attempt failed after
// a pass, or is unanswered after suspect_interval, or hurry() was called) fall - 1 further attempts
// start at suspect_interval spacing, the first of them at once after a failure; then the fixed
// schedule goes on. A pass ends the burst; an engine more than 100 ms behind its schedule leaves
// the further attempts out.
//
// kUnknown is observed instead of kFail when the fault is ours: no descriptor or memory, no route
// or source address on this host, or this thread held up for half of the attempt's timeout or more.
// An attempt that finds three quarters of the program's descriptors in use by others is not begun,
// and unknown as well: the program should raise its limit (RLIMIT_NOFILE) at start.
class ProbeEngine {
 public:
  using Sink = std::function<void(EngineEvent)>;  // On the engine's thread; must not block.

  ProbeEngine(const Clock& clock, Sink sink);
  ~ProbeEngine();  // Stops; attempts in flight are dropped without an observation.
  ProbeEngine(const ProbeEngine&) = delete;
  ProbeEngine& operator=(const ProbeEngine&) = delete;

  // Replaces the set of targets; targets whose spec is unchanged keep schedule and history.
  // Thread-safe. kInvalid names the target and the field; nothing has changed then.
  Result<void> watch(std::vector<ProbeSpec> targets);

  // Starts a burst for `target` now, unless one runs. Thread-safe.
  void hurry(const std::string& target);

  EngineStats stats() const;  // Thread-safe.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman
