#include "orchestrator/shell/notice_facts.h"

#include <fmt/format.h>

#include <algorithm>

namespace pointsman {
namespace {

std::string site_name(const ServicePolicy& policy, int site) {
  return site < 0 || site >= kSites ? "" : policy.sites.at(static_cast<std::size_t>(site)).name;
}

constexpr Duration kSilentLeast = 30s;  // An agent that restarts is no news.

void add(std::string& list, const std::string& what) {
  if (list.find(what) == std::string::npos) list += (list.empty() ? "" : "; ") + what;
}

}  // namespace

NoticeFacts facts_of(const ServiceSnapshot& shot) {
  const ServiceState& state = shot.state;
  NoticeFacts facts;
  facts.phase = to_string(state.phase);
  facts.primary = site_name(shot.policy, state.primary);
  if (state.has_primary()) facts.other = site_name(shot.policy, state.other(state.primary));
  facts.published = site_name(shot.policy, state.published);
  facts.gate = state.refusal.empty() ? state.vip_refusal : state.refusal;
  if (!state.last_move) return facts;
  const Move& move = *state.last_move;
  facts.move = move.id;
  facts.kind = to_string(move.kind);
  facts.from = site_name(shot.policy, move.from);
  facts.to = site_name(shot.policy, move.to);
  facts.outcome = move.outcome;
  const Instant begun = move.trigger > Instant{0} ? move.trigger : move.begun;
  if (begun > Instant{0} && move.ended > begun) {
    facts.took = fmt::format("{:.1f} s", seconds(move.ended - begun));
  }
  return facts;
}

Instant since_of(const std::string& rule, const ServiceState& state) {
  if (rule == "move-ended" && state.last_move) {
    const Move& move = *state.last_move;
    return move.trigger > Instant{0} ? move.trigger : move.begun;
  }
  if (rule == "move-refused" || rule == "proposal" || rule == "stuck") return state.phase_since;
  if (rule == "prepare-refused-long") return state.unprepared.since;
  if (rule == "follow-late" && state.follow) return state.follow->since;
  if (rule == "publish-refused" && state.publish) return state.publish->since;
  if (rule == "sites-apart") return state.apart_since;
  return Instant{0};
}

bool still_stands(const std::string& rule, const ServiceState& state) {
  if (rule == "move-refused") return !state.refusal.empty() && state.phase == Phase::kSuspect;
  if (rule == "prepare-refused-long") {
    const bool fenced = state.move && state.move->fence_left && state.phase == Phase::kPreparing &&
                        state.waits_told == state.move->trigger;
    return state.unprepared.alarmed || fenced;
  }
  if (rule == "proposal") return state.proposed && state.phase == Phase::kSuspect;
  if (rule == "stuck") return state.phase == Phase::kStuck;
  if (rule == "follow-late") return state.follow && state.follow->told;
  if (rule == "publish-refused") {
    return state.publish &&
           std::any_of(state.publish->records.begin(), state.publish->records.end(),
                       [](const RecordProgress& record) { return record.refused; });
  }
  if (rule == "disowned") return state.phase == Phase::kUnadopted && !state.restored;
  if (rule == "restored-state") return state.restored;
  if (rule == "vip-not-followed") return !state.vip_refusal.empty();
  if (rule == "vip-twice") return state.vip_twice;
  if (rule == "sites-apart") return state.apart;
  return false;
}

Troubles troubles_of(const std::map<std::string, ServiceSnapshot>& shots, Instant now) {
  Troubles out;
  for (const auto& [service, shot] : shots) {
    const ServiceState& state = shot.state;
    std::string unfit, silent;
    for (const RecordView& record : state.records) {
      if (!record.provider_well) add(unfit, record.provider_problem);
    }
    for (int site = 0; shot.policy.agents && site < kSites; ++site) {
      const SiteView& view = state.sites.at(static_cast<std::size_t>(site));
      if (!view.agent_heard || !view.agent_silent || now - view.agent_at < kSilentLeast) continue;
      add(silent,
          fmt::format("the agent of {}: {}", site_name(shot.policy, site), view.agent_problem));
    }
    if (!unfit.empty()) out[{service, "preflight-failed"}] = {Urgency::kUrgent, unfit};
    if (!silent.empty()) out[{service, "agent-silent"}] = {Urgency::kWarning, silent};
    if (!state.around.store_problem.empty()) {
      out[{"", "store-failed"}] = {Urgency::kUrgent, state.around.store_problem};
    }
  }
  return out;
}

bool is_trouble(const std::string& rule) {
  return rule == "preflight-failed" || rule == "agent-silent" || rule == "store-failed";
}

}  // namespace pointsman
