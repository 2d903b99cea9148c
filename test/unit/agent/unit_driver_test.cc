#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/drivers/drivers.h"
#include "agent/drivers/endpoint.h"

#include <doctest/doctest.h>

namespace pointsman {
namespace {

// A unit that is a file: it runs while the file is there.
struct FileUnit {
  FileUnit() {
    char folder_name[] = "/tmp/pm-drivers-unit-XXXXXX";
    folder = ::mkdtemp(folder_name);
    file = folder + "/runs";
    settings.name = "worker";
    settings.start = {"touch", file};
    settings.stop = {"rm", "-f", file};
    settings.status = {"test", "-e", file};
    settings.timeout = 5s;
  }
  ~FileUnit() { std::filesystem::remove_all(folder); }
  bool runs() const { return std::filesystem::exists(file); }

  std::string folder;
  std::string file;
  UnitSettings settings;
};

}  // namespace

TEST_CASE("a unit is started by promotion and stopped by an order, not by the lease") {
  FileUnit unit;
  const auto driver = make_unit_driver(unit.settings);
  CHECK(driver->report(5s).liveness == Liveness::kStopped);
  CHECK(driver->promote(5s).ok());
  CHECK(driver->promote(5s).ok());
  CHECK(unit.runs());
  CHECK(driver->report(5s).liveness == Liveness::kUp);
  CHECK(driver->fence(FenceDepth::kLease, 5s).ok());
  CHECK(unit.runs());
  CHECK(driver->fence(FenceDepth::kOrder, 5s).ok());
  CHECK(driver->fence(FenceDepth::kOrder, 5s).ok());
  CHECK_FALSE(unit.runs());
}

TEST_CASE("a unit that does not stop is no fence") {
  FileUnit unit;
  std::ofstream(unit.file) << "x";
  unit.settings.stop = {"true"};
  auto fenced = make_unit_driver(unit.settings)->fence(FenceDepth::kOrder, 300ms);
  REQUIRE_FALSE(fenced.ok());
  CHECK(fenced.error().code == ErrorCode::kTimeout);
  unit.settings.stop = {"false"};
  fenced = make_unit_driver(unit.settings)->fence(FenceDepth::kOrder, 300ms);
  REQUIRE_FALSE(fenced.ok());
  CHECK(fenced.error().code == ErrorCode::kRefused);
}

TEST_CASE("a unit that always runs is only reported") {
  FileUnit unit;
  std::ofstream(unit.file) << "x";
  unit.settings.only_primary = false;
  const auto driver = make_unit_driver(unit.settings);
  CHECK(driver->fence(FenceDepth::kOrder, 5s).ok());
  CHECK(unit.runs());
  CHECK(driver->render("fence").empty());
}

TEST_CASE("systemd is read by its properties, and only what has ended counts as stopped") {
  FileUnit unit;
  // There is no systemd where tests run; what systemctl prints is its documented interface.
  const std::string program = unit.folder + "/systemctl";
  const auto says = [&](const std::string& load, const std::string& active, int pid) {
    std::ofstream script(program);
    script << "#!/bin/sh\n[ \"$1\" = show ] || exit 0\n"
           << "echo LoadState=" << load << "\necho ActiveState=" << active
           << "\necho SubState=x\necho MainPID=" << pid << "\n";
    script.close();
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  };
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", (unit.folder + ":" + path).c_str(), 1);
  UnitSettings settings;
  settings.name = "im-api.service";
  const auto driver = make_unit_driver(settings);
  says("loaded", "active", 42);
  CHECK(driver->report(5s).liveness == Liveness::kUp);
  says("loaded", "inactive", 0);
  CHECK(driver->report(5s).liveness == Liveness::kStopped);
  CHECK(driver->fence(FenceDepth::kOrder, 5s).ok());
  says("loaded", "failed", 42);  // Its main process is still there.
  CHECK(driver->report(5s).liveness == Liveness::kUnknown);
  CHECK_FALSE(driver->fence(FenceDepth::kOrder, 200ms).ok());
  says("loaded", "deactivating", 42);
  CHECK(driver->report(5s).liveness == Liveness::kUnknown);
  says("not-found", "inactive", 0);
  const auto fenced = driver->fence(FenceDepth::kOrder, 5s);
  REQUIRE_FALSE(fenced.ok());
  CHECK(fenced.error().code == ErrorCode::kNotFound);
  CHECK(driver->render("fence") ==
        std::vector<std::string>{"systemctl --no-ask-password stop -- im-api.service"});
  ::setenv("PATH", path.c_str(), 1);
}

TEST_CASE("a hook gets the order, and its failure says why") {
  FileUnit unit;
  const std::string got = unit.folder + "/got";
  HookSettings hook{"promoted", {"tee", got}, 5s};
  CHECK(run_hook(hook, R"({"epoch":"7"})").ok());
  std::string text;
  std::getline(std::ifstream(got), text);
  CHECK(text == R"({"epoch":"7"})");
  hook.argv = {"cat", "/nonexistent/file"};
  auto failed = run_hook(hook, "{}");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message.find("/nonexistent/file") != std::string::npos);
  hook.argv = {"sleep", "60"};
  hook.timeout = 200ms;
  failed = run_hook(hook, "{}");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::kTimeout);
}

TEST_CASE("endpoints are numeric or paths") {
  CHECK(parse_endpoint("127.0.0.1:6379")->text() == "127.0.0.1:6379");
  CHECK(parse_endpoint("[::1]:6379")->text() == "[::1]:6379");
  CHECK(parse_endpoint("localhost:1")->text() == "127.0.0.1:1");
  CHECK(parse_endpoint("/run/x.sock")->text() == "/run/x.sock");
  for (const char* bad : {"", "db.example:3306", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", ":1",
                          "127.0.0.1:65536", "127.0.0.1:1x", "::1:6379", "a b:1", "[::1:1"}) {
    CHECK_MESSAGE(!parse_endpoint(bad).ok(), bad);
  }
}

}  // namespace pointsman
