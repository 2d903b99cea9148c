#include "base/descriptor_limit.h"

#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/log.h"

namespace pointsman {
namespace {

// The soft limit before it was raised; 0: it was not.
std::atomic<rlim_t> former_soft{0};

}  // namespace

DescriptorLimit descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  return {limit.rlim_cur, limit.rlim_max};
}

DescriptorLimit raise_descriptor_limit() {
  const DescriptorLimit before = descriptor_limit();
  const rlimit raised{before.hard, before.hard};
  if (before.soft < before.hard) {
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      former_soft = before.soft;
    } else {
      log(LogLevel::kWarning, "descriptors-few",
          {{"limit", before.soft}, {"wanted", before.hard}, {"problem", std::strerror(errno)}});
    }
  }
  const DescriptorLimit now = descriptor_limit();
  log(LogLevel::kInfo, "descriptors", {{"limit", now.soft}});
  return now;
}

std::string too_few_descriptors(const DescriptorLimit& limit) {
  if (limit.soft >= kDescriptorsLeast) return "";
  return fmt::format(
      "this process may have {} files and connections open, and needs {} at least: raise the hard "
      "limit (LimitNOFILE= of the unit, `ulimit -Hn`)",
      limit.soft, kDescriptorsLeast);
}

void lower_descriptor_limit_of(pid_t pid) {
  const rlim_t former = former_soft;
  if (former == 0) return;
  const rlimit lowered{former, descriptor_limit().hard};
  prlimit(pid, RLIMIT_NOFILE, &lowered, nullptr);
}

}  // namespace pointsman
