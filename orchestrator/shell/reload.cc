#include <algorithm>

#include "base/log.h"
#include "orchestrator/shell/daemon.h"

// SIGHUP: what a running daemon takes over, and how.

namespace pointsman {
namespace {

struct Seating {
  std::string name;
  std::unique_ptr<Provider> provider;
};

// New providers for the sections that differ.
Result<std::vector<Seating>> make_seatings(const MonitorConfig& running,
                                           const MonitorConfig& merged, const Clock& clock) {
  std::vector<Seating> seatings;
  for (std::size_t k = 0; k < merged.providers.size(); ++k) {
    if (merged.providers[k] == running.providers.at(k)) continue;
    auto made = make_provider(merged.providers[k], clock);
    if (!made.ok()) return made.error();
    seatings.push_back({merged.providers[k].name, std::move(*made)});
  }
  return seatings;
}

bool same_probes(const ServiceSettings& a, const ServiceSettings& b) {
  for (std::size_t k = 0; k < kSites; ++k) {
    if (a.probes_of(a.sites.at(k)) != b.probes_of(b.sites.at(k))) return false;
  }
  return true;
}

}  // namespace

void Daemon::reload() {
  reload_due_ = false;
  auto outcome = read_monitor_config(config_.file);
  if (!outcome.config) {
    for (const ConfigError& error : outcome.errors) {
      log(LogLevel::kError, "reload-refused", {{"error", error.text()}});
    }
    return;
  }
  if (is_moving()) {
    reload_due_ = true;
    log(LogLevel::kNotice, "reload-waits", {{"why", "a move is on: taken over when it has ended"}});
    return;
  }
  if (const auto taken = take_over(*outcome.config); !taken.ok()) {
    log(LogLevel::kError, "reload-refused", {{"error", taken.error().message}});
  }
}

void Daemon::reload_if_due() {
  if (reload_due_ && !is_moving()) reload();
}

bool Daemon::is_moving() const {
  const auto shots = loop_->snapshot();
  return std::any_of(shots.begin(), shots.end(),
                     [](const auto& each) { return each.second.state.move.has_value(); });
}

// Nearly all that can fail comes first. What a refusal leaves changed is as the files say; the next
// reload takes over the rest.
Result<void> Daemon::take_over(const MonitorConfig& fresh) {
  const MonitorConfig merged = merge_for_reload(config_, fresh);
  auto seatings = make_seatings(config_, merged, clock_);
  if (!seatings.ok()) return seatings.error();
  for (Seating& each : *seatings) {
    ProviderSeat* seat = seats_.at(each.name).get();
    if (!lanes_.at(each.name)->give(
            [seat, next = std::move(each.provider)]() mutable { seat->seat(std::move(next)); })) {
      return {ErrorCode::kUnavailable, "provider " + each.name + " has too much to do: try again"};
    }
  }
  references_.set(merged.references);
  if (const auto watched = watch(specs_of(merged)); !watched.ok()) {
    references_.set(config_.references);
    return watched.error();
  }

  const std::vector<std::string> changes = config_difference(config_, merged);
  for (const std::string& change : changes) log(LogLevel::kNotice, "reload", {{"change", change}});
  if (changes.empty()) log(LogLevel::kNotice, "reload", {{"change", "nothing differs"}});
  for (const std::string& change : config_difference(merged, fresh)) {
    log(LogLevel::kWarning, "reload-needs-restart", {{"change", change}});
  }

  loop_->set_references(!merged.references.empty());
  for (std::size_t k = 0; k < merged.services.size(); ++k) {
    const ServiceSettings& service = merged.services[k];
    const bool probes_differ = !same_probes(config_.services.at(k), service);
    if (probes_differ) {
      const Witnesses witness = witnesses_of(service);
      voucher_->book().with([&](VouchBook& book) {
        book.set_witness(service.name, witness.targets, witness.version);
      });
    }
    ServicePolicy policy = policy_of(merged, service);
    policy.dry = dry_run_;
    if (!loop_->set_policy(policy, probes_differ)) {
      return {ErrorCode::kUnavailable, "service " + service.name +
                                           " and what follows it are not taken over: the daemon "
                                           "has too much to do, reload again"};
    }
  }
  if (web_api_ && merged.web) web_api_->set_tokens(merged.web->tokens);
  if (web_) {
    if (const auto loaded = web_->reload_tls(); !loaded.ok()) {
      log(LogLevel::kError, "certificates-refused", {{"reason", loaded.error().message}});
    }
  }
  config_ = merged;
  if (!seatings->empty()) preflights_->afresh();
  rounds_.hasten();
  return {};
}

}  // namespace pointsman
