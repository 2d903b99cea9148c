#include "orchestrator/shell/daemon_metrics.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/certificate.h"
#include "base/process_metrics.h"

namespace pointsman {
namespace {

constexpr Metric kBuild{"pointsman_build_info", "1, with the version."};
constexpr Metric kTurnAge{"pointsman_loop_turn_age_seconds", "Since the loop last turned."};
constexpr Metric kLate{"pointsman_loop_late",
                       "Whether the loop was late, so that its observations do not count yet."};
constexpr Metric kLateProbes{"pointsman_probe_late_total",
                             "Attempts that began more than 100 ms after their time."};
constexpr Metric kLateness{"pointsman_probe_lateness_seconds",
                           "By how much attempts begin late, 99th percentile of the last 10,000."};
constexpr Metric kSaved{"pointsman_state_saved", "Whether state and journal can be saved."};
constexpr Metric kCertificate{"pointsman_certificate_expiry_seconds",
                              "Until a certificate ends; negative: it has ended."};
constexpr Metric kCredentials{"pointsman_credentials_age_seconds",
                              "Since the credentials file was last written."};
constexpr Metric kPreflight{"pointsman_preflight_passed",
                            "Whether the last pre-flight of a record's provider passed."};
constexpr Metric kPreflightAge{"pointsman_preflight_age_seconds",
                               "Since a record's provider was last asked by a pre-flight."};
constexpr Metric kMatches{"pointsman_record_matches",
                          "Whether a record names the published site, by the provider's account "
                          "(server=\"provider\") and by the last answer of each server."};
constexpr Metric kRecordAge{"pointsman_record_age_seconds", "Since a record was last read."};
constexpr Metric kLag{"pointsman_replication_lag_seconds",
                      "How far a standby's store is behind, as the store tells it."};
constexpr Metric kStoreUp{"pointsman_store_up", "Whether a store answers its agent."};
constexpr Metric kApplier{"pointsman_store_applier_running",
                          "Whether a standby's store applies what it receives."};
constexpr Metric kNotices{"pointsman_notices_total", "Notices, by what became of them."};

constexpr std::size_t kServersMost = 16;  // Of one record: as many names as a zone has, and more.

MetricLabels joined(MetricLabels labels, const MetricLabels& more) {
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

const std::string& site_name(const ServiceSnapshot& shot, int site) {
  return shot.policy.sites.at(static_cast<std::size_t>(site)).name;
}

bool is_fresh(const ServiceSnapshot& shot, int site) {
  const SiteView& view = shot.state.sites.at(static_cast<std::size_t>(site));
  return view.agent_heard && shot.at - view.agent_at <= std::max<Duration>(shot.policy.lease, 2s);
}

}  // namespace

std::string DaemonMetrics::text() const {
  MetricsPage page;
  put_process_metrics(page);
  put_monitor(page);
  put_files(page);
  put_preflights(page);
  for (const auto& [name, shot] : parts_.loop.snapshot()) put_service(page, shot);
  if (parts_.notices) {
    for (const NoticeCount& one : parts_.notices()) {
      page.counter(kNotices, {{"channel", one.channel}, {"outcome", one.outcome}},
                   static_cast<double>(one.count));
    }
  }
  parts_.measures.counts().collect(page);
  return page.text();
}

void DaemonMetrics::put_monitor(MetricsPage& page) const {
  page.gauge(kBuild, {{"version", PM_VERSION}}, 1);
  page.gauge(kTurnAge, {}, seconds(parts_.clock.now() - parts_.loop.last_turn()));
  page.gauge(kLate, {}, as_value(parts_.loop.is_late()));
  const EngineStats probes = parts_.engine.stats();
  page.counter(kLateProbes, {}, static_cast<double>(probes.late));
  page.gauge(kLateness, {}, seconds(probes.lateness_p99));
  page.gauge(kSaved, {}, as_value(parts_.loop.store_problem().empty()));
}

// Read anew by each scrape, for they are renewed without a word to us.
void DaemonMetrics::put_files(MetricsPage& page) const {
  for (const auto& [what, file] : parts_.certificates) {
    const auto left = certificate_seconds_left(file);
    if (left.ok()) {
      page.gauge(kCertificate, {{"certificate", what}}, static_cast<double>(*left));
    }
  }
  for (const auto& [site, left] : parts_.agent_certificates.left(parts_.clock.now())) {
    page.gauge(kCertificate, {{"certificate", "agent"}, {"site", site}}, seconds(left));
  }
  struct stat found {};
  if (::stat(parts_.credentials.c_str(), &found) != 0) return;
  const std::int64_t now = parts_.clock.wall().ns / 1'000'000'000;
  page.gauge(kCredentials, {},
             static_cast<double>(std::max<std::int64_t>(now - found.st_mtim.tv_sec, 0)));
}

void DaemonMetrics::put_preflights(MetricsPage& page) const {
  const Instant now = parts_.clock.now();
  for (const Preflights::Last& last : parts_.preflights.last()) {
    const Publisher& publisher = *parts_.outside.at(last.service).publishers.at(last.record);
    const MetricLabels labels{{"service", last.service},
                              {"record", publisher.key().name},
                              {"type", publisher.key().type},
                              {"provider", parts_.providers.at(last.service).at(last.record)}};
    page.gauge(kPreflight, labels, as_value(last.passed));
    page.gauge(kPreflightAge, labels, seconds(now - last.at));
  }
}

void DaemonMetrics::put_service(MetricsPage& page, const ServiceSnapshot& shot) const {
  put_snapshot(page, shot);
  put_records(page, shot);
  put_stores(page, shot);
}

void DaemonMetrics::put_records(MetricsPage& page, const ServiceSnapshot& shot) const {
  const ServiceState& s = shot.state;
  const ServiceOutside& outside = parts_.outside.at(shot.policy.name);
  const auto& providers = parts_.providers.at(shot.policy.name);
  for (std::size_t k = 0; k < outside.publishers.size(); ++k) {
    const Publisher& publisher = *outside.publishers[k];
    const RecordView& view = s.records.at(k);
    const MetricLabels labels{{"service", shot.policy.name},
                              {"record", publisher.key().name},
                              {"type", publisher.key().type},
                              {"provider", providers.at(k)}};
    if (view.at != Instant{0}) page.gauge(kRecordAge, labels, seconds(shot.at - view.at));
    if (s.published < 0) continue;
    if (view.read && view.readable) {
      page.gauge(kMatches, joined(labels, {{"server", "provider"}}),
                 as_value(view.site == s.published));
    }
    std::size_t shown = 0;
    for (const AuthorityAnswer& answer : publisher.answers()) {
      if (!answer.answered || ++shown > kServersMost) continue;
      page.gauge(kMatches, joined(labels, {{"server", answer.server}}),
                 as_value(answer.values == publisher.values_of(s.published)));
    }
  }
}

void DaemonMetrics::put_stores(MetricsPage& page, const ServiceSnapshot& shot) const {
  for (int site = 0; site < kSites; ++site) {
    if (!is_fresh(shot, site)) continue;
    for (const StoreSeen& store : parts_.measures.stores(shot.policy.name, site)) {
      const MetricLabels labels{
          {"service", shot.policy.name}, {"site", site_name(shot, site)}, {"store", store.name}};
      page.gauge(kStoreUp, labels, as_value(store.up));
      if (!store.replica) continue;
      page.gauge(kApplier, labels, as_value(store.applier_running));
      if (store.lag) page.gauge(kLag, labels, seconds(*store.lag));
    }
  }
}

}  // namespace pointsman
