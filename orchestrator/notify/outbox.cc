#include "orchestrator/notify/outbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "orchestrator/notify/notice_text.h"

namespace pointsman {
namespace {

constexpr std::size_t kWaitingMost = 500;  // Of one channel.
constexpr std::size_t kTogether = 20;
constexpr std::size_t kTrackedTogether = 100;
constexpr std::size_t kStandingMost = 500;
constexpr std::size_t kTakenMost = 200;
constexpr int kUntilFallback = 2;
constexpr int kHopsMost = 8;
constexpr Duration kGather = 3s;
constexpr Duration kRefresh = 1min;
constexpr Duration kOverToldFor = 5min;
constexpr Duration kFirstRetry = 2s;
constexpr Duration kRetryMost = 5min;
constexpr Duration kLongPause = 30s;

int rank_of(const NoticeItem& item) {
  if (item.over) return 3;
  if (words_of_rule(item.rule).first) return 0;
  switch (item.level) {
    case Urgency::kUrgent: return 1;
    case Urgency::kWarning: return 2;
    case Urgency::kNote: return 3;
  }
  return 3;
}

Duration lasts(int rank) {
  if (rank <= 1) return 24h;
  return rank == 2 ? Duration(6h) : Duration(1h);
}

std::string key_of(const std::string& service, const std::string& rule, const std::string& more) {
  return service + '\n' + rule + '\n' + more;
}

std::string key_of(const NoticeItem& item) {
  return key_of(item.service, item.rule, item.rule == "move-ended" ? item.facts.move : item.about);
}

CallLimit limit_of(const NoticeBudget& budget) {
  const auto most = static_cast<std::size_t>(budget.most);
  return {most, budget.within, std::max<std::size_t>(most / 4, 1)};
}

}  // namespace

Outbox::Line* Outbox::line_of(const std::string& name) {
  const auto found = std::find_if(lines_.begin(), lines_.end(),
                                  [&](const Line& line) { return line.terms.name == name; });
  return found == lines_.end() ? nullptr : &*found;
}

void Outbox::set_channels(std::vector<ChannelTerms> terms, Instant now) {
  std::vector<Line> former = std::exchange(lines_, {});
  for (ChannelTerms& one : terms) {
    const auto same = std::find_if(former.begin(), former.end(),
                                   [&](const Line& line) { return line.terms.name == one.name; });
    if (same == former.end()) {
      Line line;
      line.budget = std::make_unique<CallBudget>(limit_of(one.budget));
      line.terms = std::move(one);
      lines_.push_back(std::move(line));
      continue;
    }
    const bool as_before = same->terms.budget == one.budget;
    Line line = std::move(*same);
    former.erase(same);
    // What was sent under the former budget counts no more: at most one window is doubled.
    if (!as_before) line.budget = std::make_unique<CallBudget>(limit_of(one.budget));
    line.terms = std::move(one);
    line.retry_at = Instant{0};  // What was wrong with it may just have been mended.
    lines_.push_back(std::move(line));
  }
  for (Line& gone : former) {
    standing_.erase(key_of("", "channel-silent", gone.terms.name));
    take_back(gone, "", now);
    for (Waiting& one : gone.waiting) {
      if (line_of(gone.terms.fallback) != nullptr) {
        hand_over(gone, std::move(one), "the channel is no longer configured", now);
      } else {
        put(std::move(one.item), now);
      }
    }
  }
}

bool Outbox::wants(const Line& line, const NoticeItem& item) const {
  const ChannelTerms& terms = line.terms;
  return item.level >= terms.least && item.about != terms.name &&
         (terms.services.empty() || item.service.empty() || terms.services.contains(item.service));
}

Outbox::Waiting Outbox::waiting_of(NoticeItem item, Instant now) {
  const int rank = rank_of(item);
  return {std::move(item), rank, ++order_, now + lasts(rank), 0};
}

void Outbox::put(NoticeItem item, Instant now) {
  const RuleWords& words = words_of_rule(item.rule);
  if (*words.ends != '\0') {
    end_quietly(key_of(item.service, words.ends, item.about), item.at, now);
  }
  if (item.rule == "move-ended" && item.facts.outcome == "done") {
    for (const char* rule : {"move-refused", "prepare-refused-long", "proposal", "stuck"}) {
      end_quietly(key_of(item.service, rule, ""), item.at, now);
    }
  }
  if (words.lasting) note_standing(item);
  for (std::size_t k = 0; k < lines_.size(); ++k) {
    Line& line = lines_[k];
    if (!line.terms.only_fallback && wants(line, item)) enqueue(line, waiting_of(item, now), now);
  }
}

void Outbox::note_standing(NoticeItem item) {
  const std::string key = key_of(item);
  const auto found = standing_.find(key);
  if (found == standing_.end() && standing_.size() >= kStandingMost) return;
  if (found != standing_.end() && !found->second.item.over) item.since = found->second.item.since;
  standing_[key] = {std::move(item), Instant::never()};
  for (Line& line : lines_) line.changed = true;
}

void Outbox::end_quietly(const std::string& key, WallTime wall, Instant now) {
  const auto found = standing_.find(key);
  if (found == standing_.end() || found->second.item.over) return;
  found->second.item.over = true;
  found->second.item.over_at = wall;
  found->second.forget_at = now + kOverToldFor;
  for (Line& line : lines_) line.changed = true;
}

void Outbox::end(const std::string& service, const std::string& rule, WallTime wall, Instant now) {
  const std::string key = key_of(service, rule, "");
  const auto found = standing_.find(key);
  if (found == standing_.end() || found->second.item.over) return;
  end_quietly(key, wall, now);
  NoticeItem item = found->second.item;
  item.id += "-over";
  for (std::size_t k = 0; k < lines_.size(); ++k) {
    Line& line = lines_[k];
    if (line.terms.tracks || line.terms.only_fallback || !wants(line, item)) continue;
    enqueue(line, waiting_of(item, now), now);
  }
}

std::vector<NoticeItem> Outbox::standing() const {
  std::vector<NoticeItem> out;
  for (const auto& [key, one] : standing_) {
    if (!one.item.over) out.push_back(one.item);
  }
  return out;
}

// The later one speaks for both.
void Outbox::join(Waiting& into, Waiting other) {
  if (other.order < into.order) std::swap(into, other);
  NoticeItem& item = into.item;
  NoticeItem& later = other.item;
  later.id = item.id;
  later.since = item.since;
  later.count = item.count + (later.over ? 0 : later.count);
  later.level = std::max(later.level, item.level);
  item = std::move(later);
  into.rank = rank_of(item);
  into.ends = std::max(into.ends, other.ends);
  into.hops = std::min(into.hops, other.hops);
}

void Outbox::insert(Line& line, Waiting one) {
  const std::string key = key_of(one.item);
  const auto like = std::find_if(line.waiting.begin(), line.waiting.end(),
                                 [&](const Waiting& other) { return key_of(other.item) == key; });
  if (like != line.waiting.end()) {
    join(one, std::move(*like));
    line.waiting.erase(like);
  }
  const auto before = [](const Waiting& a, const Waiting& b) {
    return std::tie(a.rank, a.order) < std::tie(b.rank, b.order);
  };
  line.waiting.insert(std::upper_bound(line.waiting.begin(), line.waiting.end(), one, before),
                      std::move(one));
}

bool Outbox::knows(const Line& line, const std::string& id) {
  const auto has = [&](const std::vector<Waiting>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const Waiting& other) { return other.item.id == id; });
  };
  return has(line.waiting) || has(line.on_its_way) ||
         std::find(line.taken.begin(), line.taken.end(), id) != line.taken.end();
}

