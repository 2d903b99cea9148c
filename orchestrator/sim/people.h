#pragma once

#include <cstdint>

#include "orchestrator/core/machine.h"

// The people of the estate: what an operator does at a random moment, and what a careful one does
// to bring a service back to two sound sites.

namespace pointsman {

class World;

class People {
 public:
  explicit People(World& world) : world_(world) {}

  // Looks after everything from time to time.
  void start();
  // The present move is undone; where its new site is off, that is said.
  void cancel(int service);
  void switch_over(int service, const ServiceState& state, std::uint64_t what);
  // One thing that somebody does now.
  void do_something(int service, std::uint64_t what);
  // Whether a person would say that the site is off. In some seeds he errs, about a site that is
  // only cut off; that is borne unless it holds a lone lease.
  bool seems_off(int service, int site);
  // Repairs what a person can, now. `eager`: without weighing whether to wait.
  void repair(int service, bool eager);

 private:
  void round();
  void adopt(int service, int site, bool assert_off);
  void rejoin(int service, const ServiceState& state);
  void rebuild(int service, int site);
  void mend_record(int service, const ServiceState& state);
  void maintain(int service);
  bool plans() const;
  bool errs() const;
  void give_up(int service, int site);
  bool asks_to_rejoin() const;
  int best_site(int service) const;

  World& world_;
};

}  // namespace pointsman
