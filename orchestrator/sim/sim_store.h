#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/deadman.h"
#include "agent/driver.h"
#include "orchestrator/sim/sim_host.h"

// A database as a set of transactions: how many of each origin it holds, without gaps. And the
// kernel set that stands before it. The drivers of both are twins of the real ones.

namespace pointsman {

class World;

// Transactions by origin; an origin is one server's life between two rebuilds.
using Gtids = std::vector<std::uint32_t>;
bool holds_all(const Gtids& of, const Gtids& all);
std::string to_text(const Gtids& gtids);

// As a driver tells them; written anew when they have changed.
class GtidText {
 public:
  const std::string& of(const Gtids& gtids) {
    if (gtids != gtids_) {
      gtids_ = gtids;
      text_ = to_text(gtids);
    }
    return text_;
  }

 private:
  Gtids gtids_;
  std::string text_;
};

struct SimStore {
  int service = 0;
  int site = 0;
  bool up = true;
  bool hung = false;
  bool writable = false;
  bool replica = false;
  bool applier_stopped = false;
  std::size_t origin = 0;
  Gtids executed;
  Gtids received;
  std::string errant;
  GtidText executed_text;
  GtidText received_text;
};

// What the kernel of a site lets pass for one service.
struct KernelState {
  DeadmanMode mode = DeadmanMode::kUntouched;
  Instant until{0};  // Of the elements, on the host's clock.
};

std::unique_ptr<Driver> make_driver_twin(World& world, SimStore& store);
std::unique_ptr<Deadman> make_deadman_twin(World& world, int site);

}  // namespace pointsman
