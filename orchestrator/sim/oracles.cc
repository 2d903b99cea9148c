#include "orchestrator/sim/oracles.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "orchestrator/shell/publisher.h"
#include "orchestrator/sim/world.h"

namespace pointsman {
namespace {

// The fastest a clock may run, as a factor on what it measures.
Duration at_most(Duration d) { return d * 100 / 88; }

}  // namespace

Oracles::Oracles(World& world, std::size_t services) : world_(world), services_(services) {}

Instant Oracles::now() const { return world_.line.now(); }

void Oracles::check_one_writer(int service) {
  if (!world_.policy(service).agents) return;
  const bool first = world_.takes_writes(service, 0);
  const bool second = world_.takes_writes(service, 1);
  if (first) check_vouched(service, 0);
  if (second) check_vouched(service, 1);
  if (!first || !second) return;
  const Instant woke = std::max(world_.site_host(0).woke_at, world_.site_host(1).woke_at);
  if (woke != Instant{0} && now() - woke < kWaking) return;
  world_.fail("S1", world_.policy(service).name + ": both sites take writes");
}

// Nothing opens by an order, however sound it is: what no voter gave, no voter's promise covers.
void Oracles::check_vouched(int service, int site) {
  const auto k = static_cast<std::size_t>(site);
  const GuardRecord& disk = world_.sites.at(k).disk(service);
  const SimHost& host = world_.site_host(site);
  if (disk.role == Role::kNone) return;  // It never reigned: its stores are as people left them.
  if (host.woke_at != Instant{0} && now() - host.woke_at < kWaking) return;
  const Instant until = of(service).vouched.at(k);
  const Duration bound = world_.setting.deadman ? kFenceBoundArmed : kFenceBoundUnarmed;
  const Duration after = host.clock.now() - until;
  if (until != Instant{0} && after <= bound) return;
  world_.fail("S5", fmt::format("{}: site {} takes writes in reign {}, {}",
                                world_.policy(service).name, site, disk.reign.epoch,
                                until == Instant{0}
                                    ? std::string("and nobody vouched for it")
                                    : fmt::format("{:.1f} s after its lease", seconds(after))));
}

// S4: the other site was fenced, or its lease and the bound on its fence are over, by its own clock
// and whether it made use of them or not.
void Oracles::check_waited(int service, int site) {
  const int other = 1 - site;
  const SimHost& host = world_.site_host(other);
  const SimSite& its = world_.sites.at(static_cast<std::size_t>(other));
  const bool own =
      world_.sites.at(static_cast<std::size_t>(site)).disk(service).role == Role::kPrimary;
  if (!own || its.disk(service).role != Role::kPrimary) return;
  if (!world_.is_awake(end_of(other)) || (!host.running && !world_.setting.deadman)) return;
  const Duration bound = world_.setting.deadman ? kFenceBoundArmed : kFenceBoundUnarmed;
  // The bound is real time, and that clock may be slow.
  const Instant closed = its.lease_end(service) + bound * 89 / 100;
  if (host.clock.now() >= closed) return;
  world_.fail("S4", fmt::format("site {} opens {:.2f} s before site {} is surely closed", site,
                                seconds(closed - host.clock.now()), other));
}

void Oracles::on_vouch(int service, int site, const Vouch& vouch) {
  Instant& until = of(service).vouched.at(static_cast<std::size_t>(site));
  until = std::max(until, vouch.token.n + vouch.lease);
  if (world_.traces()) {
    world_.note(fmt::format("{} a vouch for site {} in {} up to {:.3f}",
                            world_.policy(service).name, site, vouch.reign.epoch,
                            seconds(vouch.token.n + vouch.lease - Instant{0})));
  }
}

bool Oracles::may_hold_long(int service, int site) const {
  const Instant until = of(service).vouched.at(static_cast<std::size_t>(site));
  return until - world_.site_host(site).clock.now() > world_.policy(service).lease;
}

void Oracles::on_boot(int site) {
  for (Service& s : services_) s.vouched.at(static_cast<std::size_t>(site)) = Instant{0};
}

void Oracles::on_record(int service, int site, const GuardRecord& record) {
  Service& s = of(service);
  const auto k = static_cast<std::size_t>(site);
  if (record.highest < s.highest.at(k) || record.reign.epoch < s.epoch.at(k)) {
    world_.fail("S2", fmt::format("the record of site {} went from {} to {}", site, s.highest.at(k),
                                  record.highest));
  }
  s.highest.at(k) = record.highest;
  s.epoch.at(k) = record.reign.epoch;
  if (record.prepared) s.consented.insert(record.prepared->reign.epoch);
  if (!record.reign.any()) return;
  const int power = record.power == world_.policy(service).sites[0].name ? 0 : 1;
  if (record.role == Role::kPrimary) s.consented.insert(record.reign.epoch);
  Named& named = s.epochs[record.reign.epoch];
  if (named.power < 0) named = {record.reign.id, power};
  if (named.id != record.reign.id || named.power != power) {
    world_.fail("S2", fmt::format("number {} is two reigns", record.reign.epoch));
  }
}

// A store was opened by our agent.
void Oracles::on_open(int service, int site) {
  const GuardRecord& disk = world_.sites.at(static_cast<std::size_t>(site)).disk(service);
  // A verb that was under way when its reign ended may open the store for a moment more; what ends
  // that is read back before the fence is acknowledged.
  const SimSite& its = world_.sites.at(static_cast<std::size_t>(site));
  const bool ending = disk.role == Role::kFenced && !its.fence_read_back(service);
  if (disk.role != Role::kPrimary && disk.role != Role::kNone && !ending) {
    world_.fail("S3", fmt::format("site {} opens its store without a durable reign", site));
  }
  const SimStore& own = world_.store(service, site);
  const SimStore& other = world_.store(service, 1 - site);
  // What only this store holds was written here before it lost power, and was never looked at.
  Service& s = of(service);
  const bool came_back = s.kind == MoveKind::kFailover && disk.reign.epoch > 1;
  for (std::size_t k = 0; came_back && k < own.executed.size(); ++k) {
    const std::uint32_t theirs = k < other.executed.size() ? other.executed[k] : 0;
    if (k != own.origin && own.executed[k] > theirs && other.writable) {
      world_.fail("S22",
                  fmt::format("site {} opens with writes that site {} never had", site, 1 - site));
    }
  }
  check_waited(service, site);
  check_losses(service, site);
  check_planned(service, site);
  check_one_writer(service);
}

// S15: what the old site holds, and it was closed before, is here. Nothing is forced about that.
void Oracles::check_planned(int service, int site) {
  const Service& s = of(service);
  const GuardRecord& disk = world_.sites.at(static_cast<std::size_t>(site)).disk(service);
  if (s.planned == 0 || disk.reign.epoch != s.planned || site != s.planned_to) return;
  const SimStore& own = world_.store(service, site);
  const SimStore& other = world_.store(service, 1 - site);
  if (holds_all(own.executed, other.executed)) return;
  world_.fail("S15", fmt::format("a planned move opens site {} with {}, and site {} holds {}", site,
                                 to_text(own.executed), 1 - site, to_text(other.executed)));
}

// A store follows the other site's: what it holds of its own would be lost without a word.
void Oracles::on_follow(int service, int site) {
  const SimStore& own = world_.store(service, site);
  const SimStore& source = world_.store(service, 1 - site);
  if (holds_all(source.executed, own.executed)) return;
  world_.fail("S22",
              fmt::format("site {} follows with writes that site {} never had", site, 1 - site));
}

// S14: an automatic move loses at most what was acknowledged within max_lag of the primary's last
// sound contact, and after it.
void Oracles::check_losses(int service, int site) {
  Service& s = of(service);
  if (s.kind != MoveKind::kFailover || s.trigger == Instant{0} || s.automatic.empty()) return;
  const GuardRecord& disk = world_.sites.at(static_cast<std::size_t>(site)).disk(service);
  if (std::exchange(s.losses_judged, disk.reign.epoch) == disk.reign.epoch) return;
  const ServicePolicy& policy = world_.policy(service);
  const Duration allowed =
      at_most(policy.max_lag + 2 * policy.interval + 3 * policy.poll_interval() +
              std::max<Duration>(2 * policy.lease, 5s)) +
      3s;
  const SimStore& store = world_.store(service, site);
  const SimStore& former = world_.store(service, 1 - site);
  const std::size_t origin = former.origin;
  const std::uint32_t held = origin < store.executed.size() ? store.executed[origin] : 0;
  const auto& acks = world_.clients.acks(service, origin);
  if (held < acks.size() && acks[held] < s.trigger - allowed) {
    world_.fail("S14", fmt::format("a write acknowledged {:.1f} s before the first failure is lost",
                                   seconds(s.trigger - acks[held])));
  }
}

// A monitor that runs dry asks, and no more.
void Oracles::check_dry(const char* what) {
  if (world_.monitor.dry) world_.fail("S19", std::string("a dry run sends ") + what);
}

void Oracles::on_publish(const Change& change) {
  check_dry("a change of a record");
  const int service = service_of(change.key.name);
  const Service& s = of(service);
  for (const std::string& value : change.desired) {
    if (value != address_of(0) && value != address_of(1)) {
      world_.fail("S6", "a value of no site is written: " + value);
    }
  }
  if (change.desired.empty()) world_.fail("S6", "an empty set is written");
  const auto mark = parse_mark(change.mark);
  if (!mark) return world_.fail("S7", "a write without a mark");
  const bool of_failover = s.kind == MoveKind::kFailover && s.failover == mark->reign.epoch;
  if (world_.policy(service).agents && of_failover && !s.consented.contains(mark->reign.epoch)) {
    world_.fail("S8",
                fmt::format("reign {} is published before anybody consented", mark->reign.epoch));
  }
  if (world_.policy(service).agents && mark->reign.epoch == s.planned) {
    const GuardRecord& disk = world_.sites.at(static_cast<std::size_t>(s.planned_to)).disk(service);
    if (disk.reign.epoch < s.planned) {
      world_.fail("S8", fmt::format("reign {} of a planned move is published, and may be undone",
                                    s.planned));
    }
  }
  if (mark->reign.epoch > s.durable) {
    world_.fail("S17", fmt::format("reign {} is published and not durable", mark->reign.epoch));
  }
}

void Oracles::on_dns_write(const RecordSet& live, const Change& change) {
  Service& s = of(service_of(change.key.name));
  const auto mark = parse_mark(change.mark);
  const auto before = parse_mark(live.mark);
  if (!mark) return;  // Told when it left.
  if (before && before->reign.epoch > mark->reign.epoch) {
    world_.fail("S7", fmt::format("reign {} overwrites reign {} in DNS", mark->reign.epoch,
                                  before->reign.epoch));
  }
  const bool foreign = live.values.front() != address_of(0) && live.values.front() != address_of(1);
  if (foreign) world_.fail("S6", "a human's value is overwritten: " + live.values.front());
  const bool news = s.marks.insert(change.key.name + change.mark).second;
  // Again only over what an older reign of ours wrote late.
  if (!news && (!before || before->reign.epoch >= mark->reign.epoch)) {
    world_.fail("S16", "the same reign is written twice to " + change.key.name);
  }
}

// A person has seen its moves: over a restart the breaker remembers them no more.
void Oracles::on_ack(int service) {
  of(service).automatic.clear();
  std::erase_if(breaker_, [&](const auto& each) { return each.second == service; });
}

void Oracles::on_monitor_start(bool memory_lost) {
  monitor_start_ = now();
  for (Service& s : services_) {
    s.fails = s.passes = {};
    s.fell = {};
    s.fell_at = {};
    // Decided, and lost with the process before it was durable: nothing of it has left.
    if (!s.automatic.empty() && s.automatic_number > s.durable) {
      s.automatic.pop_back();
      if (!breaker_.empty()) breaker_.pop_back();
    }
    s.automatic_number = 0;
    if (memory_lost || s.planned > s.durable) s.planned = 0;
    if (memory_lost) {
      s.automatic.clear();
      s.durable = 0;
    }
  }
  if (!memory_lost) return;
  breaker_.clear();
  for (const auto& [name, state] : world_.monitor.disk.states) {
    on_durable(world_.index_of(name), state);
  }
}

void Oracles::on_probe(int service, int site, bool pass) {
  Service& s = of(service);
  const auto k = static_cast<std::size_t>(site);
  if (!pass && s.fails.at(k) == 0) s.first_fail.at(k) = now();
  s.fails.at(k) = pass ? 0 : s.fails.at(k) + 1;
  s.passes.at(k) = pass ? s.passes.at(k) + 1 : 0;
  if (s.fails.at(k) >= world_.policy(service).fall) s.fell.at(k) = true;
  if (s.passes.at(k) >= world_.policy(service).rise) s.fell.at(k) = false;
  if (s.fell.at(k)) s.fell_at.at(k) = now();
}

void Oracles::on_durable(int service, const std::string& state) {
  constexpr std::string_view kKey = "\"issued\":\"";
  const auto at = state.find(kKey);
  if (at == std::string::npos) return;
  of(service).durable = std::strtoull(state.c_str() + at + kKey.size(), nullptr, 10);
}

void Oracles::on_order(int service, const SendOrder& order) {
  ++orders_;
  check_dry("an order");
  const bool consented = of(service).consented.contains(order.reign.epoch);
  const bool asks =
      of(service).kind == MoveKind::kFailover || of(service).planned == order.reign.epoch;
  if (order.kind == OrderKind::kFence && asks && !consented) {
    world_.fail("S4", fmt::format("a fence of number {} leaves before the standby consented",
                                  order.reign.epoch));
  }
  if (order.reign.epoch > of(service).durable) {
    world_.fail("S17", fmt::format("{} of number {} leaves, and the disk knows {}",
                                   to_string(order.kind), order.reign.epoch, of(service).durable));
  }
}

}  // namespace pointsman
