#include "orchestrator/shell/notifier.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "orchestrator/notify/carry.h"

namespace pointsman {
namespace {

constexpr std::size_t kToldMost = 1000;
constexpr Duration kSettle = 50ms;  // Until the snapshot shows what led to the notice.
constexpr Duration kLongestRest = 1s;
constexpr Duration kLookEvery = 2s;
constexpr int kFallsUntilOver = 2;  // A snapshot may be older than the notice.

Urgency urgency_of(NoticeLevel level) {
  switch (level) {
    case NoticeLevel::kNote: return Urgency::kNote;
    case NoticeLevel::kWarning: return Urgency::kWarning;
    case NoticeLevel::kUrgent: return Urgency::kUrgent;
  }
  return Urgency::kNote;
}

// nullptr, told, when this host gives no further thread.
std::unique_ptr<Lane> new_lane(const std::string& channel) {
  try {
    return std::make_unique<Lane>("tell-" + channel);
  } catch (const std::system_error& error) {
    log(LogLevel::kError, "channel-silent",
        {{"channel", channel}, {"why", std::string("no thread can be started: ") + error.what()}});
    return nullptr;
  }
}

}  // namespace

Notifier::Notifier(Parts parts) : parts_(std::move(parts)) {}

Notifier::~Notifier() { end(); }

void Notifier::set(NotifierSettings settings) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.settings = std::move(settings);
  }
  wake_.notify_all();
}

void Notifier::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "notifier");
    run();
  });
}

void Notifier::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  // The jobs at hand are finished, and what they heard counts; the rest is sent after a start.
  for (auto* list : {&seats_, &retired_}) {
    for (Seat& seat : *list) seat.lane->end();
  }
  heartbeat_lane_.reset();
  const Instant now = parts_.clock.now();
  for (Answer& answer : wait(Duration(0)).answers) take_answer(std::move(answer), now);
  tell_events(now);
  remember(now, true);
}

bool Notifier::tell(const std::string& service, const Notice& notice) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    if (inbox_.told.size() >= kToldMost) {
      ++inbox_.dropped;
      counts_.add("", "dropped");
      return false;
    }
    inbox_.told.push_back({service, notice, parts_.clock.now()});
  }
  wake_.notify_all();
  return true;
}

Notifier::Inbox Notifier::wait(Duration most) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, most, [&] {
    return ending_ || !inbox_.told.empty() || !inbox_.answers.empty() || inbox_.settings;
  });
  return std::exchange(inbox_, {});
}

void Notifier::run() {
  bool first = true;
  while (true) {
    Inbox inbox = wait(first ? Duration(0) : rest(parts_.clock.now()));
    const Instant now = parts_.clock.now();
    turn(std::move(inbox), now);
    // Channels are known by now.
    if (std::exchange(first, false)) recall(now);
    const std::lock_guard lock(mutex_);
    if (ending_) break;
  }
  // What was told meanwhile is kept as well.
  turn(wait(Duration(0)), parts_.clock.now());
  for (Told& one : std::exchange(fresh_, {})) put(std::move(one), parts_.clock.now());
}

Duration Notifier::rest(Instant now) {
  Instant due = std::min(outbox_.due(now), now + kLongestRest);
  if (unwritten_) due = std::min(due, now + writes_.wait(now, false));
  if (!fresh_.empty()) due = std::min(due, fresh_.front().at + kSettle);
  return std::max<Duration>(due - now, Duration(0));
}

void Notifier::turn(Inbox inbox, Instant now) {
  if (inbox.settings) take_settings(std::move(*inbox.settings), now);
  for (Answer& answer : inbox.answers) take_answer(std::move(answer), now);
  for (Told& told : inbox.told) fresh_.push_back(std::move(told));
  if (inbox.dropped > 0) {
    log(LogLevel::kError, "notices-dropped", {{"count", inbox.dropped}});
    NoticeItem item = item_of("notices-dropped", Urgency::kWarning,
                              fmt::format("{} notices at once were too many", inbox.dropped));
    item.count = static_cast<int>(std::min<std::uint64_t>(inbox.dropped, 1'000'000));
    outbox_.put(std::move(item), now);
  }
  take_told(now);
  if (now >= next_look_) look_at_standing(now);
  if (now >= next_test_) test_channels(now);
  beat(now);
  remember(now, false);
  while (const auto sending = outbox_.next(now)) dispatch(*sending, now);
  tell_events(now);
  std::erase_if(retired_, [](const Seat& seat) { return !seat.busy; });
}

