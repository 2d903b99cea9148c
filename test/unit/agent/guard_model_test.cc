#include <functional>
#include <map>
#include <queue>
#include <random>

#include "test/unit/agent/guard_scene.h"

#include <doctest/doctest.h>

// Two guards and a small monitor under random faults: messages late to 40 s, lost and doubled,
// links cut, processes killed, hosts rebooted, clocks at the bounds of their rates. At no instant
// may both sites take writes. The monitor here is the least that keeps the rules of a voter.

using namespace pointsman;

namespace {

using Ms = double;  // Real time.

constexpr Ms kFenceTakes = 500;

struct World;

struct HostClock {
  double rate = 1;
  Ms offset = 0;
  Instant local(Ms t) const {
    return Instant{} + Duration(std::int64_t((t + offset) * rate * 1e6));
  }
  // Real time that `d` of this clock takes.
  Ms real(Duration d) const { return double(d.count()) / 1e6 / rate; }
};

struct Site {
  std::string name;
  std::string peer;
  HostClock clock;
  std::unique_ptr<Guard> guard;  // nullptr: the agent is dead.
  GuardRecord disk;
  std::uint64_t incarnation = 0;
  std::uint64_t sequence = 0;
  std::string run;
  bool stores_open = false;  // They may take writes while the kernel lets pass.
  Instant kernel{0};         // Until when it does.
  Ms closes_at = 1e18;       // A fence by order takes its time.

  bool takes_writes(Ms t) const {
    // F: up to half a second from expiry an acknowledgement may still leave.
    return stores_open && clock.local(t) < kernel + kFenceBoundArmed;
  }
};

// What the monitor keeps on disk, and what it forgets.
struct Monitor {
  HostClock clock;
  struct Disk {
    std::string power = "a";
    std::uint64_t epoch = 1;
    std::uint64_t next = 1;    // Highest number ever used.
    std::uint64_t moving = 0;  // Epoch of the move that is on; 0: none.
    std::string target;
    bool may_fence = false;  // A fence of it may have left: never back to `epoch`.
    bool may_promote = false;
  } disk;
  std::string run;
  std::uint64_t sequence = 0;
  std::uint64_t vouches = 0;
  std::map<std::string, Promise> promises;
  std::map<std::string, std::pair<Token, Instant>> tokens;  // With the instant of receipt.
  std::map<std::string, ServiceReport> reports;
  std::map<std::string, std::uint64_t> answered;  // Request that the last report answered.
  bool lone = false;
  Instant move_since{0};
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}

  std::mt19937_64 random;
  Ms t = 0;
  std::multimap<Ms, std::function<void()>> events;
  std::map<std::string, Site> sites;
  Monitor monitor;
  std::map<std::pair<std::string, std::string>, bool> cut;
  double loss = 0;
  double slow = 0;  // How many messages are late, by seconds.
  int promotions = 0;
  int re_crowned = 0;
  std::string violation;

  double uniform(double from, double to) {
    return std::uniform_real_distribution<double>(from, to)(random);
  }
  bool chance(double p) { return uniform(0, 1) < p; }
  void at(Ms when, std::function<void()> what) { events.emplace(when, std::move(what)); }

  void send(const std::string& from, const std::string& to, const std::function<void()>& arrive) {
    if (cut[{from, to}] || chance(loss)) return;
    const auto delay = [&] {
      return chance(slow) ? uniform(300, chance(0.3) ? 40000 : 6000) : uniform(1, 40);
    };
    at(t + delay(), arrive);
    if (chance(0.03)) at(t + delay(), arrive);
  }

  // --- A site.

  // As the agent does: nothing is used before it is on disk.
  void keep(Site& site, bool save) {
    if (save) site.disk = site.guard->record();
  }

  // Carries guard's level and lease to stores and kernel. A lease reaches the kernel at once here;
  // that it may come late there only shortens it, and a shorter one is told only after it did.
  void settle(Site& site) {
    if (!site.guard) return;
    const Instant now = site.clock.local(t);
    keep(site, site.guard->tick(now).save);
    switch (site.guard->level(now)) {
      case Level::kOpen:
      case Level::kPromote:
        site.stores_open = true;
        site.kernel = site.guard->lease_until();
        site.guard->on_promotion_read_back(site.guard->record().reign);
        site.closes_at = 1e18;
        break;
      case Level::kFenced:
      case Level::kClosed:
      case Level::kStandby:
        // The worst that may be: it goes on taking writes until the fence is read back.
        if (site.closes_at > 1e17) site.closes_at = t + uniform(5, kFenceTakes);
        if (t < site.closes_at) {
          at(site.closes_at, [this, name = site.name] { settle(sites[name]); });
          break;
        }
        site.stores_open = false;
        site.guard->on_fence_read_back(site.guard->record().fence_epoch);
        break;
      case Level::kUntouched: break;
    }
  }

