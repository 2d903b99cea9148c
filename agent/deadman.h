#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/time.h"

// The dead-man switch: the kernel holds the lease, so that a killed or frozen agent still fences
// its site. One nftables table `inet pointsman`, chains in prerouting at raw priority and output,
// per service a set of open ports whose elements expire with the lease.

namespace pointsman {

struct DeadmanPorts {
  std::string service;
  std::vector<int> store_ports;   // Of a store: open to `allow` and loopback when not in power.
  std::vector<int> public_ports;  // All others: closed with the lease, open to all in role standby.
  std::vector<std::string> allow;  // Addresses of the peer; opens store ports only, always.
};

enum class DeadmanMode {
  kUntouched,  // No table of ours: an agent that never reigned.
  kArmed,      // In power: everything passes only while the lease's elements live.
  kStandby,    // Standby, or fenced and read back: public ports open, store ports to `allow` and
               // loopback.
};

// Not thread-safe: one thread owns it.
class Deadman {
 public:
  virtual ~Deadman() = default;

  // Makes table, chains and sets for these services; elements that live are kept. kUnavailable:
  // no nftables here (what that costs is said by `check`).
  virtual Result<void> set_up(const std::vector<DeadmanPorts>& services) = 0;

  // kArmed starts closed; a renewal opens.
  virtual Result<void> set_mode(const std::string& service, DeadmanMode mode) = 0;

  // set_mode(kArmed) and renew() at once, so that a site that serves already drops no packet.
  virtual Result<void> arm(const std::string& service, Instant until) {
    RETURN_IF_ERROR(set_mode(service, DeadmanMode::kArmed));
    return renew(service, until);
  }

  // Ports pass until `until`. One transaction: delete element, add element with the rest as
  // timeout. The clock is read again afterwards; when more than 50 ms passed, it renews again with
  // the right rest, and a rest that is gone is closed instead. Never lengthens: a frozen caller
  // that wakes late closes.
  virtual Result<void> renew(const std::string& service, Instant until) = 0;

  // Elements deleted; read back.
  virtual Result<void> close(const std::string& service) = 0;

  // What the kernel says now: the rest of the living lease elements; zero when closed.
  virtual Result<Duration> rest(const std::string& service) = 0;

  // Whether table, chains and mode are as set; an error says what is missing.
  virtual Result<void> verify(const std::string& service) = 0;

  virtual Result<DeadmanMode> mode(const std::string& service) = 0;
};

// What a renewal does to the kernel. `present`: refuse with kNotFound when an element is gone.
struct KernelLease {
  std::function<Result<void>(Duration rest, bool present)> put;
  std::function<Result<void>()> close;
};

// Deadman::renew() by these: the clock is read again after each put, so that neither a frozen nor a
// slow caller leaves the kernel with more than the rest of the lease.
Result<void> renew_in_kernel(const Clock& clock, Instant until, const KernelLease& kernel);

std::unique_ptr<Deadman> make_nft_deadman(const Clock& clock);

// The same table as text for `nft -f`, every service armed and closed: what the boot unit loads
// before the network, so that nothing is open until the agent says so. Loading it again keeps what
// lives in the sets. `services` are as in set_up().
std::string boot_ruleset(const std::vector<DeadmanPorts>& services);

}  // namespace pointsman
