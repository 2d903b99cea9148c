#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/http_server.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/shell/agent_certificates.h"
#include "orchestrator/shell/api.h"
#include "orchestrator/shell/daemon_metrics.h"
#include "orchestrator/shell/executor.h"
#include "orchestrator/shell/loop.h"
#include "orchestrator/shell/measures.h"
#include "orchestrator/shell/notifier.h"
#include "orchestrator/shell/preflights.h"
#include "orchestrator/shell/provider_seat.h"
#include "orchestrator/shell/references.h"
#include "orchestrator/shell/rounds.h"
#include "orchestrator/shell/saver.h"
#include "orchestrator/shell/store.h"
#include "orchestrator/shell/voucher.h"
#include "probes/engine.h"

namespace pointsman {

// pointsmand, assembled: configuration in, everything running out.
class Daemon {
 public:
  Daemon(const Clock& clock, bool dry_run);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // kInvalid: configuration or state; the message says what to do. Nothing runs then.
  Result<void> start(MonitorConfig config);

  // Reads the files again; bad ones change nothing. What differs is logged, secrets masked; what
  // needs a restart is said. While a move is on it is put off until reload_if_due().
  void reload();
  void reload_if_due();

  // Whether the loop turns: for the watchdog.
  bool turns() const;
  void end();

 private:
  Result<void> find_sender();
  Result<void> make_outside();
  void make_machinery();
  Result<void> add_service(const ServiceSettings& service);
  Result<void> load_state();
  void make_metrics();
  std::vector<NoticeCount> notice_counts() const;
  Result<void> start_servers();
  void start_voucher();
  void start_probes();
  void start_rounds();
  void start_notifier();
  NotifierSettings notifier_settings() const;
  void on_probe(const EngineEvent& event);
  void hurry_references();
  Result<void> watch(std::optional<std::vector<ProbeSpec>> sites);
  bool is_moving() const;
  Result<void> take_over(const MonitorConfig& fresh);

  const Clock& clock_;
  const bool dry_run_;
  MonitorConfig config_;
  std::string sender_;
  bool reload_due_ = false;
  References references_;
  Rounds rounds_;
  std::mutex watch_mutex_;  // Rounds and a reload both say what to watch.
  std::vector<ProbeSpec> site_specs_;
  Measures measures_;
  std::map<std::string, std::unique_ptr<ProviderSeat>> seats_;
  std::map<std::string, ServiceOutside> outside_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;  // One a provider.
  std::unique_ptr<Store> store_;
  StoredState stored_;
  std::unique_ptr<Voucher> voucher_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<RealExecutor> executor_;
  std::unique_ptr<Preflights> preflights_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<ProbeEngine> engine_;
  ProbeEngine* hurried_ = nullptr;  // The same, also while its destructor waits for on_probe().
  std::unique_ptr<AgentCertificates> agent_certificates_;
  std::unique_ptr<DaemonMetrics> metrics_;
  std::unique_ptr<Api> control_api_;
  std::unique_ptr<Api> web_api_;
  std::unique_ptr<HttpServer> control_;
  std::unique_ptr<HttpServer> web_;
};

// The probes of every site of every service.
std::vector<ProbeSpec> specs_of(const MonitorConfig& config);

// What the agent of each site shall probe of the other.
struct Witnesses {
  std::array<Json, kSites> targets;
  std::uint64_t version = 0;
};
Witnesses witnesses_of(const ServiceSettings& service);

// The core's policy of one service.
ServicePolicy policy_of(const MonitorConfig& config, const ServiceSettings& service);

}  // namespace pointsman
