#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/time.h"

// An operator's settings for one service, as the core needs them. Checked where they are read; the
// core trusts them.

namespace pointsman {

inline constexpr int kSites = 2;

enum class Mode {
  kAuto,     // Moves by itself.
  kPropose,  // Tells what it would do, with the command that does it.
  kObserve,  // Watches and tells.
};
const char* to_string(Mode mode);

struct SitePolicy {
  std::string name;
  bool preferred = false;
};

struct ServicePolicy {
  std::string name;
  Mode mode = Mode::kAuto;
  std::array<SitePolicy, kSites> sites;
  bool agents = true;  // At both sites, or at none.
  int probes = 1;      // Of each site.
  int records = 1;
  int fall = 3;
  int rise = 2;
  int quorum = 2;
  Duration interval = 1s;
  Duration suspect_interval = 250ms;
  Duration timeout = 1s;
  Duration lease = 3s;
  Duration lone_lease = 24h;
  Duration max_lag = 1s;
  Duration prepare_ttl = 10s;
  Duration order_ttl = 5s;
  Duration publish_wait = 3s;
  Duration switchover_budget = 30s;  // From the fence of a planned move until it is undone.
  Duration hold_down = 10min;
  int max_moves_per_day = 4;
  bool unfenced_allowed = false;
  bool publish_first = true;
  // keepalived of a site counts as gone when its scripts did not call for so long; zero: the
  // service has no virtual address.
  Duration vip_silent{0};
  // Nothing is done: a move ends where it would begin, rendered, and no other begins until
  // something has changed.
  bool dry = false;

  // How often agents are polled, by the monitor and by each other.
  Duration poll_interval() const { return std::min<Duration>(lease / 6, 500ms); }
};

}  // namespace pointsman
