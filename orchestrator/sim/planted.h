#pragma once

#include <array>

#include "base/planted.h"

// The planted bugs by name: of pointsman-sim-planted alone.

namespace pointsman {

#ifdef PM_PLANTED
struct PlantedBug {
  Plant plant;
  const char* name;
};
const std::array<PlantedBug, kPlants - 1>& planted_bugs();
#endif

}  // namespace pointsman
