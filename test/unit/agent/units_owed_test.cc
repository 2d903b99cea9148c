// Found by killing an agent between the opening of its stores and the start of its units: the next
// run took over the lease, took the units for left alone on purpose, and never started them.

#include "agent/service_runner.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>

#include "base/crypto.h"

using namespace pointsman;

namespace {

struct Unit {
  std::atomic<bool> runs{false};
  std::atomic<int> starts{0};
};

class UnitDriver : public Driver {
 public:
  explicit UnitDriver(Unit& unit) : unit_(unit) {}
  std::string name() const override { return "worker"; }
  bool is_store() const override { return false; }
  StoreReport report(Duration) override {
    StoreReport report;
    report.liveness = unit_.runs ? Liveness::kUp : Liveness::kStopped;
    return report;
  }
  Result<void> fence(FenceDepth depth, Duration) override {
    if (depth == FenceDepth::kOrder) unit_.runs = false;
    return {};
  }
  Result<void> unfence(Duration within) override { return promote(within); }
  Result<void> promote(Duration) override {
    if (!unit_.runs) ++unit_.starts;
    unit_.runs = true;
    return {};
  }
  Result<void> follow(const FollowTarget&, Duration) override { return {}; }
  Result<void> keep_standby(Duration within) override { return fence(FenceDepth::kOrder, within); }
  std::vector<std::string> render(const std::string&) override { return {}; }
  std::optional<bool> contains(const std::string&, const std::string&) const override {
    return std::nullopt;
  }

 private:
  Unit& unit_;
};

struct Site {
  Unit unit;
  std::string folder = "/tmp/pointsman-owed-" + random_id();
  std::unique_ptr<ServiceRunner> runner;

  Site() { std::filesystem::create_directory(folder); }
  ~Site() {
    runner.reset();
    std::filesystem::remove_all(folder);
  }

  // A start with `record`; one in power finds a lease of ten seconds in the kernel.
  void start(const GuardRecord& record) {
    runner.reset();
    ServiceRunner::Parts parts;
    parts.site = "hz";
    parts.record = record;
    parts.keep = record_keeper(folder, "im-api");
    parts.settings.name = "im-api";
    parts.incarnation = random_u64() | 1;
    parts.drivers.push_back({std::make_unique<UnitDriver>(unit), true, 500ms});
    parts.clock = &system_clock();
    if (record.role == Role::kPrimary) parts.kernel_until = system_clock().now() + 10s;
    runner = std::make_unique<ServiceRunner>(std::move(parts));
    runner->start([] {});
  }

  bool owes() {
    const auto record = load_record(folder, "im-api");
    return record.ok() && record->units_owed;
  }
};

GuardRecord in_role(Role role) {
  GuardRecord record;
  record.role = role;
  record.reign = record.highest_reign = {3, "00000000000000aa"};
  record.highest = 3;
  record.power = role == Role::kPrimary ? "hz" : "sh";
  record.peer = "sh";
  return record;
}

bool soon(const std::function<bool()>& holds) {
  const Instant end = system_clock().now() + 5s;
  while (!holds() && system_clock().now() < end) std::this_thread::sleep_for(5ms);
  return holds();
}

}  // namespace

TEST_CASE("units that a promotion still owed when its agent died are started by the next run") {
  Site site;
  site.start(in_role(Role::kStandby));
  REQUIRE(soon([&] { return site.owes(); }));
  GuardRecord promoted = in_role(Role::kPrimary);
  promoted.units_owed = true;
  site.start(promoted);
  CHECK(soon([&] { return site.unit.starts == 1; }));
  CHECK(soon([&] { return !site.owes(); }));
}

TEST_CASE("a unit that an operator stopped stays stopped over a restart of its agent") {
  Site site;
  site.start(in_role(Role::kPrimary));
  std::this_thread::sleep_for(600ms);
  CHECK_EQ(site.unit.starts, 0);
  CHECK_FALSE(site.owes());
}
