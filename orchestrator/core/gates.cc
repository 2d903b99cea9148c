#include "orchestrator/core/gates.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/planted.h"
#include "orchestrator/core/damping.h"

namespace pointsman {
namespace {

constexpr Duration kReadingMost = 10min;  // An older reading of a record says nothing.

// What every gate looks at.
struct Look {
  const ServicePolicy& policy;
  const ServiceState& s;
  const Wanted& wanted;
  Instant now;

  int from() const { return s.primary; }
  const std::string& name(int site) const {
    return policy.sites.at(static_cast<std::size_t>(site)).name;
  }
  const SiteView& view(int site) const { return s.sites.at(static_cast<std::size_t>(site)); }
  double age(Instant at) const { return at == Instant{0} ? -1 : seconds(now - at); }
};

Gate open(const char* name, std::string reason, std::string value = "", double age = -1) {
  return {name, true, std::move(reason), std::move(value), age};
}
Gate shut(const char* name, std::string reason, std::string value = "", double age = -1) {
  return {name, false, std::move(reason), std::move(value), age};
}

Gate adopted_gate(const Look& look) {
  if (look.s.restored) return shut("adopted", look.s.restored_why, "restored");
  if (look.s.phase == Phase::kUnadopted || !look.s.has_primary()) {
    return shut("adopted", adoption(look.policy, look.s, look.now).refusal, "unadopted");
  }
  if (look.policy.agents) {
    const AgentView& agent = look.view(look.from()).agent;
    if (look.view(look.from()).agent_heard && agent.reign.epoch < look.s.reign.epoch) {
      return shut("adopted", "the agent of " + look.name(look.from()) +
                                 " does not hold the present reign; if its state was lost, "
                                 "`pointsman adopt " +
                                 look.policy.name + " --primary SITE` says who is in power");
    }
  }
  return open("adopted", look.name(look.from()) + " is in power by reign " +
                             std::to_string(look.s.reign.epoch));
}

Gate mode_gate(const Look& look) {
  const std::string mode = to_string(look.policy.mode);
  if (look.policy.mode == Mode::kAuto) return open("mode", "the service moves by itself", mode);
  return shut("mode", "the service is set to " + mode + ": a person moves it", mode);
}

Gate held_gate(const Look& look) {
  if (!look.s.hold.on) return open("held", "not paused");
  return shut("held",
              "paused by " + look.s.hold.actor +
                  (look.s.hold.reason.empty() ? "" : ": " + look.s.hold.reason),
              "paused");
}

Gate leader_gate(const Look& look) {
  if (!look.s.around.store_problem.empty()) {
    return shut("leader", "state cannot be saved: " + look.s.around.store_problem, "store");
  }
  return open("leader", "this monitor decides alone and can save its state");
}

// A reference speaks for us only when it answered after the site in power had begun to fail, and
// was asked when the first of these answers should have come: else our own link may have gone
// between the two.
bool reference_answers(const Look& look) {
  const Instant pass = look.s.around.reference_pass;
  if (look.now - pass > 5s) return false;
  if (!look.s.has_primary()) return true;
  const Instant first = first_failure(look.view(look.from()), look.now);
  const Duration answer_due =
      planted(Plant::kReferenceEarly) ? Duration(0) : look.policy.suspect_interval;
  return first == look.now || pass >= first + answer_due;
}

Gate connected_gate(const Look& look) {
  const Surroundings& around = look.s.around;
  if (around.loop_late) {
    return shut("connected", "this monitor's own loop was late; its observations do not count yet");
  }
  const bool answers = around.references_set && reference_answers(look);
  if (around.references_set && !answers) {
    return shut("connected", "no neutral reference answers: this monitor is likely cut off");
  }
  if (around.all_failed && !answers) {
    return shut("connected",
                "all sites of all services failed together: this monitor is likely cut off");
  }
  return open("connected", answers ? "a neutral reference answers"
                                   : "no reference is configured; not all sites are down");
}

Gate witness_gate(const Look& look) {
  if (!look.s.has_primary()) return shut("witness", "nobody is in power");
  int down = 0;
  const SiteVerdict mine = verdict(look.policy, look.s, look.from(), look.now);
  if (mine == SiteVerdict::kDown) ++down;
  if (mine == SiteVerdict::kUp) {
    return shut("witness", "this monitor sees " + look.name(look.from()) + " up", "0");
  }
  const int other = look.s.other(look.from());
  const SiteView& view = look.view(other);
  if (look.policy.agents && view.agent_heard && look.now - view.agent_at < look.policy.lease) {
    bool up = false;
    bool fell = false;
    for (const WitnessView& seen : view.agent.witness) {
      if (seen.site != look.from() || !seen.any) continue;
      const Duration age = seen.age + (look.now - view.agent_at);
      if (age > look.policy.fall * look.policy.interval + look.policy.timeout + 1s) continue;
      if (seen.fails >= look.policy.fall) fell = true;
      if (seen.passed_last) up = true;
    }
    if (up && !fell) {
      return shut("witness",
                  "the agent of " + look.name(other) + " sees " + look.name(look.from()) + " up",
                  std::to_string(down), look.age(view.agent_at));
    }
    if (fell) ++down;
  }
  const std::string count = fmt::format("{} of {}", down, look.policy.quorum);
  if (down < look.policy.quorum && !(down == 1 && planted(Plant::kOneObserver))) {
    return shut("witness",
                fmt::format("{} observer{} see{} {} down; {} must", down, down == 1 ? "" : "s",
                            down == 1 ? "s" : "", look.name(look.from()), look.policy.quorum),
                count);
  }
  return open("witness", count + " observers see " + look.name(look.from()) + " down", count);
}

Gate target_gate(const Look& look) {
  if (look.wanted.to < 0) return shut("target", "there is no site to move to");
  const SiteView& view = look.view(look.wanted.to);
  if (Refusal why = target_problem(look.policy, look.s, look.wanted.to, look.now)) {
    return shut("target", *why, look.name(look.wanted.to), look.age(view.agent_at));
  }
  return open("target", look.name(look.wanted.to) + " can take over", look.name(look.wanted.to),
              look.age(view.agent_at));
}

// The newest evidence from before the primary's first failed attempt.
const Evidence* sound_evidence(const Look& look, Instant before) {
  const auto& all = look.view(look.wanted.to).evidence;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (it->at <= before) return &*it;
  }
  return nullptr;
}

Gate replication_gate(const Look& look) {
  if (!look.policy.agents) return open("replication", "the service has no stores");
  if (look.wanted.to < 0 || !look.s.has_primary()) return shut("replication", "no standby");
  const Instant before = first_failure(look.view(look.from()), look.now);
  const Evidence* sound = sound_evidence(look, before);
  const std::string site = look.name(look.wanted.to);
  if (sound == nullptr) {
    return shut("replication", "no report of " + site + " from before the first failed probe");
  }
  const double age = look.age(sound->at);
  if (!sound->has_stores) return open("replication", "the service has no stores", "", age);
  if (before - sound->at > std::max<Duration>(2 * look.policy.lease, 5s)) {
    return shut("replication",
                "the last report of " + site + " before the failure is " + say(before - sound->at) +
                    " older than it",
                "", age);
  }
  if (!sound->applier_running) {
    return shut("replication", "the stores of " + site + " do not apply what they receive",
                "applier stopped", age);
  }
  if (!sound->errant.empty()) {
    return shut("replication", site + " holds writes of its own: " + sound->errant, "errant", age);
  }
  if (!sound->caught_up_age) {
    return shut("replication", site + " cannot say how far it is behind", "unknown", age);
  }
  const Duration behind = behind_at_contact(look.policy, *sound->caught_up_age, sound->told_age);
  const std::string value = say(behind);
  if (behind > look.policy.max_lag) {
    return shut("replication",
                site + " was " + value + " behind when it last heard the primary; " +
                    say(look.policy.max_lag) + " is allowed",
                value, age);
  }
  return open("replication", site + " was " + value + " behind when it last heard the primary",
              value, age);
}

// A planned move waits for no lease to end: the old site must tell where it ended.
Gate planned_fence(const Look& look, const std::string& site, double age) {
  const SiteView& view = look.view(look.from());
  if (view.agent_heard && look.now - view.agent_at <= look.policy.lease) {
    if (const std::string why = untellable(look.s, look.wanted); !why.empty()) {
      return shut("fence", site + " could not tell where it ended: " + why, "untellable", age);
    }
    return open("fence", "the agent of " + site + " answers", "answers", age);
  }
  return shut("fence",
              "the agent of " + site + " does not answer, and a planned move fences it by order",
              "silent", age);
}

Gate fence_gate(const Look& look) {
  if (!look.policy.agents || !look.s.has_primary()) {
    return open("fence", "no store needs fencing");
  }
  const SiteView& old_site = look.view(look.from());
  const std::string site = look.name(look.from());
  const double age = look.age(old_site.agent_at);
  if (look.wanted.planned) return planned_fence(look, site, age);
  if (look.wanted.asserted_off == look.from()) {
    return open("fence", "an operator says that " + site + " is off", "asserted", age);
  }
  const Duration owed = look.s.promise_end.at(static_cast<std::size_t>(look.from())) - look.now;
  if (owed > promise_length({look.policy.lease, kFenceBoundUnarmed}) + 1s) {
    return shut("fence",
                site + " may hold a lone lease for " + say(owed) +
                    " more: its own word ends that, or --assert-off " + site,
                "lone", age);
  }
  if (look.policy.unfenced_allowed) return open("fence", "unfenced = \"allow\"", "allowed", age);
  if (old_site.agent_heard && look.now - old_site.agent_at < look.policy.lease) {
    return open("fence", "the agent of " + site + " answers", "answers", age);
  }
  if (old_site.agent_heard && old_site.agent.armed) {
    return open("fence", "the kernel of " + site + " closes it when its lease ends", "armed", age);
  }
  const Instant first = first_failure(old_site, look.now);
  // A site that died is found out by its next probe, which may leave an interval later.
  const Duration poll = look.policy.poll_interval();
  const Duration together = std::max<Duration>(2 * poll + 1s, look.policy.interval + 2 * poll);
  if (old_site.agent_heard && old_site.agent_at + together >= first) {
    return open("fence", "the agent of " + site + " vanished together with its site", "vanished",
                age);
  }
  return shut("fence",
              "the agent of " + site +
                  " was lost before its site failed, and no dead-man "
                  "switch was armed: it may still take writes",
              "unfenced", age);
}

Gate hold_down_gate(const Look& look) {
  if (look.s.automatic_moves.empty()) return open("hold-down", "no automatic move yet");
  const Duration since = look.now - look.s.automatic_moves.back();
  if (since < look.policy.hold_down) {
    return shut("hold-down",
                "the last automatic move was " + say(since) + " ago; " +
                    say(look.policy.hold_down) + " must pass",
                say(since));
  }
  return open("hold-down", "the last automatic move was " + say(since) + " ago", say(since));
}

Gate ceiling_gate(const Look& look) {
  const auto used = static_cast<int>(look.s.automatic_moves.size());
  const std::string value = fmt::format("{} of {}", used, look.policy.max_moves_per_day);
  if (used >= look.policy.max_moves_per_day) {
    return shut("ceiling",
                value + " automatic moves of a day are used up: `pointsman ack " +
                    look.policy.name + "` re-arms",
                value);
  }
  return open("ceiling", value + " automatic moves of a day used", value);
}

Gate breaker_gate(const Look& look) {
  const Surroundings& around = look.s.around;
  const std::string value = fmt::format("{} of {}", around.others_moving, around.moves_at_once);
  if (around.others_moving >= around.moves_at_once) {
    return shut("breaker", value + " services move at once already", value);
  }
  return open("breaker", value + " services move at once", value);
}

Gate record_gate(const Look& look) {
  for (const RecordView& record : look.s.records) {
    const double age = look.age(record.at);
    if (!record.read) return shut("record", "the record has not been read yet");
    if (look.now - record.at > kReadingMost) {
      const std::string why = record.readable ? "no reading has ended since" : record.problem;
      const std::string last = record.at == Instant{0} ? "the record was never read"
                                                       : "the record was last read " +
                                                             say(look.now - record.at) + " ago";
      return shut("record", last + ": " + why, "unreadable", age);
    }
    if (record.site < 0) {
      return shut("record",
                  "the record holds " + record.values +
                      ", which is no site of this service: somebody was here",
                  record.values, age);
    }
  }
  if (look.s.records.empty()) return open("record", "the service has no record");
  const RecordView& first = look.s.records.front();
  return open("record", "the record names " + look.name(first.site), first.values,
              look.age(first.at));
}

Gate provider_gate(const Look& look) {
  for (const RecordView& record : look.s.records) {
    if (!record.provider_well) return shut("provider", record.provider_problem);
  }
  return open("provider", "nothing known against it");
}

// Which gates an operator's move is excused from.
bool excused(const std::string& gate) {
  static const std::set<std::string> kExcused{"mode",    "held",    "hold-down", "ceiling",
                                              "breaker", "witness", "prepare"};
  return kExcused.contains(gate);
}

}  // namespace

