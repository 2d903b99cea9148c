#include "orchestrator/notify/channel.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/crypto.h"
#include "base/json.h"
#include "orchestrator/notify/carry.h"
#include "orchestrator/notify/mail_text.h"
#include "orchestrator/notify/notice_text.h"
#include "orchestrator/notify/signatures.h"
#include "providers/aliyun_signature.h"
#include "providers/api_call.h"

using namespace pointsman;

namespace {

const SendingNow kNow{WallTime{1'714'979'289'000'000'000}, std::string(32, 'a')};

Json::Array vectors(const std::string& name) {
  std::ifstream file(PM_TEST_DATA "/vectors/" + name);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto json = Json::parse(text);
  REQUIRE(json.ok());
  return json->array_or_empty("vectors");
}

NoticeSettings settings(const std::string& type) {
  NoticeSettings out;
  out.name = "one";
  out.type = type;
  for (const ChannelKey& key : channel_kind(type)->keys) {
    if (!key.usual.empty()) out.options[key.name] = key.usual;
  }
  return out;
}

std::unique_ptr<Channel> make(const NoticeSettings& from) {
  const ChannelKind* kind = channel_kind(from.type);
  REQUIRE(kind != nullptr);
  for (const auto& one : kind->check(from)) FAIL_CHECK((one.key + ": " + one.message));
  return kind->make(from);
}

NoticeItem refused() {
  NoticeItem item;
  item.id = "0123456789abcdef";
  item.service = "im-api";
  item.rule = "move-refused";
  item.level = Urgency::kUrgent;
  item.detail = "im-api: site-a is down, and nothing moves: applier not running";
  item.at = item.since = WallTime{1'714'979'280'000'000'000};
  item.facts.primary = "site-a";
  item.facts.gate = "replication";
  return item;
}

NoticeMessage message() { return message_of({refused()}, {"en", "monitor-1", "https://m.test/"}); }

const HttpRequest& http(const Outgoing& outgoing) {
  const auto* request = std::get_if<HttpRequest>(&outgoing.what);
  REQUIRE(request != nullptr);
  return *request;
}

Json body_of(const Outgoing& outgoing) {
  const auto json = Json::parse(http(outgoing).body);
  REQUIRE(json.ok());
  return *json;
}

std::string header(const Outgoing& outgoing, const std::string& name) {
  for (const auto& [key, value] : http(outgoing).headers) {
    if (key == name) return value;
  }
  return "";
}

ChannelReply answer(int status, const std::string& body, const std::string& retry_after = "") {
  return {std::nullopt, status, body, retry_after, {}};
}

void expect(const Judged& judged, Receipt receipt, Duration pause = 0s) {
  CAPTURE(judged.why);
  CHECK_EQ(static_cast<int>(judged.receipt), static_cast<int>(receipt));
  CHECK_EQ(whole_ms(judged.pause), whole_ms(pause));
}

}  // namespace

TEST_CASE("channels: DingTalk signs as its vectors say, and puts it into the URL") {
  for (const Json& one : vectors("dingtalk.json")) {
    CHECK_EQ(dingtalk_sign(one.int_or("timestamp_ms"), one.string_or("secret")),
             one.string_or("sign_base64"));
  }
  const Json first = vectors("dingtalk.json").front();
  NoticeSettings s = settings("dingtalk");
  s.credentials = {{"access_token", "tok/en"}, {"secret", first.string_or("secret")}};
  s.lists["to"] = {"13800138000"};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  CHECK_EQ(http(sent).url, "https://oapi.dingtalk.com/robot/send?access_token=tok%2Fen" +
                               first.string_or("url_suffix"));
  const Json body = body_of(sent);
  CHECK_EQ(body.find("at")->array_or_empty("atMobiles").size(), 1);
  CHECK(body.find("text")->string_or("content").ends_with("@13800138000 "));
  CHECK(body.find("text")->string_or("content").starts_with("[URGENT] im-api: "));
}

