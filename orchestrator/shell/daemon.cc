#include "orchestrator/shell/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/shell/agent_view.h"
#include "orchestrator/shell/page.h"

namespace pointsman {
namespace {

// Loads for real and saves nothing.
class ForgetfulStore final : public Store {
 public:
  explicit ForgetfulStore(std::unique_ptr<Store> real) : real_(std::move(real)) {}
  Result<StoredState> load() override { return real_->load(); }
  Result<void> save(const SaveBatch&) override { return {}; }
  Result<std::vector<JournalEntry>> journal(const HistoryQuery& query) override {
    return real_->journal(query);
  }
  Result<std::vector<MoveRow>> moves(const HistoryQuery& query) override {
    return real_->moves(query);
  }
  Result<std::vector<FlightRow>> flight(const std::string& service, int limit) override {
    return real_->flight(service, limit);
  }
  Result<ChainReport> verify(ChainReport so_far) override {
    return real_->verify(std::move(so_far));
  }

 private:
  std::unique_ptr<Store> real_;
};

Mode mode_of(const std::string& text) {
  if (text == "observe") return Mode::kObserve;
  return text == "propose" ? Mode::kPropose : Mode::kAuto;
}

Sighting sighting_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass: return Sighting::kPass;
    case Outcome::kFail: return Sighting::kFail;
    case Outcome::kUnknown: return Sighting::kUnknown;
  }
  return Sighting::kUnknown;
}

// Fills in what the agent of `at` shall probe: the other site, by its public address.
Json witness_of(const ServiceSettings& service, std::size_t at) {
  Json targets = Json::array();
  const SiteSettings& other = service.sites.at(1 - at);
  for (const ProbeSpec& spec : service.probes_of(other)) {
    targets.push(Json::object({{"site", other.name}, {"spec", spec.to_json()}}));
  }
  return targets;
}

std::uint64_t version_of(const std::array<Json, kSites>& witness) {
  const std::string sum = digest(Hash::kSha256, witness[0].dump() + witness[1].dump());
  std::uint64_t version = 0;
  for (int k = 0; k < 6; ++k) version = version << 8 | static_cast<unsigned char>(sum.at(k));
  return version + 1;
}

}  // namespace

std::vector<ProbeSpec> specs_of(const MonitorConfig& config) {
  std::vector<ProbeSpec> specs;
  for (const ServiceSettings& service : config.services) {
    for (const SiteSettings& site : service.sites) {
      for (ProbeSpec& spec : service.probes_of(site)) specs.push_back(std::move(spec));
    }
  }
  return specs;
}

Witnesses witnesses_of(const ServiceSettings& service) {
  Witnesses witnesses;
  for (std::size_t k = 0; k < kSites; ++k) witnesses.targets[k] = witness_of(service, k);
  witnesses.version = version_of(witnesses.targets);
  return witnesses;
}

ServicePolicy policy_of(const MonitorConfig& config, const ServiceSettings& service) {
  ServicePolicy policy;
  policy.name = service.name;
  policy.mode = mode_of(service.mode.empty() ? config.mode : service.mode);
  for (std::size_t k = 0; k < kSites; ++k) {
    policy.sites[k] = {service.sites.at(k).name, service.sites.at(k).preferred};
  }
  policy.agents = service.has_agents();
  policy.probes = static_cast<int>(service.probes.size());
  policy.records = static_cast<int>(service.records.size());
  policy.fall = service.fall;
  policy.rise = service.rise;
  policy.quorum = service.quorum;
  policy.interval = service.interval;
  policy.suspect_interval = service.suspect_interval;
  policy.timeout = service.timeout;
  policy.lease = service.lease;
  policy.lone_lease = service.lone_lease;
  policy.max_lag = service.max_lag;
  policy.prepare_ttl = service.prepare_ttl;
  policy.order_ttl = service.order_ttl;
  policy.publish_wait = service.publish_wait;
  policy.switchover_budget = service.switchover_budget;
  policy.hold_down = service.hold_down;
  policy.max_moves_per_day = service.max_moves_per_day;
  policy.unfenced_allowed = service.unfenced == "allow";
  policy.publish_first = service.order != "promote-first";
  if (service.keepalived) policy.vip_silent = service.keepalived->silent_after();
  return policy;
}

