#include "agent/agent_metrics.h"

#include <algorithm>

#include "base/certificate.h"
#include "base/metrics.h"
#include "base/process_metrics.h"

namespace pointsman {
namespace {

constexpr Metric kBuild{"pointsman_build_info", "1, with the version."};
constexpr Metric kCertificate{"pointsman_certificate_expiry_seconds",
                              "Until a certificate ends; negative: it has ended."};
constexpr Metric kRole{"pointsman_local_role", "1 for the role of this site."};
constexpr Metric kEpoch{"pointsman_local_epoch", "The last reign that this agent accepted."};
constexpr Metric kLease{"pointsman_local_lease_seconds",
                        "Rest of this site's lease; 0: it may take no writes."};
constexpr Metric kLone{"pointsman_local_lone_lease", "Whether that is a lone lease."};
constexpr Metric kWritable{"pointsman_local_writable",
                           "Whether this site takes writes, by its stores' own account."};
constexpr Metric kFenced{"pointsman_local_fenced_epoch",
                         "The highest epoch whose fence was made here and read back."};
constexpr Metric kAvailable{"pointsman_local_deadman_available",
                            "Whether the kernel can hold a lease (nftables, [service.deadman])."};
constexpr Metric kArmed{"pointsman_local_deadman_armed",
                        "Whether the kernel would end the lease without this agent."};
constexpr Metric kPromise{"pointsman_local_promise_seconds",
                          "For how long this site has promised not to take power."};
constexpr Metric kPeer{"pointsman_local_peer_answers", "Whether the other site's agent answers."};
constexpr Metric kTrouble{"pointsman_local_trouble",
                          "Whether this agent tries something and fails: see its report."};
constexpr Metric kTaken{"pointsman_local_taken",
                        "Whether this site is in power by a person's word alone."};
constexpr Metric kStoreUp{"pointsman_local_store_up", "Whether a store answers."};
constexpr Metric kStoreLag{"pointsman_local_store_lag_seconds",
                           "How far a store is behind the one it follows, as it tells itself."};
constexpr Metric kApplier{"pointsman_local_store_applier_running",
                          "Whether a store that follows applies what it receives."};
constexpr Metric kUnit{"pointsman_local_unit_active", "Whether a unit is active."};

const std::vector<std::string> kRoles{"none", "standby", "primary", "fenced"};

double as_value(bool yes) { return yes ? 1 : 0; }

void put_stores(MetricsPage& page, const ServiceReport& report) {
  for (const StoreReport& store : report.stores) {
    const MetricLabels labels{{"service", report.service}, {"store", store.name}};
    page.gauge(kStoreUp, labels, as_value(store.liveness == Liveness::kUp));
    if (!store.replica) continue;
    page.gauge(kApplier, labels, as_value(store.applier_running));
    if (store.lag) page.gauge(kStoreLag, labels, seconds(*store.lag));
  }
  for (const UnitReport& unit : report.units) {
    page.gauge(kUnit, {{"service", report.service}, {"unit", unit.name}}, as_value(unit.active));
  }
}

void put_report(MetricsPage& page, const ServiceReport& report) {
  const MetricLabels labels{{"service", report.service}};
  page.state(kRole, {{"service", report.service}, {"role", to_string(report.role)}}, kRoles);
  page.gauge(kEpoch, labels, static_cast<double>(report.reign.epoch));
  page.gauge(kLease, labels, std::max(0.0, seconds(report.lease_rest)));
  page.gauge(kLone, labels, as_value(report.lone));
  if (report.writable_known) page.gauge(kWritable, labels, as_value(report.writable));
  page.gauge(kFenced, labels, static_cast<double>(report.fenced));
  page.gauge(kAvailable, labels, as_value(report.deadman_available));
  page.gauge(kArmed, labels, as_value(report.deadman_armed));
  page.gauge(kPromise, labels, std::max(0.0, seconds(report.promise_rest)));
  page.gauge(kPeer, labels, as_value(report.peer.answers));
  page.gauge(kTrouble, labels, as_value(!report.trouble.empty()));
  page.gauge(kTaken, labels, as_value(report.taken.has_value()));
  put_stores(page, report);
}

}  // namespace

std::string agent_metrics(const std::vector<ServiceReport>& reports, const TlsIdentity& tls) {
  MetricsPage page;
  put_process_metrics(page);
  page.gauge(kBuild, {{"version", PM_VERSION}}, 1);
  for (const auto& [what, file] : {std::pair{"own", tls.cert_file}, std::pair{"ca", tls.ca_file}}) {
    const auto left = certificate_seconds_left(file);
    if (left.ok()) page.gauge(kCertificate, {{"certificate", what}}, static_cast<double>(*left));
  }
  for (const ServiceReport& report : reports) put_report(page, report);
  return page.text();
}

}  // namespace pointsman
