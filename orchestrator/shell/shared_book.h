#pragma once

#include <mutex>
#include <string>

#include "orchestrator/shell/vouch_book.h"

namespace pointsman {

// The book under its lock. Pollers, loop and order workers share it, and a stop must be in force
// when it returns; nothing is awaited while the lock is held.
class SharedBook {
 public:
  // `run` is this run's random id.
  explicit SharedBook(std::string run) : book_(std::move(run)) {}

  template <typename Use>
  auto with(Use use) {
    const std::lock_guard lock(mutex_);
    return use(book_);
  }

 private:
  std::mutex mutex_;
  VouchBook book_;
};

}  // namespace pointsman
