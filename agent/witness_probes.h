#pragma once

#include <memory>

#include "agent/witness.h"
#include "base/clock.h"

namespace pointsman {

// The witness on the probe engine. With agent/main.cc the only part of the agent that knows probes.
std::unique_ptr<Witness> make_probe_witness(const Clock& clock);

}  // namespace pointsman
