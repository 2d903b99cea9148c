#include "orchestrator/core/damping.h"

#include <algorithm>
#include "base/planted.h"

namespace pointsman {

void note_probe(Damper& damper, const ProbeSeen& seen, const ServicePolicy& policy, Instant now) {
  if (seen.sighting == Sighting::kUnknown && !planted(Plant::kUnknownIsDown)) return;
  if (damper.ever && damper.last_pass > seen.started) return;
  damper.heard = now;
  damper.detail = seen.detail;
  if (seen.sighting == Sighting::kPass) {
    damper.ever = true;
    damper.fails = 0;
    damper.doubted = false;
    damper.last_pass = seen.started;
    damper.passes = std::min(damper.passes + 1, 1'000'000);
    if (damper.passes >= policy.rise) damper.down = false;
    return;
  }
  damper.passes = 0;
  if (damper.fails == 0 || seen.started < damper.first_fail) damper.first_fail = seen.started;
  damper.fails = std::min(damper.fails + 1, 1'000'000);
  if (damper.fails >= policy.fall) damper.down = true;
}

SiteVerdict damper_verdict(const Damper& damper, const ServicePolicy& policy, Instant now) {
  const Duration longest = policy.fall * policy.interval + policy.timeout + 2s;
  if (damper.heard == Instant{0} || now - damper.heard > longest) return SiteVerdict::kUnknown;
  if (damper.down) return SiteVerdict::kDown;
  if (damper.fails > 0 || damper.doubted) return SiteVerdict::kSuspect;
  return damper.passes > 0 ? SiteVerdict::kUp : SiteVerdict::kUnknown;
}

Instant first_failure(const SiteView& site, Instant now) {
  Instant first = now;
  for (const Damper& damper : site.probes) {
    // One that is down still, though it has passed since, failed before that.
    const bool failing = damper.fails > 0 || damper.doubted || damper.down;
    if (failing) first = std::min(first, damper.first_fail);
  }
  return first;
}

SiteVerdict verdict(const ServicePolicy& policy, const ServiceState& state, int site, Instant now) {
  bool unknown = false;
  bool suspect = false;
  for (const Damper& damper : state.sites.at(static_cast<std::size_t>(site)).probes) {
    switch (damper_verdict(damper, policy, now)) {
      case SiteVerdict::kDown: return SiteVerdict::kDown;
      case SiteVerdict::kUnknown: unknown = true; break;
      case SiteVerdict::kSuspect: suspect = true; break;
      case SiteVerdict::kUp: break;
    }
  }
  if (unknown) return SiteVerdict::kUnknown;
  return suspect ? SiteVerdict::kSuspect : SiteVerdict::kUp;
}

}  // namespace pointsman
