#pragma once

#include <string>
#include <vector>

#include "orchestrator/offline/config.h"
#include "orchestrator/offline/preflight.h"

// Asking the channels of notices, without a daemon. `config` must have been read with credentials.

namespace pointsman {

// Whether a notice would be taken, by something that reaches nobody.
PreflightItem ask_channel(const MonitorConfig& config, const NoticeSettings& notice,
                          const Clock& clock, Duration within);

struct NoticeTest {
  std::string channel;
  std::string type;
  bool delivered = false;
  std::string text;  // What the far side says; of a dry run: what would go out.
};
// Sends a test through the channel, to whoever it tells.
NoticeTest test_channel(const MonitorConfig& config, const NoticeSettings& notice,
                        const Clock& clock, Duration within);
// What that would send, secrets masked; nothing is sent.
NoticeTest render_test(const MonitorConfig& config, const NoticeSettings& notice,
                       const Clock& clock);

}  // namespace pointsman