std::string say(Duration d) {
  if (d < 10s) return fmt::format("{:.2f} s", seconds(d));
  if (d < 10min) return fmt::format("{:.0f} s", seconds(d));
  if (d < 10h) return fmt::format("{:.0f} min", seconds(d) / 60);
  return fmt::format("{:.0f} h", seconds(d) / 3600);
}

Duration behind_at_contact(const ServicePolicy& policy, Duration caught_up_age, Duration told_age) {
  const Duration excused_silence = policy.interval + 2 * policy.poll_interval();
  return std::max(caught_up_age - std::min(told_age, excused_silence), Duration::zero());
}

Refusal target_problem(const ServicePolicy& policy, const ServiceState& state, int site,
                       Instant now) {
  const SiteView& view = state.sites.at(static_cast<std::size_t>(site));
  const std::string& name = policy.sites.at(static_cast<std::size_t>(site)).name;
  const SiteVerdict seen = verdict(policy, state, site, now);
  const bool by_role = policy.agents && view.agent.units_stopped_by_role;
  if (seen == SiteVerdict::kDown && !by_role) return name + " is down";
  if (!policy.agents) {
    if (seen == SiteVerdict::kUp) return std::nullopt;
    return name + " is not known to be up";
  }
  if (!view.agent_heard) return "the agent of " + name + " has not answered yet";
  if (now - view.agent_at > std::max<Duration>(policy.lease, 2s)) {
    return "the agent of " + name + " has been silent for " + say(now - view.agent_at);
  }
  if (seen != SiteVerdict::kUp && !by_role) return name + " is not known to be up";
  const AgentView& agent = view.agent;
  if (agent.role != SiteRole::kStandby) {
    return name + " is " + to_string(agent.role) +
           ", not a standby: it must be made to follow the site in power";
  }
  if (agent.reign != state.reign && !(agent.voided.epoch > state.reign.epoch)) {
    return "the agent of " + name + " does not know the present reign yet";
  }
  if (agent.has_stores && !agent.stores_well) return name + ": " + agent.stores_problem;
  return std::nullopt;
}

