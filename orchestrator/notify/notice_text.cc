#include "orchestrator/notify/notice_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/time_of_day.h"

namespace pointsman {
namespace {

constexpr std::size_t kDetailMost = 600;
constexpr std::size_t kLinesMost = 20;  // Of a digest.

bool is_zh(const NoticeStyle& style) { return style.language == "zh"; }

const char* pick(const NoticeStyle& style, const char* en, const char* zh) {
  return is_zh(style) ? zh : en;
}

struct Pair {
  std::string_view word;
  const char* zh;
};

// Words of the core that stand alone in a sentence.
constexpr std::array<Pair, 12> kWords{{{"done", "完成"},
                                       {"partial", "部分完成"},
                                       {"failed", "失败"},
                                       {"voided", "作废"},
                                       {"failover", "故障切换"},
                                       {"switchover", "计划切换"},
                                       {"adopt", "接管"},
                                       {"recrown", "恢复原主"},
                                       {"steady", "稳定"},
                                       {"suspect", "可疑"},
                                       {"stuck", "卡住"},
                                       {"unadopted", "未接管"}}};

std::string worded(const std::string& word, const NoticeStyle& style) {
  if (is_zh(style)) {
    for (const Pair& one : kWords) {
      if (one.word == word) return one.zh;
    }
  }
  return word;
}

// An unknown fact leaves "?" where a name must stand.
std::string filled(std::string_view text, const NoticeItem& item, const NoticeStyle& style) {
  const NoticeFacts& facts = item.facts;
  const std::array<std::pair<std::string_view, std::string>, 9> values{
      {{"{service}", item.service},
       {"{primary}", facts.primary},
       {"{other}", facts.other},
       {"{from}", facts.from},
       {"{to}", facts.to},
       {"{outcome}", worded(facts.outcome, style)},
       {"{kind}", worded(facts.kind, style)},
       {"{gate}", facts.gate},
       {"{took}", facts.took}}};
  std::string out;
  while (!text.empty()) {
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const auto& v) { return text.starts_with(v.first); });
    if (found == values.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += found->second.empty() ? "?" : found->second;
      text.remove_prefix(found->first.size());
    }
  }
  return out;
}

std::string level_word(Urgency level, const NoticeStyle& style) {
  switch (level) {
    case Urgency::kNote: return pick(style, "note", "提示");
    case Urgency::kWarning: return pick(style, "warning", "警告");
    case Urgency::kUrgent: return pick(style, "URGENT", "紧急");
  }
  return "";
}

std::string who(const NoticeItem& item, const NoticeStyle& style) {
  return item.service.empty() ? style.monitor : item.service;
}

std::string titled(Urgency level, const std::string& who, const std::string& what,
                   const NoticeStyle& style) {
  return is_zh(style) ? fmt::format("【{}】{}：{}", level_word(level, style), who, what)
                      : fmt::format("[{}] {}: {}", level_word(level, style), who, what);
}

// A move that leaves power where it is: somebody was adopted, or crowned again.
constexpr RuleWords::Text kStayedEn{"{kind} of {to}: {outcome}",
                                    "holds {to} to be in power and vouches for it: {outcome}",
                                    "nothing, if that is right"};
constexpr RuleWords::Text kStayedZh{
    "{kind} {to}：{outcome}", "认定 {to} 为在任站点并为其担保：{outcome}", "若无误则无需操作"};

const RuleWords::Text& text_of(const NoticeItem& item, const NoticeStyle& style) {
  const bool stayed = item.facts.kind == "adopt" || item.facts.kind == "recrown";
  if (item.rule == "move-ended" && stayed) return is_zh(style) ? kStayedZh : kStayedEn;
  const RuleWords& rule = words_of_rule(item.rule);
  return is_zh(style) ? rule.zh : rule.en;
}

std::string what_of(const NoticeItem& item, const NoticeStyle& style) {
  std::string what = filled(text_of(item, style).what, item, style);
  if (*words_of_rule(item.rule).rule == '\0') what = fmt::format("{} ({})", what, item.rule);
  return item.over ? pick(style, "over: ", "已恢复：") + what : what;
}

// What is over presses nobody.
Urgency shown_level(const NoticeItem& item) { return item.over ? Urgency::kNote : item.level; }

std::string detail_of(const NoticeItem& item) {
  std::string detail = printable(item.detail);
  // The core's sentences begin with the service; so does our title.
  if (!item.service.empty() && detail.starts_with(item.service + ": ")) {
    detail.erase(0, item.service.size() + 2);
  }
  return cut_text(detail, kDetailMost);
}

void line(std::string& text, const char* key, const std::string& value) {
  if (!value.empty()) text += fmt::format("{}{}\n", key, value);
}

