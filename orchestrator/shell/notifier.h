#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "orchestrator/notify/channel.h"
#include "orchestrator/notify/notice_counts.h"
#include "orchestrator/notify/notice_memory.h"
#include "orchestrator/notify/notice_text.h"
#include "orchestrator/notify/outbox.h"
#include "orchestrator/notify/settings.h"
#include "orchestrator/shell/decider.h"
#include "orchestrator/shell/lane.h"
#include "orchestrator/shell/notice_facts.h"
#include "providers/call_budget.h"
#include "providers/masking.h"

// Notices on their way to people: one thread drives the outbox, and each channel has a lane of its
// own, so that one that hangs holds up no other. Nobody waits for any of it: tell() puts a notice
// into a bounded queue. What is urgent is in a file before it is sent, and outlives the process.

namespace pointsman {

struct NotifierSettings {
  std::string monitor;
  std::string link;
  std::vector<NoticeSettings> channels;
  std::optional<HeartbeatSettings> heartbeat;
};

class Notifier {
 public:
  struct Parts {
    const Clock& clock;
    std::string file{};    // What is remembered; "": nothing is.
    bool dry_run = false;  // Everything is rendered to the log, and nothing sent.
    // How the services stand now.
    std::function<std::map<std::string, ServiceSnapshot>()> look;
    // Whether the daemon does its work: the heartbeat says no more than that.
    std::function<bool()> turns;
    std::function<std::uint64_t()> chance = random_u64;
    Duration within = 8s;  // For one message.
  };
  explicit Notifier(Parts parts);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Before start(), and again at a reload. Thread-safe, as are tell() and counts().
  void set(NotifierSettings settings);
  void start();
  // Waits for what is on its way, `within` at most; the rest is remembered. Again is harmless.
  void end();

  // Never waits. False: too many were told at once, and this one is dropped (and counted).
  bool tell(const std::string& service, const Notice& notice);

  const NoticeCounts& counts() const { return counts_; }

 private:
  struct Told {
    std::string service;
    Notice notice;
    Instant at;
  };
  struct Answer {
    std::uint64_t seat = 0;  // 0: of the heartbeat.
    std::uint64_t number = 0;
    ChannelReply reply;
  };
  struct Seat {  // Of one channel; of the notifier's thread.
    std::uint64_t id = 0;
    NoticeSettings settings;
    NoticeStyle style;
    std::unique_ptr<Channel> channel;
    std::unique_ptr<Masking> masking;
    std::unique_ptr<Lane> lane;
    bool busy = false;
    std::uint64_t test = 0;  // Number of the test that is on its way.
  };
  struct Inbox {
    std::vector<Told> told;
    std::vector<Answer> answers;
    std::optional<NotifierSettings> settings;
    std::uint64_t dropped = 0;
  };

  void run();
  Inbox wait(Duration most);
  void turn(Inbox inbox, Instant now);
  Duration rest(Instant now);
  void take_settings(NotifierSettings settings, Instant now);
  void take_told(Instant now);
  void take_answer(Answer answer, Instant now);
  void put(Told told, Instant now);
  void look_at_standing(Instant now);
  void tell_troubles(const std::map<std::string, ServiceSnapshot>& shots, const Troubles& troubles,
                     Instant now);
  void note_older(const std::map<std::string, ServiceSnapshot>& shots);
  void tell_untold_moves(const std::map<std::string, ServiceSnapshot>& shots, Instant now);
  void test_channels(Instant now);
  void beat(Instant now);
  void beaten(const ChannelReply& reply, Instant now);
  void dispatch(const Sending& sending, Instant now);
  NoticeMessage message_for(const Seat& seat, const Sending& sending) const;
  void tell_events(Instant now);
  void tell_event(const OutboxEvent& event, Instant now);
  void remember(Instant now, bool at_once);
  void recall(Instant now);
  Seat* seat_of(const std::string& name);
  NoticeItem item_of(const std::string& rule, Urgency level, std::string detail) const;
  WallTime wall_of(Instant at, Instant now) const;

  const Parts parts_;
  NoticeCounts counts_;

  std::mutex mutex_;  // Whoever tells, lanes and the thread meet in the inbox alone.
  std::condition_variable wake_;
  Inbox inbox_;
  bool ending_ = false;

  // Of the thread, once it runs.
  Outbox outbox_;
  std::string link_;
  std::vector<Seat> seats_;
  std::vector<Seat> retired_;  // Until their last reply is there.
  std::uint64_t next_seat_ = 0;
  std::deque<Told> fresh_;
  std::string monitor_;
  std::optional<HeartbeatSettings> heartbeat_;
  std::unique_ptr<Masking> heartbeat_mask_;
  std::unique_ptr<Lane> heartbeat_lane_;
  bool beating_ = false;
  bool beat_failed_ = false;
  Instant next_beat_{0};
  Instant next_look_{0};
  Instant next_test_{0};
  std::map<std::string, int> fell_;  // Standing -> how often it was seen not to stand any more.
  Troubles rose_;                    // Seen once, and not told yet.
  std::map<std::string, std::int64_t> tested_;
  std::map<std::string, std::string> moves_;  // Service -> the last one that was told.
  std::string remembered_;                    // As the file has it.
  Instant may_end_{0};                        // Nothing that stood is over before.
  bool recalled_ = false;                     // Nothing is written before.
  bool has_file_ = false;
  bool looked_back_ = false;  // At what the run before may not have told.
  bool unwritten_ = false;    // There is more to write, when `writes_` lets it.
  CallBudget writes_{{10, 1s, 0}};
  bool file_failed_ = false;
  std::thread thread_;
};

// Whether a channel's regular test is due: `every` has passed, and it is working hours ("09" to
// "16", of `local` as format_local() writes it). Pure.
bool is_test_due(std::int64_t last_s, Duration every, WallTime now, const std::string& local);

}  // namespace pointsman
