#include "orchestrator/sim/sim_monitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/shell/agent_view.h"
#include "orchestrator/shell/voucher.h"
#include "orchestrator/sim/sim_disk.h"
#include "orchestrator/sim/sim_executor.h"
#include "orchestrator/sim/world.h"

namespace pointsman {

namespace {
constexpr std::size_t kBackupsMost = 8;
}  // namespace

SimMonitor::SimMonitor(World& world) : world_(world) {}
SimMonitor::~SimMonitor() = default;

HostClock& SimMonitor::clock() const { return world_.hosts[kMonitorEnd].clock; }

bool SimMonitor::has_agents() const { return world_.policy(0).agents; }

const ServiceState* SimMonitor::state(int service) const {
  return decider_ ? &decider_->state(world_.policy(service).name) : nullptr;
}

void SimMonitor::start() {
  book_ = std::make_unique<SharedBook>(fmt::format("{:015x}", world_.dice.next() >> 4));
  saver_ = std::make_unique<SaverTwin>(world_, *this);
  executor_ = std::make_unique<ExecutorTwin>(world_, *this, *book_);
  Decider::Parts parts{clock(), *executor_, *book_, *saver_};
  parts.counter = disk.counter;
  parts.moves_at_once = world_.setting.moves_at_once;
  parts.breaker_window = world_.setting.breaker_window;
  parts.actor = "monitor";
  parts.chance = [this] { return world_.dice.next(); };
  parts.keeps_history = false;
  parts.watch = [this](const ServicePolicy& policy, const ServiceState& next,
                       const Consequence& decision) {
    world_.oracles.on_decision(world_.index_of(policy.name), next, decision);
  };
  decider_ = std::make_unique<Decider>(std::move(parts));
  eyes_.clear();
  hurried_ = false;
  reference_pass_ = Instant{0};
  for (int k = 0; k < static_cast<int>(world_.setting.services.size()); ++k) add_service(k);
  decider_->begin();
  turn_ = {};
  world_.on_host(kMonitorEnd, world_.line.now(), [this] { turn(std::nullopt); });
  for (std::size_t site = 0; has_agents() && site < kSites; ++site) {
    pollers_.at(site) = {};
    queue_poll(site, world_.line.now() + 1ms);
  }
  for (std::size_t k = 0; k < eyes_.size(); ++k) {
    world_.on_host(kMonitorEnd, world_.line.now() + world_.dice.between(0s, 500ms),
                   [this, k] { attempt(k, true); });
  }
  if (world_.setting.references) {
    world_.on_host(kMonitorEnd, world_.line.now(), [this] { look_at_references(true); });
  }
}

void SimMonitor::back_up() {
  backups.push_back(disk);
  if (backups.size() > kBackupsMost) backups.pop_front();
}

void SimMonitor::stop() {
  decider_.reset();
  executor_.reset();
  saver_.reset();
  book_.reset();
}

void SimMonitor::add_service(int service) {
  ServicePolicy policy = world_.policy(service);
  policy.dry = dry;
  std::optional<KeptState> kept;
  const auto found = disk.states.find(policy.name);
  if (found != disk.states.end()) {
    auto decoded = decode_state(policy, found->second, clock().now());
    CHECK(decoded.ok());
    kept = std::move(*decoded);
  }
  VouchTerms terms;
  terms.sites = {policy.sites[0].name, policy.sites[1].name};
  terms.lease = policy.lease;
  terms.lone_lease = policy.lone_lease;
  terms.prepare_ttl = policy.prepare_ttl;
  terms.witness_version = 1;
  for (std::size_t k = 0; k < kSites; ++k) {
    terms.witness.at(k) = Json::array();
    terms.witness.at(k).push(Json::object({{"site", policy.sites.at(1 - k).name}}));
  }
  const Duration widest = kept ? std::max(kept->widest, policy.lease) : policy.lease;
  book_->with([&](VouchBook& book) {
    book.set_service(policy.name, std::move(terms), widest, clock().now());
  });
  decider_->add(policy, std::move(kept));
  executor_->add_service(service);
  for (int site = 0; site < kSites; ++site) {
    for (int probe = 0; probe < policy.probes; ++probe) {
      eyes_.push_back({service, site, probe, false, false, 0, Instant{0}});
    }
  }
}

// --- The loop.

void SimMonitor::give(const std::string& service, decltype(Event::what) what) {
  turn(LoopEvent{service, std::move(what), nullptr});
}

void SimMonitor::ask(int service, OperatorAsked asked) {
  if (dry) return;  // Its API refuses.
  world_.on_host(kMonitorEnd, world_.line.now(), [this, service, asked = std::move(asked)] {
    OperatorAsked now = asked;
    // Meant of the instant at which it is heard.
    if (now.asserted_off >= 0 && !world_.people.seems_off(service, now.asserted_off)) {
      now.asserted_off = -1;
    }
    give(world_.policy(service).name, std::move(now));
  });
}

void SimMonitor::order(int service, const SendOrder& order) {
  if (executor_ && !dry) executor_->start(world_.policy(service).name, order);
}

void SimMonitor::turn(std::optional<LoopEvent> event) {
  decider_->turn(std::move(event), {world_.setting.references, reference_pass_}, clock().now());
  if (world_.hosts[kMonitorEnd].doomed) return;
  const bool hurried = book_->with([](VouchBook& book) { return book.hurried(); });
  if (hurried && !hurried_ && has_agents()) {
    for (std::size_t site = 0; site < kSites; ++site) {
      if (!pollers_.at(site).open) queue_poll(site, world_.line.now());
    }
  }
  hurried_ = hurried;
  queue_turn();
}

void SimMonitor::queue_turn() {
  const Instant due = std::max(clock().when(decider_->due()), world_.line.now() + 1ms);
  if (turn_at_ == due && world_.line.waits(turn_)) return;
  world_.line.drop(turn_);
  turn_at_ = due;
  turn_ = world_.on_host(kMonitorEnd, due, [this] { turn(std::nullopt); });
}

// --- The pollers.

void SimMonitor::queue_poll(std::size_t site, Instant when) {
  Poller& poller = pollers_.at(site);
  world_.line.drop(poller.due);
  poller.due = world_.on_host(kMonitorEnd, when, [this, site] {
    if (!pollers_.at(site).open) poll(site);
  });
}

void SimMonitor::poll(std::size_t site) {
  std::vector<std::pair<std::string, int>> services;
  for (const ServicePolicy& policy : world_.setting.services) {
    services.emplace_back(policy.name, static_cast<int>(site));
  }
  const Instant asked = clock().now();
  PollRequest request =
      book_->with([&](VouchBook& book) { return book.request("monitor", services); });
  if (dry) request = only_asking(std::move(request), disk.counter);
  for (const ServicePoll& poll : request.services) {
    if (poll.vouch && dry) world_.fail("S19", "a dry run vouches");
    if (poll.vouch)
      world_.oracles.on_vouch(world_.index_of(poll.service), static_cast<int>(site), *poll.vouch);
  }
  const ServicePolicy& policy = world_.policy(0);
  const Duration interval =
      hurried_ ? std::min<Duration>(policy.suspect_interval, 250ms) : policy.poll_interval();
  Poller& poller = pollers_.at(site);
  poller.open = true;
  poller.next = world_.line.now() + clock().real(interval);
  Network::Call call;
  call.from = kMonitorEnd;
  call.to = end_of(static_cast<int>(site));
  call.within = clock().real(500ms);
  const std::uint64_t sequence = request.sequence;
  call.arrive = [this, site, request = std::move(request)](std::uint64_t id) {
    world_.sites.at(site).on_monitor_poll(request, id);
  };
  call.done = [this, site, asked, sequence](CallReply* reply) {
    polled(site, asked, sequence, reply);
  };
  world_.net.call(std::move(call));
}

void SimMonitor::polled(std::size_t site, Instant asked, std::uint64_t sequence, CallReply* reply) {
  Poller& poller = pollers_.at(site);
  poller.open = false;
  queue_poll(site, std::max(poller.next, world_.line.now()));
  const int index = static_cast<int>(site);
  if (reply == nullptr) {
    for (const ServicePolicy& policy : world_.setting.services) {
      give(policy.name, AgentSilent{index, "timeout"});
      if (world_.hosts[kMonitorEnd].doomed) return;
    }
    return;
  }
  for (ServiceReport& report : reply->reports) {
    const ServicePolicy& policy = world_.policy(world_.index_of(report.service));
    AgentHeard heard{index, view_of(policy, report), asked};
    const bool news = book_->with([&](VouchBook& book) {
      return book.heard({policy.name, index, std::move(report), sequence}, clock().now());
    });
    if (!news) continue;
    give(policy.name, std::move(heard));
    if (world_.hosts[kMonitorEnd].doomed) return;
  }
}

// --- The probes, on the engine's schedule.

void SimMonitor::attempt(std::size_t k, bool again) {
  const Eye& eye = eyes_[k];
  const ServicePolicy& policy = world_.policy(eye.service);
  const Instant started = clock().now();
  const Instant truly = world_.line.now();
  if (again) {
    world_.on_host(kMonitorEnd, truly + clock().real(policy.interval),
                   [this, k] { attempt(k, true); });
  }
  const ProbeSeenThere seen = world_.clients.probe(kMonitorEnd, eye.service, eye.site);
  const Duration takes = seen == ProbeSeenThere::kSilent ? clock().real(policy.timeout)
                                                         : world_.dice.between(2ms, 60ms);
  if (takes > clock().real(policy.suspect_interval)) {
    world_.on_host(kMonitorEnd, truly + clock().real(policy.suspect_interval), [this, k, started] {
      Eye& waiting = eyes_[k];
      if (waiting.doubted || waiting.passed > started) return;
      waiting.doubted = true;
      burst(k, false);
      give(world_.policy(waiting.service).name, ProbeDoubted{waiting.site, waiting.probe, started});
    });
  }
  world_.on_host(kMonitorEnd, truly + takes, [this, k, started, seen, due = truly + takes] {
    known(k, started, seen, world_.line.now() - due);
  });
}

void SimMonitor::known(std::size_t k, Instant started, ProbeSeenThere seen, Duration held_up) {
  Eye& eye = eyes_[k];
  const ServicePolicy& policy = world_.policy(eye.service);
  Sighting sighting = seen == ProbeSeenThere::kPass ? Sighting::kPass : Sighting::kFail;
  if (held_up > policy.timeout / 2) sighting = Sighting::kUnknown;
  if (sighting != Sighting::kUnknown && eye.probe == 0) {
    world_.oracles.on_probe(eye.service, eye.site, sighting == Sighting::kPass);
  }
  if (sighting == Sighting::kPass) {
    eye.failing = eye.doubted = false;
    eye.burst = 0;
    eye.passed = started;
  } else if (sighting == Sighting::kFail) {
    if (!eye.failing && !eye.doubted) burst(k, true);
    eye.failing = true;
    if (!reference_queued_ && world_.setting.references) {
      reference_queued_ = true;
      world_.on_host(kMonitorEnd, world_.line.now(), [this] { look_at_references(false); });
    }
  }
  give(policy.name, ProbeSeen{eye.site, eye.probe, sighting, started, "simulated"});
}

void SimMonitor::burst(std::size_t k, bool at_once) {
  const ServicePolicy& policy = world_.policy(eyes_[k].service);
  eyes_[k].burst = policy.fall - 1;
  for (int i = 0; i < policy.fall - 1; ++i) {
    const Duration in = clock().real(policy.suspect_interval) * (at_once ? i : i + 1);
    world_.on_host(kMonitorEnd, world_.line.now() + in, [this, k] {
      if (eyes_[k].burst <= 0) return;
      --eyes_[k].burst;
      attempt(k, false);
    });
  }
}

void SimMonitor::look_at_references(bool again) {
  reference_queued_ = false;
  const Instant started = clock().now();
  if (again) {
    world_.on_host(kMonitorEnd, world_.line.now() + clock().real(1s),
                   [this] { look_at_references(true); });
  }
  if (!world_.net.arrival(kMonitorEnd, kReferenceEnd) ||
      !world_.net.arrival(kReferenceEnd, kMonitorEnd)) {
    return;
  }
  world_.on_host(kMonitorEnd, world_.line.now() + 20ms, [this, started] {
    reference_pass_ = std::max(reference_pass_, started);
    world_.oracles.on_reference_pass();
  });
}

}  // namespace pointsman
