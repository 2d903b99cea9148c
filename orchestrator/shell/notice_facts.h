#pragma once

#include <map>
#include <string>
#include <utility>

#include "orchestrator/notify/notice.h"
#include "orchestrator/shell/decider.h"

// What a service's state says beside the sentence of a notice. Pure.

namespace pointsman {

NoticeFacts facts_of(const ServiceSnapshot& shot);

// Since when what `rule` says is so; Instant{0}: the state does not say.
Instant since_of(const std::string& rule, const ServiceState& state);

// Whether what `rule` told still stands; false for what does not last.
bool still_stands(const std::string& rule, const ServiceState& state);

// What is wrong as long as it is so, and that no single event tells: providers, agents, the disk.
struct Trouble {
  Urgency level = Urgency::kUrgent;
  std::string detail;
};
using Troubles = std::map<std::pair<std::string, std::string>, Trouble>;  // Service, rule.
Troubles troubles_of(const std::map<std::string, ServiceSnapshot>& shots, Instant now);
bool is_trouble(const std::string& rule);

}  // namespace pointsman
