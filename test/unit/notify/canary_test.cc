#include <fmt/format.h>

#include <algorithm>

#include "base/crypto.h"
#include "base/json.h"
#include "orchestrator/notify/carry.h"
#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/notice_text.h"
#include "providers/api_call.h"
#include "test/support/fake_http.h"

#include <doctest/doctest.h>

// No credential of any type of channel reaches a judged, a render or a pre-flight as they are
// shown, whatever the far side does; the worst one repeats all that it was sent. A new type is
// covered as it is registered.

using namespace pointsman;

namespace {

const std::string kCanary = "Kq7Zt3Wv9Xb5Hd1Lm8Pf2Rj6Yc4Ns0Ug";

bool leaks(const std::string& text) {
  constexpr std::size_t kPart = 8;
  for (const std::string& secret : {kCanary, hex(kCanary), base64(kCanary)}) {
    for (std::size_t at = 0; at + kPart <= secret.size(); ++at) {
      if (text.find(secret.substr(at, kPart)) != std::string::npos) return true;
    }
  }
  return false;
}

NoticeSettings settings_for(const ChannelKind& kind, const std::string& url) {
  NoticeSettings out;
  out.name = "one";
  out.type = kind.type;
  for (const ChannelKey& key : kind.keys) {
    if (key.kind == ChannelKey::Kind::kUrl) out.options[key.name] = url;
  }
  out.options["server"] = url.substr(url.find("://") + 3);
  out.options["from"] = "pointsman@example.net";
  out.lists["to"] = {"13800138000"};
  for (const ChannelKey& key : kind.credentials) out.credentials[key.name] = kCanary;
  // Names of logins are told with each refusal, and are no secrets.
  for (const char* name : {"username", "access_key_id"}) {
    if (out.credentials.contains(name)) out.credentials[name] = "pointsman";
  }
  if (kind.type == "webhook") {
    out.credentials["url"] = url + "/" + kCanary;
    out.options.erase("url");
  }
  if (kind.type == "alertmanager") out.credentials.erase("token");
  return out;
}

NoticeMessage message() {
  NoticeItem item;
  item.id = "0123456789abcdef";
  item.service = "im-api";
  item.rule = "move-refused";
  return message_of({item}, {});
}

void expect_silence(const ChannelKind& kind, const std::string& url) {
  CAPTURE(kind.type);
  const auto channel = kind.make(settings_for(kind, url));
  const Masking masking(channel->secrets());
  const SendingNow now{WallTime{1'714'979'289'000'000'000}, std::string(32, 'b')};
  for (const Outgoing& outgoing : {channel->compose(message(), now), channel->compose_probe(now)}) {
    CHECK_MESSAGE(!leaks(render(outgoing, masking)), render(outgoing, masking));
    const ChannelReply reply = carry(outgoing, 300ms);
    for (const Judged& judged : {channel->judge(reply), channel->judge_probe(reply)}) {
      const std::string shown = masking.line(judged.why);
      CHECK_MESSAGE(!leaks(shown), shown);
    }
  }
}

}  // namespace

TEST_CASE("canary: a far side that repeats what it was sent, in every shape of an answer") {
  for (const int status : {200, 400, 503}) {
    for (const char* shape :
         {"{}", R"({{"errcode":310000,"errmsg":{0}}})", R"({{"code":19021,"msg":{0}}})",
          R"({{"Code":{0},"Message":{0}}})", R"({{"Code":"isv.X","Message":{0}}})"}) {
      const FakeHttp http([&](const FakeRequest& asked) {
        std::string all = asked.method + " " + asked.target + "\n";
        for (const auto& [name, value] : asked.headers) all += name + ": " + value + "\n";
        all += asked.body + " " + kCanary + " " + hex(kCanary) + " " + base64(kCanary);
        return FakeReply{.status = status,
                         .body = fmt::format(fmt::runtime(shape), Json(all).dump())};
      });
      for (const ChannelKind& kind : channel_kinds()) expect_silence(kind, http.url());
    }
  }
}

TEST_CASE("canary: a secret at the place where a long answer is cut; nobody answers") {
  for (std::size_t pad = 250; pad < 310; pad += 10) {
    const FakeHttp http([&](const FakeRequest&) {
      return FakeReply{.status = 400, .body = std::string(pad, 'x') + kCanary};
    });
    for (const ChannelKind& kind : channel_kinds()) {
      if (kind.type != "email") expect_silence(kind, http.url());
    }
  }
  for (const ChannelKind& kind : channel_kinds()) expect_silence(kind, "http://127.0.0.1:1");
}

TEST_CASE("canary: every credential that a type asks for counts as a secret, but for names") {
  for (const ChannelKind& kind : channel_kinds()) {
    const auto channel = kind.make(settings_for(kind, "http://127.0.0.1:1"));
    const auto secrets = channel->secrets();
    for (const ChannelKey& key : kind.credentials) {
      if (key.name == "username" || key.name == "access_key_id") continue;
      if (kind.type == "alertmanager" && key.name == "token") continue;
      CHECK_MESSAGE(std::any_of(secrets.begin(), secrets.end(),
                                [](const std::string& one) {
                                  return one.find(kCanary) != std::string::npos;
                                }),
                    kind.type << " " << key.name);
    }
  }
}
