#include "orchestrator/sim/sim_executor.h"

#include "orchestrator/shell/agent_view.h"
#include "orchestrator/sim/world.h"

namespace pointsman {

void SimMonitor::ExecutorTwin::add_service(int service) {
  const ServicePolicy& policy = world_.policy(service);
  ServiceSettings settings;
  settings.name = policy.name;
  for (const SitePolicy& site : policy.sites) {
    SiteSettings one;
    one.name = site.name;
    settings.sites.push_back(one);
  }
  publishers_.emplace_back();
  for (int k = 0; k < policy.records; ++k) {
    RecordSettings record;
    record.provider = "sim";
    record.zone = "example.test";
    record.name = record_name(service, static_cast<std::size_t>(k));
    record.type = "A";
    record.authorities = {"ns1", "ns2"};
    for (int site = 0; site < kSites; ++site) {
      record.values[policy.sites.at(static_cast<std::size_t>(site)).name] = {address_of(site)};
    }
    publishers_.back().push_back(
        std::make_unique<Publisher>(settings, record, provider_,
                                    [this](const std::string& server, const RecordKey& key,
                                           Duration) { return world_.zone.ask(server, key); }));
  }
}

void SimMonitor::ExecutorTwin::start(const std::string& service, const Command& command) {
  if (world_.crash_point(kMonitorEnd)) return;
  const int index = world_.index_of(service);
  const bool reads = std::holds_alternative<ReadRecord>(command) ||
                     std::holds_alternative<AskAuthorities>(command);
  if (monitor_.dry && !reads) return rehearse(index, command);
  if (const auto* order = std::get_if<SendOrder>(&command)) {
    lanes_[{index, order->site}].queue.push_back(*order);
    world_.on_host(kMonitorEnd, world_.line.now(),
                   [this, index, site = order->site] { next_order(index, site); });
  } else if (const auto* ask = std::get_if<AskAuthorities>(&command)) {
    world_.on_host(kMonitorEnd, world_.line.now() + world_.dice.between(2ms, 100ms),
                   [this, index, ask = *ask] {
                     auto answered = publisher(index, ask.record).ask(ask, 1s);
                     if (world_.traces()) world_.note("asked: " + answered.detail);
                     monitor_.give(world_.policy(index).name, std::move(answered));
                   });
  } else if (!std::holds_alternative<Notice>(command)) {
    jobs_.push_back({index, command});
    world_.on_host(kMonitorEnd, world_.line.now(), [this] { next_job(); });
  }
}

// All of a move is rendered where it would begin, and then it ends.
void SimMonitor::ExecutorTwin::rehearse(int service, const Command& command) {
  const auto* order = std::get_if<SendOrder>(&command);
  if (order == nullptr || order->kind != OrderKind::kPrepare) return;
  OrderAnswered answered;
  answered.site = order->site;
  answered.kind = order->kind;
  answered.reason = "rendered, not sent";
  world_.on_host(
      kMonitorEnd, world_.line.now() + world_.dice.between(2ms, 900ms),
      [this, service, answered] { monitor_.give(world_.policy(service).name, answered); });
}

// --- Orders.

void SimMonitor::ExecutorTwin::next_order(int service, int site) {
  OrderLane& lane = lanes_[{service, site}];
  if (lane.busy || lane.queue.empty()) return;
  lane.busy = true;
  const SendOrder order = lane.queue.front();
  lane.queue.pop_front();
  deliver(service, order);
}

void SimMonitor::ExecutorTwin::deliver(int service, const SendOrder& order) {
  const ServicePolicy& policy = world_.policy(service);
  Order wire = order_of(policy, order);
  wire.sender = "monitor";
  const Instant asked = monitor_.clock().now();
  const bool known = book_.with([&](VouchBook& book) {
    book.address(wire, order.site, asked);
    return book.knows_token(policy.name, order.site);
  });
  sent_[{service, order.site}] = {asked, wire.sequence};
  if (!known) return answered(service, order, nullptr);
  world_.oracles.on_order(service, order);
  if (wire.verb == Verb::kAdopt && order.power == order.site) {  // Adoption is a vouch.
    world_.oracles.on_vouch(service, order.site, {0, wire.reign, wire.token, wire.lease});
  }
  Network::Call call;
  call.from = kMonitorEnd;
  call.to = end_of(order.site);
  call.within = monitor_.clock().real(1s);
  call.arrive = [wire = std::move(wire), site = order.site, &world = world_](std::uint64_t id) {
    world.sites.at(static_cast<std::size_t>(site)).on_order(wire, id);
  };
  call.done = [this, service, order](CallReply* reply) {
    answered(service, order, reply == nullptr ? nullptr : reply->order.get());
  };
  world_.net.call(std::move(call));
}

void SimMonitor::ExecutorTwin::answered(int service, const SendOrder& order,
                                        const OrderReply* reply) {
  lanes_[{service, order.site}].busy = false;
  const auto [asked, sequence] = sent_[{service, order.site}];
  const std::string& name = world_.policy(service).name;
  OrderAnswered told;
  told.site = order.site;
  told.kind = order.kind;
  told.reached = reply != nullptr;
  if (reply != nullptr) {
    told.accepted = reply->accepted;
    told.reason = reply->reason;
    const bool news = book_.with([&](VouchBook& book) {
      return book.heard({name, order.site, reply->report, sequence}, monitor_.clock().now());
    });
    if (news) {
      monitor_.give(name,
                    AgentHeard{order.site, view_of(world_.policy(service), reply->report), asked});
    }
  }
  if (world_.hosts[kMonitorEnd].doomed) return;
  monitor_.give(name, told);
  next_order(service, order.site);
}

// --- Records. A change is read, then written, then answered: each at its own instant, so that
// another writer may come between.

bool SimMonitor::ExecutorTwin::reaches_provider() const {
  return !world_.zone.down && world_.net.passes(kMonitorEnd, kDnsEnd);
}

void SimMonitor::ExecutorTwin::next_job() {
  if (working_ || jobs_.empty()) return;
  working_ = true;
  const ProviderJob job = jobs_.front();
  jobs_.pop_front();
  const Duration takes =
      reaches_provider() ? world_.dice.between(5ms, 300ms) : monitor_.clock().real(2s);
  world_.on_host(kMonitorEnd, world_.line.now() + takes, [this, job] { read_record(job); });
}

void SimMonitor::ExecutorTwin::read_record(const ProviderJob& job) {
  const auto* read = std::get_if<ReadRecord>(&job.command);
  const auto* change = std::get_if<PublishRecord>(&job.command);
  const int record = read != nullptr ? read->record : change->record;
  const RecordKey& key = publisher(job.service, record).key();
  Result<RecordSet> seen = Error{ErrorCode::kTimeout, "no answer of the provider"};
  if (reaches_provider()) seen = world_.zone.read(key);
  if (read != nullptr) {
    provider_.staged = seen;
    return finish_job(job.service, publisher(job.service, record).read(record, 4s));
  }
  world_.on_host(kMonitorEnd, world_.line.now() + world_.dice.between(5ms, 300ms),
                 [this, job, seen = std::move(seen)] {
                   provider_.staged = seen;
                   publish(job);
                 });
}

void SimMonitor::ExecutorTwin::publish(const ProviderJob& job) {
  const auto& change = std::get<PublishRecord>(job.command);
  PublishAnswered answer = publisher(job.service, change.record).publish(change, 4s);
  if (world_.traces() && !answer.accepted) world_.note("not published: " + answer.detail);
  world_.on_host(
      kMonitorEnd, world_.line.now() + world_.dice.between(2ms, 100ms),
      [this, service = job.service, answer = std::move(answer)] { finish_job(service, answer); });
}

void SimMonitor::ExecutorTwin::finish_job(int service, decltype(Event::what) what) {
  working_ = false;
  monitor_.give(world_.policy(service).name, std::move(what));
  if (!world_.hosts[kMonitorEnd].doomed) next_job();
}

}  // namespace pointsman
