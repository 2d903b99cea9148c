#pragma once

#include <cstdint>

#include "base/time.h"

// Chance, from one number. The same on every machine and compiler: nothing of <random> whose
// output is left to the implementation.

namespace pointsman {

__extension__ typedef unsigned __int128 Wide;

class Dice {
 public:
  // Neighbouring seeds give streams that have nothing in common.
  explicit Dice(std::uint64_t seed) : state_(seed) { state_ = next() ^ (seed << 32); }

  // SplitMix64.
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  // 0 .. n-1.
  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * n) >> 64);
  }
  int pick(int from, int to) {
    return from + static_cast<int>(below(static_cast<std::uint64_t>(to - from + 1)));
  }
  bool chance(int per_mille) { return below(1000) < static_cast<std::uint64_t>(per_mille); }
  Duration between(Duration from, Duration to) {
    if (to <= from) return from;
    return from + Duration(static_cast<std::int64_t>(
                      below(static_cast<std::uint64_t>((to - from).count()))));
  }

 private:
  std::uint64_t state_;
};

}  // namespace pointsman
