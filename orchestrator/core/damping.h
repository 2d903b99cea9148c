#pragma once

#include "orchestrator/core/machine.h"

// Fall and rise: raw observations in, one verdict out. Nothing else damps.

namespace pointsman {

// Notes one attempt. `unknown` counts for nobody; an attempt that began before the latest one that
// passed says nothing new.
void note_probe(Damper& damper, const ProbeSeen& seen, const ServicePolicy& policy, Instant now);

// What one damper says now; silence for longer than any attempt could last is unknown.
SiteVerdict damper_verdict(const Damper& damper, const ServicePolicy& policy, Instant now);

// Start of the first attempt of the row of fails that the site is in now; `now` when in none.
Instant first_failure(const SiteView& site, Instant now);

}  // namespace pointsman
