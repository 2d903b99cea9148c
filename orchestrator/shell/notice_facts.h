#pragma once

#include <string>

#include "orchestrator/notify/notice.h"
#include "orchestrator/shell/decider.h"

// What a service's state says beside the sentence of a notice. Pure.

namespace pointsman {

NoticeFacts facts_of(const ServiceSnapshot& shot);

// Since when what `rule` says is so; Instant{0}: the state does not say.
Instant since_of(const std::string& rule, const ServiceState& state);

// Whether what `rule` told still stands; false for what does not last.
bool still_stands(const std::string& rule, const ServiceState& state);

}  // namespace pointsman
