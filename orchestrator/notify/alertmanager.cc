#include <fmt/format.h>

#include <algorithm>

#include "base/crypto.h"
#include "base/json.h"
#include "orchestrator/notify/channel.h"

// Alertmanager, API v2. It is told how things stand: each request carries all that stands, with an
// end three minutes ahead, and what ended lately, with its end; a lost request is mended by the
// next.

namespace pointsman {
namespace {

constexpr Duration kAhead = 3min;      // Three refreshes.
constexpr Duration kNewsFor = 15min;   // News end by themselves,
constexpr Duration kNewsLeast = 5min;  // however late they arrive.
constexpr std::size_t kTextMost = 4000;

// "move-refused" -> "PointsmanMoveRefused".
std::string alert_name(const std::string& rule) {
  std::string out = "Pointsman";
  bool first = true;
  for (const char c : rule) {
    if (c == '-') {
      first = true;
    } else {
      out += first && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      first = false;
    }
  }
  return out;
}

const char* severity(Urgency level) {
  switch (level) {
    case Urgency::kNote: return "info";
    case Urgency::kWarning: return "warning";
    case Urgency::kUrgent: return "critical";
  }
  return "info";
}

WallTime later(WallTime at, Duration by) { return {at.ns + by.count()}; }

class Alertmanager final : public Channel {
 public:
  explicit Alertmanager(const NoticeSettings& settings)
      : url_(endpoint_of(settings, "url") + "/api/v2/alerts"),
        username_(settings.credential("username")),
        password_(settings.credential("password")),
        token_(settings.credential("token")),
        ca_file_(settings.option("ca")) {}

  bool tracks() const override { return true; }

  Outgoing compose(const NoticeMessage& message, const SendingNow& now) const override {
    Json alerts = Json::array();
    for (const TrackedNotice& one : message.tracked) {
      alerts.push(alert_of(one, message, now.wall));
    }
    if (message.test) alerts.push(test_alert(message, now.wall));
    return post(alerts);
  }

  Judged judge(const ChannelReply& reply) const override { return judge_status(reply); }

  // No alerts at all: taken, and without effect.
  Outgoing compose_probe(const SendingNow&) const override { return post(Json::array()); }

  Judged judge_probe(const ChannelReply& reply) const override { return judge_status(reply); }

  std::vector<std::string> secrets() const override { return {password_, token_}; }

 private:
  Json labels_of(const NoticeItem& item, const std::string& monitor) const {
    Json labels = Json::object({{"alertname", alert_name(item.rule)},
                                {"severity", severity(item.level)},
                                {"monitor", monitor}});
    if (!item.service.empty()) labels.set("service", item.service);
    if (!item.about.empty()) labels.set("channel", item.about);
    // Two moves are two alerts.
    if (!item.facts.move.empty() && item.rule == "move-ended") labels.set("move", item.facts.move);
    return labels;
  }

  Json alert_of(const TrackedNotice& one, const NoticeMessage& message, WallTime now) const {
    WallTime end = later(now, kAhead);
    if (one.item.over) {
      end = one.item.over_at;
    } else if (!one.lasting) {
      end = {std::max(later(one.item.at, kNewsFor).ns, later(now, kNewsLeast).ns)};
    }
    // The clock may have been set meanwhile.
    const WallTime begin{std::min(one.item.since.ns, end.ns - 1'000'000)};
    Json alert = Json::object(
        {{"labels", labels_of(one.item, message.monitor)},
         {"annotations",
          Json::object({{"summary", one.title}, {"description", cut_text(one.text, kTextMost)}})},
         {"startsAt", format_wall(begin)},
         {"endsAt", format_wall(end)}});
    if (message.link.starts_with("http")) alert.set("generatorURL", message.link);
    return alert;
  }

  Json test_alert(const NoticeMessage& message, WallTime now) const {
    NoticeItem item;
    item.rule = "test";
    return Json::object(
        {{"labels", labels_of(item, message.monitor)},
         {"annotations", Json::object({{"summary", message.title}, {"description", message.text}})},
         {"startsAt", format_wall(now)},
         {"endsAt", format_wall(later(now, 1min))}});
  }

  Outgoing post(const Json& alerts) const {
    HttpRequest request = json_post(url_, alerts.dump());
    request.headers = {{"content-type", "application/json"}};
    request.may_repeat = true;
    if (!token_.empty()) request.headers.emplace_back("authorization", "Bearer " + token_);
    if (!username_.empty()) {
      request.headers.emplace_back("authorization", "Basic " + base64(username_ + ":" + password_));
    }
    return {std::move(request), ca_file_};
  }

  const std::string url_;
  const std::string username_;
  const std::string password_;
  const std::string token_;
  const std::string ca_file_;
};

std::vector<ChannelComplaint> check(const NoticeSettings& settings) {
  const bool user = !settings.credential("username").empty();
  const bool password = !settings.credential("password").empty();
  const bool token = !settings.credential("token").empty();
  std::vector<ChannelComplaint> out;
  if (user != password) {
    out.push_back(
        {user ? "password" : "username", "username and password, or neither", "is missing", true});
  }
  if (user && token) {
    out.push_back({"token", "username and password, or a token", "is one login too many", true});
  }
  return out;
}

}  // namespace

ChannelKind alertmanager_kind() {
  using enum ChannelKey::Kind;
  return {"alertmanager",
          {{"url", kUrl, true, "an http or https URL, as \"http://127.0.0.1:9093\""},
           {"ca", kFile, false, "a PEM file"}},
          {{"username", kText, false, "a name"},
           {"password", kText, false, "its password"},
           {"token", kText, false, "a bearer token"}},
          {60, 1min},
          {1000, 1s},
          check,
          [](const NoticeSettings& s) -> std::unique_ptr<Channel> {
            return std::make_unique<Alertmanager>(s);
          }};
}

}  // namespace pointsman
