#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace pointsman {

// Work that comes round again and again, on one thread: each piece says when it wants its next
// turn. A piece may wait for seconds, with deadlines of its own; the others then wait as well.
class Rounds {
 public:
  using Work = std::function<Instant(Instant now)>;

  explicit Rounds(const Clock& clock) : clock_(clock) {}
  ~Rounds() { end(); }
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

  void add(Work work);  // Before start().
  void start();         // The first round comes at once.
  // Every piece has its turn now. Thread-safe.
  void hasten();
  // Waits for the piece at hand. Again is harmless.
  void end();

 private:
  struct Piece {
    Work work;
    Instant next{0};
  };
  void run();

  const Clock& clock_;
  std::vector<Piece> pieces_;  // Of the thread, once it runs.
  std::mutex mutex_;           // Of the two below.
  std::condition_variable wake_;
  bool hastened_ = false;
  bool ending_ = false;
  std::thread thread_;
};

// `usual` and up to a quarter more, so that what began together does not stay together.
Duration jittered(Duration usual, std::uint64_t chance);

}  // namespace pointsman