Notifier::Seat* Notifier::seat_of(const std::string& name) {
  const auto found = std::find_if(seats_.begin(), seats_.end(),
                                  [&](const Seat& seat) { return seat.settings.name == name; });
  return found == seats_.end() ? nullptr : &*found;
}

void Notifier::take_settings(NotifierSettings settings, Instant now) {
  std::vector<Seat> former = std::exchange(seats_, {});
  std::vector<ChannelTerms> terms;
  for (NoticeSettings& one : settings.channels) {
    const ChannelKind* kind = channel_kind(one.type);
    if (kind == nullptr) continue;  // Checked when it was read.
    const auto same = std::find_if(former.begin(), former.end(), [&](const Seat& seat) {
      return seat.settings.name == one.name;
    });
    Seat seat;
    if (same != former.end()) {
      seat = std::move(*same);
      former.erase(same);
    } else {
      seat.id = ++next_seat_;
      seat.lane = new_lane(one.name);
      if (!seat.lane) continue;
    }
    seat.channel = kind->make(one);
    seat.masking = std::make_unique<Masking>(seat.channel->secrets());
    seat.style = {one.language, settings.monitor, settings.link};
    terms.push_back({one.name,
                     {one.services.begin(), one.services.end()},
                     one.least,
                     one.only_fallback,
                     seat.channel->tracks(),
                     one.budget,
                     one.fallback});
    // From the beginning, so that the first of them is seen to be more than none.
    for (const char* outcome : {"delivered", "retried", "refused", "handed-over", "lost"}) {
      counts_.add(one.name, outcome, 0);
    }
    seat.settings = std::move(one);
    seats_.push_back(std::move(seat));
  }
  for (Seat& gone : former) retired_.push_back(std::move(gone));
  outbox_.set_channels(std::move(terms), now);
  monitor_ = settings.monitor;
  heartbeat_ = std::move(settings.heartbeat);
  next_beat_ = now;
  if (!heartbeat_) return;
  const std::string& url = heartbeat_->url;
  const auto path = std::min(url.find('/', url.find("://") + 3), url.size());
  heartbeat_mask_ = std::make_unique<Masking>(
      std::vector<std::string>{url.substr(path), url.substr(path, url.find('?', path) - path)});
  if (!heartbeat_lane_) heartbeat_lane_ = new_lane("heartbeat");
  if (!heartbeat_lane_) heartbeat_.reset();
}

WallTime Notifier::wall_of(Instant at, Instant now) const {
  return {parts_.clock.wall().ns - (now - at).count()};
}

NoticeItem Notifier::item_of(const std::string& rule, Urgency level, std::string detail) const {
  NoticeItem item;
  item.id = hex(digest(Hash::kSha256, fmt::format("{}", parts_.chance()))).substr(0, 16);
  item.rule = rule;
  item.level = level;
  item.detail = std::move(detail);
  item.at = item.since = parts_.clock.wall();
  return item;
}

void Notifier::put(Told told, Instant now) {
  NoticeItem item =
      item_of(told.notice.rule, urgency_of(told.notice.level), std::move(told.notice.text));
  item.service = told.service;
  item.at = item.since = wall_of(told.at, now);
  const auto shots = parts_.look();
  if (const auto shot = shots.find(told.service); shot != shots.end()) {
    item.facts = facts_of(shot->second);
    const Instant since = since_of(item.rule, shot->second.state);
    if (since > Instant{0} && since <= told.at) item.since = wall_of(since, now);
    if (item.rule == "move-ended" && !item.facts.move.empty()) {
      moves_[item.service] = item.facts.move;
    }
  }
  outbox_.put(std::move(item), now);
}

void Notifier::take_told(Instant now) {
  while (!fresh_.empty() && now - fresh_.front().at >= kSettle) {
    Told told = std::move(fresh_.front());
    fresh_.pop_front();
    put(std::move(told), now);
  }
}