void Outbox::enqueue(Line& line, Waiting one, Instant now) {
  if (knows(line, one.item.id)) return;  // Of its own, and by another's fallback.
  if (line.silent && now < line.retry_at && line_of(line.terms.fallback) != nullptr) {
    hand_over(line, std::move(one), "it gives no receipt", now);
    return;
  }
  insert(line, std::move(one));
  if (line.waiting.size() <= kWaitingMost) return;
  lose(line, line.waiting.back(), fmt::format("more than {} wait", kWaitingMost));
  line.waiting.pop_back();
}

void Outbox::hand_over(Line& line, Waiting one, const std::string& why, Instant now) {
  Line* to = line_of(line.terms.fallback);
  if (to == nullptr || ++one.hops > kHopsMost || one.item.about == to->terms.name) {
    lose(line, one, why);
    return;
  }
  events_.push_back(
      {OutboxEvent::Kind::kHandedOver, line.terms.name, to->terms.name, one.item, why});
  enqueue(*to, std::move(one), now);
}

void Outbox::lose(const Line& line, const Waiting& one, const std::string& why) {
  events_.push_back({OutboxEvent::Kind::kLost, line.terms.name, "", one.item, why});
}

void Outbox::expire(Line& line, Instant now) {
  std::vector<Waiting> late;
  std::erase_if(line.waiting, [&](Waiting& one) {
    if (one.ends > now) return false;
    late.push_back(std::move(one));
    return true;
  });
  for (const Waiting& one : late) lose(line, one, "nobody took it in its time");
}