  ServiceReport report(Site& site) {
    ServiceReport report;
    report.service = "s";
    site.guard->fill(report, site.clock.local(t));
    return report;
  }

  void start(Site& site, bool rebooted) {
    const Instant now = site.clock.local(t);
    if (rebooted) site.kernel = Instant{0};
    if (rebooted) site.stores_open = false;
    const Duration rest = std::max(site.kernel - now, Duration::zero());
    site.guard = std::make_unique<Guard>(
        Guard::Start{site.name, site.peer, site.disk, random() | 1, now, rest});
    site.guard->set_fence_bound(kFenceBoundArmed, true);
    site.run = std::to_string(random());
    site.sequence = 0;
    site.closes_at = 1e18;
    settle(site);
  }

  // The peer poll: a vouch goes there, a report comes back.
  void poll_peer(const std::string& name) {
    Site& site = sites[name];
    at(t + site.clock.real(500ms), [this, name] { poll_peer(name); });
    if (!site.guard) return;
    settle(site);
    auto out = site.guard->vouch_for_peer(site.guard->record().lease, site.clock.local(t));
    keep(site, out.save);
    const auto own = report(site);
    const std::string run = site.run;
    const std::uint64_t sequence = ++site.sequence;
    send(name, site.peer, [this, name, run, sequence, own, vouch = out.vouch, asked = t] {
      Site& other = sites[sites[name].peer];
      if (!other.guard) return;
      const Instant now = other.clock.local(t);
      if (other.guard->in_sequence(name, run, sequence)) {
        keep(other, other.guard->on_peer_report(own, now, false).save);
        if (vouch) other.guard->on_peer_vouch(*vouch, now);
      }
      settle(other);
      const auto answer = report(other);
      send(other.name, name, [this, name, run, answer, asked] {
        Site& site_again = sites[name];
        if (!site_again.guard || site_again.run != run || t - asked > 500) return;
        const Instant then = site_again.clock.local(t);
        keep(site_again, site_again.guard->on_peer_report(answer, then, true).save);
        settle(site_again);
      });
    });
  }

  // --- The monitor.

  void start_monitor() {
    monitor.run = std::to_string(random());
    monitor.sequence = monitor.vouches = 0;
    monitor.tokens.clear();
    monitor.reports.clear();
    monitor.answered.clear();
    for (auto& [name, site] : sites) {
      monitor.promises[name].assumed(monitor.clock.local(t), {60s, kFenceBoundUnarmed});
    }
    monitor.move_since = monitor.clock.local(t);
  }

  std::optional<Vouch> monitor_vouch(const std::string& name) {
    const Monitor::Disk& disk = monitor.disk;
    if (disk.moving != 0 || disk.power != name || !monitor.tokens.count(name)) return std::nullopt;
    const ServiceReport& told = monitor.reports[name];
    if (told.role != Role::kPrimary || told.reign.epoch != disk.epoch) return std::nullopt;
    const std::string other = sites[name].peer;
    if (monitor.promises[other].end() > monitor.clock.local(t) &&
        (!monitor.reports.count(other) || monitor.reports[other].fenced < disk.epoch) &&
        monitor.reports[name].lease_rest == 0s && !monitor.reports.count(other)) {
      return std::nullopt;  // A lapsed reign after a restart: both must have answered.
    }
    const auto& [token, received] = monitor.tokens[name];
    const Duration lease = monitor.lone ? Duration(60s) : Duration(3s);
    monitor.promises[name].made(++monitor.vouches, received, {lease, told.fence_bound});
    return Vouch{monitor.vouches, scene::reign(disk.epoch), token, lease, monitor.lone};
  }

  void hear(const std::string& name, std::uint64_t request, const ServiceReport& report) {
    if (request < monitor.answered[name]) return;
    monitor.answered[name] = request;
    const Instant now = monitor.clock.local(t);
    monitor.reports[name] = report;
    monitor.tokens[name] = {report.token, now};
    if (report.monitor_run == monitor.run) {
      monitor.promises[name].superseded(report.monitor_vouch,
                                        now + closing_length(report.fence_bound));
    }
    Monitor::Disk& disk = monitor.disk;
    disk.next = std::max(disk.next, report.highest);
    const std::uint64_t floor = disk.moving != 0 ? disk.moving : disk.epoch + 1;
    if (report.fenced >= floor) monitor.promises[name].released();
    if (disk.moving != 0 && name == disk.target && report.role == Role::kPrimary &&
        report.reign.epoch == disk.moving) {
      if (disk.target == disk.power) ++re_crowned;
      ++promotions;
      disk.power = disk.target;
      disk.epoch = disk.moving;
      disk.moving = 0;
    }
  }

