#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "orchestrator/notify/notice.h"

// [[notify]] and [heartbeat] of the configuration, with their credentials.

namespace pointsman {

struct NoticeSettings {
  std::string name;
  std::string type;
  std::vector<std::string> services;  // Empty: all.
  Urgency least = Urgency::kNote;
  bool only_fallback = false;  // Nothing but what another channel hands over.
  std::string language;        // "": the monitor's.
  NoticeBudget budget;
  std::string fallback;  // Name of another channel, or "".
  Duration self_test = 7 * 24h;
  std::map<std::string, std::string> options;             // Of its type.
  std::map<std::string, std::vector<std::string>> lists;  // Of its type.
  std::map<std::string, std::string> credentials;

  bool operator==(const NoticeSettings&) const = default;

  std::string option(const std::string& key, std::string_view otherwise = "") const;
  std::vector<std::string> list(const std::string& key) const;
  std::string credential(const std::string& key) const;
};

struct HeartbeatSettings {
  std::string url;  // Whoever knows it can speak for us: never shown.
  Duration every = 1min;

  bool operator==(const HeartbeatSettings&) const = default;
};

}  // namespace pointsman
