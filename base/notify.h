#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

// What systemd wants to hear of a service of Type=notify: one datagram to $NOTIFY_SOCKET each.

namespace pointsman {

// "READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=..."; several are separated by line breaks. False
// when nobody listens (no $NOTIFY_SOCKET) or the datagram could not be sent. Thread-safe.
bool notify_supervisor(std::string_view state);

// How often "WATCHDOG=1" is due: half of $WATCHDOG_USEC, when it is meant for this process.
std::optional<Duration> watchdog_period();

}  // namespace pointsman
