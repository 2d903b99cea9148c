#include "orchestrator/sim/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "orchestrator/shell/daemon.h"

namespace pointsman {
namespace {

constexpr Duration kSlice = 10ms;       // How fine the watching is.
constexpr Duration kRestWithin = 5min;  // Of a service that nothing happens to.
constexpr Duration kForGood = 1000h;

std::size_t index(int k) { return static_cast<std::size_t>(k); }

// Replaces `inner` where it stands as a word of its own.
void replace_word(std::string& text, const std::string& inner, const std::string& name) {
  const auto is_word = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0);
  };
  for (std::size_t at = 0; (at = text.find(inner, at)) != std::string::npos;) {
    const bool whole = (at == 0 || !is_word(at - 1)) && !is_word(at + inner.size());
    if (whole) text.replace(at, inner.size(), name);
    at += whole ? name.size() : inner.size();
  }
}

// The simulator has names of its own for services and records.
std::string with_names(std::string text, const Estate& estate) {
  for (std::size_t k = estate.services.size(); k-- > 0;) {
    const ServiceSettings& service = *estate.services[k];
    for (std::size_t r = 0; r < service.records.size(); ++r) {
      replace_word(text, record_name(static_cast<int>(k), r), service.records[r].name);
    }
    replace_word(text, "s" + std::to_string(k), service.name);
  }
  return text;
}

Setting setting_of(const MonitorConfig& config, const Estate& estate, const Question& question,
                   std::uint64_t seed) {
  Setting s;
  s.seed = seed;
  for (std::size_t k = 0; k < estate.services.size(); ++k) {
    ServicePolicy policy = policy_of(config, *estate.services[k]);
    policy.name = "s" + std::to_string(k);
    if (policy.sites[0].name != estate.sites[0]) std::swap(policy.sites[0], policy.sites[1]);
    s.services.push_back(std::move(policy));
  }
  Dice dice(seed * 0x9e3779b97f4a7c15U + 7);
  s.deadman = question.deadman;
  s.references = !config.references.empty();
  s.moves_at_once = config.max_moves_at_once;
  s.breaker_window = config.breaker_window;
  s.net_least = std::min<Duration>(200us, question.delay);
  s.net_most = question.delay;
  s.write_every = 10ms;
  s.replicate_every = 40ms;
  s.late_servers = 0;
  for (int& ppm : s.ppm) ppm = dice.pick(-200, 200);
  return s;
}

// What a blow does in the world, for each service where that matters.
std::vector<Fault> faults_of(const Blow& blow, const Estate& estate, Instant when) {
  const auto end_of_place = [&](const std::string& place) {
    for (int site = 0; site < kSites; ++site) {
      if (estate.sites.at(index(site)) == place) return end_of(site);
    }
    if (place == "dns") return static_cast<int>(kDnsEnd);
    if (place == "references") return static_cast<int>(kReferenceEnd);
    return static_cast<int>(place == "clients" ? kClientEnd : kMonitorEnd);
  };
  Fault f;
  f.at = when;
  f.lasting = blow.lasting > Duration::zero() ? blow.lasting : kForGood;
  f.where = end_of_place(blow.target);
  if (blow.verb == Blow::Verb::kCut) {
    f.kind = blow.other.empty() ? FaultKind::kIsolate : FaultKind::kCutPair;
    f.other = blow.other.empty() ? 0 : end_of_place(blow.other);
    return {f};
  }
  const bool kill = blow.verb == Blow::Verb::kKill;
  if (blow.target == "dns") {
    f.kind = FaultKind::kDnsDown;
  } else if (blow.part == "agent" || (blow.target == "monitor" && !kill)) {
    f.kind = kill ? FaultKind::kKill : FaultKind::kFreeze;
  } else if (blow.part.empty()) {
    f.kind = FaultKind::kHostDown;
  } else if (blow.part == "app") {
    f.kind = FaultKind::kAppDown;  // Of all services: a multiple of three says so.
  } else {
    f.kind = kill ? FaultKind::kStoreDown : FaultKind::kStoreHung;
    std::vector<Fault> each(estate.services.size(), f);
    for (std::size_t k = 0; k < each.size(); ++k) each[k].amount = k;
    // An application whose store does not answer passes no probe.
    each.push_back(f);
    each.back().kind = FaultKind::kAppDown;
    return each;
  }
  return {f};
}

// Watches one world from slice to slice, and tells what has changed.
class Watcher {
 public:
  Watcher(World& world, const Estate& estate, Instant begin, Run& run)
      : world_(world), estate_(estate), begin_(begin), run_(run) {
    run_.courses.resize(estate.services.size());
    seen_.resize(estate.services.size());
    for (int k = 0; k < services(); ++k) seen_[index(k)] = look(k);
  }

  void tell(int service, std::string text) {
    run_.story.push_back({seconds(world_.line.now() - begin_),
                          service < 0 ? "" : estate_.services[index(service)]->name,
                          with_names(std::move(text), estate_)});
  }