std::string stand_of(const NoticeItem& item, const NoticeStyle& style) {
  const NoticeFacts& facts = item.facts;
  if (facts.primary.empty()) return "";
  const std::string users = facts.published.empty() ? "?" : facts.published;
  return is_zh(style) ? fmt::format("在任站点 {}，用户指向 {}，阶段 {}", facts.primary, users,
                                    worded(facts.phase, style))
                      : fmt::format("in power {}, users are sent to {}, phase {}", facts.primary,
                                    users, facts.phase);
}

std::string footer(const NoticeStyle& style) {
  std::string text;
  line(text, pick(style, "Link: ", "链接："), style.link);
  line(text, pick(style, "From: pointsman on ", "来自：pointsman @ "), style.monitor);
  if (!text.empty()) text.pop_back();
  return text;
}

// Of one notice, without its footer.
std::string body_of(const NoticeItem& item, const NoticeStyle& style) {
  const RuleWords::Text& words = text_of(item, style);
  std::string text;
  line(text, pick(style, "What: ", "详情："), detail_of(item));
  if (item.count > 1) {
    line(text, pick(style, "Times: ", "次数："), fmt::format("{}", item.count));
  }
  line(text, pick(style, "Since: ", "开始："), format_local(item.since));
  if (item.over) {
    line(text, pick(style, "Over: ", "结束："), format_local(item.over_at));
    return text;
  }
  line(text, "pointsman: ", filled(words.did, item, style));
  line(text, pick(style, "Now: ", "现在请："), filled(words.now, item, style));
  line(text, pick(style, "State: ", "状态："), stand_of(item, style));
  return text;
}

}  // namespace

NoticeWords words_of(const NoticeItem& item, const NoticeStyle& style) {
  NoticeWords words;
  words.what = what_of(item, style);
  words.title = titled(shown_level(item), who(item, style), words.what, style);
  words.text = body_of(item, style) + footer(style);
  return words;
}

NoticeMessage message_of(const std::vector<NoticeItem>& items, const NoticeStyle& style) {
  CHECK(!items.empty());
  NoticeMessage message;
  message.id = items.front().id;
  message.items = items;
  message.monitor = style.monitor;
  message.link = style.link;
  for (const NoticeItem& item : items) message.level = std::max(message.level, shown_level(item));
  const NoticeWords first = words_of(items.front(), style);
  message.title = first.title;
  message.text = first.text;
  message.short_what = first.what;
  if (items.size() == 1) return message;
  int total = 0;
  std::string lines;
  for (std::size_t k = 0; k < items.size(); ++k) {
    const NoticeItem& item = items[k];
    total += item.count;
    if (k >= kLinesMost) continue;
    lines += fmt::format("- {}: {}{}\n", who(item, style), what_of(item, style),
                         item.count > 1 ? fmt::format(" (x{})", item.count) : "");
  }
  if (items.size() > kLinesMost) lines += "- ...\n";
  message.title = titled(message.level, who(items.front(), style),
                         is_zh(style) ? fmt::format("{}（共 {} 条通知）", first.what, total)
                                      : fmt::format("{} ({} notices)", first.what, total),
                         style);
  message.text = lines + "\n" + body_of(items.front(), style) + footer(style);
  return message;
}

NoticeMessage tracking_message(const std::vector<NoticeItem>& items,
                               const std::vector<NoticeItem>& standing, const NoticeStyle& style) {
  NoticeMessage message;
  if (!items.empty()) message = message_of(items, style);
  message.monitor = style.monitor;
  message.link = style.link;
  for (const NoticeItem& item : items) {
    if (words_of_rule(item.rule).lasting) continue;  // It is among those that stand, or was.
    NoticeWords words = words_of(item, style);
    message.tracked.push_back({item, false, std::move(words.title), std::move(words.text)});
  }
  for (const NoticeItem& item : standing) {
    NoticeWords words = words_of(item, style);
    message.tracked.push_back({item, true, std::move(words.title), std::move(words.text)});
  }
  return message;
}

NoticeMessage test_message(const std::string& channel, bool asked, const NoticeStyle& style) {
  NoticeMessage message;
  message.test = true;
  message.monitor = style.monitor;
  message.link = style.link;
  message.short_what = pick(style, "test", "测试");
  message.title = titled(Urgency::kNote, style.monitor, pick(style, "a test", "测试通知"), style);
  const char* why = asked ? pick(style, "Somebody asked for a test of the channel {}.",
                                 "有人请求测试通知通道 {}。")
                          : pick(style, "The regular test of the channel {}: it works.",
                                 "通知通道 {} 的例行自检：工作正常。");
  message.text = fmt::format(fmt::runtime(why), channel);
  message.text += pick(style, " Nothing has happened.\n", "没有发生任何事件。\n") + footer(style);
  return message;
}

}  // namespace pointsman