namespace {

Adoption adoption_by_record(const ServicePolicy& policy, const ServiceState& state) {
  int named = -1;
  for (const RecordView& record : state.records) {
    if (!record.readable) return {-1, "a record has not been read yet: " + record.problem};
    if (record.site < 0) return {-1, "the record holds " + record.values + ", which is no site"};
    if (named >= 0 && named != record.site) return {-1, "the records name different sites"};
    named = record.site;
  }
  if (named < 0)
    return {-1,
            "no record says who is in power: `pointsman adopt " + policy.name + " --primary SITE`"};
  return {named, ""};
}

// In the order of the manual.
constexpr std::array kGates{
    adopted_gate,
    mode_gate,
    held_gate,
    leader_gate,
    connected_gate,
    witness_gate,
    target_gate,
    replication_gate,
    fence_gate,
    hold_down_gate,
    ceiling_gate,
    breaker_gate,
    record_gate,
    provider_gate,
    +[](const Look& look) { return prepare_gate(look.policy, look.s, look.now); },
};

// A site that a person has taken while we were away: only his word keeps the other one closed.
std::optional<std::string> taken_while_away(const ServicePolicy& policy, const ServiceState& state,
                                            Instant now) {
  for (int site = 0; site < kSites; ++site) {
    const SiteView& view = state.sites.at(static_cast<std::size_t>(site));
    if (!view.agent_heard || view.agent.taken.empty()) continue;
    const SiteView& other = state.sites.at(static_cast<std::size_t>(state.other(site)));
    const std::string& name = policy.sites.at(static_cast<std::size_t>(site)).name;
    const std::string& off = policy.sites.at(static_cast<std::size_t>(state.other(site))).name;
    const bool answers = other.agent_heard && now - other.agent_at <= 5s;
    return fmt::format(
        "{} was taken by {} while this monitor was away: keep {} off until `pointsman adopt {} "
        "--primary {}{}` has settled it",
        name, view.agent.taken, off, policy.name, name, answers ? "" : " --assert-off " + off);
  }
  return std::nullopt;
}

}  // namespace

