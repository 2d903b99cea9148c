#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "orchestrator/notify/channel.h"

// What the robots of chat programs have in common: a JSON answer whose code says more than its HTTP
// status.

namespace pointsman {

// What a robot says, read from its answer.
struct RobotAnswer {
  std::int64_t code = 0;
  std::string text;
};

// nullopt: it is no answer of a robot's. `keys`: of the code and of the text.
std::optional<RobotAnswer> robot_answer(const ChannelReply& reply,
                                        const std::pair<const char*, const char*>& keys);

// What a code means beside 0; the vendor's file knows.
using RobotJudge = std::function<Judged(const RobotAnswer&)>;

Judged judge_robot(const ChannelReply& reply, const std::pair<const char*, const char*>& keys,
                   const RobotJudge& failed);

// "title\ntext" within so many bytes.
std::string robot_text(const NoticeMessage& message, std::size_t most);

}  // namespace pointsman
