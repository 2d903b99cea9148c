#include "orchestrator/notify/robot.h"

#include <fmt/format.h>

namespace pointsman {

std::optional<RobotAnswer> robot_answer(const ChannelReply& reply,
                                        const std::pair<const char*, const char*>& keys) {
  const auto json = Json::parse(reply.body);
  if (!json.ok() || !json->is_object()) return std::nullopt;
  const auto code = json->int_at(keys.first);
  if (!code.ok()) return std::nullopt;
  return RobotAnswer{*code, json->string_or(keys.second)};
}

Judged judge_robot(const ChannelReply& reply, const std::pair<const char*, const char*>& keys,
                   const RobotJudge& failed) {
  if (reply.error) return judge_error(*reply.error);
  const auto answer = robot_answer(reply, keys);
  if (!answer) {
    Judged judged = judge_status(reply);
    if (judged.receipt != Receipt::kGiven) return judged;
    // A receipt must say so itself: a login page also comes with 200.
    return {
        Receipt::kTryAgain, "an answer without " + std::string(keys.first) + ": " + reply.body, {}};
  }
  if (answer->code == 0 && reply.status >= 200 && reply.status < 300) {
    return {Receipt::kGiven, "", {}};
  }
  Judged judged = failed(*answer);
  judged.why = fmt::format("{} {}{}{}", answer->code, answer->text, judged.why.empty() ? "" : ": ",
                           judged.why);
  judged.pause = std::max(judged.pause, pause_of(reply));
  return judged;
}

std::string robot_text(const NoticeMessage& message, std::size_t most) {
  return cut_text(message.title + "\n" + message.text, most);
}

}  // namespace pointsman
