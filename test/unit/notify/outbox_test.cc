#include "orchestrator/notify/outbox.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

using namespace pointsman;

namespace {

NoticeItem item(const std::string& service, const std::string& rule,
                Urgency level = Urgency::kUrgent) {
  static int number = 0;
  NoticeItem one;
  one.id = fmt::format("id-{}", ++number);
  one.service = service;
  one.rule = rule;
  one.level = level;
  return one;
}

NoticeItem move_of(const std::string& service, const std::string& id) {
  NoticeItem one = item(service, "move-ended", Urgency::kWarning);
  one.facts.move = id;
  one.facts.outcome = "done";
  return one;
}

ChannelTerms terms(const std::string& name, const std::string& fallback = "") {
  ChannelTerms one;
  one.name = name;
  one.fallback = fallback;
  return one;
}

std::string words(const NoticeItem& one) {
  std::string out = one.service + " " + one.rule;
  if (one.count > 1) out += fmt::format(" x{}", one.count);
  return out + (one.over ? " over" : "");
}

// Time, and a far side that answers as it is told to. Every happening becomes a line.
class Scene {
 public:
  explicit Scene(std::vector<ChannelTerms> channels) {
    outbox.set_channels(std::move(channels), now);
  }

  // What each channel answers; a receipt unless said otherwise.
  std::map<std::string, Judged> answers;
  std::map<std::string, std::vector<Instant>> sent;  // When, by channel.
  std::vector<std::string> lines;
  Outbox outbox;
  Instant now{1'000'000'000'000};
  Duration answer_after{0};

  void put(NoticeItem one) { outbox.put(std::move(one), now); }

  void run(Duration how_long) {
    const Instant until = now + how_long;
    while (true) {
      turn();
      const Instant due = outbox.due(now);
      if (due > until) break;
      // A due time in the past would be a busy loop.
      REQUIRE_MESSAGE((due > now), "due at once, and nothing to send");
      now = due;
    }
    now = until;
  }

  void turn() {
    while (auto sending = outbox.next(now)) {
      std::string line = fmt::format("{} {}:", at(), sending->channel);
      for (const NoticeItem& one : sending->items) line += " [" + words(one) + "]";
      for (const NoticeItem& one : sending->standing) line += " (" + words(one) + ")";
      lines.push_back(line);
      sent[sending->channel].push_back(now);
      const auto answer = answers.find(sending->channel);
      outbox.answered(sending->number,
                      answer == answers.end() ? Judged{Receipt::kGiven, "", {}} : answer->second, 0,
                      now);
      tell_events();
    }
    tell_events();
  }

  void tell_events() {
    for (const OutboxEvent& event : outbox.take_events()) {
      using Kind = OutboxEvent::Kind;
      const std::string what = words(event.item);
      switch (event.kind) {
        case Kind::kDelivered: break;
        case Kind::kRetried: lines.push_back(at() + " " + event.channel + " again: " + what); break;
        case Kind::kRefused: lines.push_back(at() + " " + event.channel + " no: " + what); break;
        case Kind::kHandedOver:
          lines.push_back(fmt::format("{} {} -> {}: {}", at(), event.channel, event.to, what));
          break;
        case Kind::kLost:
          lines.push_back(fmt::format("{} {} lost: {}: {}", at(), event.channel, what, event.why));
          break;
        case Kind::kSilent: lines.push_back(at() + " " + event.channel + " silent"); break;
        case Kind::kAnswers: lines.push_back(at() + " " + event.channel + " answers"); break;
      }
    }
  }

  std::string at() const {
    return fmt::format("{:.1f}", seconds(now - Instant{1'000'000'000'000}));
  }