  void poll_site(const std::string& name) {
    at(t + monitor.clock.real(500ms), [this, name] { poll_site(name); });
    if (monitor.run.empty()) return;
    const auto vouch = monitor_vouch(name);
    std::optional<PrepareRenewal> renewal;
    const std::uint64_t moving = monitor.disk.moving;
    if (moving != 0 && monitor.disk.target == name) {
      renewal = PrepareRenewal{scene::reign(moving), fmt::format("move-{}", moving)};
    }
    const std::string run = monitor.run;
    const std::uint64_t sequence = ++monitor.sequence;
    send("m", name, [this, name, run, sequence, vouch, renewal] {
      Site& site = sites[name];
      if (!site.guard) return;
      const Instant now = site.clock.local(t);
      if (site.guard->in_sequence("m", run, sequence)) {
        keep(site, site.guard->on_monitor_poll(3s, now).save);
        if (vouch) site.guard->on_monitor_vouch(*vouch, run, now);
        if (renewal) keep(site, site.guard->on_renewal(*renewal, 10s, now).save);
      }
      settle(site);
      answer_monitor(site, run, sequence);
    });
    drive();
  }

  void answer_monitor(Site& site, const std::string& run, std::uint64_t request) {
    const auto told = report(site);
    send(site.name, "m", [this, name = site.name, run, request, told] {
      if (monitor.run == run) hear(name, request, told);
    });
  }

  void order(Verb verb, const std::string& name, const std::string& power, bool old_fenced) {
    if (!monitor.tokens.count(name)) return;
    Order order;
    order.run = monitor.run;
    order.sequence = ++monitor.sequence;
    order.sender = "m";
    order.service = "s";
    order.site = name;
    order.verb = verb;
    order.reign = scene::reign(monitor.disk.moving);
    order.power = power;
    order.move = fmt::format("move-{}", monitor.disk.moving);
    order.token = monitor.tokens[name].first;
    order.old_fenced = old_fenced;
    send("m", name, [this, name, order] {
      Site& site = sites[name];
      if (!site.guard) return;
      settle(site);
      keep(site, site.guard->on_order(order, {}, site.clock.local(t)).save);
      settle(site);
      answer_monitor(site, order.run, order.sequence);
    });
  }

  // One step of the move that is on. What is decided is on disk before the order leaves.
  void drive() {
    Monitor::Disk& disk = monitor.disk;
    if (disk.moving == 0 || monitor.run.empty()) return;
    const std::string target = disk.target;
    const std::string other = sites[target].peer;
    const bool heard = monitor.reports.count(target) != 0;
    if (!heard) return;
    const ServiceReport& told = monitor.reports[target];
    const Instant now = monitor.clock.local(t);
    if (target == disk.power) return re_crown(other);
    if (told.highest > disk.moving || told.voided.epoch == disk.moving) {
      // Void at the target: anew, or back to the site of the last reign.
      begin(chance(0.5) || disk.may_promote ? target : disk.power);
      return;
    }
    const bool prepared = told.prepared && told.prepared->reign.epoch == disk.moving;
    if (!prepared && !disk.may_fence) {
      order(Verb::kPrepare, target, target, false);
      return;
    }
    disk.may_fence = true;
    order(Verb::kFence, other, target, false);
    const bool fenced =
        monitor.reports.count(other) != 0 && monitor.reports[other].fenced >= disk.moving;
    if (!fenced && monitor.promises[other].end() > now) return;
    disk.may_promote = true;
    order(Verb::kPromote, target, target, fenced);
  }

  // The same site again in a higher number: the other one must be known not to have come to power.
  void re_crown(const std::string& other) {
    Monitor::Disk& disk = monitor.disk;
    const bool over =
        monitor.reports.count(other) != 0 && (monitor.reports[other].fenced >= disk.moving);
    if (!over) order(Verb::kFence, other, disk.target, false);
    if (over) order(Verb::kPromote, disk.target, disk.target, true);
  }

