#include <fmt/format.h>

#include "base/crypto.h"
#include "orchestrator/notify/robot.h"
#include "orchestrator/notify/signatures.h"
#include "providers/api_call.h"

// The custom robot of DingTalk, signed. More than 20 messages in a minute, and it is mute for ten.

namespace pointsman {

std::string dingtalk_sign(std::int64_t timestamp_ms, const std::string& secret) {
  return base64(hmac(Hash::kSha256, secret, fmt::format("{}\n{}", timestamp_ms, secret)));
}

namespace {

constexpr std::size_t kTextMost = 16'000;
constexpr std::pair<const char*, const char*> kKeys{"errcode", "errmsg"};

Judged failed(const RobotAnswer& answer) {
  switch (answer.code) {
    case 130101: return {Receipt::kTryAgain, "too many messages in a minute", 10min};
    case -1: return {Receipt::kTryAgain, "its servers are busy", {}};
    case 310000:
      return {Receipt::kRefused,
              "the robot's secret, the clock of this host, its keywords or its list of addresses",
              {}};
    case 300001: return {Receipt::kRefused, "check access_token", {}};
    default: return {Receipt::kRefused, "", {}};
  }
}

class DingTalk final : public Channel {
 public:
  explicit DingTalk(const NoticeSettings& settings)
      : token_(settings.credential("access_token")),
        secret_(settings.credential("secret")),
        endpoint_(endpoint_of(settings, "endpoint")),
        mentions_(settings.list("to")) {}

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    std::string content = robot_text(message, kTextMost);
    Json at = Json::object({{"isAtAll", false}});
    if (message.level == Urgency::kUrgent && !mentions_.empty()) {
      Json numbers = Json::array();
      content += "\n";
      for (const std::string& one : mentions_) {
        numbers.push(one);
        content += "@" + one + " ";  // A mention counts only when the text has it too.
      }
      at.set("atMobiles", std::move(numbers));
    }
    const Json body = Json::object({{"msgtype", "text"},
                                    {"text", Json::object({{"content", std::move(content)}})},
                                    {"at", std::move(at)}});
    return {json_post(url(now), body.dump())};
  }

  Judged judge(const ChannelReply& reply) const override {
    return judge_robot(reply, kKeys, failed);
  }

  // A message without a type: token and signature are looked at first.
  Outgoing compose_probe(const SendingNow& now) const override {
    return {json_post(url(now), "{}")};
  }

  Judged judge_probe(const ChannelReply& reply) const override {
    return judge_robot(reply, kKeys, [](const RobotAnswer& answer) {
      Judged judged = failed(answer);
      if (answer.code == 310000 || answer.code == 300001) return judged;
      if (answer.code >= 40000 && answer.code < 41000) {
        return Judged{Receipt::kGiven, "token and signature are taken", {}};
      }
      judged.receipt = Receipt::kTryAgain;
      return judged;
    });
  }

  std::vector<std::string> secrets() const override { return {token_, secret_}; }

 private:
  std::string url(const SendingNow& now) const {
    std::string out = endpoint_ + "/robot/send?access_token=" + percent_encoded(token_);
    if (secret_.empty()) return out;
    const std::int64_t ms = now.wall.ns / 1'000'000;
    return out +
           fmt::format("&timestamp={}&sign={}", ms, percent_encoded(dingtalk_sign(ms, secret_)));
  }

  const std::string token_;
  const std::string secret_;
  const std::string endpoint_;
  const std::vector<std::string> mentions_;
};

}  // namespace

ChannelKind dingtalk_kind() {
  using enum ChannelKey::Kind;
  return {"dingtalk",
          {{"endpoint", kUrl, false, "an http or https URL", "https://oapi.dingtalk.com"},
           {"to", kTexts, false, "mobile numbers, mentioned in what is urgent"}},
          {{"access_token", kText, true, "the token in the robot's URL"},
           {"secret", kText, true, "the robot's secret, SEC..."}},
          {10, 1min},
          {19, 1min},
          [](const NoticeSettings&) { return std::vector<ChannelComplaint>{}; },
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<DingTalk>(s);
          }};
}

}  // namespace pointsman