  void decided(int service, const Consequence& decision) {
    for (const JournalLine& line : decision.journal) {
      tell(service, fmt::format("{} {}: {}", line.rule, line.outcome, line.reason));
    }
    for (const Command& command : decision.commands) {
      const auto* order = std::get_if<SendOrder>(&command);
      if (order == nullptr) continue;
      const std::string text = fmt::format("order to {}: {}", estate_.sites.at(index(order->site)),
                                           to_string(order->kind));
      // It is repeated until obeyed.
      if (ordered_.insert(fmt::format("{} {} {}", service, order->reign.id.text(), text)).second) {
        tell(service, text);
      }
    }
  }

  void slice(Instant first_blow) {
    for (int k = 0; k < services(); ++k) {
      const Look now = look(k);
      Look& before = seen_[index(k)];
      for (std::size_t site = 0; site < kSites; ++site) {
        if (now.writable.at(site) == before.writable.at(site)) continue;
        tell(k, estate_.sites.at(site) +
                    (now.writable.at(site) ? " takes writes" : " takes no more writes"));
      }
      if (now.shown != before.shown && now.shown >= 0) {
        tell(k, "every authoritative server answers " + estate_.sites.at(index(now.shown)));
      }
      before = now;
      note_course(run_.courses[index(k)], now, seconds(world_.line.now() - first_blow));
    }
  }

  void end() {
    for (int k = 0; k < services(); ++k) {
      Course& course = run_.courses[index(k)];
      course.back = seen_[index(k)].serves[0];
      const ServiceState* state = world_.monitor.state(k);
      if (state == nullptr) continue;
      Wanted wanted;
      wanted.to = state->has_primary() ? 1 - state->primary : -1;
      for (const Gate& gate :
           gates(world_.policy(k), *state, wanted, world_.hosts[kMonitorEnd].clock.now())) {
        if (!gate.open) course.shut.push_back(gate);
      }
      course.lost = world_.losses(k);
    }
  }

 private:
  struct Look {
    std::array<bool, kSites> writable{};
    std::array<bool, kSites> serves{};  // With the application before it.
    int shown = -1;                     // The site that every server shows.
  };

  int services() const { return static_cast<int>(estate_.services.size()); }

  Look look(int service) {
    Look now;
    for (int site = 0; site < kSites; ++site) {
      now.writable.at(index(site)) = world_.takes_writes(service, site);
      now.serves.at(index(site)) =
          now.writable.at(index(site)) && world_.app_up[index(service)].at(index(site));
      if (world_.zone.agrees(service, site)) now.shown = site;
    }
    return now;
  }

  static void note_course(Course& course, const Look& now, double at) {
    if (at < 0) return;
    if (!course.closed && !now.serves[0]) course.closed = at;
    if (now.serves[0]) course.closed.reset();
    if (!course.answer && now.shown == 1) course.answer = at;
    if (!course.served && now.shown == 1 && now.serves[1]) course.served = at;
  }

  World& world_;
  const Estate& estate_;
  Instant begin_;
  Run& run_;
  std::vector<Look> seen_;
  std::set<std::string> ordered_;
};

Instant first_of(const std::vector<Blow>& blows, Instant begin) {
  Duration first = blows.empty() ? Duration::zero() : blows.front().at;
  for (const Blow& blow : blows) first = std::min(first, blow.at);
  return begin + first;
}

// Until nothing is left to do, and what was promised at the start has run out.
std::string come_to_rest(World& world) {
  const Instant end = world.line.now() + kRestWithin;
  std::string why;
  while (world.line.now() < end && !world.failed()) {
    world.turn_until(world.line.now() + 1s);
    why.clear();
    for (int k = 0; k < static_cast<int>(world.setting.services.size()); ++k) {
      const std::string one = world.unsettled(k);
      if (!one.empty()) why = one;
    }
    if (why.empty()) {
      world.turn_until(world.line.now() + 30s + world.dice.between(0s, 10s));
      return "";
    }
  }
  return why;
}

}  // namespace

Run run_once(const MonitorConfig& config, const Estate& estate, const Question& question,
             std::uint64_t seed) {
  Run run;
  run.seed = seed;
  World world(setting_of(config, estate, question, seed), false);
  world.begin();
  if (const std::string why = come_to_rest(world); !why.empty()) {
    run.violation = "before anything has happened the services do not come to rest: " + why;
    return run;
  }
  const Instant begin = world.line.now();
  std::vector<Fault> faults;  // Outlive what they start.
  for (const Blow& blow : question.blows) {
    for (Fault& f : faults_of(blow, estate, begin + blow.at)) faults.push_back(f);
  }
  Watcher watcher(world, estate, begin, run);
  world.onlooker = [&](int service, const ServiceState&, const Consequence& decision) {
    watcher.decided(service, decision);
  };
  for (const Fault& f : faults) {
    world.line.at(f.at, [&world, &f] { strike(world, f); });
  }
  for (const Blow& blow : question.blows) {
    world.line.at(begin + blow.at, [&watcher, &blow] { watcher.tell(-1, to_string(blow)); });
  }
  const Instant first = first_of(question.blows, begin);
  while (world.line.now() < begin + question.length && !world.failed()) {
    world.turn_until(world.line.now() + kSlice);
    watcher.slice(first);
  }
  watcher.end();
  world.onlooker = nullptr;
  run.violation = world.violation();
  return run;
}

}  // namespace pointsman