Daemon::Daemon(const Clock& clock, bool dry_run)
    : clock_(clock), dry_run_(dry_run), rounds_(clock) {}

Daemon::~Daemon() { end(); }

void Daemon::end() {
  if (web_) web_->stop();
  if (control_) control_->stop();
  rounds_.end();
  engine_.reset();
  if (voucher_) voucher_->end();
  if (loop_) loop_->end();
  // Jobs of the providers' lanes use the executor, and its own jobs use those lanes: none may run
  // while either is gone.
  for (auto& [name, lane] : lanes_) lane->end();
  executor_.reset();
  lanes_.clear();
  preflights_.reset();
  saver_.reset();
}

bool Daemon::turns() const { return loop_ && clock_.now() - loop_->last_turn() < 5s; }

Result<void> Daemon::make_outside() {
  for (const ProviderSettings& settings : config_.providers) {
    auto provider = make_provider(settings, clock_);
    if (!provider.ok()) return provider.error();
    seats_[settings.name] = std::make_unique<ProviderSeat>(
        std::move(*provider), clock_,
        [this, name = settings.name](const char* operation, Duration took, auto failed) {
          measures_.asked_provider(name, operation, took, failed);
        });
    lanes_[settings.name] = std::make_unique<Lane>("dns-" + settings.name);
  }
  for (const ServiceSettings& service : config_.services) {
    ServiceOutside outside;
    outside.policy = policy_of(config_, service);
    outside.policy.dry = dry_run_;
    for (const RecordSettings& record : service.records) {
      outside.publishers.push_back(
          std::make_unique<Publisher>(service, record, *seats_.at(record.provider)));
      outside.publisher_lanes.push_back(lanes_.at(record.provider).get());
    }
    for (std::size_t k = 0; k < kSites; ++k) outside.agent_urls[k] = service.sites.at(k).agent;
    outside_.emplace(service.name, std::move(outside));
  }
  return {};
}

Result<void> Daemon::load_state() {
  auto store = open_sqlite_store(config_.state_dir);
  if (!store.ok()) return store.error();
  store_ = std::move(*store);
  if (dry_run_) store_ = std::make_unique<ForgetfulStore>(std::move(store_));
  auto stored = store_->load();
  if (!stored.ok()) return stored.error();
  stored_ = std::move(*stored);
  return {};
}

void Daemon::start_voucher() {
  std::map<std::string, AgentAddress> agents;
  for (const ServiceSettings& service : config_.services) {
    if (!service.has_agents()) continue;
    for (std::size_t k = 0; k < kSites; ++k) {
      const SiteSettings& site = service.sites.at(k);
      AgentAddress& agent = agents[site.agent];
      agent.url = site.agent;
      agent.site = site.name;
      agent.poll_interval = std::min(agent.poll_interval, service.lease / 6);
      agent.hurry_interval = std::min(agent.hurry_interval, service.suspect_interval);
      agent.services.emplace_back(service.name, static_cast<int>(k));
    }
  }
  std::vector<AgentAddress> list;
  for (auto& [url, agent] : agents) list.push_back(std::move(agent));
  voucher_->watch(std::move(list));
}

void Daemon::on_probe(const EngineEvent& event) {
  if (References::is_reference(event.target)) {
    if (event.kind == EngineEvent::Kind::kObservation &&
        event.observation.outcome == Outcome::kPass) {
      loop_->reference_passed(event.started);
    }
    return;
  }
  for (const auto& [name, outside] : outside_) {
    for (int site = 0; site < kSites; ++site) {
      const std::string prefix =
          name + "/" + outside.policy.sites.at(static_cast<std::size_t>(site)).name + "/";
      if (!event.target.starts_with(prefix)) continue;
      const int probe = std::atoi(event.target.c_str() + prefix.size());
      if (event.kind == EngineEvent::Kind::kObservation) {
        measures_.probed(name, outside.policy.sites.at(static_cast<std::size_t>(site)).name,
                         event.observation);
      }
      if (event.kind == EngineEvent::Kind::kDoubt) {
        hurry_references();
        loop_->post({name, ProbeDoubted{site, probe, event.started}, nullptr});
      } else {
        if (event.observation.outcome == Outcome::kFail) hurry_references();
        loop_->post({name,
                     ProbeSeen{site, probe, sighting_of(event.observation.outcome), event.started,
                               event.observation.detail},
                     nullptr});
      }
      return;
    }
  }
}

