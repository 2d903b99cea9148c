#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace pointsman {

// How late the last 10,000 starts were. One thread notes, any thread asks.
class Lateness {
 public:
  void note(Duration late) {
    const auto us = std::clamp<std::int64_t>(late.count() / 1000, 0, UINT32_MAX);
    const std::uint64_t count = count_.load(std::memory_order_relaxed);
    last_[count % last_.size()].store(static_cast<std::uint32_t>(us), std::memory_order_relaxed);
    count_.store(count + 1, std::memory_order_release);
    if (late > 100ms) over_.fetch_add(1, std::memory_order_relaxed);
  }

  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t over_100ms() const { return over_.load(std::memory_order_relaxed); }

  Duration p99() const {
    const auto size = std::min<std::uint64_t>(count_.load(std::memory_order_acquire), last_.size());
    if (size == 0) return Duration(0);
    std::vector<std::uint32_t> sample(size);
    for (std::size_t i = 0; i < size; ++i) sample[i] = last_[i].load(std::memory_order_relaxed);
    const auto rank = sample.begin() + static_cast<std::ptrdiff_t>((size - 1) * 99 / 100);
    std::nth_element(sample.begin(), rank, sample.end());
    return Duration(std::int64_t{*rank} * 1000);
  }

 private:
  std::array<std::atomic<std::uint32_t>, 10'000> last_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> over_{0};
};

}  // namespace pointsman
