#include "agent/program.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "agent/agent_metrics.h"
#include "agent/boot_command.h"
#include "agent/drivers/drivers.h"
#include "agent/dry_driver.h"
#include "base/address.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"

namespace pointsman {
namespace {

constexpr Duration kStuck = 5s;

// The port of "host:port"; 0 when there is none.
int port_of(const std::string& address) {
  const auto place = host_port_from(address);
  return place ? place->port : 0;
}

}  // namespace

DeadmanPorts deadman_ports(const AgentServiceSettings& settings) {
  DeadmanPorts ports;
  ports.service = settings.name;
  if (!settings.deadman) return ports;
  ports.allow = settings.deadman->allow;
  std::set<int> of_stores;
  if (settings.mysql) {
    of_stores.insert(settings.mysql->port);
    of_stores.insert(port_of(settings.mysql->advertise));
  }
  if (settings.redis) {
    of_stores.insert(port_of(settings.redis->address));
    of_stores.insert(port_of(settings.redis->advertise));
  }
  for (const int port : settings.deadman->ports) {
    (of_stores.contains(port) ? ports.store_ports : ports.public_ports).push_back(port);
  }
  return ports;
}

AgentProgram::AgentProgram(const AgentConfig& config, Witness* witness, const Clock& clock,
                           bool dry_run)
    : config_(config), witness_(witness), clock_(clock), dry_run_(dry_run) {}

AgentProgram::~AgentProgram() { leave(0s); }

std::vector<AttachedDriver> AgentProgram::make_drivers(const AgentServiceSettings& settings) const {
  std::vector<AttachedDriver> drivers;
  const std::string state_dir = dry_run_ ? "" : config_.state_dir;
  if (settings.mysql) drivers.push_back({make_mysql_driver(*settings.mysql), true, 2s});
  if (settings.redis) drivers.push_back({make_redis_driver(*settings.redis, state_dir), true, 2s});
  for (const UnitSettings& unit : settings.units) {
    drivers.push_back({make_unit_driver(unit), unit.only_primary, unit.timeout + 1s});
  }
  if (!dry_run_) return drivers;
  for (AttachedDriver& attached : drivers) {
    attached.driver = make_dry_driver(std::move(attached.driver), settings.name);
  }
  return drivers;
}

std::unique_ptr<Rejoiner> AgentProgram::make_way_back(const AgentServiceSettings& settings) const {
  RejoinerParts parts;
  parts.service = settings.name;
  parts.site = config_.site;
  parts.state_dir = config_.state_dir;
  parts.clock = &clock_;
  if (settings.mysql) parts.stores.push_back(make_mysql_way_back(*settings.mysql));
  if (settings.redis) {
    parts.stores.push_back(make_redis_way_back(*settings.redis, config_.state_dir));
  }
  return make_rejoiner(std::move(parts));
}

Result<std::unique_ptr<ServiceRunner>> AgentProgram::make_runner(
    const AgentServiceSettings& settings, std::uint64_t incarnation) {
  ServiceRunner::Parts parts;
  auto record = load_record(config_.state_dir, settings.name);
  if (record) {
    parts.record = std::move(*record);
  } else if (record.error().code != ErrorCode::kNotFound) {
    return record.error();
  }
  parts.site = config_.site;
  if (!dry_run_) parts.keep = record_keeper(config_.state_dir, settings.name);
  parts.settings = settings;
  parts.stop_units_after = config_.stop_units_after;
  parts.incarnation = incarnation;
  parts.drivers = make_drivers(settings);
  if (!dry_run_) parts.rejoiner = make_way_back(settings);
  parts.witness = witness_;
  if (!dry_run_) parts.run_hook = run_hook;
  if (!dry_run_) {
    parts.tell_worth = [path = vip_worth_path(config_.state_dir, settings.name)](int worth) {
      return write_vip_worth(path, worth);
    };
  }
  parts.vip_holds = vip_word_from(config_.state_dir, settings.name);
  parts.clock = &clock_;
  if (parts.record.role == Role::kPrimary && settings.deadman && found_deadman_) {
    const Instant asked = clock_.now();
    const auto rest = found_deadman_->rest(settings.name);
    if (rest && *rest > Duration::zero()) parts.kernel_until = asked + *rest;
  }
  log(LogLevel::kNotice, "service-found",
      {{"service", settings.name},
       {"role", to_string(parts.record.role)},
       {"epoch", parts.record.reign.epoch},
       {"power", parts.record.power},
       {"kernel_lease", parts.kernel_until > clock_.now()}});
  return std::make_unique<ServiceRunner>(std::move(parts));
}

// Only looks: what a living kernel set still lets pass is the lease that we go on with.
void AgentProgram::find_deadman() {
  found_deadman_ = make_nft_deadman(clock_);
  std::vector<DeadmanPorts> ports;
  for (const AgentServiceSettings& settings : config_.services) {
    if (settings.deadman) ports.push_back(deadman_ports(settings));
  }
  const auto found = found_deadman_->set_up(ports);
  if (!found) log(LogLevel::kWarning, "deadman-missing", {{"reason", found.error().message}});
}

// A disk that cannot keep it stops nothing; the log says so.
void AgentProgram::keep_for_boot() {
  std::vector<DeadmanPorts> ports;
  for (const AgentServiceSettings& settings : config_.services) {
    if (settings.deadman) ports.push_back(deadman_ports(settings));
  }
  const auto kept = keep_boot_ports(config_.state_dir, ports);
  if (!kept) log(LogLevel::kWarning, "boot-ports-not-kept", {{"reason", kept.error().message}});
}

void AgentProgram::start_deadman() {
  if (!found_deadman_) return;
  std::vector<DeadmanKeeper::Guarded> guarded;
  for (std::size_t k = 0; k < services_.size(); ++k) {
    if (!config_.services[k].deadman) continue;
    guarded.push_back({services_[k].get(), deadman_ports(config_.services[k])});
  }
  if (guarded.empty()) return;
  deadman_ = std::make_unique<DeadmanThread>(
      DeadmanKeeper(std::move(found_deadman_), std::move(guarded), clock_), clock_);
  deadman_->start();
}

void AgentProgram::start_peers(const std::string& run) {
  std::map<std::string, std::vector<ServiceRunner*>> by_url;
  for (const auto& service : services_) {
    if (!service->peer_url().empty()) by_url[service->peer_url()].push_back(service.get());
  }
  for (auto& [url, services] : by_url) {
    PeerPoller::Settings settings{config_.site, url, run, config_.tls};
    peers_.push_back(std::make_unique<PeerPoller>(std::move(settings), services, clock_));
    peers_.back()->start();
  }
}

Result<void> AgentProgram::start() {
  const bool wants_deadman =
      std::any_of(config_.services.begin(), config_.services.end(),
                  [](const AgentServiceSettings& service) { return service.deadman.has_value(); });
  if (!dry_run_) {
    auto lock = FileLock::take(config_.state_dir + "/lock");
    if (!lock) return lock.error();
    lock_ = std::move(*lock);
    if (wants_deadman) find_deadman();
    keep_for_boot();
  }
  const std::uint64_t incarnation = random_u64();
  for (const AgentServiceSettings& settings : config_.services) {
    auto runner = make_runner(settings, incarnation);
    if (!runner) return runner.error();
    services_.push_back(std::move(*runner));
  }
  std::vector<ServiceRunner*> services;
  for (const auto& service : services_) services.push_back(service.get());
  server_ = std::make_unique<AgentServer>(config_, services, dry_run_);
  start_deadman();
  DeadmanThread* const deadman = deadman_.get();
  for (const auto& service : services_) {
    service->start([deadman] {
      if (deadman != nullptr) deadman->wake();
    });
  }
  RETURN_IF_ERROR(server_->start());
  start_peers(random_id());
  start_metrics();
  return {};
}

// Nothing of a site hangs on it: an agent that cannot serve it runs all the same.
void AgentProgram::start_metrics() {
  if (config_.metrics.empty()) return;
  std::vector<ServiceRunner*> services;
  for (const auto& service : services_) services.push_back(service.get());
  metrics_.route("GET", "/metrics", [this, services](const HttpCall&) {
    std::vector<ServiceReport> reports;
    for (ServiceRunner* service : services) reports.push_back(service->report());
    HttpReply reply;
    reply.content_type = kMetricsType;
    reply.body = agent_metrics(reports, config_.tls);
    return reply;
  });
  HttpServerOptions options;
  options.listen = config_.metrics;
  options.body_most = 1 << 10;
  options.connections_most = 16;
  options.connections_per_source = 8;
  const auto started = metrics_.start(options);
  if (!started) log(LogLevel::kError, "metrics-unserved", {{"reason", started.error().message}});
}

void AgentProgram::leave(Duration within) {
  for (const auto& service : services_) service->begin_leaving();
  const Instant deadline = clock_.now() + within;
  while (clock_.now() < deadline &&
         !std::all_of(services_.begin(), services_.end(),
                      [](const auto& service) { return service->may_leave(); })) {
    std::this_thread::sleep_for(20ms);
  }
  metrics_.stop();
  if (server_) server_->stop();
  for (const auto& peer : peers_) peer->stop();
  if (deadman_) deadman_->stop();
  for (const auto& service : services_) service->stop();
}

bool AgentProgram::is_turning() const {
  const Instant now = clock_.now();
  if (deadman_ && now - deadman_->last_turn() > kStuck) return false;
  return std::all_of(services_.begin(), services_.end(),
                     [&](const auto& service) { return now - service->last_turn() <= kStuck; });
}

}  // namespace pointsman
