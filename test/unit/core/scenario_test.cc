// Scenarios: test/data/scenarios/*.txt read as transcripts. Events stand at the margin, what the
// core decided stands indented below. PM_REWRITE=1 writes what it decides now; the difference is
// reviewed.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "orchestrator/core/machine.h"
#include "test/unit/core/scenario_words.h"

using namespace pointsman;

namespace {

using Words = std::map<std::string, std::string>;

class Stage {
 public:
  Stage() {
    policy_.name = "im-api";
    policy_.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  }

  // What the core said to one line of the script.
  std::string play(const std::string& line) {
    said_.clear();
    std::istringstream in(line);
    std::string verb;
    in >> verb;
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    act(verb, words);
    return said_;
  }

 private:
  static Duration time(const std::string& text) { return parse_duration(text).value_or(0s); }
  int site(const std::string& name) const { return name == "sh" ? 1 : 0; }

  void act(const std::string& verb, const std::vector<std::string>& words) {
    if (verb == "policy") return set_policy(words);
    if (verb == "start") return start(false);
    if (verb == "restart") return start(true);
    if (verb == "promise") {
      promise_.at(static_cast<std::size_t>(site(words.at(0)))) = now_ + time(words.at(1));
      return;
    }
    if (verb == "run") return run(time(words.at(0)));
    if (verb == "skip") return skip(time(words.at(0)));
    if (verb == "probe") return probe(words);
    if (verb == "doubt") return give(ProbeDoubted{site(words.at(0)), 0, now_ - 250ms});
    if (verb == "agent") return agent(words);
    if (verb == "silent") {
      quiet_[site(words.at(0))] = true;
      return give(AgentSilent{site(words.at(0)), "no answer"});
    }
    if (verb == "record") return record(words);
    if (verb == "published") return published(words);
    if (verb == "agreed") return agreed(words);
    if (verb == "refused") return refused(words);
    if (verb == "overtaken") return overtaken(words);
    if (verb == "refuse") return refuse(words);
    if (verb == "explain") return explain();
    if (verb == "around") return around(words);
    if (verb == "ask") return ask(words);
    FAIL("unknown verb in scenario: " << verb);
  }

  void set_policy(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      if (word == "no-agents") policy_.agents = false, policy_.quorum = 1;
      if (word == "promote-first") policy_.publish_first = false;
      if (word == "dry") policy_.dry = true;
      if (word == "propose") policy_.mode = Mode::kPropose;
      if (word == "quorum=1") policy_.quorum = 1;
      if (word == "budget=5s") policy_.switchover_budget = 5s;
      if (word == "vip") policy_.vip_silent = 9s;
    }
  }

  void start(bool again) {
    std::optional<ServiceState> saved;
    if (again) saved = state_;
    state_ = begin(policy_, std::move(saved), now_);
    last_vouch_ = {};
    give(Tick{});
  }

  // Time passes: whoever answers goes on answering, as the loop's pollers would have it.
  void run(Duration span) {
    const Instant end = now_ + span;
    for (int tick = 0; now_ < end; ++tick) {
      now_ = now_ + 50ms;
      answer_prepares();
      if (tick % 10 == 0) {
        for (const auto& [at, view] : agents_) {
          if (!quiet_[at]) give(AgentHeard{at, view, now_});
        }
      }
      if (tick % 20 == 0) {
        for (const auto& [at, sighting] : probes_) {
          give(ProbeSeen{at, 0, sighting, now_ - 20ms, ""});
        }
      }
      give(Tick{});
    }
  }

  // Time passes and nothing is heard.
  void skip(Duration span) {
    now_ = now_ + span;
    give(Tick{});
  }

  void probe(const std::vector<std::string>& words) {
    const Sighting sighting = words.at(1) == "pass"   ? Sighting::kPass
                              : words.at(1) == "fail" ? Sighting::kFail
                                                      : Sighting::kUnknown;
    probes_[site(words.at(0))] = sighting;
    now_ = now_ + 20ms;
    give(ProbeSeen{site(words.at(0)), 0, sighting, now_ - 10ms, words.at(1)});
  }

  // An order to adopt came after a later message: the agent refused it.
  void overtaken(const std::vector<std::string>& words) {
    now_ = now_ + 10ms;
    OrderAnswered answered;
    answered.site = site(words.at(0));
    answered.kind = OrderKind::kAdopt;
    answered.reached = true;
    answered.reason = "older than a message already received";
    give(answered);
  }

