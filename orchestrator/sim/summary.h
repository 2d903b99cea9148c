#pragma once

#include "orchestrator/sim/world.h"

// What a run of seeds tells.

namespace pointsman {

void print_summary(const Figures& total, std::uint64_t hash);
// `cpu`: what the run took of all cores together.
void print_speed(const Figures& total, Duration cpu);
void print_failure(const SeedResult& result, const Setting& setting);

// Drops faults of the failing seed while it still breaks the same invariant, and prints the rest.
void print_shrunk(const SeedResult& result, Duration minutes);

}  // namespace pointsman
