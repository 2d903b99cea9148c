#include <fmt/format.h>

#include "orchestrator/notify/robot.h"
#include "providers/api_call.h"

// The group robot of WeCom. No signature: whoever knows the key can speak for us.

namespace pointsman {
namespace {

constexpr std::size_t kTextMost = 2048;
constexpr std::pair<const char*, const char*> kKeys{"errcode", "errmsg"};

Judged failed(const RobotAnswer& answer) {
  switch (answer.code) {
    case 45009: return {Receipt::kTryAgain, "too many messages in a minute", 1min};
    case -1: return {Receipt::kTryAgain, "its servers are busy", {}};
    case 93000: return {Receipt::kRefused, "check the robot's key", {}};
    default: return {Receipt::kRefused, "", {}};
  }
}

class WeCom final : public Channel {
 public:
  explicit WeCom(const NoticeSettings& settings)
      : key_(settings.credential("key")),
        url_(endpoint_of(settings, "endpoint") +
             "/cgi-bin/webhook/send?key=" + percent_encoded(key_)),
        mentions_(settings.list("to")) {}

  Outgoing compose(const NoticeMessage& message, const SendingNow&) const override {
    Json text = Json::object({{"content", robot_text(message, kTextMost)}});
    // Woken for what is urgent, not for each word.
    if (message.level == Urgency::kUrgent) {
      Json names = Json::array();
      Json numbers = Json::array();
      for (const std::string& one : mentions_) {
        const bool number = one.find_first_not_of("+0123456789") == std::string::npos;
        (number ? numbers : names).push(one);
      }
      if (!names.as_array().empty()) text.set("mentioned_list", std::move(names));
      if (!numbers.as_array().empty()) text.set("mentioned_mobile_list", std::move(numbers));
    }
    const Json body = Json::object({{"msgtype", "text"}, {"text", std::move(text)}});
    return {json_post(url_, body.dump())};
  }

  Judged judge(const ChannelReply& reply) const override {
    return judge_robot(reply, kKeys, failed);
  }

  // A message without a type: the key is looked at first.
  Outgoing compose_probe(const SendingNow&) const override { return {json_post(url_, "{}")}; }

  Judged judge_probe(const ChannelReply& reply) const override {
    return judge_robot(reply, kKeys, [](const RobotAnswer& answer) {
      if (answer.code == 40008 || answer.code == 44004) {
        return Judged{Receipt::kGiven, "the key is taken", {}};
      }
      Judged judged = failed(answer);
      if (answer.code != 93000) judged.receipt = Receipt::kTryAgain;
      return judged;
    });
  }

  std::vector<std::string> secrets() const override { return {key_}; }

 private:
  const std::string key_;
  const std::string url_;
  const std::vector<std::string> mentions_;
};

}  // namespace

ChannelKind wecom_kind() {
  using enum ChannelKey::Kind;
  return {"wecom",
          {{"endpoint", kUrl, false, "an http or https URL", "https://qyapi.weixin.qq.com"},
           {"to", kTexts, false, "user ids, \"@all\", or numbers, mentioned in what is urgent"}},
          {{"key", kText, true, "the key in the robot's URL"}},
          {10, 1min},
          {19, 1min},
          [](const NoticeSettings&) { return std::vector<ChannelComplaint>{}; },
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<WeCom>(s);
          }};
}

}  // namespace pointsman
