#include <fmt/format.h>

#include "base/crypto.h"
#include "base/json.h"
#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/signatures.h"

// A receiver of the operator's own: JSON, signed when there is a secret (docs/notices.md).

namespace pointsman {

std::string webhook_sign(std::int64_t timestamp_s, const std::string& secret,
                         std::string_view body) {
  return "sha256=" + hex(hmac(Hash::kSha256, secret, fmt::format("{}.{}", timestamp_s, body)));
}

namespace {

Json facts_json(const NoticeFacts& facts) {
  Json out = Json::object();
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) out.set(key, value);
  };
  put("phase", facts.phase);
  put("primary", facts.primary);
  put("other", facts.other);
  put("published", facts.published);
  put("gate", facts.gate);
  put("move", facts.move);
  put("kind", facts.kind);
  put("from", facts.from);
  put("to", facts.to);
  put("outcome", facts.outcome);
  put("took", facts.took);
  return out;
}

Json item_json(const NoticeItem& item) {
  return Json::object({{"id", item.id},
                       {"service", item.service},
                       {"rule", item.rule},
                       {"level", to_string(item.level)},
                       {"detail", item.detail},
                       {"at", format_wall(item.at)},
                       {"since", format_wall(item.since)},
                       {"count", item.count},
                       {"facts", facts_json(item.facts)}});
}

class Webhook final : public Channel {
 public:
  explicit Webhook(const NoticeSettings& settings)
      : secret_(settings.credential("secret")),
        token_(settings.credential("token")),
        hidden_url_(settings.credential("url")),
        url_(hidden_url_.empty() ? settings.option("url") : hidden_url_),
        ca_file_(settings.option("ca")) {}

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    Json items = Json::array();
    for (const NoticeItem& item : message.items) items.push(item_json(item));
    return post(Json::object({{"version", 1},
                              {"event", message.test ? "test" : "notice"},
                              {"id", message.id},
                              {"level", to_string(message.level)},
                              {"title", message.title},
                              {"text", message.text},
                              {"monitor", message.monitor},
                              {"link", message.link},
                              {"notices", std::move(items)}}),
                now);
  }

  Judged judge(const ChannelReply& reply) const override { return judge_status(reply); }

  Outgoing compose_probe(const SendingNow& now) const override {
    return post(Json::object({{"version", 1}, {"event", "ping"}, {"id", now.nonce}}), now);
  }

  Judged judge_probe(const ChannelReply& reply) const override { return judge_status(reply); }

  std::vector<std::string> secrets() const override {
    std::vector<std::string> all{secret_, token_};
    // The host alone is no secret, and stands in every error; the query stands in none.
    const auto path = hidden_url_.find('/', hidden_url_.find("://") + 3);
    if (hidden_url_.empty() || path == std::string::npos) return all;
    all.push_back(hidden_url_.substr(path));
    all.push_back(hidden_url_.substr(path, hidden_url_.find('?') - path));
    return all;
  }

 private:
  Outgoing post(const Json& json, const SendingNow& now) const {
    HttpRequest request = json_post(url_, json.dump());
    const std::int64_t at = now.wall.ns / 1'000'000'000;
    request.headers.emplace_back("x-pointsman-timestamp", fmt::format("{}", at));
    if (!secret_.empty()) {
      request.headers.emplace_back("x-pointsman-signature",
                                   webhook_sign(at, secret_, request.body));
    }
    if (!token_.empty()) request.headers.emplace_back("authorization", "Bearer " + token_);
    return {std::move(request), ca_file_};
  }

  const std::string secret_;
  const std::string token_;
  const std::string hidden_url_;
  const std::string url_;
  const std::string ca_file_;
};

std::vector<ChannelComplaint> check(const NoticeSettings& settings) {
  const bool open = !settings.option("url").empty();
  const bool hidden = !settings.credential("url").empty();
  if (open && hidden) {
    return {
        {"url", "url here or in the credentials file", "is in the credentials file too", false}};
  }
  if (!open && !hidden)
    return {{"url", "an http or https URL, or url = ... here", "is missing", true}};
  return {};
}

}  // namespace

ChannelKind webhook_kind() {
  using enum ChannelKey::Kind;
  return {"webhook",
          {{"url", kUrl, false,
            "an http or https URL; one that is secret belongs in the "
            "credentials file"},
           {"ca", kFile, false, "a PEM file"}},
          {{"url", kUrl, false, "an http or https URL"},
           {"secret", kText, false, "what both sides sign with"},
           {"token", kText, false, "a bearer token"}},
          {60, 1min},
          {1000, 1s},
          check,
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<Webhook>(s);
          }};
}

}  // namespace pointsman