  // From now on an agent refuses each prepare, and its reports say why; without a reason: it no
  // longer would.
  void refuse(const std::vector<std::string>& words) {
    const int at = site(words.at(0));
    std::string reason;
    for (std::size_t k = 1; k < words.size(); ++k) reason += (k > 1 ? " " : "") + words[k];
    refusing_[at] = reason;
    agents_[at].prepare_refusal = reason;
  }

  void answer_prepares() {
    for (const auto& [at, kind] : std::exchange(state_lost_, {})) {
      if (kind != OrderKind::kPrepare || refusing_[at].empty()) continue;
      OrderAnswered answered;
      answered.site = at;
      answered.kind = kind;
      answered.reached = true;
      answered.reason = refusing_[at];
      give(answered);
    }
  }

  void explain() {
    Wanted wanted;
    wanted.to = state_.has_primary() ? state_.other(state_.primary) : -1;
    for (const Gate& gate : gates(policy_, state_, wanted, now_)) {
      if (!gate.open || gate.name == "prepare") {
        say(fmt::format("gate {} {}: {}", gate.name, gate.open ? "open" : "shut", gate.reason));
      }
    }
  }

  static Reign reign_of(const std::string& text) {
    if (text == "0") return {};
    return {std::strtoull(text.c_str(), nullptr, 10), "r" + text};
  }

  void apply(AgentView& view, const std::string& key, const std::string& value, int at) {
    const bool yes = value == "yes";
    if (key == "role") {
      for (const SiteRole role :
           {SiteRole::kNone, SiteRole::kStandby, SiteRole::kPrimary, SiteRole::kFenced}) {
        if (value == to_string(role)) view.role = role;
      }
    } else if (key == "reign") {
      view.reign = reign_of(value);
      view.highest = std::max(view.highest, view.reign.epoch);
    } else if (key == "highest_id") {
      view.highest_id = value;
    } else if (key == "highest") {
      view.highest = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "writable") {
      view.writable = yes;
    } else if (key == "promoted") {
      view.promoted = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "lease") {
      view.lease_rest = time(value);
    } else if (key == "prepared") {
      view.prepared = reign_of(value);
      view.prepared_move = "m" + value;
      view.highest = std::max(view.highest, view.prepared.epoch);
    } else if (key == "voided") {
      view.voided = reign_of(value);
      view.prepared = {};
    } else if (key == "fenced") {
      view.fenced = std::strtoull(value.c_str(), nullptr, 10);
      view.highest = std::max(view.highest, view.fenced);
    } else if (key == "caught" || key == "lacks") {  // What the move of that number told it to.
      const bool held = key == "caught";
      view.catch_up = CatchUpView{"m" + value, held, held ? "" : "mysql is at 0-1-7"};
    } else if (key == "executed" || key == "took" || key == "semi" || key == "at" ||
               key == "store-open") {
      if (view.stores.empty()) view.stores.resize(1);
      StoreView& store = view.stores.front();
      store.name = "mysql", store.well = true, store.unit = "transactions";
      if (key == "at") store.position = value;
      if (key == "store-open") store.writable = yes;
      if (key == "semi") store.semi_sync = yes || !value.empty(), store.semi_sync_for = time(value);
      if (key == "executed") store.executed = std::strtoull(value.c_str(), nullptr, 10);
      if (key == "took") store.taken_over = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "taken") {
      view.taken = value == "no" ? "" : value + " (rack on fire)";
    } else if (key == "replica") {
      view.replica = yes;
    } else if (key == "applier") {
      view.applier_running = yes;
    } else if (key == "behind") {
      view.caught_up_age = time(value);
    } else if (key.starts_with("vip")) {
      apply_vip(view, key, value);
    } else {
      apply_more(view, key, value, at);
    }
  }

  void apply_more(AgentView& view, const std::string& key, const std::string& value, int at) {
    const bool yes = value == "yes";
    if (key == "told") {
      view.told_age = time(value);
    } else if (key == "peer") {
      view.peer_answers = yes;
    } else if (key == "armed") {
      view.armed = yes;
    } else if (key == "lone") {
      view.lone = yes;
    } else if (key == "well") {
      view.stores_well = yes;
      view.stores_problem = "mysql is stopped";
    } else if (key == "counter") {
      view.monitor_counter = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "sees") {  // The other site: up, or so many fails in a row.
      WitnessView seen;
      seen.site = 1 - at;
      seen.any = true;
      seen.passed_last = value == "up";
      seen.fails = value == "up" ? 0 : std::atoi(value.c_str());
      view.witness = {seen};
    } else if (!apply_rejoin(view, key, value)) {
      FAIL("unknown key in scenario: " << key);
    }
  }