void Outbox::forget_ended(Instant now) {
  std::erase_if(standing_, [&](const auto& each) { return each.second.forget_at <= now; });
}

// What is on its way waits again.
void Outbox::take_back(Line& line, const std::string& why, Instant now) {
  line.number = 0;
  std::vector<Waiting> back = std::exchange(line.on_its_way, {});
  for (Waiting& one : back) {
    if (!why.empty()) {
      events_.push_back({OutboxEvent::Kind::kRetried, line.terms.name, "", one.item, why});
    }
    insert(line, std::move(one));
  }
  expire(line, now);
}

bool Outbox::wants_refresh(const Line& line, Instant now) const {
  if (!line.terms.tracks) return false;
  const bool any = std::any_of(standing_.begin(), standing_.end(),
                               [&](const auto& each) { return wants(line, each.second.item); });
  return any && (line.changed || now >= line.refresh_at);
}

bool Outbox::may_go(Line& line, Instant now) {
  if (line.number != 0 || now < line.retry_at) return false;
  const bool first = !line.waiting.empty() && line.waiting.front().rank == 0;
  if (line.waiting.empty() && !wants_refresh(line, now)) return false;
  if (!first && now < line.gather_until) return false;
  return line.budget->take(now, first);
}

Sending Outbox::sending_of(Line& line, Instant now) {
  Sending out;
  out.number = line.number = ++number_;
  out.channel = line.terms.name;
  const bool tracks = line.terms.tracks;
  const bool first = !line.waiting.empty() && line.waiting.front().rank == 0;
  const std::size_t most = tracks ? kTrackedTogether : kTogether;
  // A move's notice is not lost among others.
  const auto fits = [&](const Waiting& one) { return tracks || first == (one.rank == 0); };
  std::vector<Waiting> rest;
  for (Waiting& one : line.waiting) {
    auto& where = line.on_its_way.size() < most && fits(one) ? line.on_its_way : rest;
    where.push_back(std::move(one));
  }
  line.waiting = std::move(rest);
  for (const Waiting& one : line.on_its_way) out.items.push_back(one.item);
  if (tracks) {
    for (const auto& [key, one] : standing_) {
      if (wants(line, one.item)) out.standing.push_back(one.item);
    }
  }
  line.changed = false;
  line.gather_until = now + kGather;
  line.refresh_at = now + kRefresh;
  return out;
}

std::optional<Sending> Outbox::next(Instant now) {
  forget_ended(now);
  for (std::size_t k = 0; k < lines_.size(); ++k) {
    expire(lines_[k], now);
    if (may_go(lines_[k], now)) return sending_of(lines_[k], now);
  }
  return std::nullopt;
}

std::optional<Sending> Outbox::test(const std::string& channel, Instant now) {
  Line* line = line_of(channel);
  if (line == nullptr || line->number != 0 || now < line->retry_at) return std::nullopt;
  if (!line->budget->take(now, false)) return std::nullopt;
  Sending out;
  out.number = line->number = ++number_;
  out.channel = channel;
  return out;
}

Instant Outbox::due_of(Line& line, Instant now) {
  if (line.number != 0) return Instant::never();
  Instant at = Instant::never();
  const bool first = !line.waiting.empty() && line.waiting.front().rank == 0;
  if (!line.waiting.empty() || wants_refresh(line, now)) {
    at = std::max(now + line.budget->wait(now, first), line.retry_at);
    if (!first) at = std::max(at, line.gather_until);
  } else if (wants_refresh(line, Instant::never())) {
    at = std::max(line.refresh_at, line.retry_at);
  }
  for (const Waiting& one : line.waiting) at = std::min(at, one.ends);
  return at;
}

