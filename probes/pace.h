#pragma once

#include "base/time.h"
#include "probes/probe.h"

namespace pointsman {

// When the attempts of one target start: a fixed schedule that nothing delays, and beside it the
// bursts of doubt. Pure.
//
// A burst is fall - 1 attempts at suspect_interval spacing. By itself it begins at most once
// between two passes, at the first failure or silence of an attempt no older than the last that
// passed. hurry() begins one of at least a single attempt, unless one runs.
class Pace {
 public:
  Pace(const ProbeSpec& spec, Instant first);

  struct Due {
    bool fixed = false;  // One of the schedule.
    bool extra = false;  // One of a burst.
    Instant since;       // The earlier of their times.
  };
  // What is to start now. Times of the schedule that were missed are left out, not made up for.
  Due take(Instant now);
  // When take() has something to give.
  Instant next() const;

  // What became of the attempt that began at `started`.
  void passed(Instant started);
  void failed(Instant started, Instant now);
  // It has no answer after suspect_interval. True when doubt is to be told.
  bool unanswered(Instant started, Instant now);
  // True when a burst began.
  bool hurry(Instant now);

 private:
  bool begin_burst(int attempts, Instant now);

  Duration interval_;
  Duration spacing_;
  int fall_;
  Instant next_fixed_;
  Instant next_extra_ = Instant::never();
  int extra_left_ = 0;
  bool doubted_ = true;  // Doubt needs a pass before it.
  Instant last_pass_{};  // Start of the latest attempt that passed.
};

}  // namespace pointsman
