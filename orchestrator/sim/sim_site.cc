#include "orchestrator/sim/sim_site.h"

#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/sim_rejoiner.h"
#include "orchestrator/sim/world.h"

namespace pointsman {

class SimSite::WitnessTwin final : public Witness {
 public:
  explicit WitnessTwin(SimSite& site) : site_(site) {}

  Result<void> watch(const std::string& service, const Json&) override {
    const auto k = static_cast<std::size_t>(site_.world_.index_of(service));
    if (!std::exchange(site_.eyes_[k].watches, true)) site_.look(k, true);
    return {};
  }
  void hurry(const std::string& service, const std::string&) override {
    const auto k = static_cast<std::size_t>(site_.world_.index_of(service));
    Eye& eye = site_.eyes_[k];
    if (!eye.watches || eye.burst > 0) return;
    const ServicePolicy& policy = site_.world_.policy(static_cast<int>(k));
    eye.burst = static_cast<std::uint64_t>(policy.fall - 1);
    for (int i = 1; i < policy.fall; ++i) {
      site_.world_.on_host(site_.end(), site_.world_.line.now() + i * policy.suspect_interval,
                           [this, k] {
                             if (site_.eyes_[k].burst > 0) --site_.eyes_[k].burst;
                             site_.look(k, false);
                           });
    }
  }
  std::vector<WitnessCount> counts(const std::string& service) override {
    const Eye& eye = site_.eyes_[static_cast<std::size_t>(site_.world_.index_of(service))];
    if (!eye.watches) return {};
    WitnessCount count;
    count.site = site_.world_.policy(0).sites.at(static_cast<std::size_t>(1 - site_.site_)).name;
    count.probe = "0";
    count.fails = eye.fails;
    count.passes = eye.passes;
    count.last = eye.last;
    count.age = eye.last.empty() ? Duration{0} : site_.clock().now() - eye.at;
    return {count};
  }

