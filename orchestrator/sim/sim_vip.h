#pragma once

#include <array>
#include <optional>
#include <vector>

#include "orchestrator/core/policy.h"
#include "orchestrator/sim/sim_host.h"

// keepalived of both sites, as far as it matters to us: an election by what each site is worth, the
// words of its scripts to the agents, and what becomes of both when it is stopped, killed or hangs,
// or when the two do not hear each other.

namespace pointsman {

class World;

class SimVip {
 public:
  explicit SimVip(World& world);

  void start();
  void heal();

  // --- Faults. One that is stopped gives the addresses up and says so; one that is killed does
  // neither, and begins anew; one that hangs goes on as it was.
  void stop(int site, Duration lasting);
  void kill(int site, Duration lasting);
  void hang(int site, Duration lasting);
  void part(Duration lasting);

  // --- The agents.
  void set_worth(int service, int site, int worth) { of(service, site).worth = worth; }
  std::optional<bool> word(int service, int site) { return of(service, site).word; }

  // Whether, not long ago, the site in power did not hold the address or could not say so, and the
  // other one held it.
  bool has_left(int service, int site);

 private:
  struct Instance {  // Of one service at one site.
    bool holds = false;
    int worth = 0;   // As the agent wrote it.
    int unfit = 0;   // Answers in a row that it is not, or none.
    int silent = 0;  // Rounds in a row in which no better one was heard.
    std::optional<bool> word;
    Instant held{0};    // When it last held the address and ran,
    Instant lacked{0};  // and when it last did not.
  };

  Instance& of(int service, int site) {
    return instances_.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(site));
  }
  bool runs(int site) const;
  int priority(int service, int site);
  void round();
  void ask_agent(int service, int site);
  void elect(int service);
  void set(int service, int site, bool holds);

  World& world_;
  std::vector<std::array<Instance, kSites>> instances_;
  std::array<Instant, kSites> away_until_{};
  std::array<bool, kSites> begins_anew_{};
  Instant parted_until_{0};
};

}  // namespace pointsman
