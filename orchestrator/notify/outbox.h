#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/notice.h"
#include "providers/call_budget.h"

// Decides what goes out through which channel, and when. Pure: time and chance are arguments, and
// nothing is sent here.
//
// What is of a move goes first, then by urgency, then by age. What is like something that still
// waits becomes one with it; what waits together goes out together. A channel never gets more than
// its budget in any window, and a part of that is kept for moves. Without a receipt a message is
// tried again, ever less often; after the second failure in a row all that waits goes to the
// channel's fallback, if it has one. What nobody took in its time is lost, and said to be.

namespace pointsman {

struct ChannelTerms {
  std::string name;
  std::set<std::string> services;  // Empty: all.
  Urgency least = Urgency::kNote;
  bool only_fallback = false;
  bool tracks = false;
  NoticeBudget budget;
  std::string fallback;  // "", or the name of another; no cycles.
};

// A message that shall be sent now. Its end is told by answered().
struct Sending {
  std::uint64_t number = 0;
  std::string channel;
  std::vector<NoticeItem> items;     // The most pressing first; empty: only how things stand.
  std::vector<NoticeItem> standing;  // For a channel that tracks.
};

// For log and counters.
struct OutboxEvent {
  enum class Kind {
    kDelivered,
    kRetried,  // Will be.
    kRefused,
    kHandedOver,
    kLost,
    kSilent,  // The channel gave no receipt twice, or refused; told once until
    kAnswers  // it gives one again.
  };
  Kind kind;
  std::string channel;
  std::string to;  // Of one handed over.
  NoticeItem item;
  std::string why;
};

// A notice that must outlive the process.
struct KeptNotice {
  NoticeItem item;
  std::vector<std::string> channels;  // That have not taken it.
};

class Outbox {
 public:
  // Also again: channels of the same name go on where they are; what waits for one that is gone
  // goes to its former fallback, or to all.
  void set_channels(std::vector<ChannelTerms> terms, Instant now);

  void put(NoticeItem item, Instant now);
  // It has been told before, or is so old that nobody needs to be: only how things stand.
  void note_standing(NoticeItem item);
  // It stands no more. Channels are told, unless `quietly`.
  void end(const std::string& service, const std::string& rule, WallTime wall, Instant now);
  // Those that were told and have not ended.
  std::vector<NoticeItem> standing() const;

  std::optional<Sending> next(Instant now);
  // A sending of nothing, for a test of this channel; nullopt while it is busy or its budget spent.
  std::optional<Sending> test(const std::string& channel, Instant now);
  void answered(std::uint64_t number, const Judged& judged, std::uint32_t chance, Instant now);
  // When next() may have something; never(): not before something is put or answered.
  Instant due(Instant now);

  std::vector<OutboxEvent> take_events();

  // All that is urgent or of a move and not taken yet, whether it waits or is on its way.
  std::vector<KeptNotice> kept() const;
  void restore(const KeptNotice& kept, Instant now);

 private:
  struct Waiting {
    NoticeItem item;
    int rank = 0;
    std::uint64_t order = 0;
    Instant ends;
    int hops = 0;  // Channels that did not take it.
  };
  struct Line {  // Of one channel.
    ChannelTerms terms;
    std::unique_ptr<CallBudget> budget;
    std::vector<Waiting> waiting;  // Sorted: the next first.
    std::vector<Waiting> on_its_way;
    std::uint64_t number = 0;  // Of the sending that is on its way; 0: none.
    bool changed = false;      // How things stand has: for one that tracks.
    int failures = 0;          // In a row.
    bool silent = false;       // That was told.
    Instant retry_at{0};
    Instant gather_until{0};
    Instant refresh_at{0};
    std::deque<std::string> taken;  // Ids, the latest last.
  };
  struct Standing {
    NoticeItem item;
    Instant forget_at = Instant::never();
  };

  Line* line_of(const std::string& name);
  bool wants(const Line& line, const NoticeItem& item) const;
  static bool knows(const Line& line, const std::string& id);
  void enqueue(Line& line, Waiting one, Instant now);
  void insert(Line& line, Waiting one);
  void hand_over(Line& line, Waiting one, const std::string& why, Instant now);
  void lose(const Line& line, const Waiting& one, const std::string& why);
  void take_back(Line& line, const std::string& why, Instant now);
  void expire(Line& line, Instant now);
  void delivered(Line& line, const Judged& judged);
  void try_again(Line& line, const Judged& judged, std::uint32_t chance, Instant now);
  void say_silent(Line& line, const std::string& why);
  void end_quietly(const std::string& key, WallTime wall, Instant now);
  void forget_ended(Instant now);
  bool wants_refresh(const Line& line, Instant now) const;
  bool may_go(Line& line, Instant now);
  Instant due_of(Line& line, Instant now);
  Sending sending_of(Line& line, Instant now);
  Waiting waiting_of(NoticeItem item, Instant now);
  static void join(Waiting& into, Waiting other);

  std::vector<Line> lines_;  // In the order of the configuration.
  std::map<std::string, Standing> standing_;
  std::vector<OutboxEvent> events_;
  std::uint64_t order_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace pointsman