  void agent(const std::vector<std::string>& words) {
    const int at = site(words.at(0));
    AgentView& view = agents_[at];
    view.has_stores = true;
    view.stores_well = view.stores_well || view.stores_problem.empty();
    view.writable_known = true;
    bool told = false;
    for (std::size_t k = 1; k < words.size(); ++k) {
      const auto equals = words[k].find('=');
      told = told || words[k].starts_with("promoted=");
      apply(view, words[k].substr(0, equals), words[k].substr(equals + 1), at);
    }
    // Unless told otherwise, a primary that takes writes has opened all its stores.
    const bool open = view.role == SiteRole::kPrimary && view.writable;
    if (!told) view.promoted = open ? view.reign.epoch : 0;
    quiet_[at] = false;
    now_ = now_ + 10ms;
    give(AgentHeard{at, view, now_});
  }

  void record(const std::vector<std::string>& words) {
    RecordRead read;
    read.readable = words.at(0) != "unreadable";
    read.site = words.at(0) == "hz" ? 0 : words.at(0) == "sh" ? 1 : -1;
    read.values = words.at(0);
    if (words.size() > 1) read.mark = std::stoull(words[1].substr(words[1].find('=') + 1));
    give(read);
  }

  std::string move_id() const { return state_.publish ? state_.publish->move : ""; }

  void published(const std::vector<std::string>&) {
    give(PublishAnswered{0, move_id(), true, false, "sh", "accepted"});
  }
  void refused(const std::vector<std::string>& words) {
    give(PublishAnswered{0, move_id(), false, words.at(0) == "for-good", "", "refused"});
  }
  void agreed(const std::vector<std::string>&) {
    const int to = state_.publish ? state_.publish->to : -1;
    give(AuthoritiesAnswered{0, move_id(), to, true, true, "published at ns1"});
  }

  void around(const std::vector<std::string>& words) {
    around_ = {};
    for (const std::string& word : words) {
      if (word == "cut-off") around_.all_failed = true;
      if (word == "late") around_.loop_late = true;
      if (word == "disk-full") around_.store_problem = "no space left";
      if (word == "no-reference") around_.references_set = true;
      if (word == "storm") around_.others_moving = 3;
      if (word.starts_with("wall=")) {  // From now on the wall clock goes on from here.
        wall_ = std::stoll(word.substr(5));
        wall_from_ = now_;
      }
    }
    give(Tick{});
  }

  void ask(const std::vector<std::string>& words) {
    OperatorAsked asked;
    asked.actor = "root";
    const std::map<std::string, AskKind> kinds{
        {"failover", AskKind::kFailover},     {"adopt", AskKind::kAdopt},
        {"cancel", AskKind::kCancel},         {"pause", AskKind::kPause},
        {"resume", AskKind::kResume},         {"ack", AskKind::kAck},
        {"switchover", AskKind::kSwitchover}, {"rejoin", AskKind::kRejoin},
        {"failback", AskKind::kFailback}};
    asked.kind = kinds.at(words.at(0));
    for (std::size_t k = 1; k < words.size(); ++k) {
      const auto equals = words[k].find('=');
      const std::string key = words[k].substr(0, equals);
      const std::string value = words[k].substr(equals + 1);
      if (key == "to") asked.to = site(value);
      if (key == "off") asked.asserted_off = site(value);
      if (key == "force") asked.forced.insert(value);
      if (key == "discard") asked.discard = true;
      if (key == "for") asked.lasting = time(value);
      if (key == "at") asked.at_s = std::strtoll(value.c_str(), nullptr, 10), asked.at = value;
    }
    give(asked);
  }

  void give(decltype(Event::what) what) {
    Event event;
    event.what = std::move(what);
    const std::string number = std::to_string(
        std::max<std::uint64_t>({state_.issued, state_.reign.epoch, highest_heard()}) +
        (state_.restored ? 50 : 1));
    event.fresh = {"r" + number, "m" + number, 7};
    event.around = around_;
    if (wall_ != 0) {
      event.around.wall_s = wall_ + (now_ - wall_from_) / std::chrono::seconds(1);
    }
    event.promise_end = promise_;
    event.counter = counter_;
    Decision decision = step(policy_, state_, event, now_);
    tell(decision);
    counter_ = std::max(counter_, decision.counter_least);
    state_ = std::move(decision.next);
  }

  std::uint64_t highest_heard() const {
    std::uint64_t highest = 0;
    for (const auto& [at, view] : agents_) highest = std::max(highest, view.highest);
    return highest;
  }