Instant Outbox::due(Instant now) {
  Instant at = Instant::never();
  for (Line& line : lines_) at = std::min(at, due_of(line, now));
  return at;
}

void Outbox::say_silent(Line& line, const std::string& why) {
  if (line.silent) return;
  line.silent = true;
  events_.push_back({OutboxEvent::Kind::kSilent, line.terms.name, "", {}, why});
}

void Outbox::delivered(Line& line, const Judged& judged) {
  line.failures = 0;
  line.number = 0;
  for (const Waiting& one : std::exchange(line.on_its_way, {})) {
    events_.push_back({OutboxEvent::Kind::kDelivered, line.terms.name, "", one.item, judged.why});
    line.taken.push_back(one.item.id);
    if (line.taken.size() > kTakenMost) line.taken.pop_front();
  }
  if (!std::exchange(line.silent, false)) return;
  events_.push_back({OutboxEvent::Kind::kAnswers, line.terms.name, "", {}, ""});
}

void Outbox::try_again(Line& line, const Judged& judged, std::uint32_t chance, Instant now) {
  ++line.failures;
  line.changed = true;
  line.gather_until = Instant{0};  // Nothing arrived that more could follow too soon.
  const Duration usual =
      std::min<Duration>(kFirstRetry * (1 << std::min(line.failures - 1, 10)), kRetryMost);
  const Duration jittered = usual + usual * static_cast<int>(chance % 100) / 200;
  line.retry_at = now + std::max(jittered, judged.pause);
  if (judged.pause > Duration(0)) line.budget->shut_until(now + judged.pause);
  take_back(line, judged.why, now);
  const bool long_one = judged.pause >= kLongPause;
  if (line.failures < kUntilFallback && !long_one) return;
  say_silent(line, judged.why);
  if (line_of(line.terms.fallback) == nullptr) return;
  for (Waiting& one : std::exchange(line.waiting, {})) {
    hand_over(line, std::move(one), judged.why, now);
  }
}

void Outbox::answered(std::uint64_t number, const Judged& judged, std::uint32_t chance,
                      Instant now) {
  const auto found = std::find_if(lines_.begin(), lines_.end(), [&](const Line& line) {
    return number != 0 && line.number == number;
  });
  if (found == lines_.end()) return;  // Of a channel that is gone.
  Line& line = *found;
  switch (judged.receipt) {
    case Receipt::kGiven: delivered(line, judged); return;
    case Receipt::kTryAgain: try_again(line, judged, chance, now); return;
    case Receipt::kRefused: break;
  }
  line.number = 0;
  line.refresh_at = now + kRefresh;
  say_silent(line, judged.why);
  for (Waiting& one : std::exchange(line.on_its_way, {})) {
    events_.push_back({OutboxEvent::Kind::kRefused, line.terms.name, "", one.item, judged.why});
    hand_over(line, std::move(one), judged.why, now);
  }
}

std::vector<OutboxEvent> Outbox::take_events() { return std::exchange(events_, {}); }

std::vector<KeptNotice> Outbox::kept() const {
  std::map<std::string, KeptNotice> all;
  for (const Line& line : lines_) {
    for (const auto* list : {&line.on_its_way, &line.waiting}) {
      for (const Waiting& one : *list) {
        if (one.rank > 1) continue;
        KeptNotice& kept = all[one.item.id];
        kept.item = one.item;
        kept.channels.push_back(line.terms.name);
      }
    }
  }
  std::vector<KeptNotice> out;
  for (auto& [id, one] : all) out.push_back(std::move(one));
  return out;
}

void Outbox::restore(const KeptNotice& kept, Instant now) {
  bool any = false;
  for (const std::string& name : kept.channels) {
    if (Line* line = line_of(name)) {
      any = true;
      enqueue(*line, waiting_of(kept.item, now), now);
    }
  }
  if (!any) put(kept.item, now);
}

}  // namespace pointsman
