#pragma once

#include <array>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/sim/clients.h"
#include "orchestrator/sim/draw.h"
#include "orchestrator/sim/network.h"
#include "orchestrator/sim/oracles.h"
#include "orchestrator/sim/people.h"
#include "orchestrator/sim/sim_host.h"
#include "orchestrator/sim/sim_monitor.h"
#include "orchestrator/sim/sim_site.h"
#include "orchestrator/sim/sim_store.h"
#include "orchestrator/sim/sim_vip.h"
#include "orchestrator/sim/sim_zone.h"
#include "orchestrator/sim/timeline.h"

// One seed: hosts, network, stores, DNS, clients and people around the real monitor and the real
// agents, on one thread and virtual time.

namespace pointsman {

struct Figures {
  std::map<std::string, std::uint64_t> rows;      // Of the plan: how often taken.
  std::map<std::string, std::uint64_t> refusals;  // By gate.
  std::map<std::string, std::uint64_t> faults;    // By kind.
  std::uint64_t seeds = 0;
  std::uint64_t moves = 0;  // Begun.
  std::uint64_t done = 0;
  std::uint64_t events = 0;
  std::uint64_t acknowledged = 0;  // Writes.
  std::uint64_t lost = 0;          // Of these, not at the site in power in the end.
  Duration simulated{0};

  void add(const Figures& other);
};

struct SeedResult {
  std::uint64_t seed = 0;
  std::string invariant;  // "" : none was broken.
  std::string what;
  std::uint64_t hash = 0;
  Figures figures;
  std::vector<std::string> last;  // Lines of the trace.
};

class World {
 public:
  World(Setting drawn, bool traces);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  SeedResult run();

  // The same by hand: processes and clients start; then time goes on up to `end`, or to a
  // violation.
  void begin();
  void turn_until(Instant end);
  // Why a service is not at rest; "" when it is.
  std::string unsettled(int service);
  // Acknowledged writes that the site in power has not.
  std::uint64_t losses(int service);
  std::string violation() const;  // "" : none.

  // --- For its parts.
  // Runs `what` on `host` at `when`: later while its process is frozen, never once it has died.
  Timeline::Ticket on_host(int host, Instant when, Task what) {
    return line.at(when, {host, host_at(host).run}, std::move(what));
  }
  // The same, now. Nothing is moved anywhere unless it has to wait.
  template <typename F>
  void arrive_at(int host, F what) {
    SimHost& at = host_at(host);
    if (!at.running) return;
    if (line.now() < at.frozen_until) {
      on_host(host, at.frozen_until, std::move(what));
      return;
    }
    what();
    if (at.doomed) crash(host);
  }
  // A place where the process may die: true when it does, and nothing it does now counts.
  bool crash_point(int host);
  void kill_process(int host);
  void start_process(int host);
  void host_down(int host);
  void host_up(int host);
  // A host that slept since its own `fell_asleep` goes on.
  void wake(int host, Instant fell_asleep);
  bool is_awake(int host) { return host_at(host).up && line.now() >= host_at(host).asleep_until; }
  Duration freeze_in_renewal(int site);

  SimStore& store(int service, int site) {
    return stores.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(site));
  }
  const Track<KernelState>& kernel(int service, int site) {
    return kernels.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(site));
  }
  void set_kernel(int service, int site, Instant at, const KernelState& state);
  void set_writable(SimStore& store, bool writable);
  // Whether a client's write at `site` would be acknowledged now.
  bool takes_writes(int service, int site);
  bool ports_pass(int service, int site);
  int index_of(const std::string& service) const {  // "s12"
    int index = 0;
    for (std::size_t k = 1; k < service.size(); ++k) index = index * 10 + (service[k] - '0');
    return index;
  }
  SimHost& host_at(int host) { return hosts.at(static_cast<std::size_t>(host)); }
  SimHost& site_host(int site) { return host_at(end_of(site)); }
  const ServicePolicy& policy(int service) const {
    return setting.services.at(static_cast<std::size_t>(service));
  }

  void note(const std::string& text);
  void fail(const std::string& invariant, const std::string& what);
  bool failed() const { return !result_.invariant.empty(); }
  bool traces() const { return traces_; }

  Setting setting;
  Timeline line;
  Dice dice;
  Network net;
  std::array<SimHost, kHosts> hosts;
  std::vector<std::array<SimStore, kSites>> stores;
  std::vector<std::array<Track<KernelState>, kSites>> kernels;
  std::vector<std::array<bool, kSites>> app_up;
  SimZone zone;
  Oracles oracles;
  Figures figures;
  Clients clients;
  SimVip vip;
  std::array<SimSite, kSites> sites;
  SimMonitor monitor;
  People people;
  std::array<Duration, kSites> renewal_freeze{};
  std::vector<Fault> ambushes;  // Armed.
  std::function<void(int service, const ServiceState& next, const Consequence& decision)> onlooker;
  bool healed = false;  // No fault does anything any more.

 private:
  Instant run(const Owner& owner, Task& task);
  void crash(int host);
  void replicate();
  void strike_at(std::size_t k);
  void heal();
  void end_faults();
  void settle();
  void stay_calm();
  void lose_primary();
  void count_losses();

  bool traces_;
  SeedResult result_;
  std::deque<std::string> last_;
  std::uint64_t hash_ = 1469598103934665603U;
};

// faults.cc: what a fault does, and its end.
void strike(World& world, const Fault& fault);
// Until the faults are over, and never after them.
void after(World& world, Duration lasting, std::function<void()> end);
// ambush.cc: a service came into a phase with a move on.
void spring(World& world, int service, const ServiceState& state);

}  // namespace pointsman
