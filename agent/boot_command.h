#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "agent/deadman.h"

// pointsman-agent boot: run once, before the network. A reboot empties the kernel's sets, and until
// the agent runs nothing would hold a site to its lease; so every service in which this site has
// had a role is closed first. The agent then goes on from there.

namespace pointsman {

// Leaves what boot will need in `state_dir`, so that a configuration that was broken later, or a
// password file that is not there yet, leaves no site open. Writes only what differs.
Result<void> keep_boot_ports(const std::string& state_dir,
                             const std::vector<DeadmanPorts>& services);

// Those of them that boot closes: a record says that this site had a role, or is broken and may
// have said so. Empty when no agent has kept any; kInvalid when what it kept cannot be read.
Result<std::vector<DeadmanPorts>> boot_ports(const std::string& state_dir);

// Closes them, but for those whose rules stand already, for an agent may have opened them since,
// and those that a sound configuration has no dead-man switch for any more: no agent would open
// them.
// 0: closed, or nothing to close; 1: not all, and why.
int run_boot(const std::string& config, Deadman& deadman, std::ostream& out);

}  // namespace pointsman