TEST_CASE("channels: DingTalk's errors inside a 200") {
  NoticeSettings s = settings("dingtalk");
  s.credentials = {{"access_token", "t"}, {"secret", "SEC"}};
  const auto channel = make(s);
  expect(channel->judge(answer(200, R"({"errcode":0,"errmsg":"ok"})")), Receipt::kGiven);
  expect(channel->judge(answer(200, R"({"errcode":310000,"errmsg":"sign not match"})")),
         Receipt::kRefused);
  expect(channel->judge(answer(200, R"({"errcode":130101,"errmsg":"send too fast"})")),
         Receipt::kTryAgain, 10min);
  expect(channel->judge(answer(200, R"({"errcode":-1,"errmsg":"busy"})")), Receipt::kTryAgain);
  expect(channel->judge(answer(200, "<html>")), Receipt::kTryAgain);
  expect(channel->judge(answer(200, R"({"errmsg":"ok"})")), Receipt::kTryAgain);
  expect(channel->judge(answer(502, "")), Receipt::kTryAgain);
  expect(channel->judge({Error{ErrorCode::kTimeout, "late"}, 0, "", "", {}}), Receipt::kTryAgain);
  expect(channel->judge({Error{ErrorCode::kRefused, "certificate"}, 0, "", "", {}}),
         Receipt::kRefused);
  expect(channel->judge_probe(answer(200, R"({"errcode":40035,"errmsg":"no"})")), Receipt::kGiven);
  expect(channel->judge_probe(answer(200, R"({"errcode":310000,"errmsg":"no"})")),
         Receipt::kRefused);
  expect(channel->judge_probe(answer(200, R"({"errcode":7,"errmsg":"?"})")), Receipt::kTryAgain);
}

TEST_CASE("channels: Feishu signs as its vectors say, and puts it into the body") {
  for (const Json& one : vectors("feishu.json")) {
    CHECK_EQ(feishu_sign(one.int_or("timestamp_s"), one.string_or("secret")),
             one.string_or("sign_base64"));
  }
  const Json first = vectors("feishu.json").front();
  NoticeSettings s = settings("feishu");
  s.credentials = {{"hook", "hook-1"}, {"secret", first.string_or("secret")}};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  CHECK_EQ(http(sent).url, "https://open.feishu.cn/open-apis/bot/v2/hook/hook-1");
  const Json body = body_of(sent);
  CHECK_EQ(body.string_or("timestamp"), first.find("body_members")->string_or("timestamp"));
  CHECK_EQ(body.string_or("sign"), first.find("body_members")->string_or("sign"));
  expect(channel->judge(answer(200, R"({"code":0,"msg":"success"})")), Receipt::kGiven);
  expect(channel->judge(answer(200, R"({"StatusCode":0,"StatusMessage":"success"})")),
         Receipt::kGiven);
  expect(channel->judge(answer(200, R"({"code":19021,"msg":"sign match fail"})")),
         Receipt::kRefused);
  expect(channel->judge(answer(400, R"({"code":9499,"msg":"Bad Request"})")), Receipt::kRefused);
  expect(channel->judge(answer(200, R"({"code":11232,"msg":"frequency limited"})")),
         Receipt::kTryAgain, 10s);
  expect(channel->judge_probe(answer(200, R"({"code":9499,"msg":"Bad Request"})")),
         Receipt::kGiven);
  expect(channel->judge_probe(answer(200, R"({"code":19021,"msg":"sign"})")), Receipt::kRefused);
}

