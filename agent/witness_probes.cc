#include "agent/witness_probes.h"

#include <algorithm>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "probes/engine.h"

namespace pointsman {
namespace {

constexpr std::size_t kTargetsMost = 256;  // Of one service.

struct Target {
  std::string site;
  ProbeSpec spec;
};

class ProbeWitness : public Witness {
 public:
  explicit ProbeWitness(const Clock& clock)
      : clock_(clock), engine_(clock, [this](const EngineEvent& event) { note(event); }) {}

  Result<void> watch(const std::string& service, const Json& targets) override;
  void hurry(const std::string& service, const std::string& site) override;
  std::vector<WitnessCount> counts(const std::string& service) override;

 private:
  struct Seen {
    int fails = 0;
    int passes = 0;
    std::string last;
    Instant at{0};
    std::string detail;
  };

  void note(const EngineEvent& event);

  const Clock& clock_;
  std::mutex watching_;  // One watch() at a time: the engine's set is that of all services.
  std::mutex mutex_;     // Of what follows; the engine's thread writes, pollers read.
  std::map<std::string, std::vector<Target>> targets_;
  std::map<std::string, Seen> seen_;
  ProbeEngine engine_;  // Last: its thread ends before what it writes to.
};

Result<std::vector<Target>> read_targets(const Json& json) {
  std::vector<Target> targets;
  if (!json.is_array()) return Error{ErrorCode::kInvalid, "witness: no array"};
  if (json.as_array().size() > kTargetsMost) {
    return Error{ErrorCode::kInvalid, fmt::format("witness: over {} probes", kTargetsMost)};
  }
  for (const Json& item : json.as_array()) {
    const Json* spec = item.find("spec");
    if (spec == nullptr || item.string_or("site").empty()) {
      return Error{ErrorCode::kInvalid, "witness: a target needs site and spec"};
    }
    auto read = ProbeSpec::from_json(*spec);
    if (!read) return read.error();
    targets.push_back({item.string_or("site"), std::move(*read)});
  }
  return targets;
}

Result<void> ProbeWitness::watch(const std::string& service, const Json& json) {
  auto targets = read_targets(json);
  if (!targets) return targets.error();
  const std::lock_guard one_at_a_time(watching_);
  std::vector<ProbeSpec> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [other, watched] : targets_) {
      if (other == service) continue;
      for (const Target& target : watched) all.push_back(target.spec);
    }
  }
  for (const Target& target : *targets) all.push_back(target.spec);
  // Names of the new set are known before its first event can come.
  {
    const std::lock_guard lock(mutex_);
    for (const ProbeSpec& spec : all) seen_.try_emplace(spec.name);
  }
  RETURN_IF_ERROR(engine_.watch(all));
  const std::lock_guard lock(mutex_);
  targets_[service] = std::move(*targets);
  std::erase_if(seen_, [&](const auto& entry) {
    return std::none_of(all.begin(), all.end(),
                        [&](const ProbeSpec& spec) { return spec.name == entry.first; });
  });
  return {};
}

void ProbeWitness::hurry(const std::string& service, const std::string& site) {
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    const auto found = targets_.find(service);
    if (found == targets_.end()) return;
    for (const Target& target : found->second) {
      if (target.site == site) names.push_back(target.spec.name);
    }
  }
  for (const std::string& name : names) engine_.hurry(name);
}

std::vector<WitnessCount> ProbeWitness::counts(const std::string& service) {
  const Instant now = clock_.now();
  std::vector<WitnessCount> counts;
  const std::lock_guard lock(mutex_);
  const auto found = targets_.find(service);
  if (found == targets_.end()) return counts;
  for (const Target& target : found->second) {
    const Seen& seen = seen_[target.spec.name];
    const Duration age = seen.last.empty() ? Duration::zero() : now - seen.at;
    counts.push_back({target.site, target.spec.name, seen.fails, seen.passes, seen.last,
                      std::max(age, Duration::zero()), seen.detail});
  }
  return counts;
}

void ProbeWitness::note(const EngineEvent& event) {
  if (event.kind != EngineEvent::Kind::kObservation) return;
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(event.target);
  if (found == seen_.end()) return;
  Seen& seen = found->second;
  const Outcome outcome = event.observation.outcome;
  // Unknown counts for nobody: neither row of fails nor of passes is broken by it.
  if (outcome == Outcome::kPass) {
    seen.passes = std::min(seen.passes + 1, 1'000'000);
    seen.fails = 0;
  } else if (outcome == Outcome::kFail) {
    seen.fails = std::min(seen.fails + 1, 1'000'000);
    seen.passes = 0;
  }
  seen.last = to_string(outcome);
  seen.at = event.at;
  seen.detail = event.observation.detail.substr(0, 500);
}

}  // namespace

std::unique_ptr<Witness> make_probe_witness(const Clock& clock) {
  return std::make_unique<ProbeWitness>(clock);
}

}  // namespace pointsman
