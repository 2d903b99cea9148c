#pragma once

#include <string>

#include "orchestrator/core/machine.h"

// Words of scenarios that say what an agent tells of keepalived, and of its site's way back.

namespace pointsman {

inline void apply_vip(AgentView& view, const std::string& key, const std::string& value) {
  if (key == "vip") view.vip = VipView{value == "holds", 0s, 0s};
  if (key == "vip-since") view.vip->since = parse_duration(value).value_or(0s);
  if (key == "vip-told") view.vip->told = value == "yes";
  if (key == "vip-heard") view.vip->heard = parse_duration(value).value_or(0s);
}

// rejoin=MOVE:STAGE begins it; rejoin=none: it was forgotten. False: some other word.
inline bool apply_rejoin(AgentView& view, const std::string& key, const std::string& value) {
  if (key == "rejoin") {
    const auto colon = value.find(':');
    const auto stage = rejoin_stage_from(value.substr(colon + 1));
    if (!stage) {
      view.rejoin.reset();
      return true;
    }
    RejoinView next = view.rejoin.value_or(RejoinView{});
    next.move = value.substr(0, colon);
    next.stage = *stage;
    view.rejoin = next;
    view.host = "db1";
  } else if (key == "diverged") {
    view.rejoin->diverged = true;
    view.rejoin->what = value;
  } else if (key == "bundle") {
    view.rejoin->bundle = value;
    view.rejoin->holds = "mysql: 3 transactions in app.writes (3)";
  } else if (key == "problem") {
    view.rejoin->problem = value;
  } else if (key == "mib") {
    view.rejoin->store = "mysql";
    view.rejoin->done = std::stoull(value) << 20;
    view.rejoin->total = std::uint64_t{40} << 20;
  } else {
    return false;
  }
  return true;
}

}  // namespace pointsman
