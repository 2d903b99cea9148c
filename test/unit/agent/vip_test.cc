#include "agent/vip.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace pointsman;

namespace {

constexpr Instant kNow{1'000'000'000'000};

ServiceReport primary() {
  ServiceReport report;
  report.service = "im-api";
  report.site = "hz";
  report.role = Role::kPrimary;
  report.lease_rest = 2s;
  StoreReport store;
  store.name = "mysql";
  store.liveness = Liveness::kUp;
  store.writable = true;
  report.stores = {store};
  report.units = {{"worker", true, true, ""}, {"nginx", false, true, ""}};
  report.witness = {{"hz", "im-api/hz/0", 0, 9, "pass", 1s, ""},
                    {"sh", "im-api/sh/0", 9, 0, "fail", 1s, "refused"}};
  return report;
}

ServiceReport standby() {
  ServiceReport report = primary();
  report.role = Role::kStandby;
  report.lease_rest = 0s;
  report.stores.front().writable = false;
  report.stores.front().replica = report.stores.front().applier_running = true;
  report.units.front().active = false;
  report.witness.front().last = "fail";
  return report;
}

}  // namespace

TEST_CASE("a sound primary and a sound standby are fit; the monitor is asked nothing") {
  CHECK_EQ(vip_unfit(primary()), "");
  CHECK_EQ(vip_unfit(standby()), "");
  ServiceReport untouched = standby();
  untouched.role = Role::kNone;
  CHECK_EQ(vip_unfit(untouched), "");
}

TEST_CASE("a primary that cannot serve is unfit, and says why") {
  ServiceReport report = primary();
  report.lease_rest = 0s;
  CHECK_EQ(vip_unfit(report), "closed: nobody vouches for it");
  report = primary();
  report.stores.front().writable = false;
  CHECK_EQ(vip_unfit(report), "mysql takes no writes");
  report = primary();
  report.stores.front().liveness = Liveness::kHung;
  CHECK_EQ(vip_unfit(report), "mysql is hung");
  report = primary();
  report.units.front().active = false;
  CHECK_EQ(vip_unfit(report), "worker does not run");
  report = primary();
  report.witness.front().last = "fail";
  report.witness.front().detail = "503";
  CHECK_EQ(vip_unfit(report), "its own probe fails: 503");
  report.witness.front().age = 16s;  // Says nothing any more.
  CHECK_EQ(vip_unfit(report), "");
}

TEST_CASE("a standby that could not be promoted is unfit") {
  ServiceReport report = standby();
  report.stores.front().applier_running = false;
  CHECK_EQ(vip_unfit(report), "mysql does not apply what it receives");
  report = standby();
  report.stores.front().liveness = Liveness::kStopped;
  CHECK_EQ(vip_unfit(report), "mysql is stopped");
  report = standby();
  report.units.back().active = false;
  CHECK_EQ(vip_unfit(report), "nginx does not run");
  report.role = Role::kFenced;
  CHECK_EQ(vip_unfit(report), "fenced: another site took over from it");
}

TEST_CASE("what was told of the address keeps its age, and each call is heard") {
  VipWatch watch(std::nullopt, kNow);
  CHECK_FALSE(watch.report(kNow).has_value());
  CHECK_FALSE(watch.heard(std::nullopt, kNow + 1s));
  CHECK_FALSE(watch.report(kNow + 1s).has_value());
  CHECK(watch.heard(true, kNow + 2s));
  CHECK_FALSE(watch.heard(true, kNow + 4s));
  CHECK_FALSE(watch.heard(std::nullopt, kNow + 6s));
  const auto report = watch.report(kNow + 7s);
  REQUIRE(report.has_value());
  CHECK(report->holds);
  CHECK_EQ(report->since, Duration(5s));
  CHECK_EQ(report->heard, Duration(1s));
  CHECK(watch.heard(false, kNow + 8s));
  CHECK_EQ(watch.report(kNow + 8s)->since, Duration(0s));
}

TEST_CASE("a restarted agent goes on from what its former run was told") {
  const VipWatch watch(true, kNow);
  CHECK(watch.report(kNow + 10s)->holds);
  CHECK_EQ(watch.report(kNow + 10s)->heard, Duration(10s));
  CHECK_FALSE(watch.report(kNow + 10s)->told);
  VipWatch called(true, kNow);
  called.heard(std::nullopt, kNow + 1s);
  CHECK_FALSE(called.report(kNow + 1s)->told);
  called.heard(true, kNow + 2s);
  CHECK(called.report(kNow + 2s)->told);
  char folder[] = "/tmp/pm-vip-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  CHECK_FALSE(vip_word_from(folder, "im-api").has_value());
  for (const auto& [word, holds] : {std::pair{"holds\n", true}, std::pair{"yields\n", false}}) {
    std::ofstream(vip_word_path(folder, "im-api")) << word;
    CHECK_EQ(vip_word_from(folder, "im-api"), std::optional<bool>(holds));
  }
  std::ofstream(vip_word_path(folder, "im-api")) << "who knows\n";
  CHECK_FALSE(vip_word_from(folder, "im-api").has_value());
  std::filesystem::remove_all(folder);
}

TEST_CASE("worth: fenced at once nothing, in power more only when an election is over") {
  VipWorth worth;
  CHECK_EQ(worth.now(Role::kStandby, kNow, false), 0);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 1s, false), 0);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 5s, false), 0);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 6s, false), 1);
  CHECK_EQ(worth.now(Role::kFenced, kNow + 7s, false), -254);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 8s, false), 0);  // Crowned again: may hold it at once.
  VipWorth restarted;
  CHECK_EQ(restarted.now(Role::kPrimary, kNow, false), 1);
}

// Else the preferred site, which follows within these seconds, would take it back, and power after.
TEST_CASE("worth: a site that comes to power and holds the address keeps it") {
  VipWorth worth;
  CHECK_EQ(worth.now(Role::kStandby, kNow, true), 0);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 1s, false), 0);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 2s, true), 1);
  CHECK_EQ(worth.now(Role::kPrimary, kNow + 3s, false), 1);
}