  void say(const std::string& text) {
    said_ += fmt::format("  {:7.2f} {}\n", seconds(now_ - Instant{0}), text);
  }

  void tell(const Decision& decision) {
    CHECK_FALSE(decision.reason.empty());
    if (!decision.journal.empty()) CHECK(decision.save);
    for (const JournalLine& line : decision.journal) {
      say(fmt::format("{} {} {}: {}", line.kind, line.rule, line.outcome, line.reason));
    }
    if (decision.next.phase != state_.phase)
      say(std::string("phase ") + to_string(decision.next.phase));
    for (const Command& command : decision.commands) tell(command);
    tell_loss(decision.next.move ? decision.next.move : decision.next.last_move);
    if (decision.vouch != last_vouch_) {
      say(decision.vouch.site < 0
              ? "vouch for nobody"
              : fmt::format("vouch for {} in reign {}{}", name(decision.vouch.site),
                            decision.vouch.reign.epoch, decision.vouch.lone ? ", lone" : ""));
      last_vouch_ = decision.vouch;
    }
    if (decision.answer) {
      say(fmt::format("answer {}: {}",
                      decision.answer->accepted ? "yes" : "no, " + decision.answer->gate,
                      decision.answer->text));
    }
  }

  void tell_loss(const std::optional<Move>& move) {
    if (!move || !move->lost) return;
    std::string text = move->lost->proved ? "lost: nothing" : "lost: something";
    text += move->lost->span ? fmt::format(" of {:.2f} s", seconds(*move->lost->span)) : "";
    for (const StoreLoss& store : move->lost->stores) {
      text += "; " + store.name + " " +
              (store.missing ? fmt::format("{} {}", *store.missing, store.unit) : "unknown") +
              ": " + store.reason;
    }
    if (std::exchange(last_loss_, text) != text) say(text);
  }

  std::string name(int at) const { return policy_.sites.at(static_cast<std::size_t>(at)).name; }

  static std::string positions_of(const SendOrder& order) {
    std::string text;
    for (const StorePosition& position : order.positions) {
      text += " " + position.store + "=" + position.text;
    }
    return text;
  }

  void tell(const Command& command) {
    if (const auto* order = std::get_if<SendOrder>(&command)) {
      const std::string text =
          fmt::format("order {} {} reign {} move {}{}{}", to_string(order->kind), name(order->site),
                      order->reign.epoch, order->move, order->old_fenced ? " old-fenced" : "",
                      order->asserted_off ? " asserted-off" : "") +
          positions_of(*order);
      // What is refused is asked again and again: said once.
      const bool again = text == last_order_ && !refusing_[order->site].empty();
      last_order_ = text;
      if (!again) say(text);
      // The loop tells the end of each order; here every one is lost, and so is sent again.
      state_lost_.push_back({order->site, order->kind});
    } else if (const auto* publish = std::get_if<PublishRecord>(&command)) {
      say(fmt::format("publish {} reign {}", name(publish->site), publish->reign.epoch));
    } else if (std::holds_alternative<AskAuthorities>(command)) {
      say("ask authorities");
    } else if (const auto* notice = std::get_if<Notice>(&command)) {
      say("notice " + notice->rule);
    }
  }

  ServicePolicy policy_;
  ServiceState state_;
  std::map<int, AgentView> agents_;
  std::map<int, bool> quiet_;
  std::map<int, Sighting> probes_;
  std::map<int, std::string> refusing_;
  Surroundings around_;
  std::int64_t wall_ = 0;
  Instant wall_from_{0};
  std::array<Instant, kSites> promise_{};
  std::vector<std::pair<int, OrderKind>> state_lost_;
  VouchWish last_vouch_;
  std::string last_order_;
  std::string last_loss_;
  Instant now_{0};
  std::uint64_t counter_ = 10;
  std::string said_;
};

std::string replay(const std::string& text) {
  Stage stage;
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("  ")) continue;  // A former answer.
    out += line + "\n";
    if (line.empty() || line.front() == '#') continue;
    out += stage.play(line);
  }
  return out;
}

}  // namespace

TEST_CASE("scenarios: the core decides as the transcripts say") {
  const std::filesystem::path folder = std::string(PM_TEST_DATA) + "/scenarios";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry);
  std::sort(files.begin(), files.end());
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    std::ifstream in(file);
    const std::string written((std::istreambuf_iterator<char>(in)), {});
    const std::string played = replay(written);
    if (std::getenv("PM_REWRITE") != nullptr) {
      std::ofstream(file) << played;
    } else {
      CHECK_EQ(played, written);
    }
  }
}