Adoption adoption(const ServicePolicy& policy, const ServiceState& state, Instant now) {
  const std::string ask = "; `pointsman adopt " + policy.name + " --primary SITE` settles it";
  if (const auto taken = taken_while_away(policy, state, now)) return {-1, *taken};
  if (state.restored) return {-1, state.restored_why};
  const Adoption by_record = adoption_by_record(policy, state);
  if (!policy.agents || by_record.site < 0) return by_record;
  int writable = 0;
  int chosen = -1;
  for (int site = 0; site < kSites; ++site) {
    const SiteView& view = state.sites.at(static_cast<std::size_t>(site));
    const std::string& name = policy.sites.at(static_cast<std::size_t>(site)).name;
    if (!view.agent_heard || now - view.agent_at > 5s) {
      return {-1, "the agent of " + name + " does not answer" +
                      (view.agent_problem.empty() ? "" : ": " + view.agent_problem)};
    }
    if (view.agent.highest != 0 || view.agent.role != SiteRole::kNone) {
      return {-1, fmt::format("the agent of {} has reigned (number {}), and this monitor has no "
                              "state of it",
                              name, view.agent.highest) +
                      ask};
    }
    if (!view.agent.has_stores) continue;
    if (!view.agent.writable_known) return {-1, "the stores of " + name + " cannot be read yet"};
    if (view.agent.writable) {
      ++writable;
      chosen = site;
    }
  }
  if (chosen < 0 && !state.sites[0].agent.has_stores) return by_record;
  if (writable == 2) return {-1, "the stores of both sites take writes" + ask};
  if (writable == 0) return {-1, "the stores of neither site take writes" + ask};
  const int other = state.other(chosen);
  if (!state.sites.at(static_cast<std::size_t>(other)).agent.replica) {
    return {-1, policy.sites.at(static_cast<std::size_t>(other)).name +
                    " does not replicate from " +
                    policy.sites.at(static_cast<std::size_t>(chosen)).name + ask};
  }
  if (by_record.site != chosen) {
    return {-1, "the record names " +
                    policy.sites.at(static_cast<std::size_t>(by_record.site)).name +
                    ", but the stores of " +
                    policy.sites.at(static_cast<std::size_t>(chosen)).name + " take writes" + ask};
  }
  return {chosen, ""};
}

std::vector<Gate> gates(const ServicePolicy& policy, const ServiceState& state,
                        const Wanted& wanted, Instant now) {
  const Look look{policy, state, wanted, now};
  std::vector<Gate> all;
  for (const auto gate : kGates) all.push_back(gate(look));
  return all;
}

std::optional<Gate> first_refusal(const ServicePolicy& policy, const ServiceState& state,
                                  const Wanted& wanted, Instant now) {
  const Look look{policy, state, wanted, now};
  for (const auto each : kGates) {
    Gate gate = each(look);
    if (gate.open) continue;
    if (!wanted.automatic && excused(gate.name)) continue;
    const bool forcible = gate.name != "leader" && gate.name != "adopted" &&
                          !(wanted.planned && gate.name == "fence");
    if (forcible && wanted.forced.contains(gate.name)) continue;
    return gate;
  }
  return std::nullopt;
}

}  // namespace pointsman
