#pragma once

#include <memory>

#include "agent/rejoiner.h"

// The way back of a simulated store: compared at once, copied in a while, in between of no worth.

namespace pointsman {

class World;

std::unique_ptr<Rejoiner> make_rejoiner_twin(World& world, int service, int site);

}  // namespace pointsman