void Daemon::hurry_references() {
  for (std::size_t k = 0; k < references_.count(); ++k) hurried_->hurry(References::name(k));
}

// The probes of the sites, and of the references whose address is known by now. Without `sites`:
// those of before.
Result<void> Daemon::watch(std::optional<std::vector<ProbeSpec>> sites) {
  const std::lock_guard lock(watch_mutex_);
  if (!sites) sites = site_specs_;
  std::vector<ProbeSpec> specs = references_.specs();
  specs.insert(specs.end(), sites->begin(), sites->end());
  RETURN_IF_ERROR(engine_->watch(std::move(specs)));
  site_specs_ = std::move(*sites);
  return {};
}

void Daemon::start_probes() {
  engine_ = std::make_unique<ProbeEngine>(clock_, [this](EngineEvent event) { on_probe(event); });
  hurried_ = engine_.get();
  references_.set(config_.references);
  loop_->set_references(!config_.references.empty());
  const auto watched = watch(specs_of(config_));
  if (!watched.ok())
    log(LogLevel::kError, "probes-refused", {{"problem", watched.error().message}});
}

void Daemon::start_rounds() {
  rounds_.add([this](Instant now) { return preflights_->turn(now); });
  rounds_.add([this](Instant now) {
    if (references_.look_up(now)) {
      const auto watched = watch(std::nullopt);
      if (!watched.ok())
        log(LogLevel::kError, "probes-refused", {{"problem", watched.error().message}});
    }
    return references_.due();
  });
  rounds_.start();
}

// What a reload may change of the configuration is not among it.
void Daemon::make_metrics() {
  std::map<std::string, std::vector<std::string>> providers;
  for (const ServiceSettings& service : config_.services) {
    auto& of_records = providers[service.name];
    for (const RecordSettings& record : service.records) of_records.push_back(record.provider);
  }
  std::map<std::string, std::string> certificates;
  if (!config_.tls.cert_file.empty()) certificates["own"] = config_.tls.cert_file;
  if (!config_.tls.ca_file.empty()) certificates["ca"] = config_.tls.ca_file;
  if (config_.web && !config_.web->cert.empty()) certificates["web"] = config_.web->cert;
  metrics_ = std::make_unique<DaemonMetrics>(
      DaemonMetrics::Parts{clock_, *loop_, outside_, measures_, *preflights_, std::move(providers),
                           std::move(certificates), config_.credentials});
}

Result<void> Daemon::start_servers() {
  make_metrics();
  const auto parts = [&] {
    return Api::Parts{
        clock_,       *loop_,   *saver_, *executor_, outside_,
        config_.name, dry_run_, {},      false,      [this] { return metrics_->text(); }};
  };
  Api::Parts trusted = parts();
  trusted.trusted = true;
  control_api_ = std::make_unique<Api>(std::move(trusted));
  control_ = std::make_unique<HttpServer>();
  control_api_->serve(*control_);
  HttpServerOptions options;
  options.listen = "unix:" + config_.control;
  RETURN_IF_ERROR(control_->start(options));
  if (!config_.web) return {};
  Api::Parts guarded = parts();
  guarded.tokens = config_.web->tokens;
  guarded.tls = !config_.web->cert.empty();
  web_api_ = std::make_unique<Api>(std::move(guarded));
  web_ = std::make_unique<HttpServer>();
  web_api_->serve(*web_);
  serve_page(*web_);
  HttpServerOptions web;
  web.listen = config_.web->listen;
  web.cert_file = config_.web->cert;
  web.key_file = config_.web->key;
  web.hosts = config_.web->hosts;
  if (web.hosts.empty()) web.hosts = {"127.0.0.1", "localhost", "[::1]"};
  return web_->start(web);
}

Result<void> Daemon::find_sender() {
  sender_ = config_.name;
  if (config_.tls.cert_file.empty()) return {};
  const auto facts = read_identity(config_.tls.cert_file);
  if (!facts.ok()) return facts.error();
  if (facts->names.empty()) {
    return {ErrorCode::kInvalid, config_.tls.cert_file + " carries no DNS name"};
  }
  sender_ = facts->names.front();
  return {};
}