  // The most that went out in any window of so long.
  int most_within(const std::string& channel, Duration window) {
    const auto& times = sent[channel];
    int most = 0;
    for (std::size_t k = 0; k < times.size(); ++k) {
      int count = 0;
      for (std::size_t i = k; i < times.size() && times[i] - times[k] < window; ++i) ++count;
      most = std::max(most, count);
    }
    return most;
  }
};

using Lines = std::vector<std::string>;

std::string joined(const Lines& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace

TEST_CASE("outbox: the first leaves at once, what follows is gathered, the like become one") {
  Scene scene({terms("chat")});
  scene.put(item("im", "move-refused"));
  scene.turn();
  scene.put(item("im", "record-drift", Urgency::kWarning));
  scene.put(item("web", "publish-refused"));
  scene.put(item("im", "record-drift", Urgency::kWarning));
  scene.run(10s);
  CHECK_EQ(joined(scene.lines),
           joined(Lines{"0.0 chat: [im move-refused]",
                        "3.0 chat: [web publish-refused] [im record-drift x2]"}));
}

TEST_CASE("outbox: a flood of 500 stays in budget, and the move's notice comes first") {
  Scene scene({terms("chat"), terms("phone")});
  scene.outbox.set_channels(
      [] {
        std::vector<ChannelTerms> both{terms("chat"), terms("phone")};
        both[0].budget = {10, 1min};
        both[1].budget = {4, 24h};
        return both;
      }(),
      scene.now);
  for (int k = 0; k < 250; ++k) {
    scene.put(item(fmt::format("s{}", k), "move-refused"));
    scene.put(item(fmt::format("s{}", k), "record-drift", Urgency::kWarning));
  }
  scene.turn();
  scene.put(move_of("im", "m1"));
  scene.turn();
  // Into the flood, while only what is kept for moves is left of the budget.
  scene.run(40s);
  scene.put(move_of("im", "m2"));
  scene.turn();
  const auto moves = std::count_if(scene.lines.begin(), scene.lines.end(), [](const auto& line) {
    return line.find("[im move-ended]") != std::string::npos;
  });
  CHECK_EQ(moves, 4);  // The phone had kept the last of the day for a move.
  CHECK_EQ(scene.lines.at(2), "0.0 chat: [im move-ended]");
  CHECK_EQ(scene.lines.at(3), "0.0 phone: [im move-ended]");
  CHECK_EQ(scene.lines.back(), "40.0 phone: [im move-ended]");
  CHECK_EQ(scene.sent["phone"].size(), 4);
  scene.run(1h);
  CHECK_LE(scene.most_within("chat", 1min), 10);
  CHECK_GE(scene.most_within("chat", 1min), 8);
  CHECK_LE(scene.most_within("phone", 24h), 4);
  // All of the flood went out by the chat, 20 at a time.
  std::size_t told = 0;
  for (const std::string& line : scene.lines) {
    if (line.find(" chat:") == std::string::npos) continue;
    told += static_cast<std::size_t>(std::count(line.begin(), line.end(), '['));
  }
  CHECK_EQ(told, 502);
  CHECK_LE(scene.sent["chat"].size(), 30);
}

TEST_CASE("outbox: a queue has a bound, and what falls out of it is the least pressing, and told") {
  Scene scene({terms("chat")});
  scene.answers["chat"] = {Receipt::kTryAgain, "down", {}};
  for (int k = 0; k < 490; ++k)
    scene.put(item(fmt::format("s{}", k), "hold-ended", Urgency::kNote));
  for (int k = 0; k < 20; ++k) scene.put(item(fmt::format("t{}", k), "move-refused"));
  scene.tell_events();
  CHECK_EQ(scene.lines.size(), 10);
  for (const std::string& line : scene.lines) {
    CHECK_NE(line.find("hold-ended: more than 500 wait"), std::string::npos);
  }
}

TEST_CASE("outbox: no receipt: again, less and less often, then by the fallback") {
  Scene scene({terms("chat", "mail"), terms("mail", "phone"), terms("phone")});
  scene.outbox.set_channels(
      [] {
        std::vector<ChannelTerms> all{terms("chat", "mail"), terms("mail", "phone"),
                                      terms("phone")};
        all[1].only_fallback = all[2].only_fallback = true;
        return all;
      }(),
      scene.now);
  scene.answers["chat"] = {Receipt::kTryAgain, "no answer", {}};
  scene.answers["mail"] = {Receipt::kRefused, "wrong password", {}};
  scene.put(item("im", "move-refused"));
  scene.run(1min);
  CHECK_EQ(
      joined(scene.lines),
      joined(Lines{"0.0 chat: [im move-refused]", "0.0 chat again: im move-refused",
                   "2.0 chat: [im move-refused]", "2.0 chat again: im move-refused",
                   "2.0 chat silent", "2.0 chat -> mail: im move-refused",
                   "2.0 mail: [im move-refused]", "2.0 mail silent", "2.0 mail no: im move-refused",
                   "2.0 mail -> phone: im move-refused", "2.0 phone: [im move-refused]"}));
  // While it is known to be silent its turn is not awaited; later it is tried once.
  scene.lines.clear();
  scene.answers.clear();
  scene.put(item("im", "stuck"));
  scene.run(1s);
  CHECK_EQ(joined(scene.lines), joined(Lines{"60.0 chat: [im stuck]", "60.0 chat answers"}));
}

TEST_CASE("outbox: a channel that asks to be left alone is, and its fallback is not waited for") {
  Scene scene({terms("chat", "mail"), terms("mail")});
  scene.answers["chat"] = {Receipt::kTryAgain, "130101 too fast", 10min};
  scene.put(item("im", "hold-ended", Urgency::kNote));
  scene.run(1s);
  scene.answers.clear();
  scene.run(4s);
  scene.put(move_of("im", "m1"));
  scene.run(11min);
  scene.put(move_of("im", "m2"));
  scene.run(1s);
  CHECK_EQ(
      joined(scene.lines),
      joined(Lines{"0.0 chat: [im hold-ended]", "0.0 chat again: im hold-ended", "0.0 chat silent",
                   "0.0 chat -> mail: im hold-ended",  // Which has it of its own.
                   "0.0 mail: [im hold-ended]", "5.0 mail: [im move-ended]",
                   "5.0 chat -> mail: im move-ended", "665.0 chat: [im move-ended]",
                   "665.0 chat answers", "665.0 mail: [im move-ended]"}));
}

TEST_CASE("outbox: without a fallback it is tried on, and given up after its time") {
  Scene scene({terms("chat")});
  scene.answers["chat"] = {Receipt::kTryAgain, "no answer", {}};
  scene.put(item("im", "hold-ended", Urgency::kNote));
  scene.run(2h);
  CHECK_EQ(scene.lines.back(), "3600.0 chat lost: im hold-ended: nobody took it in its time");
  CHECK_GE(scene.sent["chat"].size(), 12);
  CHECK_LE(scene.sent["chat"].size(), 25);
  scene.lines.clear();
  scene.answers["chat"] = {Receipt::kRefused, "bad token", {}};
  scene.put(item("im", "hold-ended", Urgency::kNote));
  scene.run(1min);
  CHECK_EQ(joined(scene.lines),
           joined(Lines{"7200.0 chat: [im hold-ended]", "7200.0 chat no: im hold-ended",
                        "7200.0 chat lost: im hold-ended: bad token"}));
}

TEST_CASE("outbox: who wants what") {
  Scene scene({});
  ChannelTerms web = terms("web-team");
  web.services = {"web"};
  ChannelTerms night = terms("night");
  night.least = Urgency::kUrgent;
  ChannelTerms last = terms("last");
  last.only_fallback = true;
  scene.outbox.set_channels({web, night, last}, scene.now);
  scene.put(item("im", "record-drift", Urgency::kWarning));
  scene.put(item("web", "record-drift", Urgency::kWarning));
  NoticeItem about = item("", "channel-silent", Urgency::kUrgent);
  about.about = "night";
  scene.put(about);
  scene.run(10s);
  CHECK_EQ(joined(scene.lines),
           joined(Lines{"0.0 web-team: [ channel-silent] [web record-drift]"}));
}

TEST_CASE("outbox: what is over is told, by its own notice or by one that says so") {
  Scene scene({terms("chat")});
  scene.put(item("im", "sites-apart", Urgency::kWarning));
  scene.put(item("im", "move-refused"));
  scene.run(5s);
  scene.put(item("im", "sites-joined", Urgency::kWarning));
  scene.outbox.end("im", "move-refused", WallTime{5}, scene.now);
  scene.outbox.end("im", "move-refused", WallTime{6}, scene.now);
  CHECK(scene.outbox.standing().empty());
  scene.run(5s);
  // Nobody had been told yet: one message says all.
  scene.put(item("im", "vip-twice"));
  scene.outbox.end("im", "vip-twice", WallTime{7}, scene.now);
  scene.run(5s);
  CHECK_EQ(joined(scene.lines), joined(Lines{"0.0 chat: [im move-refused] [im sites-apart]",
                                             "5.0 chat: [im sites-joined] [im move-refused over]",
                                             "10.0 chat: [im vip-twice over]"}));
}

TEST_CASE("outbox: a channel that tracks gets how things stand, each minute and when they change") {
  Scene scene({});
  ChannelTerms alerts = terms("alerts");
  alerts.tracks = true;
  scene.outbox.set_channels({alerts}, scene.now);
  scene.put(item("im", "sites-apart", Urgency::kWarning));
  scene.run(130s);
  scene.outbox.end("im", "sites-apart", WallTime{5}, scene.now);
  scene.run(3min);
  scene.run(10min);
  CHECK_EQ(
      joined(scene.lines),
      joined(Lines{"0.0 alerts: [im sites-apart] (im sites-apart)", "60.0 alerts: (im sites-apart)",
                   "120.0 alerts: (im sites-apart)", "130.0 alerts: (im sites-apart over)",
                   "190.0 alerts: (im sites-apart over)", "250.0 alerts: (im sites-apart over)",
                   "310.0 alerts: (im sites-apart over)", "370.0 alerts: (im sites-apart over)"}));
  // Known, and told long ago, by the run before this one.
  scene.lines.clear();
  scene.outbox.note_standing(item("im", "stuck"));
  scene.run(10s);
  CHECK_EQ(joined(scene.lines), joined(Lines{"910.0 alerts: (im stuck)"}));
}

TEST_CASE("outbox: what is urgent outlives a restart, on its way or not") {
  Scene scene({terms("chat"), terms("mail")});
  scene.put(item("im", "hold-ended", Urgency::kNote));
  scene.put(item("im", "stuck"));
  const auto on_its_way = scene.outbox.next(scene.now);
  REQUIRE(on_its_way.has_value());
  CHECK_EQ(on_its_way->channel, "chat");
  const auto kept = scene.outbox.kept();
  REQUIRE_EQ(kept.size(), 1);
  CHECK_EQ(kept[0].channels, std::vector<std::string>{"chat", "mail"});
  scene.outbox.answered(on_its_way->number, {Receipt::kGiven, "", {}}, 0, scene.now);
  CHECK_EQ(scene.outbox.kept()[0].channels, std::vector<std::string>{"mail"});

  Scene after({terms("chat"), terms("mail")});
  after.outbox.restore(scene.outbox.kept()[0], after.now);
  after.run(1s);
  CHECK_EQ(joined(after.lines), joined(Lines{"0.0 mail: [im stuck]"}));
  CHECK(after.outbox.kept().empty());
  // Its channel is gone: better once too often.
  Scene other({terms("phone")});
  other.outbox.restore(kept[0], other.now);
  other.run(1s);
  CHECK_EQ(joined(other.lines), joined(Lines{"0.0 phone: [im stuck]"}));
}

TEST_CASE("outbox: a channel goes and another comes by a reload") {
  Scene scene({terms("chat", "mail"), terms("mail")});
  scene.put(item("im", "stuck"));
  const auto on_its_way = scene.outbox.next(scene.now);
  REQUIRE(on_its_way.has_value());
  scene.outbox.set_channels({terms("mail"), terms("phone")}, scene.now);
  // An answer for a channel that is gone means nothing.
  scene.outbox.answered(on_its_way->number, {Receipt::kRefused, "no", {}}, 0, scene.now);
  scene.put(item("im", "publish-refused"));
  scene.run(5s);
  CHECK_EQ(joined(scene.lines),
           joined(Lines{"0.0 mail: [im stuck]", "0.0 chat -> mail: im stuck",
                        "0.0 phone: [im publish-refused]", "3.0 mail: [im publish-refused]"}));
}

TEST_CASE("outbox: what failed and its later like become one, the later one's words") {
  Scene scene({terms("chat")});
  NoticeItem early = item("im", "stuck");
  early.detail = "early";
  early.since = WallTime{1};
  scene.put(early);
  const auto first = scene.outbox.next(scene.now);
  NoticeItem late = item("im", "stuck");
  late.detail = "late";
  scene.put(late);
  scene.outbox.answered(first->number, {Receipt::kTryAgain, "", {}}, 0, scene.now);
  scene.now = scene.now + 2s;
  CHECK_FALSE(scene.outbox.test("nobody", scene.now).has_value());
  const auto second = scene.outbox.next(scene.now);
  REQUIRE(second.has_value());
  REQUIRE_EQ(second->items.size(), 1);
  CHECK_EQ(second->items[0].detail, "late");
  CHECK_EQ(second->items[0].since.ns, 1);
  CHECK_EQ(second->items[0].count, 2);
  CHECK_EQ(second->items[0].id, early.id);
}
