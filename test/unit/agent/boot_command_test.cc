#include "agent/boot_command.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "agent/service_runner.h"
#include "base/crypto.h"
#include "base/file.h"

namespace pointsman {
namespace {

struct Folder {
  std::string path = "/tmp/pointsman-boot-" + random_id();
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }

  void record(const std::string& service, Role role) const {
    GuardRecord record;
    record.role = role;
    REQUIRE(record_keeper(path, service)(record).ok());
  }
  std::string config(const std::string& rest) const {
    std::ofstream(path + "/agent.toml") << "[agent]\nstate_dir = \"" << path << "\"\n" << rest;
    return path + "/agent.toml";
  }
};

// Keeps what it was told; `fails` for one service.
struct Kernel final : Deadman {
  std::map<std::string, DeadmanMode> modes;
  std::string fails;

  Result<void> set_up(const std::vector<DeadmanPorts>& services) override {
    for (const auto& one : services) modes.try_emplace(one.service, DeadmanMode::kUntouched);
    return {};
  }
  Result<void> set_mode(const std::string& service, DeadmanMode mode) override {
    if (service == fails) return {ErrorCode::kUnavailable, "nftables: no"};
    modes[service] = mode;
    return {};
  }
  Result<void> renew(const std::string&, Instant) override { return {}; }
  Result<void> close(const std::string&) override { return {}; }
  Result<Duration> rest(const std::string&) override { return Duration{0}; }
  Result<void> verify(const std::string&) override { return {}; }
  Result<DeadmanMode> mode(const std::string& service) override { return modes.at(service); }
};

const DeadmanPorts kApi{"im-api", {3306}, {80, 443}, {"198.51.100.20"}};
const DeadmanPorts kShop{"shop", {}, {8080}, {}};

}  // namespace

TEST_CASE("boot: what had a role is closed, whatever became of the configuration") {
  const Folder folder;
  Kernel kernel;
  std::ostringstream out;
  CHECK(run_boot(folder.config(""), kernel, out) == 0);  // No agent has run here.
  CHECK(kernel.modes.empty());

  REQUIRE(keep_boot_ports(folder.path, {kApi, kShop}).ok());
  folder.record("im-api", Role::kStandby);
  folder.record("shop", Role::kNone);
  auto found = boot_ports(folder.path);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 1);
  CHECK(found->front().service == "im-api");
  CHECK(found->front().store_ports == kApi.store_ports);
  CHECK(found->front().public_ports == kApi.public_ports);
  CHECK(found->front().allow == kApi.allow);

  // A mistake elsewhere in the file keeps nothing from being closed.
  CHECK(run_boot(folder.config("[[service]]\nnaem = \"im-api\"\n"), kernel, out) == 0);
  CHECK(kernel.modes == std::map<std::string, DeadmanMode>{{"im-api", DeadmanMode::kArmed}});
}

TEST_CASE("boot: a broken record may have said anything, and is closed") {
  const Folder folder;
  REQUIRE(keep_boot_ports(folder.path, {kShop}).ok());
  std::ofstream(folder.path + "/shop.json") << "{";
  Kernel kernel;
  std::ostringstream out;
  CHECK(run_boot(folder.config(""), kernel, out) == 0);
  CHECK(kernel.modes.at("shop") == DeadmanMode::kArmed);
}

TEST_CASE("boot: rules that stand are left, and one failure keeps no other from closing") {
  const Folder folder;
  REQUIRE(keep_boot_ports(folder.path, {kApi, kShop}).ok());
  folder.record("im-api", Role::kPrimary);
  folder.record("shop", Role::kFenced);
  Kernel kernel;
  kernel.modes["im-api"] = DeadmanMode::kStandby;
  std::ostringstream out;
  CHECK(run_boot(folder.config(""), kernel, out) == 0);
  CHECK(kernel.modes.at("im-api") == DeadmanMode::kStandby);
  CHECK(kernel.modes.at("shop") == DeadmanMode::kArmed);

  Kernel broken;
  broken.fails = "im-api";
  CHECK(run_boot(folder.config(""), broken, out) == 1);
  CHECK(out.str().find("im-api: NOT CLOSED: nftables: no") != std::string::npos);
  CHECK(broken.modes.at("shop") == DeadmanMode::kArmed);
}

TEST_CASE("boot: what is kept is written when it differs, and refused when it is broken") {
  const Folder folder;
  const std::string file = folder.path + "/deadman.boot";
  REQUIRE(keep_boot_ports(folder.path, {}).ok());
  CHECK_FALSE(std::filesystem::exists(file));
  REQUIRE(keep_boot_ports(folder.path, {kApi}).ok());
  const auto written = std::filesystem::last_write_time(file);
  REQUIRE(keep_boot_ports(folder.path, {kApi}).ok());
  CHECK(std::filesystem::last_write_time(file) == written);
  REQUIRE(keep_boot_ports(folder.path, {}).ok());  // The switch was taken out of the configuration.
  CHECK(boot_ports(folder.path)->empty());

  std::ofstream(file) << "{\"services\":";
  Kernel kernel;
  std::ostringstream out;
  CHECK(run_boot(folder.config(""), kernel, out) == 1);
  CHECK(out.str().find("NOT CLOSED") != std::string::npos);
}

}  // namespace pointsman