void Daemon::make_machinery() {
  saver_ = std::make_unique<Saver>(clock_, *store_);
  const auto on_heard = [this](const Voucher::Heard& heard) {
    measures_.heard(heard.service, heard.site, heard.report);
    const ServicePolicy& policy = outside_.at(heard.service).policy;
    loop_->post({heard.service, AgentHeard{heard.site, view_of(policy, heard.report), heard.asked},
                 nullptr});
  };
  const auto on_silent = [this](const std::string& service, int site, std::string why) {
    loop_->post({service, AgentSilent{site, std::move(why)}, nullptr});
  };
  voucher_ =
      std::make_unique<Voucher>(Voucher::Parts{clock_, sender_, config_.tls, on_heard, on_silent});
  if (dry_run_) voucher_->run_dry(stored_.counter);
  RealExecutor::Parts parts{clock_,
                            outside_,
                            voucher_->book(),
                            config_.tls,
                            sender_,
                            [this](const std::string& service, decltype(Event::what) what) {
                              const auto* answered = std::get_if<PublishAnswered>(&what);
                              if (answered != nullptr && answered->accepted) {
                                preflights_->published(service, answered->record);
                              }
                              loop_->post({service, std::move(what), nullptr});
                            }};
  preflights_ = std::make_unique<Preflights>(
      Preflights::Parts{clock_, outside_, [this](const std::string& service, ProviderJudged what) {
                          loop_->post({service, std::move(what), nullptr});
                        }});
  if (dry_run_) {
    executor_ = std::make_unique<DryExecutor>(std::move(parts));
  } else {
    executor_ = std::make_unique<RealExecutor>(std::move(parts));
  }
  Decider::Parts deciding{clock_,
                          *executor_,
                          voucher_->book(),
                          *saver_,
                          stored_.counter,
                          config_.max_moves_at_once,
                          config_.breaker_window,
                          config_.name};
  deciding.watch = [this](const ServicePolicy& policy, const ServiceState& next,
                          const Consequence&) { measures_.decided(policy, next); };
  loop_ = std::make_unique<Loop>(std::move(deciding));
}

Result<void> Daemon::add_service(const ServiceSettings& service) {
  const ServicePolicy& policy = outside_.at(service.name).policy;
  std::optional<KeptState> kept;
  for (const auto& [name, text] : stored_.states) {
    if (name != service.name) continue;
    auto decoded = decode_state(policy, text, clock_.now());
    if (!decoded.ok()) {
      return {ErrorCode::kInvalid, "state of service " + name + ": " + decoded.error().message};
    }
    kept = std::move(*decoded);
  }
  measures_.begin(policy, kept ? kept->state.last_move : std::nullopt);
  VouchTerms terms;
  terms.sites = {policy.sites[0].name, policy.sites[1].name};
  terms.lease = policy.lease;
  terms.lone_lease = policy.lone_lease;
  terms.prepare_ttl = policy.prepare_ttl;
  Witnesses witness = witnesses_of(service);
  terms.witness = std::move(witness.targets);
  terms.witness_version = witness.version;
  const Duration widest = kept ? kept->widest : Duration::zero();
  voucher_->book().with([&](VouchBook& book) {
    book.set_service(service.name, std::move(terms), widest, clock_.now());
  });
  loop_->add(policy, std::move(kept));
  return {};
}

Result<void> Daemon::start(MonitorConfig config) {
  config_ = std::move(config);
  RETURN_IF_ERROR(find_sender());
  RETURN_IF_ERROR(load_state());
  RETURN_IF_ERROR(make_outside());
  make_machinery();
  for (const ServiceSettings& service : config_.services) RETURN_IF_ERROR(add_service(service));
  loop_->start();
  start_voucher();
  start_probes();
  start_rounds();
  RETURN_IF_ERROR(start_servers());
  log(LogLevel::kNotice, "started",
      {{"monitor", config_.name},
       {"version", PM_VERSION},
       {"services", config_.services.size()},
       {"dry_run", dry_run_}});
  return {};
}

}  // namespace pointsman
