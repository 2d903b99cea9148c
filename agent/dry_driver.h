#pragma once

#include <memory>

#include "agent/driver.h"

namespace pointsman {

// Reads for real and writes nothing: each verb logs, once, what it would send.
std::unique_ptr<Driver> make_dry_driver(std::unique_ptr<Driver> real, std::string service);

}  // namespace pointsman
