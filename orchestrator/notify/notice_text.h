#pragma once

#include <span>
#include <string>
#include <vector>

#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/notice.h"

// What people read, in Chinese or English: what happened, since when, what pointsman did or refuses
// to do and why, what to do now, the link. Pure.

namespace pointsman {

struct NoticeStyle {
  std::string language = "en";  // or "zh"
  std::string monitor;
  std::string link;  // Of the page; "": none.
};

// What is fixed about a rule. Texts may hold {service} {primary} {other} {from} {to} {outcome}
// {kind} {gate} {took}.
struct RuleWords {
  struct Text {
    const char* what;  // A few words: the title.
    const char* did;   // What pointsman did, or refuses to do and why.
    const char* now;   // What to do.
  };
  const char* rule;
  bool lasting;      // It stands until it is over.
  bool first;        // Of a move: before everything else.
  const char* ends;  // The rule that it ends, or "".
  Text en;
  Text zh;
};
std::span<const RuleWords> rule_words();
// Of a rule that is not in the table: a row that says nothing beside the core's own sentence.
const RuleWords& words_of_rule(const std::string& rule);

struct NoticeWords {
  std::string title;
  std::string text;
  std::string what;  // Without frame, for an SMS.
};
// Of one that is over: that it is.
NoticeWords words_of(const NoticeItem& item, const NoticeStyle& style);

// The message of `items` (at least one, the most pressing first); one of several is a digest.
NoticeMessage message_of(const std::vector<NoticeItem>& items, const NoticeStyle& style);
// The same with all that stands, for a channel that tracks; `items` may be empty.
NoticeMessage tracking_message(const std::vector<NoticeItem>& items,
                               const std::vector<NoticeItem>& standing, const NoticeStyle& style);
// `asked`: by a person, else it is the weekly one.
NoticeMessage test_message(const std::string& channel, bool asked, const NoticeStyle& style);

}  // namespace pointsman
