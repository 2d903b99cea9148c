#pragma once

#include <string>

#include "orchestrator/notify/channel.h"
#include "providers/masking.h"

namespace pointsman {

// Sends it and waits for the reply, `within` at most. Every call has a connection of its own: a
// kept one that had died would leave open whether the message was taken.
ChannelReply carry(const Outgoing& outgoing, Duration within);

// The request as it would go out, secrets masked; for people.
std::string render(const Outgoing& outgoing, const Masking& masking);

}  // namespace pointsman
