#include <algorithm>
#include <array>

#include "orchestrator/shell/daemon_metrics.h"
#include "orchestrator/shell/outlook.h"

// What one snapshot says by itself.

namespace pointsman {
namespace {

constexpr Metric kUp{"pointsman_site_up", "Whether the monitor's verdict of a site is up."};
constexpr Metric kVerdict{"pointsman_site_verdict", "1 for the monitor's verdict of a site."};
constexpr Metric kRole{"pointsman_site_role", "1 for the role that a site's agent last told."};
constexpr Metric kInPower{"pointsman_site_in_power",
                          "Whether a site is in power, as the monitor's state has it."};
constexpr Metric kPublished{"pointsman_site_published",
                            "Whether the service's records shall name this site."};
constexpr Metric kWritable{"pointsman_site_writable",
                           "Whether a site takes writes, by its stores' own account."};
constexpr Metric kAgentUp{"pointsman_agent_up", "Whether a site's agent answers the monitor."};
constexpr Metric kLease{"pointsman_agent_lease_seconds", "Rest of the lease that a site holds."};
constexpr Metric kArmed{"pointsman_agent_deadman_armed",
                        "Whether a site's kernel would end its lease without its agent."};
constexpr Metric kEpoch{"pointsman_service_epoch", "The number of the present reign."};
constexpr Metric kPhase{"pointsman_service_phase", "1 for the phase that a service is in."};
constexpr Metric kMode{"pointsman_service_mode", "1 for the mode that a service is in."};
constexpr Metric kHeld{"pointsman_service_held", "Whether automatic moves are paused."};
constexpr Metric kGate{"pointsman_gate_open", "Whether a gate of an automatic failover is open."};
constexpr Metric kReady{"pointsman_ready_to_fail_over",
                        "Whether a failover would be made if the site in power died now."};
constexpr Metric kLagMost{"pointsman_replication_lag_allowed_seconds",
                          "max_lag: beyond it no failover is made."};
constexpr Metric kRunning{"pointsman_move_running", "Whether a move of a kind is on."};
constexpr Metric kRunningFor{"pointsman_move_running_seconds",
                             "For how long the present move has been on; 0: none is."};
constexpr Metric kLastStep{"pointsman_last_move_phase_seconds",
                           "Steps of the last move that ended, by how long each took."};
constexpr Metric kUsed{"pointsman_automatic_moves_used", "Automatic moves of the last 24 h."};
constexpr Metric kUsedMost{"pointsman_automatic_moves_allowed", "max_moves_per_day."};

const std::vector<std::string> kVerdicts{"unknown", "up", "suspect", "down"};
const std::vector<std::string> kRoles{"unknown", "none", "standby", "primary", "fenced"};
const std::vector<std::string> kModes{"auto", "propose", "observe"};
constexpr std::array kKinds{MoveKind::kFailover, MoveKind::kAdopt, MoveKind::kRecrown,
                            MoveKind::kSwitchover};

std::vector<std::string> phases() {
  std::vector<std::string> all;
  for (int k = 0; k < kPhases; ++k) all.emplace_back(to_string(static_cast<Phase>(k)));
  return all;
}

void put_gates(MetricsPage& page, const ServiceSnapshot& shot) {
  for (const Gate& gate : gates(shot.policy, shot.state, automatic_move(shot.state), shot.at)) {
    page.gauge(kGate, {{"service", shot.policy.name}, {"gate", gate.name}}, as_value(gate.open));
  }
  page.gauge(kReady, {{"service", shot.policy.name}}, as_value(ready_to_fail_over(shot)));
}

// What only its agent can tell of a site.
void put_agent(MetricsPage& page, const ServiceSnapshot& shot, const SiteView& view,
               const MetricLabels& labels) {
  const Duration age = shot.at - view.agent_at;
  const bool fresh = view.agent_heard && age <= std::max<Duration>(shot.policy.lease, 2s);
  page.gauge(kAgentUp, labels, as_value(fresh));
  const Duration rest = fresh ? view.agent.lease_rest - age : Duration::zero();
  page.gauge(kLease, labels, std::max(0.0, seconds(rest)));
  if (!fresh) return;
  page.gauge(kArmed, labels, as_value(view.agent.armed));
  if (view.agent.writable_known) page.gauge(kWritable, labels, as_value(view.agent.writable));
}

void put_site(MetricsPage& page, const ServiceSnapshot& shot, int site) {
  const ServiceState& s = shot.state;
  const SiteView& view = s.sites.at(static_cast<std::size_t>(site));
  const MetricLabels labels{{"service", shot.policy.name},
                            {"site", shot.policy.sites.at(static_cast<std::size_t>(site)).name}};
  const auto with = [&](const char* name, std::string value) {
    MetricLabels all = labels;
    all.emplace_back(name, std::move(value));
    return all;
  };
  const SiteVerdict seen = verdict(shot.policy, s, site, shot.at);
  std::string role = view.agent_heard ? to_string(view.agent.role) : "unknown";
  if (!shot.policy.agents && s.has_primary()) role = site == s.primary ? "primary" : "standby";
  page.gauge(kUp, labels, as_value(seen == SiteVerdict::kUp));
  page.state(kVerdict, with("verdict", to_string(seen)), kVerdicts);
  page.state(kRole, with("role", role), kRoles);
  page.gauge(kInPower, labels, as_value(site == s.primary));
  page.gauge(kPublished, labels, as_value(site == s.published));
  if (shot.policy.agents) put_agent(page, shot, view, labels);
}

void put_moves(MetricsPage& page, const ServiceSnapshot& shot) {
  const ServiceState& s = shot.state;
  const MetricLabels labels{{"service", shot.policy.name}};
  for (const MoveKind kind : kKinds) {
    page.gauge(kRunning, {{"service", shot.policy.name}, {"kind", to_string(kind)}},
               as_value(s.move && s.move->kind == kind));
  }
  page.gauge(kRunningFor, labels, s.move ? seconds(shot.at - s.move->begun) : 0);
  page.gauge(kUsed, labels, static_cast<double>(s.automatic_moves.size()));
  page.gauge(kUsedMost, labels, shot.policy.max_moves_per_day);
  if (!s.last_move) return;
  for (const Step& step : s.last_move->steps) {
    const auto took = step_length(step);
    if (!took) continue;
    page.gauge(kLastStep,
               {{"service", shot.policy.name},
                {"kind", to_string(s.last_move->kind)},
                {"phase", step.name}},
               seconds(*took));
  }
}

}  // namespace

bool ready_to_fail_over(const ServiceSnapshot& shot) {
  return readiness(shot.policy, shot.state, shot.at).ready;
}

void put_snapshot(MetricsPage& page, const ServiceSnapshot& shot) {
  const ServiceState& s = shot.state;
  const std::string& name = shot.policy.name;
  page.gauge(kEpoch, {{"service", name}}, static_cast<double>(s.reign.epoch));
  page.state(kPhase, {{"service", name}, {"phase", to_string(s.phase)}}, phases());
  page.state(kMode, {{"service", name}, {"mode", to_string(shot.policy.mode)}}, kModes);
  page.gauge(kHeld, {{"service", name}}, as_value(s.hold.on));
  page.gauge(kLagMost, {{"service", name}}, seconds(shot.policy.max_lag));
  put_gates(page, shot);
  for (int site = 0; site < kSites; ++site) put_site(page, shot, site);
  put_moves(page, shot);
}

}  // namespace pointsman
