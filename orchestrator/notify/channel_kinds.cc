#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "orchestrator/notify/channel.h"

namespace pointsman {

const char* to_string(Urgency urgency) {
  switch (urgency) {
    case Urgency::kNote: return "note";
    case Urgency::kWarning: return "warning";
    case Urgency::kUrgent: return "urgent";
  }
  return "note";
}

std::string NoticeSettings::option(const std::string& key, std::string_view otherwise) const {
  const auto found = options.find(key);
  return found == options.end() || found->second.empty() ? std::string(otherwise) : found->second;
}

std::vector<std::string> NoticeSettings::list(const std::string& key) const {
  const auto found = lists.find(key);
  return found == lists.end() ? std::vector<std::string>{} : found->second;
}

std::string NoticeSettings::credential(const std::string& key) const {
  const auto found = credentials.find(key);
  return found == credentials.end() ? "" : found->second;
}

const std::vector<ChannelKind>& channel_kinds() {
  static const std::vector<ChannelKind> kinds{email_kind(),       sms_kind(),    wecom_kind(),
                                              dingtalk_kind(),    feishu_kind(), webhook_kind(),
                                              alertmanager_kind()};
  return kinds;
}

const ChannelKind* channel_kind(std::string_view type) {
  const auto& all = channel_kinds();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const ChannelKind& k) { return k.type == type; });
  return found == all.end() ? nullptr : &*found;
}

bool is_within(const NoticeBudget& budget, const NoticeBudget& most) {
  if (budget.within >= most.within) return budget.most <= most.most;
  // So many of our windows touch one of theirs.
  const auto windows = (most.within + budget.within - 1ns) / budget.within;
  return budget.most * windows <= most.most;
}

std::string budget_text(const NoticeBudget& budget) {
  return fmt::format("{}/{}", budget.most, format_duration(budget.within));
}

std::optional<NoticeBudget> budget_from(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  NoticeBudget budget;
  const auto [end, error] = std::from_chars(text.data(), text.data() + slash, budget.most);
  const auto within = parse_duration(text.substr(slash + 1));
  if (error != std::errc() || end != text.data() + slash || !within) return std::nullopt;
  budget.within = *within;
  const bool sound =
      budget.most >= 2 && budget.most <= 1000 && *within >= 1s && *within <= 31 * 24h;
  return sound ? std::optional(budget) : std::nullopt;
}

Duration pause_of(const ChannelReply& reply) {
  int asked = 0;
  const std::string& text = reply.retry_after;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), asked);
  if (error != std::errc() || end != text.data() + text.size() || asked < 0) return Duration(0);
  return std::min<Duration>(std::chrono::seconds(asked), 1h);
}

Judged judge_error(const Error& error) {
  const bool for_good = error.code == ErrorCode::kRefused || error.code == ErrorCode::kInvalid;
  return {for_good ? Receipt::kRefused : Receipt::kTryAgain, error.message, {}};
}

Judged judge_status(const ChannelReply& reply) {
  if (reply.error) return judge_error(*reply.error);
  if (reply.status >= 200 && reply.status < 300) return {Receipt::kGiven, "", {}};
  const bool may_pass =
      reply.status == 408 || reply.status == 425 || reply.status == 429 || reply.status >= 500;
  return {may_pass ? Receipt::kTryAgain : Receipt::kRefused,
          fmt::format("HTTP {}: {}", reply.status, reply.body), pause_of(reply)};
}

std::string cut_text(std::string_view text, std::size_t most) {
  constexpr std::string_view kCut = "...";
  if (text.size() <= most) return std::string(text);
  const std::size_t room = most > kCut.size() ? most - kCut.size() : 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text.substr(at)), 1);
    if (at + length > room) break;
    at += length;
  }
  return std::string(text.substr(0, at)).append(kCut);
}

HttpRequest json_post(std::string url, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.headers = {{"content-type", "application/json; charset=utf-8"}};
  request.body = std::move(body);
  request.answer_most = 64 << 10;
  return request;
}

std::string endpoint_of(const NoticeSettings& settings, const std::string& key) {
  std::string url = settings.option(key);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace pointsman
