#pragma once

#include <optional>

#include "base/result.h"
#include "probes/place.h"

// Connecting without waiting, and telling our own faults from the site's: kInternal is ours
// (descriptors, memory, no route or source address on this host), everything else is the site's or
// the network's. An unreachable told by a router far away is the site's; the same word from our own
// routing table is ours, and the two differ in when the kernel says it.

namespace pointsman {

// A connecting (or already connected) non-blocking socket.
Result<int> dial(const Place& place);

// The outcome of a dial whose socket became writable; nullopt when connected.
std::optional<Error> dial_failure(const Place& place, int fd);

// Reads an errno that came with an exchange over an established or connecting socket.
Error network_error(const Place& place, int error_number);

// False when this host itself knows no way to `place`.
bool has_route(const Place& place);

}  // namespace pointsman
