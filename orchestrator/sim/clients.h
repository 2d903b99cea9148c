#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.h"

// What stands outside: clients that write to the address they remember, resolvers that overstay,
// and what a probe of a site's public address shows.

namespace pointsman {

class World;

enum class ProbeSeenThere { kPass, kRefused, kSilent };

class Clients {
 public:
  explicit Clients(World& world);

  void start();

  // A probe sent now by `from`.
  ProbeSeenThere probe(int from, int service, int site);

  // A new origin for a store whose server was made anew.
  std::size_t new_origin(int service);
  // When the n-th write of an origin was acknowledged.
  const std::vector<Instant>& acks(int service, std::size_t origin) const {
    return acks_.at(static_cast<std::size_t>(service)).at(origin);
  }
  std::size_t origins(int service) const {
    return acks_.at(static_cast<std::size_t>(service)).size();
  }

 private:
  void write(std::size_t service);

  World& world_;
  std::vector<std::vector<std::vector<Instant>>> acks_;
  struct Cache {
    int site = 0;
    Instant until{0};
  };
  std::vector<std::array<Cache, 3>> caches_;
};

}  // namespace pointsman
