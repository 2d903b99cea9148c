#include "providers/read_write.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

namespace pointsman {
namespace {

// Kept back from the deadline of a write, to read what it did when no answer comes.
constexpr Duration kSettleMost = 2s;
constexpr Duration kConfirmFirstPause = 20ms;
constexpr Duration kConfirmPauseMost = 1s;
constexpr std::size_t kValuesMost = 500;  // Of one set: no zone answers with more.

std::string live_text(const RecordSet& live) {
  return fmt::format("{} with TTL {} s, {}", to_text(live.values), live.ttl.count(),
                     live.mark.empty() ? "no mark" : "mark \"" + printable(live.mark) + '"');
}

// compare() once a write of ours is known to have taken effect: a service may have raised the TTL
// to a floor of its own, which is used and refused to nobody.
Result<Todo> compare_written(const RecordSet& live, Change change) {
  change.ttl = std::max(change.ttl, live.ttl);
  return compare(live, change);
}

}  // namespace

Result<Change> ReadWriteProvider::adapt(const RecordSet&, Change change, Instant) { return change; }

Result<RecordSet> ReadWriteProvider::fetch_sound(const RecordKey& key, Instant deadline) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  auto live = fetch(lower_key(*checked), deadline);
  if (!live.ok()) return live.error();
  if (live->values.size() > kValuesMost) {
    return error(ErrorCode::kConflict, fmt::format("{} holds {} values, allowed: {}", to_text(key),
                                                   live->values.size(), kValuesMost));
  }
  const auto canonical = make_canonical(*checked, live->values);
  if (!canonical.ok()) return error(ErrorCode::kConflict, canonical.error().message);
  live->key = key;
  return live;
}

Result<RecordSet> ReadWriteProvider::read(const RecordKey& key, Duration within) {
  return fetch_sound(key, system_clock().now() + within);
}

Result<RecordSet> ReadWriteProvider::read_for_move(const RecordKey& key, Duration within) {
  of_move_ = true;
  auto live = read(key, within);
  of_move_ = false;
  return live;
}

Result<ReadWriteProvider::Begun> ReadWriteProvider::begin(const Change& asked, Instant deadline) {
  auto change = check_change(asked);
  if (!change.ok()) return change.error();
  change->key = lower_key(check_key(asked.key).value());
  change->ttl = std::max(change->ttl, limits().ttl_min);
  auto live = fetch_sound(change->key, deadline);
  if (!live.ok()) return live.error();
  change = adapt(*live, std::move(*change), deadline);
  if (!change.ok()) return change.error();
  const auto todo = compare(*live, *change);
  if (!todo.ok()) return error(todo.error().code, todo.error().message);
  return Begun{std::move(*change), std::move(*live), *todo};
}

Result<void> ReadWriteProvider::replace(const Change& asked, Duration within) {
  of_move_ = true;
  auto replaced = make_so(asked, within);
  of_move_ = false;
  return replaced;
}

Result<void> ReadWriteProvider::make_so(const Change& asked, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto begun = begin(asked, deadline);
  if (!begun.ok()) return begun.error();
  if (begun->todo == Todo::kNothing) return {};
  const Duration left = deadline - system_clock().now();
  const auto written =
      write(begun->live, begun->change, deadline - std::min(left / 4, kSettleMost));
  if (written.ok()) return confirm(begun->change, deadline);
  switch (written.error().code) {
    case ErrorCode::kTimeout:
    case ErrorCode::kInternal:
    case ErrorCode::kConflict: return settle(*begun, written.error(), deadline);
    default: return written.error();
  }
}

Result<void> ReadWriteProvider::confirm(const Change& change, Instant deadline) {
  std::string seen;  // What stood there instead, when it was last read.
  for (Duration pause = kConfirmFirstPause;; pause = std::min(pause * 2, kConfirmPauseMost)) {
    const auto live = fetch_sound(change.key, deadline);
    if (live.ok()) {
      const auto todo = compare_written(*live, change);
      if (!todo.ok()) return error(todo.error().code, todo.error().message);
      if (*todo == Todo::kNothing) return {};
      seen = live_text(*live);
    } else if (live.error().code == ErrorCode::kConflict) {
      return live.error();
    } else if (seen.empty()) {
      return Error{ErrorCode::kTimeout,
                   "the change was accepted but not read back: " + live.error().message};
    }
    const Duration wait = pause + pause * static_cast<int>(random_u64() % 100) / 200;
    if (!live.ok() || system_clock().now() + wait >= deadline) {
      return error(ErrorCode::kTimeout, fmt::format("accepted, not effective: {} is still {}",
                                                    to_text(change.key), seen));
    }
    std::this_thread::sleep_for(wait);
  }
}

Result<void> ReadWriteProvider::settle(const Begun& begun, const Error& failure, Instant deadline) {
  const Change& change = begun.change;
  const auto live = fetch_sound(change.key, deadline);
  if (!live.ok()) {
    return Error{ErrorCode::kTimeout, fmt::format("{}; outcome unknown, for reading it: {}",
                                                  failure.message, live.error().message)};
  }
  const bool only_ttl = begun.live.values == change.desired && begun.live.mark == change.mark;
  const auto todo = only_ttl ? compare(*live, change) : compare_written(*live, change);
  if (!todo.ok()) return error(todo.error().code, todo.error().message);
  // Done after all; or a copy of this very change came first.
  if (*todo == Todo::kNothing) return {};
  // What stands there came from the far side: only error() makes it fit to be shown.
  Error out = error(failure.code, fmt::format("not done so far: {} is {}", to_text(change.key),
                                              live_text(*live)));
  out.message += "; after: " + failure.message;
  return out;
}

Result<std::vector<std::string>> ReadWriteProvider::render(const Change& asked, Duration within) {
  const Instant deadline = system_clock().now() + within;
  const auto begun = begin(asked, deadline);
  if (!begun.ok()) return begun.error();
  if (begun->todo == Todo::kNothing) return std::vector<std::string>{};
  return show(begun->live, begun->change, deadline);
}

}  // namespace pointsman
