#include <fmt/format.h>

#include "base/crypto.h"
#include "orchestrator/notify/robot.h"
#include "orchestrator/notify/signatures.h"
#include "providers/api_call.h"

// The custom bot of Feishu (and Lark): signed when it has a secret, time and signature in the body.

namespace pointsman {

std::string feishu_sign(std::int64_t timestamp_s, const std::string& secret) {
  return base64(hmac(Hash::kSha256, fmt::format("{}\n{}", timestamp_s, secret), ""));
}

namespace {

constexpr std::size_t kTextMost = 16'000;
constexpr std::pair<const char*, const char*> kKeys{"code", "msg"};
constexpr std::pair<const char*, const char*> kOldKeys{"StatusCode", "StatusMessage"};

Judged failed(const RobotAnswer& answer) {
  switch (answer.code) {
    case 11232: return {Receipt::kTryAgain, "too many messages", 10s};
    case 19021: return {Receipt::kRefused, "check secret, and the clock of this host", {}};
    case 19022: return {Receipt::kRefused, "this host's address is not on the bot's list", {}};
    case 19024: return {Receipt::kRefused, "the bot wants a keyword that no notice has", {}};
    case 19001: return {Receipt::kRefused, "check hook", {}};
    default: return {Receipt::kRefused, "", {}};
  }
}

const std::pair<const char*, const char*>& keys_of(const ChannelReply& reply) {
  return robot_answer(reply, kKeys) ? kKeys : kOldKeys;
}

class Feishu final : public Channel {
 public:
  explicit Feishu(const NoticeSettings& settings)
      : hook_(settings.credential("hook")),
        secret_(settings.credential("secret")),
        url_(endpoint_of(settings, "endpoint") + "/open-apis/bot/v2/hook/" +
             percent_encoded(hook_)) {}

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    Json body = signed_body(now);
    body.set("msg_type", "text");
    body.set("content", Json::object({{"text", robot_text(message, kTextMost)}}));
    return {json_post(url_, body.dump())};
  }

  Judged judge(const ChannelReply& reply) const override {
    return judge_robot(reply, keys_of(reply), failed);
  }

  // A message without a type.
  Outgoing compose_probe(const SendingNow& now) const override {
    return {json_post(url_, signed_body(now).dump())};
  }

  Judged judge_probe(const ChannelReply& reply) const override {
    return judge_robot(reply, keys_of(reply), [](const RobotAnswer& answer) {
      Judged judged = failed(answer);
      if (answer.code >= 19001 && answer.code <= 19024 && answer.code != 19002) return judged;
      if (answer.code == 9499 || answer.code == 19002) {
        return Judged{Receipt::kGiven, "the hook is known", {}};
      }
      judged.receipt = Receipt::kTryAgain;
      return judged;
    });
  }

  std::vector<std::string> secrets() const override { return {hook_, secret_}; }

 private:
  Json signed_body(const SendingNow& now) const {
    Json body = Json::object();
    if (secret_.empty()) return body;
    const std::int64_t at = now.wall.ns / 1'000'000'000;
    body.set("timestamp", fmt::format("{}", at));
    body.set("sign", feishu_sign(at, secret_));
    return body;
  }

  const std::string hook_;
  const std::string secret_;
  const std::string url_;
};

}  // namespace

ChannelKind feishu_kind() {
  using enum ChannelKey::Kind;
  return {"feishu",
          {{"endpoint", kUrl, false, "an http or https URL", "https://open.feishu.cn"}},
          {{"hook", kText, true, "the last part of the bot's URL"},
           {"secret", kText, false, "the bot's secret"}},
          {20, 1min},
          {95, 1min},
          [](const NoticeSettings&) { return std::vector<ChannelComplaint>{}; },
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<Feishu>(s);
          }};
}

}  // namespace pointsman
