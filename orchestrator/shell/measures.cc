#include "orchestrator/shell/measures.h"

#include <algorithm>

namespace pointsman {
namespace {

constexpr Metric kProbeSeconds{"pointsman_probe_duration_seconds",
                               "Attempts of the monitor's probes that passed or failed."};
constexpr Metric kProbeFailures{"pointsman_probe_failures_total", "Attempts that failed."};
constexpr Metric kProbeUnknown{"pointsman_probe_unknown_total",
                               "Attempts that could not be made, by a fault of this host."};
constexpr Metric kMoves{"pointsman_moves_total", "Moves that ended, by how."};
constexpr Metric kMoveSeconds{"pointsman_move_phase_seconds",
                              "Steps of moves that ended, each from its beginning to its end."};
constexpr Metric kProviderSeconds{"pointsman_provider_request_seconds",
                                  "Operations at a provider, each of one or several requests."};
constexpr Metric kProviderErrors{"pointsman_provider_errors_total",
                                 "Operations at a provider that failed, by why."};

const std::vector<double> kProbeBuckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                        0.25,  0.5,    1,     2,    5,     10};
const std::vector<double> kStepBuckets{0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800};
const std::vector<double> kRequestBuckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10};

constexpr std::array kKinds{MoveKind::kFailover, MoveKind::kAdopt, MoveKind::kRecrown,
                            MoveKind::kSwitchover};
constexpr std::size_t kStoresMost = 8;

}  // namespace

std::optional<Duration> step_length(const Step& step) {
  const bool ended = step.state == StepState::kDone || step.state == StepState::kFailed;
  if (!ended || step.started == Instant{0} || step.ended < step.started) return std::nullopt;
  return step.ended - step.started;
}

void Measures::begin(const ServicePolicy& policy, const std::optional<Move>& last_move) {
  last_moves_[policy.name] = last_move ? last_move->id : "";
  for (const MoveKind kind : kKinds) {
    for (const char* outcome : {"done", "partial", "failed", "voided"}) {
      counts_.add(kMoves,
                  {{"service", policy.name}, {"kind", to_string(kind)}, {"outcome", outcome}}, 0);
    }
  }
  for (const SitePolicy& site : policy.sites) {
    counts_.add(kProbeFailures, {{"service", policy.name}, {"site", site.name}}, 0);
    counts_.add(kProbeUnknown, {{"service", policy.name}, {"site", site.name}}, 0);
  }
}

void Measures::probed(const std::string& service, const std::string& site,
                      const Observation& seen) {
  const MetricLabels labels{{"service", service}, {"site", site}};
  if (seen.outcome == Outcome::kUnknown) {
    counts_.add(kProbeUnknown, labels);
    return;
  }
  counts_.observe(kProbeSeconds, labels, seconds(seen.latency), kProbeBuckets);
  if (seen.outcome == Outcome::kFail) counts_.add(kProbeFailures, labels);
}

void Measures::decided(const ServicePolicy& policy, const ServiceState& next) {
  if (!next.last_move) return;
  const Move& move = *next.last_move;
  std::string& known = last_moves_[policy.name];
  if (known == move.id) return;
  known = move.id;
  const std::string kind = to_string(move.kind);
  counts_.add(kMoves, {{"service", policy.name}, {"kind", kind}, {"outcome", move.outcome}});
  for (const Step& step : move.steps) {
    const auto took = step_length(step);
    if (!took) continue;
    counts_.observe(kMoveSeconds, {{"service", policy.name}, {"kind", kind}, {"phase", step.name}},
                    seconds(*took), kStepBuckets);
  }
}

void Measures::asked_provider(const std::string& provider, const char* operation, Duration took,
                              std::optional<ErrorCode> failed) {
  const MetricLabels labels{{"provider", provider}, {"operation", operation}};
  counts_.observe(kProviderSeconds, labels, seconds(took), kRequestBuckets);
  MetricLabels why = labels;
  why.emplace_back("error", failed ? to_string(*failed) : "unavailable");
  counts_.add(kProviderErrors, why, failed ? 1 : 0);
}

void Measures::heard(const std::string& service, int site, const ServiceReport& report) {
  std::vector<StoreSeen> seen;
  for (const StoreReport& store : report.stores) {
    if (seen.size() >= kStoresMost) break;
    // Redis tells no lag of its own: what it lacked of what the primary had told.
    std::optional<Duration> lag = store.lag;
    if (!lag && store.caught_up_age && store.told_age) {
      lag = std::max<Duration>(*store.caught_up_age - *store.told_age, 0s);
    }
    seen.push_back(
        {store.name, store.liveness == Liveness::kUp, store.replica, store.applier_running, lag});
  }
  const std::lock_guard lock(stores_mutex_);
  stores_[{service, site}] = std::move(seen);
}

std::vector<StoreSeen> Measures::stores(const std::string& service, int site) const {
  const std::lock_guard lock(stores_mutex_);
  const auto found = stores_.find({service, site});
  return found == stores_.end() ? std::vector<StoreSeen>{} : found->second;
}

}  // namespace pointsman
