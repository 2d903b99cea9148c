#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/time_of_day.h"
#include "orchestrator/notify/carry.h"
#include "orchestrator/shell/notifier.h"

// What becomes of notices: replies, what is remembered, regular tests, the heartbeat.

namespace pointsman {
namespace {

constexpr Duration kTestsEvery = 1min;  // Looked at.
constexpr Duration kTestAgain = 1h;
constexpr Duration kBeatAgain = 10s;
constexpr Duration kBeatWithin = 5s;
constexpr Duration kGrace = 15s;  // After a start the state is learnt anew: what stood may stand.
constexpr Duration kWriteAgain = 10s;
constexpr std::size_t kFileMost = 2 << 20;

}  // namespace

bool is_test_due(std::int64_t last_s, Duration every, WallTime now, const std::string& local) {
  if (now.ns / 1'000'000'000 - last_s < every / 1s) return false;
  const std::string hour = local.size() >= 13 ? local.substr(11, 2) : "";
  return hour >= "09" && hour <= "16";
}

void Notifier::take_answer(Answer answer, Instant now) {
  if (answer.seat == 0) {
    beaten(answer.reply, now);
    return;
  }
  for (Seat& seat : retired_) {
    if (seat.id == answer.seat) seat.busy = false;
  }
  const auto found = std::find_if(seats_.begin(), seats_.end(),
                                  [&](const Seat& seat) { return seat.id == answer.seat; });
  if (found == seats_.end()) return;
  Seat& seat = *found;
  seat.busy = false;
  Judged judged = seat.channel->judge(answer.reply);
  judged.why = seat.masking->line(judged.why);
  const bool taken = judged.receipt == Receipt::kGiven;
  if (!taken) {
    log(LogLevel::kWarning, "notice-not-taken",
        {{"channel", seat.settings.name},
         {"for_good", judged.receipt == Receipt::kRefused},
         {"why", judged.why}});
  }
  if (seat.test == answer.number) {
    seat.test = 0;
    const std::int64_t at = parts_.clock.wall().ns / 1'000'000'000;
    tested_[seat.settings.name] = taken ? at : at - (seat.settings.self_test - kTestAgain) / 1s;
    if (taken) log(LogLevel::kInfo, "notice-tested", {{"channel", seat.settings.name}});
  }
  outbox_.answered(answer.number, judged, static_cast<std::uint32_t>(parts_.chance()), now);
}

void Notifier::tell_events(Instant now) {
  // What is told of a channel may itself be lost by another, and so on; the next turn sees to it.
  for (const OutboxEvent& event : outbox_.take_events()) tell_event(event, now);
}

void Notifier::tell_event(const OutboxEvent& event, Instant now) {
  using Kind = OutboxEvent::Kind;
  const NoticeItem& item = event.item;
  switch (event.kind) {
    case Kind::kDelivered:
      counts_.add(event.channel, "delivered");
      log(LogLevel::kInfo, "notice-delivered",
          {{"channel", event.channel},
           {"service", item.service},
           {"rule", item.rule},
           {"count", item.count},
           {"remark", event.why}});
      return;
    case Kind::kRetried: counts_.add(event.channel, "retried"); return;
    case Kind::kRefused: counts_.add(event.channel, "refused"); return;
    case Kind::kHandedOver:
      counts_.add(event.channel, "handed-over");
      log(LogLevel::kWarning, "notice-handed-over",
          {{"channel", event.channel},
           {"to", event.to},
           {"service", item.service},
           {"rule", item.rule},
           {"why", event.why}});
      return;
    case Kind::kLost:
      counts_.add(event.channel, "lost");
      log(LogLevel::kError, "notice-lost",
          {{"channel", event.channel},
           {"service", item.service},
           {"rule", item.rule},
           {"text", item.detail},
           {"why", event.why}});
      return;
    case Kind::kSilent:
    case Kind::kAnswers: break;
  }
  const bool silent = event.kind == Kind::kSilent;
  log(silent ? LogLevel::kError : LogLevel::kNotice, silent ? "channel-silent" : "channel-answers",
      {{"channel", event.channel}, {"why", event.why}});
  NoticeItem news = item_of(
      silent ? "channel-silent" : "channel-answers", silent ? Urgency::kWarning : Urgency::kNote,
      silent ? fmt::format("{}: {}", event.channel, event.why) : event.channel);
  news.about = event.channel;
  outbox_.put(std::move(news), now);
}

// Before anything of it is sent: a crash between the two sends it twice rather than never. Not at
// each turn of a long flood, though: the state of the services is saved on the same disk.
void Notifier::remember(Instant now, bool at_once) {
  if (parts_.file.empty() || !recalled_) return;
  const NoticeMemory memory{outbox_.kept(), outbox_.standing(), tested_, moves_};
  // Without channels there is nothing to remember.
  if (!has_file_ && memory.kept.empty() && seats_.empty()) return;
  std::string text = to_text(memory);
  unwritten_ = text != remembered_;
  if (!unwritten_ || (!at_once && !writes_.take(now, false))) return;
  const auto written = write_file_durably(parts_.file, text);
  if (written.ok()) {
    remembered_ = std::move(text);
    unwritten_ = false;
    has_file_ = true;
  } else if (!file_failed_) {
    log(LogLevel::kError, "notices-not-kept", {{"problem", written.error().message}});
  }
  file_failed_ = !written.ok();
  if (file_failed_) writes_.shut_until(now + kWriteAgain);
}

void Notifier::recall(Instant now) {
  recalled_ = true;
  may_end_ = now + kGrace;
  if (parts_.file.empty()) return;
  const auto text = read_file(parts_.file, kFileMost);
  next_test_ = Instant{0};  // Of channels that were tested in an earlier run, too.
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return;
  has_file_ = true;
  auto memory = text.ok() ? notice_memory_from(*text) : Result<NoticeMemory>(text.error());
  if (!memory.ok()) {
    log(LogLevel::kError, "notices-not-kept",
        {{"problem", parts_.file + ": " + memory.error().message + "; begun anew"}});
    return;
  }
  for (const auto& [name, at] : memory->tested) tested_[name] = at;
  moves_ = memory->moves;
  for (NoticeItem& item : memory->standing) {
    // Whether a channel is silent is found anew.
    if (item.about.empty()) outbox_.note_standing(std::move(item));
  }
  for (const KeptNotice& kept : memory->kept) outbox_.restore(kept, now);
  if (memory->kept.empty()) return;
  log(LogLevel::kNotice, "notices-recalled", {{"count", memory->kept.size()}});
}

// A run that was killed just after it had saved the end of a move has told nobody.
void Notifier::tell_untold_moves(const std::map<std::string, ServiceSnapshot>& shots, Instant now) {
  for (const auto& [service, shot] : shots) {
    if (!shot.state.last_move || shot.state.move) continue;
    const Move& move = *shot.state.last_move;
    const auto [told, first] = moves_.try_emplace(service, move.id);
    if (first || told->second == move.id) continue;
    told->second = move.id;
    const bool done = move.outcome == "done";
    if (!done && move.outcome != "partial" && move.outcome != "failed") continue;
    NoticeItem item = item_of("move-ended", done ? Urgency::kWarning : Urgency::kUrgent,
                              fmt::format("{}: {} (told late: a former run ended before it could)",
                                          service, move.reason));
    item.service = service;
    item.facts = facts_of(shot);
    log(LogLevel::kNotice, "notices-recalled", {{"count", 1}, {"service", service}});
    outbox_.put(std::move(item), now);
  }
}

void Notifier::test_channels(Instant now) {
  next_test_ = now + kTestsEvery;
  const WallTime wall = parts_.clock.wall();
  const std::int64_t now_s = wall.ns / 1'000'000'000;
  for (Seat& seat : seats_) {
    const Duration every = seat.settings.self_test;
    const auto [at, fresh] = tested_.try_emplace(seat.settings.name, now_s);
    // Not all of them in one minute; and the clock may have been set back.
    const auto spread = std::max<std::int64_t>(every / 10s, 1);
    if (fresh) at->second -= static_cast<std::int64_t>(parts_.chance() % spread);
    at->second = std::min(at->second, now_s);
    if (parts_.dry_run || !is_test_due(at->second, every, wall, format_local(wall))) continue;
    const auto sending = outbox_.test(seat.settings.name, now);
    if (!sending) continue;  // Busy, which is as good.
    seat.test = sending->number;
    dispatch(*sending, now);
  }
}

void Notifier::beat(Instant now) {
  if (!heartbeat_ || parts_.dry_run || beating_ || now < next_beat_ || !parts_.turns()) return;
  HttpRequest request;
  request.url = heartbeat_->url;
  request.answer_most = 64 << 10;
  const Duration within = std::min(kBeatWithin, heartbeat_->every);
  beating_ = heartbeat_lane_->give([this, within, out = Outgoing{std::move(request)}] {
    Answer answer{0, 0, carry(out, within)};
    {
      const std::lock_guard lock(mutex_);
      inbox_.answers.push_back(std::move(answer));
    }
    wake_.notify_all();
  });
  next_beat_ = now + heartbeat_->every;
}

void Notifier::beaten(const ChannelReply& reply, Instant now) {
  beating_ = false;
  if (!heartbeat_) return;
  const Judged judged = judge_status(reply);
  const bool failed = judged.receipt != Receipt::kGiven;
  // Soon enough that the far side does not take one lost packet for our death.
  if (failed) next_beat_ = std::min(next_beat_, now + std::min(kBeatAgain, heartbeat_->every));
  if (failed == beat_failed_) return;
  beat_failed_ = failed;
  log(failed ? LogLevel::kError : LogLevel::kNotice,
      failed ? "heartbeat-failed" : "heartbeat-sound",
      {{"why", heartbeat_mask_->line(judged.why)}});
}

}  // namespace pointsman