 private:
  SimSite& site_;
};

SimSite::SimSite(World& world, int site)
    : world_(world),
      site_(site),
      disk_(world.setting.services.size()),
      fell_at_(world.setting.services.size(), Instant{0}),
      lease_end_(world.setting.services.size(), Instant{0}) {}
SimSite::~SimSite() = default;

const HostClock& SimSite::clock() const {
  return world_.hosts.at(static_cast<std::size_t>(end())).clock;
}

bool SimSite::fence_read_back(int service) const {
  const auto k = static_cast<std::size_t>(service);
  return k < services_.size() && services_[k].runner->report().fenced >= disk_[k].fence_epoch;
}

ServiceReport SimSite::noted(std::size_t k, ServiceReport report) {
  const Instant now = clock().now();
  // One that slept, say, ends its lease itself.
  lease_end_[k] =
      report.lease_rest > Duration::zero() ? now + report.lease_rest : std::min(lease_end_[k], now);
  return report;
}

bool SimSite::ask_vip(int service, std::optional<bool> holds) {
  const SimHost& host = world_.site_host(site_);
  if (!host.running || world_.line.now() < host.frozen_until) return false;
  bool fit = false;
  world_.arrive_at(end(), [this, &fit, service, holds] {
    const auto k = static_cast<std::size_t>(service);
    fit = vip_unfit(services_[k].runner->on_vip(holds)).empty();
    follow_up(k);
  });
  return fit;
}

// --- The process.

Result<void> SimSite::keep(int service, const GuardRecord& record) {
  if (world_.crash_point(end())) return {ErrorCode::kInternal, "crashed"};
  if (disk_fails) return {ErrorCode::kUnavailable, "no space left"};
  disk_.at(static_cast<std::size_t>(service)) = record;
  world_.oracles.on_record(service, site_, record);
  world_.crash_point(end());
  return {};
}

void SimSite::start() {
  run_ = fmt::format("{:015x}", world_.dice.next() >> 4);
  sequence_ = 0;
  const std::uint64_t incarnation = world_.dice.next() | 1;
  services_.clear();
  services_.resize(world_.setting.services.size());
  keeper_woken_ = false;
  keeper_turn_ = {};
  eyes_.assign(services_.size(), Eye{});
  witness_ = std::make_unique<WitnessTwin>(*this);
  std::vector<DeadmanKeeper::Guarded> guarded;
  for (std::size_t k = 0; k < services_.size(); ++k) {
    start_service(static_cast<int>(k), incarnation);
    guarded.push_back(
        {services_[k].runner.get(), {world_.policy(static_cast<int>(k)).name, {}, {}, {}}});
  }
  if (world_.setting.deadman) {
    keeper_ = std::make_unique<DeadmanKeeper>(make_deadman_twin(world_, site_), std::move(guarded),
                                              clock());
    queue_keeper(1ms);
  }
  for (std::size_t k = 0; k < services_.size(); ++k) {
    queue_turn(k, 1ms);
    queue_round(k, 0s);
  }
  world_.on_host(end(), world_.line.now() + 2ms, [this] { poll_peer(); });
}

void SimSite::start_service(int service, std::uint64_t incarnation) {
  const auto k = static_cast<std::size_t>(service);
  ServiceRunner::Parts parts;
  const ServicePolicy& policy = world_.policy(service);
  parts.site = policy.sites.at(static_cast<std::size_t>(site_)).name;
  parts.keep = [this, service](const GuardRecord& record) { return keep(service, record); };
  parts.settings.name = policy.name;
  parts.settings.peer = "peer";
  parts.settings.mysql = MysqlSettings{};
  parts.settings.mysql->advertise = address_of(site_) + ":3306";
  if (world_.setting.deadman) parts.settings.deadman = DeadmanSettings{};
  auto record = GuardRecord::from_json(disk_[k].to_json());
  CHECK(record.ok());
  parts.record = std::move(*record);
  parts.incarnation = incarnation;
  parts.clock = &clock();
  const KernelState& kernel = world_.kernel(service, site_).at(world_.line.now());
  if (parts.record.role == Role::kPrimary && world_.setting.deadman &&
      kernel.until > clock().now()) {
    parts.kernel_until = kernel.until;
  }
  parts.drivers.push_back({make_driver_twin(world_, world_.store(service, site_)), true, 2s});
  parts.rejoiner = make_rejoiner_twin(world_, service, site_);
  parts.witness = witness_.get();
  if (policy.vip_silent > Duration::zero()) {
    parts.vip_holds = world_.vip.word(service, site_);
    parts.tell_worth = [this, service](int worth) -> Result<void> {
      world_.vip.set_worth(service, site_, worth);
      return {};
    };
  }
  services_[k].runner = std::make_unique<ServiceRunner>(std::move(parts));
  services_[k].worker = services_[k].runner->workers().front();
  // Heard once whoever rang has ended (follow_up).
  services_[k].runner->attach(
      {[this] { keeper_woken_ = true; }, [this, k] { services_[k].woken = true; }});
}

void SimSite::stop() {
  keeper_.reset();
  services_.clear();
  witness_.reset();
}

// --- What its threads do.

void SimSite::queue_turn(std::size_t k, Duration in) {
  Service& service = services_[k];
  world_.line.drop(service.turn);
  service.turn = world_.on_host(end(), world_.line.now() + in, [this, k] { turn(k); });
}

void SimSite::turn(std::size_t k) {
  Service& service = services_[k];
  world_.line.drop(service.turn);
  service.woken = false;
  begin_round(k);
  const Duration rest = service.runner->turn();
  if (!service.woken) queue_turn(k, clock().real(std::max<Duration>(rest, 1ms)));
  if (!service.busy && service.worker->has_fresh_goal()) queue_round(k, 0s);
  if (keeper_woken_) follow_up(k);
}

// What a message, a driver or a turn has woken runs at once, as threads that wait do, or comes late
// now and then.
void SimSite::follow_up(std::size_t k) {
  const SimHost& host = world_.site_host(site_);
  if (host.doomed || (!services_[k].woken && !keeper_woken_)) return;
  const bool late = world_.dice.chance(60);
  const bool held = world_.line.now() < host.frozen_until;
  if (services_[k].woken) {
    if (late || held) {
      queue_turn(k, world_.dice.between(50us, 4ms));
    } else {
      turn(k);
    }
  }
  if (host.doomed || !std::exchange(keeper_woken_, false) || !keeper_) return;
  if (held || world_.dice.chance(60)) {
    queue_keeper(world_.dice.between(50us, 4ms));
  } else {
    turn_keeper();
  }
}

// A round takes up the goal of its beginning, and acts at its end. As long as no turn comes
// between, it makes no difference when it is told that it has begun.
void SimSite::queue_round(std::size_t k, Duration in) {
  Service& service = services_[k];
  Duration takes = world_.dice.between(1ms, 20ms);
  if (slow_verbs > Duration::zero()) takes += world_.dice.between(0s, slow_verbs);
  world_.line.drop(service.round);
  service.busy = false;
  service.begins = world_.line.now() + in;
  service.round = world_.on_host(end(), service.begins + takes, [this, k] { end_round(k); });
}

void SimSite::begin_round(std::size_t k) {
  Service& service = services_[k];
  if (service.busy || world_.line.now() < service.begins) return;
  service.busy = true;
  service.worker->begin_round();
}

void SimSite::end_round(std::size_t k) {
  Service& service = services_[k];
  begin_round(k);
  const Duration rest = service.worker->end_round();
  const Duration jittered = world_.dice.between(rest * 3 / 4, rest * 5 / 4);
  queue_round(k, service.worker->has_fresh_goal() ? Duration(0) : clock().real(jittered));
  follow_up(k);
}

void SimSite::queue_keeper(Duration in) {
  if (!keeper_) return;
  world_.line.drop(keeper_turn_);
  keeper_turn_ = world_.on_host(end(), world_.line.now() + in, [this] { turn_keeper(); });
}

void SimSite::turn_keeper() {
  SimHost& host = world_.site_host(site_);
  world_.line.drop(keeper_turn_);
  const Instant next = keeper_->turn();
  const Duration ahead = std::exchange(host.clock.ahead, Duration{0});
  if (ahead > Duration::zero()) host.frozen_until = world_.line.now() + ahead;
  queue_keeper(clock().real(std::max<Duration>(next - clock().now(), 1ms)));
  for (std::size_t k = 0; k < services_.size(); ++k) {
    if (services_[k].woken) queue_turn(k, world_.dice.between(50us, 1ms));
  }
}

// Our probes of the other site's public address.
void SimSite::look(std::size_t k, bool again) {
  const ServicePolicy& policy = world_.policy(static_cast<int>(k));
  if (again) {
    world_.on_host(end(), world_.line.now() + clock().real(policy.interval),
                   [this, k] { look(k, true); });
  }
  const ProbeSeenThere seen = world_.clients.probe(end(), static_cast<int>(k), 1 - site_);
  const Duration takes = seen == ProbeSeenThere::kSilent ? clock().real(policy.timeout) : 20ms;
  const Instant due = world_.line.now() + takes;
  world_.on_host(end(), due, [this, k, seen, due] {
    Eye& now = eyes_[k];
    const bool held_up = world_.line.now() - due > world_.policy(0).timeout / 2;
    now.last = held_up ? "unknown" : seen == ProbeSeenThere::kPass ? "pass" : "fail";
    now.at = clock().now();
    if (held_up) return;
    now.passes = seen == ProbeSeenThere::kPass ? now.passes + 1 : 0;
    now.fails = seen == ProbeSeenThere::kPass ? 0 : now.fails + 1;
    if (now.fails >= world_.policy(static_cast<int>(k)).fall) fell_at_[k] = world_.line.now();
  });
}

void SimSite::poll_peer() {
  const Instant began = clock().now();
  PollRequest request;
  request.run = run_;
  request.sequence = ++sequence_;
  request.sender = world_.policy(0).sites.at(static_cast<std::size_t>(site_)).name;
  Duration shortest = kLeaseMost;
  for (Service& service : services_) {
    shortest = std::min(shortest, service.runner->lease());
    if (service.runner->peer_name().empty()) continue;
    request.services.push_back(service.runner->poll_for_peer());
  }
  const Instant next = began + std::clamp<Duration>(shortest / 6, 50ms, 500ms);
  const auto again = [this, next] {
    world_.on_host(end(), std::max(clock().when(next), world_.line.now() + 1ms),
                   [this] { poll_peer(); });
  };
  for (const ServicePoll& poll : request.services) {
    if (poll.vouch) world_.oracles.on_vouch(world_.index_of(poll.service), 1 - site_, *poll.vouch);
  }
  if (request.services.empty()) return again();
  Network::Call call;
  call.from = end();
  call.to = end_of(1 - site_);
  call.within = clock().real(500ms);
  call.arrive = [this, request = std::move(request)](std::uint64_t id) {
    world_.sites.at(static_cast<std::size_t>(1 - site_)).on_peer_poll(request, id);
  };
  call.done = [this, began, again](CallReply* reply) {
    for (std::size_t k = 0; reply != nullptr && k < reply->reports.size(); ++k) {
      const ServiceReport& report = reply->reports[k];
      const auto service = static_cast<std::size_t>(world_.index_of(report.service));
      services_[service].runner->on_peer_reply(report, began);
      follow_up(service);
    }
    again();
  };
  world_.net.call(std::move(call));
}

// --- Messages.

void SimSite::on_monitor_poll(const PollRequest& request, std::uint64_t call) {
  CallReply reply;
  for (const ServicePoll& poll : request.services) {
    const auto k = static_cast<std::size_t>(world_.index_of(poll.service));
    reply.reports.push_back(noted(k, services_[k].runner->on_monitor_poll(request, poll)));
  }
  if (!world_.site_host(site_).doomed) world_.net.answer(call, std::move(reply));
  follow_up_all(request);
}

void SimSite::follow_up_all(const PollRequest& request) {
  for (const ServicePoll& poll : request.services) {
    follow_up(static_cast<std::size_t>(world_.index_of(poll.service)));
  }
}

void SimSite::on_peer_poll(const PollRequest& request, std::uint64_t call) {
  CallReply reply;
  for (const ServicePoll& poll : request.services) {
    const auto k = static_cast<std::size_t>(world_.index_of(poll.service));
    reply.reports.push_back(noted(k, services_[k].runner->on_peer_poll(request, poll)));
  }
  if (!world_.site_host(site_).doomed) world_.net.answer(call, std::move(reply));
  follow_up_all(request);
}

void SimSite::on_order(const Order& order, std::uint64_t call) {
  const auto k = static_cast<std::size_t>(world_.index_of(order.service));
  OrderReply reply = services_[k].runner->take_order(order);
  if (world_.traces()) {
    world_.note(fmt::format("{} {} {} {}: {} {}", order.site, order.service, to_string(order.verb),
                            order.reign.epoch, reply.accepted ? "yes" : "no", reply.reason));
  }
  if (reply.accepted && order.verb == Verb::kFence) {
    answer_fence(order, std::move(reply), call, 0);
  } else if (!world_.site_host(site_).doomed) {
    world_.net.answer(call, {{}, std::make_unique<OrderReply>(std::move(reply))});
  }
  follow_up(k);
}

// The reply to a fence waits a little for its reading back.
void SimSite::answer_fence(const Order& order, OrderReply reply, std::uint64_t call, int tries) {
  constexpr Duration kStep = 15ms;
  auto& service = services_[static_cast<std::size_t>(world_.index_of(order.service))];
  reply.report = service.runner->report();
  if (reply.report.fenced >= order.reign.epoch || tries * kStep >= kFenceWait) {
    if (!world_.site_host(site_).doomed) {
      world_.net.answer(call, {{}, std::make_unique<OrderReply>(std::move(reply))});
    }
    return;
  }
  world_.on_host(end(), world_.line.now() + kStep,
                 [this, order, reply = std::move(reply), call, tries]() mutable {
                   answer_fence(order, std::move(reply), call, tries + 1);
                 });
}

}  // namespace pointsman