TEST_CASE("channels: WeCom's key, mentions, limit of bytes, and errors inside a 200") {
  NoticeSettings s = settings("wecom");
  s.credentials = {{"key", "k&y"}};
  s.lists["to"] = {"@all", "zhang", "13800138000"};
  const auto channel = make(s);
  NoticeItem item = refused();
  for (int k = 0; k < 200; ++k) item.detail += "很长的说明";
  const NoticeMessage zh = message_of({item}, {"zh", "monitor-1", ""});
  const Outgoing sent = channel->compose(zh, kNow);
  CHECK_EQ(http(sent).url, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k%26y");
  const Json text = *body_of(sent).find("text");
  CHECK_LE(text.string_or("content").size(), 2048);
  CHECK(text.string_or("content").starts_with("【紧急】im-api：主站点故障，未自动切换\n"));
  CHECK_EQ(text.array_or_empty("mentioned_list").size(), 2);
  CHECK_EQ(text.array_or_empty("mentioned_mobile_list").size(), 1);
  item.level = Urgency::kNote;
  CHECK(body_of(channel->compose(message_of({item}, {}), kNow))
            .find("text")
            ->array_or_empty("mentioned_list")
            .empty());
  expect(channel->judge(answer(200, R"({"errcode":0,"errmsg":"ok"})")), Receipt::kGiven);
  expect(channel->judge(answer(200, R"({"errcode":93000,"errmsg":"invalid webhook url"})")),
         Receipt::kRefused);
  expect(channel->judge(answer(200, R"({"errcode":45009,"errmsg":"freq out of limit"})")),
         Receipt::kTryAgain, 1min);
  expect(channel->judge_probe(answer(200, R"({"errcode":40008,"errmsg":"type"})")),
         Receipt::kGiven);
  expect(channel->judge_probe(answer(200, R"({"errcode":93000,"errmsg":"key"})")),
         Receipt::kRefused);
}

TEST_CASE("channels: an SMS is signed over all that it sends, and its values are short and plain") {
  NoticeSettings s = settings("sms");
  s.options["endpoint"] = "http://127.0.0.1:8000";
  s.options["sign_name"] = "运维";
  s.options["template"] = "SMS_1";
  s.lists["to"] = {"13800138000", "+8613900139000"};
  s.lists["params"] = {"service", "what", "level", "site", "to", "time", "monitor"};
  s.credentials = {{"access_key_id", "LTAI-test"}, {"access_key_secret", "secret-of-test"}};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  const std::string& url = http(sent).url;
  CHECK(
      url.starts_with("http://127.0.0.1:8000/?OutId=0123456789abcdef&PhoneNumbers="
                      "13800138000%2C%2B8613900139000&SignName=%E8%BF%90%E7%BB%B4&"));
  const std::string values = url.substr(url.find("TemplateParam=") + 14);
  CHECK_EQ(values,
           percent_encoded(fmt::format(R"({{"service":"im-api","what":"the primary is down ",)"
                                       R"("level":"urgent","site":"site-a","to":"-","time":"{}",)"
                                       R"("monitor":"monitor-1"}})",
                                       [] {
                                         const NoticeWords w = words_of(refused(), {"en", "m", ""});
                                         const auto at = w.text.find("Since: ") + 7;
                                         return w.text.substr(at + 5, 11);
                                       }())));
  AliyunToSign again;
  again.query = url.substr(url.find('?') + 1);
  for (const auto& [name, value] : http(sent).headers) {
    if (name != "authorization") again.headers[name] = value;
  }
  CHECK_EQ(again.headers.at("x-acs-action"), "SendSms");
  CHECK_EQ(again.headers.at("host"), "127.0.0.1:8000");
  CHECK_EQ(header(sent, "authorization"),
           sign_aliyun(again, "LTAI-test", "secret-of-test").authorization);
}

TEST_CASE("channels: the codes of SMS, of which many come with a 200") {
  NoticeSettings s = settings("sms");
  s.lists["to"] = {"13800138000"};
  const auto channel = make(s);
  const auto code = [](const std::string& text) { return R"({"Code":")" + text + R"("})"; };
  expect(channel->judge(answer(200, code("OK"))), Receipt::kGiven);
  expect(channel->judge(answer(200, code("isv.BUSINESS_LIMIT_CONTROL"))), Receipt::kTryAgain,
         10min);
  expect(channel->judge(answer(200, code("isv.AMOUNT_NOT_ENOUGH"))), Receipt::kRefused);
  expect(channel->judge(answer(200, code("isp.SYSTEM_ERROR"))), Receipt::kTryAgain);
  expect(channel->judge(answer(403, code("SignatureDoesNotMatch"))), Receipt::kRefused);
  expect(channel->judge(answer(400, code("Throttling.User"))), Receipt::kTryAgain, 30s);
  expect(channel->judge(answer(503, "")), Receipt::kTryAgain);
  expect(channel->judge(answer(200, "{}")), Receipt::kTryAgain);
  expect(channel->judge_probe(answer(200, code("isv.MOBILE_NUMBER_ILLEGAL"))), Receipt::kGiven);
  expect(channel->judge_probe(answer(404, code("InvalidAccessKeyId.NotFound"))), Receipt::kRefused);
  const ChannelKind& kind = *channel_kind("sms");
  s.lists["to"] = {"+", "138001"};
  s.lists["params"] = {"service", "address"};
  s.credentials["access_key_id"] = "STS.x";
  const auto complaints = kind.check(s);
  REQUIRE_EQ(complaints.size(), 3);
  CHECK_EQ(complaints[0].message, "\"+\" is none");
  CHECK_EQ(complaints[1].message, "\"address\" is none");
  CHECK_EQ(complaints[2].key, "security_token");
}

TEST_CASE("channels: the generic webhook is signed, and says all there is") {
  CHECK_EQ(webhook_sign(1714979289, "key", "{}"),
           "sha256=" + hex(hmac(Hash::kSha256, "key", "1714979289.{}")));
  NoticeSettings s = settings("webhook");
  s.credentials = {{"url", "https://hooks.test/secret-path"}, {"secret", "k"}, {"token", "t"}};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  CHECK_EQ(header(sent, "x-pointsman-timestamp"), "1714979289");
  CHECK_EQ(header(sent, "x-pointsman-signature"), webhook_sign(1714979289, "k", http(sent).body));
  CHECK_EQ(header(sent, "authorization"), "Bearer t");
  const Json body = body_of(sent);
  CHECK_EQ(body.string_or("event"), "notice");
  CHECK_EQ(body.string_or("id"), "0123456789abcdef");
  const Json first = body.array_or_empty("notices").front();
  CHECK_EQ(first.string_or("rule"), "move-refused");
  CHECK_EQ(first.find("facts")->string_or("gate"), "replication");
  expect(channel->judge(answer(204, "")), Receipt::kGiven);
  expect(channel->judge(answer(302, "")), Receipt::kRefused);
  expect(channel->judge(answer(401, "")), Receipt::kRefused);
  expect(channel->judge(answer(429, "", "20")), Receipt::kTryAgain, 20s);
  expect(channel->judge(answer(503, "", "999999")), Receipt::kTryAgain, 1h);
  expect(channel->judge(answer(503, "", "-5")), Receipt::kTryAgain);
  s.options["url"] = "https://other.test/";
  CHECK_EQ(channel_kind("webhook")->check(s).size(), 1);
}

TEST_CASE("channels: Alertmanager is told how things stand") {
  NoticeSettings s = settings("alertmanager");
  s.options["url"] = "http://127.0.0.1:9093/";
  s.credentials = {{"username", "u"}, {"password", "pw"}};
  const auto channel = make(s);
  CHECK(channel->tracks());
  NoticeItem news = refused();
  news.rule = "record-drift";
  NoticeItem ended = refused();
  ended.rule = "sites-apart";
  ended.over = true;
  ended.over_at = WallTime{1'714'979'285'000'000'000};
  const NoticeMessage all =
      tracking_message({news, refused()}, {refused(), ended}, {"en", "monitor-1", "https://m/"});
  const Outgoing sent = channel->compose(all, kNow);
  CHECK_EQ(http(sent).url, "http://127.0.0.1:9093/api/v2/alerts");
  CHECK_EQ(header(sent, "authorization"), "Basic " + base64("u:pw"));
  const auto alerts = body_of(sent).as_array();
  REQUIRE_EQ(alerts.size(), 3);
  CHECK_EQ(alerts[0].find("labels")->string_or("alertname"), "PointsmanRecordDrift");
  CHECK_EQ(alerts[0].string_or("endsAt"), "2024-05-06T07:23:00.000Z");
  CHECK_EQ(alerts[1].find("labels")->string_or("alertname"), "PointsmanMoveRefused");
  CHECK_EQ(alerts[1].find("labels")->string_or("severity"), "critical");
  CHECK_EQ(alerts[1].string_or("startsAt"), "2024-05-06T07:08:00.000Z");
  CHECK_EQ(alerts[1].string_or("endsAt"), "2024-05-06T07:11:09.000Z");
  CHECK_EQ(alerts[2].string_or("endsAt"), "2024-05-06T07:08:05.000Z");
  CHECK_EQ(http(channel->compose_probe(kNow)).body, "[]");
  // An end before its beginning, as after a clock was set, would be refused.
  ended.over_at = WallTime{1'714'900'000'000'000'000};
  const auto odd = body_of(channel->compose(tracking_message({}, {ended}, {}), kNow)).as_array();
  CHECK_LT(odd[0].string_or("startsAt"), odd[0].string_or("endsAt"));
  s.credentials["token"] = "t";
  s.credentials.erase("password");
  CHECK_EQ(channel_kind("alertmanager")->check(s).size(), 2);
}

TEST_CASE("channels: a mail as it goes over the wire") {
  CHECK_EQ(mail_date(kNow.wall), "Mon, 06 May 2024 07:08:09 +0000");
  CHECK_EQ(mail_subject("[URGENT] im-api: stuck"), "[URGENT] im-api: stuck");
  std::string long_one;
  for (int k = 0; k < 40; ++k) long_one += "切换";
  std::string back;
  const std::string subject = mail_subject(long_one);
  for (std::size_t at = 0; at < subject.size();) {
    const std::size_t end = std::min(subject.find("\r\n ", at), subject.size());
    const std::string word = subject.substr(at, end - at);
    CHECK_LE(word.size(), 75);
    back += from_base64(word.substr(10, word.size() - 12)).value();
    at = end + 3;
  }
  CHECK_EQ(back, long_one);
  CHECK_NE(mail_subject("a\r\nBcc: x@y").find("=?utf-8?B?"), std::string::npos);

  NoticeSettings s = settings("email");
  s.options["server"] = "smtp.example.net:465";
  s.options["from"] = "pointsman@example.net";
  s.lists["to"] = {"a@example.net", "b@example.net"};
  s.credentials = {{"username", "u"}, {"password", "pw"}};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  const auto* mail = std::get_if<SmtpRequest>(&sent.what);
  REQUIRE(mail != nullptr);
  CHECK(mail->server.implicit_tls);
  CHECK_EQ(mail->server.greeting, "example.net");
  CHECK_NE(mail->mail.content.find("To: a@example.net,\r\n b@example.net\r\n"), std::string::npos);
  CHECK_NE(mail->mail.content.find("Message-ID: <0123456789abcdef@example.net>\r\n"),
           std::string::npos);
  for (std::size_t at = 0; (at = mail->mail.content.find('\n', at)) != std::string::npos; ++at) {
    CHECK_EQ(mail->mail.content[at - 1], '\r');
  }
  const std::string text = mail->mail.content.substr(mail->mail.content.find("\r\n\r\n") + 4);
  CHECK_LE(text.find("\r\n"), 76);
  expect(channel->judge({std::nullopt, 250, "ok", "", {"550 no such user"}}), Receipt::kGiven);
  expect(channel->judge({Error{ErrorCode::kUnavailable, "451"}, 0, "", "", {}}),
         Receipt::kTryAgain);
  for (const char* bad : {"x", "a@b@c", "a@b c", "<a@b>", "a\r\n@b", "@b"}) {
    s.options["from"] = bad;
    CHECK_EQ(channel_kind("email")->check(s).size(), 1);
  }
}

TEST_CASE("channels: budgets, as written and as the far side counts") {
  CHECK_EQ(budget_text(*budget_from("10/1m")), "10/1m");
  for (const char* bad :
       {"", "10", "1/1m", "x/1m", "10/", "10/0s", "-3/1m", "10/1m/1m", "1001/1m"}) {
    CHECK_FALSE(budget_from(bad).has_value());
  }
  const NoticeBudget most{19, 1min};
  CHECK(is_within({19, 1min}, most));
  CHECK_FALSE(is_within({20, 1min}, most));
  CHECK(is_within({19, 24h}, most));
  CHECK_FALSE(is_within({100, 24h}, most));
  CHECK(is_within({3, 10s}, most));
  CHECK_FALSE(is_within({4, 10s}, most));
  for (const ChannelKind& kind : channel_kinds()) CHECK(is_within(kind.usual, kind.most));
}

TEST_CASE("channels: a render shows no secret and no proof") {
  NoticeSettings s = settings("dingtalk");
  s.credentials = {{"access_token", "canary-token"}, {"secret", "canary-secret"}};
  const auto channel = make(s);
  const Outgoing sent = channel->compose(message(), kNow);
  const std::string shown = render(sent, Masking(channel->secrets()));
  CHECK_EQ(shown.find("canary"), std::string::npos);
  CHECK_NE(shown.find("&sign=***"), std::string::npos);
  CHECK_NE(shown.find("im-api"), std::string::npos);
}
