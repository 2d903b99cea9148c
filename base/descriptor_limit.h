#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

// How many descriptors a process may have open (RLIMIT_NOFILE).

namespace pointsman {

struct DescriptorLimit {
  std::uint64_t soft = 0;  // In force.
  std::uint64_t hard = 0;  // As far as soft may be raised.
};

DescriptorLimit descriptor_limit();

// Raises soft to hard, logs the figure, and gives what is in force then. For programs that poll and
// never select(): each probe in flight and each connection takes a descriptor, and the usual soft
// limit is 1,024. Children that run_process() starts get the former soft limit: they may select().
DescriptorLimit raise_descriptor_limit();

// Fewer than a daemon needs for itself, whatever it shall watch: it must not start.
inline constexpr std::uint64_t kDescriptorsLeast = 64;
// Why it may not start with so many; "" when it may.
std::string too_few_descriptors(const DescriptorLimit& limit);

// Gives the process `pid` the soft limit from before; does nothing when none was raised.
void lower_descriptor_limit_of(pid_t pid);

}  // namespace pointsman
