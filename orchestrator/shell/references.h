#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/resolve.h"
#include "probes/probe.h"

// The neutral references: places whose answers tell whether this monitor is cut off itself. One is
// reached when its port takes a connection.

namespace pointsman {

class References {
 public:
  using Resolve =
      std::function<Result<std::vector<std::string>>(const std::string& host, Duration within)>;
  explicit References(Resolve resolve = resolve_host,
                      std::function<std::uint64_t()> chance = random_u64);

  // Another list, as configured; a place that stays keeps its address. Looks up nothing.
  // Thread-safe, as is all of this class.
  void set(const std::vector<std::string>& references);

  // What to probe: the places whose address is known, each named name(k) by its place in the list.
  std::vector<ProbeSpec> specs() const;
  std::size_t count() const;
  static std::string name(std::size_t k) { return kPrefix + std::to_string(k); }
  static bool is_reference(const std::string& target) { return target.starts_with(kPrefix); }

  // Looks up one name that is due, waiting kWithin at most: one not found yet again with back-off,
  // one found now and then; the address known stays while it is among the answers or nothing
  // answers. True when specs() changed. One caller at a time.
  bool look_up(Instant now);
  // When look_up() has something to do next.
  Instant due() const;

  static constexpr Duration kWithin = 2s;

 private:
  static constexpr const char* kPrefix = "reference/";

  struct Place {
    std::string text;
    std::string host;
    int port = 0;
    std::string address;  // "": not known.
    int failures = 0;     // In a row.
    Instant next{0};
  };

  bool note(Place& place, const Result<std::vector<std::string>>& found, Instant now);

  const Resolve resolve_;
  const std::function<std::uint64_t()> chance_;
  mutable std::mutex mutex_;
  std::vector<Place> places_;
};

}  // namespace pointsman