  void begin(const std::string& target) {
    Monitor::Disk& disk = monitor.disk;
    disk.moving = ++disk.next;
    disk.target = target;
    disk.may_fence = disk.may_promote = false;
    // Faults where they hurt most: around the moment in which power changes hands.
    const std::string other = sites[target].peer;
    if (chance(0.4)) at(t + uniform(0, 6000), [this, target] { kill(target); });
    if (chance(0.3)) at(t + uniform(0, 6000), [this] { kill("m"); });
    if (chance(0.3)) cut[{target, "m"}] = cut[{"m", target}] = true;
    if (chance(0.4)) {
      at(t + uniform(0, 4000), [this, other] { cut[{"m", other}] = cut[{other, "m"}] = true; });
    }
    if (chance(0.4)) at(t + uniform(1000, 6000), [this] { cut.clear(); });
  }

  // --- Faults.

  void fault() {
    at(t + uniform(500, 8000), [this] { fault(); });
    const std::vector<std::string> names{"a", "b", "m"};
    const std::string one = names[random() % 3];
    const std::string two = names[random() % 3];
    switch (random() % 8) {
      case 0: cut[{one, two}] = true; break;
      case 1: cut[{one, two}] = cut[{two, one}] = true; break;
      case 2:
      case 3: cut.clear(); break;
      case 4: loss = chance(0.5) ? 0 : uniform(0, 0.4); break;
      case 5: kill(one); break;
      case 6: monitor.lone = monitor.disk.moving == 0 && chance(0.3); break;
      case 7:
        if (monitor.disk.moving == 0 && !monitor.run.empty()) {
          monitor.lone = false;
          begin(chance(0.8) ? sites[monitor.disk.power].peer : monitor.disk.power);
        }
        break;
    }
  }

  void kill(const std::string& name) {
    const Ms away = chance(0.6) ? uniform(10, 400) : uniform(400, 20000);
    if (name == "m") {
      monitor.run.clear();
      at(t + away, [this] {
        if (monitor.run.empty()) start_monitor();
      });
      return;
    }
    if (!sites[name].guard) return;
    sites[name].guard.reset();
    at(t + away, [this, name, rebooted = chance(0.3)] {
      if (!sites[name].guard) start(sites[name], rebooted);
    });
  }

  void look() {
    at(t + 7, [this] { look(); });
    for (auto& [name, site] : sites) {
      // The runner's turn; the kernel itself needs nobody.
      if (site.guard && chance(0.5)) settle(site);
    }
    int writers = 0;
    for (const auto& [name, site] : sites) writers += site.takes_writes(t) ? 1 : 0;
    if (writers > 1 && violation.empty())
      violation = fmt::format("two writers at {:.3f} s", t / 1000);
  }

  void set_up() {
    const auto rate = [&] {
      if (chance(0.4)) return chance(0.5) ? 1 - kRho : 1 + kRho;
      return uniform(1 - kRho, 1 + kRho);
    };
    monitor.clock = {rate(), 1e6};
    slow = chance(0.3) ? 0 : chance(0.5) ? 0.02 : 0.2;
    for (const std::string name : {"a", "b"}) {
      Site& site = sites[name];
      site.name = name;
      site.peer = name == "a" ? "b" : "a";
      site.clock = {rate(), uniform(1e6, 1e7)};
      site.disk.role = name == "a" ? Role::kPrimary : Role::kStandby;
      site.disk.reign = site.disk.highest_reign = scene::reign(1);
      site.disk.highest = 1;
      site.disk.power = "a";
      start(site, true);
      at(uniform(0, 500), [this, name] { poll_peer(name); });
      at(uniform(0, 500), [this, name] { poll_site(name); });
    }
    start_monitor();
    at(0, [this] { look(); });
    at(uniform(5000, 10000), [this] { fault(); });
  }

  void run_until(Ms end) {
    while (!events.empty() && events.begin()->first <= end && violation.empty()) {
      auto first = events.begin();
      t = first->first;
      auto what = std::move(first->second);
      events.erase(first);
      what();
    }
    t = end;
  }
};

}  // namespace

TEST_CASE("random faults: never two writers, and moves do happen") {
  int promotions = 0;
  int re_crowned = 0;
  const char* count = std::getenv("PM_MODEL_SEEDS");
  const char* first = std::getenv("PM_MODEL_FIRST");
  const std::uint64_t from = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
  const std::uint64_t seeds = count != nullptr ? std::strtoull(count, nullptr, 10) : 25;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    World world(seed);
    world.set_up();
    world.run_until(300'000);
    CAPTURE(seed);
    CHECK_EQ(world.violation, "");
    promotions += world.promotions;
    re_crowned += world.re_crowned;
  }
  MESSAGE("promotions " << promotions << ", of these the same site again " << re_crowned);
  CHECK_GT(promotions, int(seeds));
}
