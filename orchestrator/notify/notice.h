#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/time.h"

// What people are told of, and what a channel is set to. Data, no rule.

namespace pointsman {

enum class Urgency { kNote, kWarning, kUrgent };
const char* to_string(Urgency urgency);  // "note", "warning", "urgent"

// What is known of a service beside the sentence of the core; what is not known is "".
struct NoticeFacts {
  std::string phase;
  std::string primary;    // Site in power,
  std::string other;      // the other one,
  std::string published;  // and the one that users are sent to.
  std::string gate;       // That keeps it from moving.
  // Of the move that ended.
  std::string move;
  std::string kind;
  std::string from;
  std::string to;
  std::string outcome;
  std::string took;

  bool operator==(const NoticeFacts&) const = default;
};

struct NoticeItem {
  std::string id;       // Random; the same at every attempt, so that a receiver can drop repeats.
  std::string service;  // "": of the monitor itself.
  std::string rule;     // Fixed word, as in docs/notices.md.
  Urgency level = Urgency::kNote;
  std::string detail;  // The sentence, in English, as the journal has it.
  WallTime at;         // For people.
  WallTime since;
  int count = 1;      // So many of the same kind became this one.
  std::string about;  // The channel that it is about; not told to that one.
  bool over = false;  // Of what lasts: it has ended,
  WallTime over_at;   // then.
  NoticeFacts facts;
};

struct NoticeBudget {
  int most = 10;
  Duration within = std::chrono::minutes(1);

  bool operator==(const NoticeBudget&) const = default;
};

}  // namespace pointsman
