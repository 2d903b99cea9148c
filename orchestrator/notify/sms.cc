#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/address.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/time_of_day.h"
#include "base/utf8.h"
#include "orchestrator/notify/channel.h"
#include "providers/aliyun_signature.h"

// SMS through Aliyun (SendSms), signed as its DNS is. A receipt says that it was accepted, not that
// a phone has rung.

namespace pointsman {
namespace {

constexpr const char* kVersion = "2017-05-25";
constexpr std::size_t kValueMost = 20;  // Characters of one variable: more is refused by carriers.
const std::vector<std::string> kVariables{"service", "what", "level",  "site",
                                          "to",      "time", "monitor"};

struct Known {
  std::string_view code;
  Receipt receipt;
  Duration pause;
  std::string_view hint;
};
constexpr std::array<Known, 14> kKnown{{
    {"isv.BUSINESS_LIMIT_CONTROL", Receipt::kTryAgain, 10min, "too many to one number"},
    {"isv.DAY_LIMIT_CONTROL", Receipt::kTryAgain, 1h, "the account's limit of a day"},
    {"isv.MONTH_LIMIT_CONTROL", Receipt::kRefused, 0s, "the account's limit of a month"},
    {"isp.SYSTEM_ERROR", Receipt::kTryAgain, 0s, ""},
    {"isv.AMOUNT_NOT_ENOUGH", Receipt::kRefused, 0s, "the account has no money left"},
    {"isv.OUT_OF_SERVICE", Receipt::kRefused, 0s, "the account has no money left"},
    {"isv.SMS_SIGN", Receipt::kRefused, 0s, "check sign_name"},
    {"isv.SIGN_STATE_ILLEGAL", Receipt::kRefused, 0s, "sign_name is not approved"},
    {"isv.SMS_TEMPLATE_ILLEGAL", Receipt::kRefused, 0s, "check template"},
    {"isv.TEMPLATE_", Receipt::kRefused, 0s, "params must name the template's variables"},
    {"isv.DENY_IP_RANGE", Receipt::kRefused, 0s, "not from this host's address"},
    {"SignatureDoesNotMatch", Receipt::kRefused, 0s, "check access_key_secret"},
    {"InvalidAccessKeyId", Receipt::kRefused, 0s, "check access_key_id"},
    {"InvalidTimeStamp", Receipt::kRefused, 0s, "mend the clock of this host"},
}};

const Known* known(std::string_view code) {
  for (const Known& one : kKnown) {
    if (code.starts_with(one.code)) return &one;
  }
  return nullptr;
}

// Templates take no URLs, brackets and the like.
std::string plain_value(std::string_view text) {
  std::string out;
  for (std::size_t count = 0; !text.empty() && count < kValueMost; ++count) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    const char c = text.front();
    const bool plain = length > 1 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z') || c == '-' || c == ' ' || c == ':' || c == '.';
    if (plain) {
      out.append(text.substr(0, length));
    } else {
      out.push_back(' ');
    }
    text.remove_prefix(length);
  }
  return out.empty() ? "-" : out;
}

class Sms final : public Channel {
 public:
  explicit Sms(const NoticeSettings& settings)
      : endpoint_(endpoint_of(settings, "endpoint")),
        sign_name_(settings.option("sign_name")),
        template_(settings.option("template")),
        to_(settings.list("to")),
        params_(settings.list("params")),
        id_(settings.credential("access_key_id")),
        secret_(settings.credential("access_key_secret")),
        token_(settings.credential("security_token")) {
    if (params_.empty()) params_ = {"service", "what", "time"};
  }

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    Json values = Json::object();
    for (const std::string& name : params_) values.set(name, plain_value(value(name, message)));
    return send(fmt::format("{}", fmt::join(to_, ",")), values, {message.id, now});
  }

  Judged judge(const ChannelReply& reply) const override {
    if (reply.error) return judge_error(*reply.error);
    const auto [code, text] = said(reply);
    if (reply.status == 200 && code == "OK") return {Receipt::kGiven, "", {}};
    if (code.empty()) {
      Judged judged = judge_status(reply);
      if (judged.receipt == Receipt::kGiven) {
        return {Receipt::kTryAgain, "an answer without a code: " + reply.body, {}};
      }
      return judged;
    }
    Judged judged{Receipt::kRefused, "", {}};
    if (const Known* meaning = known(code)) {
      judged = {meaning->receipt, std::string(meaning->hint), meaning->pause};
    } else if (code.find("Throttling") != std::string::npos || reply.status >= 500) {
      judged = {Receipt::kTryAgain, "", 30s};
    }
    judged.why = fmt::format("{} {}{}{}", code, text, judged.why.empty() ? "" : "; ", judged.why);
    return judged;
  }

  // To a number that is none: turned down for that, once key and signature were taken.
  Outgoing compose_probe(const SendingNow& now) const override {
    Json values = Json::object();
    for (const std::string& name : params_) values.set(name, "-");
    return send("1", values, {"", now});
  }

  Judged judge_probe(const ChannelReply& reply) const override {
    const auto [code, text] = said(reply);
    if (!reply.error && code.starts_with("isv.MOBILE_")) {
      return {Receipt::kGiven, "key, signature and right are taken", {}};
    }
    Judged judged = judge(reply);
    if (judged.receipt == Receipt::kGiven) {
      return {Receipt::kTryAgain, "a number that is none was taken", {}};
    }
    return judged;
  }

