#include "agent/deadman.h"
#include "base/planted.h"

namespace pointsman {
namespace {

// More than this between reading the clock and the kernel's answer, and the rest just sent is
// looked at again.
constexpr Duration kPrompt = 50ms;
constexpr int kRenewals = 5;

}  // namespace

Result<void> renew_in_kernel(const Clock& clock, Instant until, const KernelLease& kernel) {
  // First the renewal that the kernel refuses when an element is gone: whoever was frozen with a
  // stale rest in hand cannot revive a dead lease by it.
  bool present = true;
  for (int i = 0; i < kRenewals; ++i) {
    const Instant read = clock.now();
    const Duration rest = until - read;
    if (rest < 1ms) return kernel.close();
    auto done = kernel.put(rest, present);
    if (!done && present && done.error().code == ErrorCode::kNotFound) {
      present = false;
      continue;
    }
    if (!done) return done.error();
    present = true;
    if (clock.now() - read <= kPrompt || planted(Plant::kStaleRenewal)) return {};
  }
  // This host is too slow to be trusted with a rest.
  RETURN_IF_ERROR(kernel.close());
  return {ErrorCode::kTimeout, "every renewal came late"};
}

}  // namespace pointsman