// Ends what stands no more, and finds what no event tells.
void Notifier::look_at_standing(Instant now) {
  next_look_ = now + kLookEvery;
  const auto shots = parts_.look();
  // Once: later on the state may show the end of a move a moment before it is told.
  if (recalled_ && !shots.empty() && !std::exchange(looked_back_, true)) {
    tell_untold_moves(shots, now);
  }
  const Troubles troubles = troubles_of(shots, now);
  std::map<std::string, int> fell;
  for (const NoticeItem& item : outbox_.standing()) {
    const auto shot = shots.find(item.service);
    const bool known = shot != shots.end() || (item.service.empty() && is_trouble(item.rule));
    if (now < may_end_ || !known) continue;
    const bool stands = is_trouble(item.rule) ? troubles.contains({item.service, item.rule})
                                              : still_stands(item.rule, shot->second.state);
    if (stands) continue;
    const std::string key = item.service + "\n" + item.rule;
    fell[key] = fell_[key] + 1;
    if (fell[key] < kFallsUntilOver) continue;
    outbox_.end(item.service, item.rule, parts_.clock.wall(), now);
  }
  fell_ = std::move(fell);
  tell_troubles(shots, troubles, now);
  note_older(shots);
}

void Notifier::tell_troubles(const std::map<std::string, ServiceSnapshot>& shots,
                             const Troubles& troubles, Instant now) {
  std::set<std::pair<std::string, std::string>> known;
  for (const NoticeItem& item : outbox_.standing()) known.insert({item.service, item.rule});
  for (const auto& [key, trouble] : troubles) {
    if (known.contains(key) || !rose_.contains(key)) continue;
    NoticeItem item = item_of(key.second, trouble.level, trouble.detail);
    item.service = key.first;
    if (const auto shot = shots.find(key.first); shot != shots.end()) {
      item.facts = facts_of(shot->second);
    }
    outbox_.put(std::move(item), now);
  }
  rose_ = troubles;
}

// What stood before this process began to tell, for who tracks it.
void Notifier::note_older(const std::map<std::string, ServiceSnapshot>& shots) {
  const std::vector<NoticeItem> known = outbox_.standing();
  for (const auto& [service, shot] : shots) {
    for (const RuleWords& rule : rule_words()) {
      // A first run is unadopted too, and nobody was disowned.
      if (!rule.lasting || std::string_view(rule.rule) == "disowned") continue;
      if (!still_stands(rule.rule, shot.state)) continue;
      const auto is_known = [&, name = service](const NoticeItem& item) {
        return item.service == name && item.rule == rule.rule;
      };
      if (std::any_of(known.begin(), known.end(), is_known)) continue;
      const auto waits = [&, name = service](const Told& told) {
        return told.service == name && told.notice.rule == rule.rule;
      };
      if (std::any_of(fresh_.begin(), fresh_.end(), waits)) continue;
      NoticeItem item = item_of(rule.rule, Urgency::kUrgent, "it stood before this run began");
      item.service = service;
      item.facts = facts_of(shot);
      outbox_.note_standing(std::move(item));
    }
  }
}

NoticeMessage Notifier::message_for(const Seat& seat, const Sending& sending) const {
  if (seat.test == sending.number) return test_message(seat.settings.name, false, seat.style);
  if (seat.channel->tracks()) {
    return tracking_message(sending.items, sending.standing, seat.style);
  }
  return message_of(sending.items, seat.style);
}

void Notifier::dispatch(const Sending& sending, Instant now) {
  Seat& seat = *seat_of(sending.channel);  // The outbox knows no other.
  const std::string nonce =
      hex(digest(Hash::kSha256, fmt::format("{} {}", parts_.chance(), sending.number)))
          .substr(0, 32);
  NoticeMessage message = message_for(seat, sending);
  if (message.id.empty()) message.id = nonce.substr(0, 16);
  Outgoing outgoing = seat.channel->compose(message, {parts_.clock.wall(), nonce});
  if (parts_.dry_run) {
    log(LogLevel::kNotice, "notice-rendered",
        {{"channel", sending.channel}, {"text", render(outgoing, *seat.masking)}});
    counts_.add(sending.channel, "rendered", std::max<std::size_t>(sending.items.size(), 1));
    outbox_.answered(sending.number, {Receipt::kGiven, "", {}}, 0, now);
    (void)outbox_.take_events();
    return;
  }
  const bool given = seat.lane->give([this, id = seat.id, number = sending.number,
                                      within = parts_.within, out = std::move(outgoing)] {
    Answer answer{id, number, carry(out, within)};
    {
      const std::lock_guard lock(mutex_);
      inbox_.answers.push_back(std::move(answer));  // At most one a channel.
    }
    wake_.notify_all();
  });
  seat.busy = given;
  if (given) return;
  outbox_.answered(sending.number, {Receipt::kTryAgain, "its lane is full", {}}, 0, now);
}

}  // namespace pointsman