  std::vector<std::string> secrets() const override { return {secret_, token_}; }

 private:
  struct Attempt {
    std::string id;
    SendingNow now;
  };

  static std::string value(const std::string& name, const NoticeMessage& message) {
    const NoticeItem first = message.items.empty() ? NoticeItem{} : message.items.front();
    if (name == "service") return first.service.empty() ? "pointsman" : first.service;
    if (name == "what") return message.short_what;
    if (name == "level") return to_string(message.level);
    if (name == "site") return first.facts.primary;
    if (name == "to") return first.facts.to;
    if (name == "monitor") return message.monitor;
    // "2026-11-28 03:30 +0800" -> "11-28 03:30".
    return first.at.ns == 0 ? "now" : format_local(first.at).substr(5, 11);
  }

  static std::pair<std::string, std::string> said(const ChannelReply& reply) {
    const auto json = Json::parse(reply.body);
    if (!json.ok()) return {};
    return {json->string_or("Code"), json->string_or("Message")};
  }

  Outgoing send(const std::string& to, const Json& values, const Attempt& attempt) const {
    AliyunFields parameters{{"PhoneNumbers", to},
                            {"SignName", sign_name_},
                            {"TemplateCode", template_},
                            {"TemplateParam", values.dump()}};
    if (!attempt.id.empty()) parameters["OutId"] = attempt.id;
    AliyunToSign signing;
    signing.query = canonical_query(parameters);
    const std::string date = format_wall(attempt.now.wall).substr(0, 19) + "Z";
    signing.headers = {{"host", host()},
                       {"x-acs-action", "SendSms"},
                       {"x-acs-version", kVersion},
                       {"x-acs-date", date},
                       {"x-acs-signature-nonce", attempt.now.nonce},
                       {"x-acs-content-sha256", hex(digest(Hash::kSha256, ""))}};
    if (!token_.empty()) {
      signing.headers["x-acs-accesskey-id"] = id_;
      signing.headers["x-acs-security-token"] = token_;
    }
    HttpRequest request;
    request.method = signing.method;
    request.url = endpoint_ + "/?" + signing.query;
    for (const auto& [name, value] : signing.headers) request.headers.emplace_back(name, value);
    request.headers.emplace_back("authorization", sign_aliyun(signing, id_, secret_).authorization);
    request.answer_most = 64 << 10;
    return {std::move(request)};
  }

  std::string host() const {
    const auto begin = endpoint_.find("://") + 3;
    return endpoint_.substr(begin, endpoint_.find('/', begin) - begin);
  }

  const std::string endpoint_;
  const std::string sign_name_;
  const std::string template_;
  const std::vector<std::string> to_;
  std::vector<std::string> params_;
  const std::string id_;
  const std::string secret_;
  const std::string token_;
};

bool is_number(const std::string& text) {
  const auto digits = text.find_first_not_of("+");
  return digits != std::string::npos && digits <= 1 && text.size() - digits >= 5 &&
         text.size() - digits <= 17 &&
         text.find_first_not_of("0123456789", digits) == std::string::npos;
}

std::vector<ChannelComplaint> check(const NoticeSettings& settings) {
  std::vector<ChannelComplaint> out;
  for (const std::string& one : settings.list("to")) {
    if (is_number(one)) continue;
    out.push_back({"to", "numbers, as [\"13800138000\"]", fmt::format("\"{}\" is none", one)});
  }
  if (settings.list("to").size() > 100) out.push_back({"to", "at most 100 numbers", "is too long"});
  for (const std::string& one : settings.list("params")) {
    if (std::find(kVariables.begin(), kVariables.end(), one) != kVariables.end()) continue;
    out.push_back({"params", fmt::format("of {}", fmt::join(kVariables, ", ")),
                   fmt::format("\"{}\" is none", one)});
  }
  const std::string id = settings.credential("access_key_id");
  if (id.starts_with("STS.") && settings.credential("security_token").empty()) {
    out.push_back({"security_token", "the token that belongs to an id of STS", "is missing", true});
  }
  for (const char* key : {"access_key_id", "access_key_secret", "security_token"}) {
    const std::string value = settings.credential(key);
    if (std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; })) {
      continue;
    }
    out.push_back({key, "printable characters without spaces", "", true});
  }
  return out;
}

}  // namespace

ChannelKind sms_kind() {
  using enum ChannelKey::Kind;
  return {
      "sms",
      {{"to", kTexts, true, "numbers, as [\"13800138000\"]"},
       {"sign_name", kText, true, "the approved signature"},
       {"template", kText, true, "the approved template, SMS_..."},
       {"params", kTexts, false, "the template's variables, in any order"},
       {"endpoint", kUrl, false, "an http or https URL", "https://dysmsapi.aliyuncs.com"}},
      {{"access_key_id", kText, true, "what the RAM console shows"},
       {"access_key_secret", kText, true, "what the RAM console shows"},
       {"security_token", kText, false, "the token of STS"}},
      {20, 24h},
      {49, 24h},
      check,
      [](const NoticeSettings& s) -> std::unique_ptr<Channel> { return std::make_unique<Sms>(s); }};
}

}  // namespace pointsman
