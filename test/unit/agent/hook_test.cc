#include "agent/drivers/drivers.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "test/support/certs.h"

namespace pointsman {
namespace {

using testing::Folder;

HookSettings hook(const std::string& script, Duration timeout = 10s) {
  return {"promoted", {"/bin/sh", "-c", script}, timeout};
}

std::string content(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

template <typename Done>
bool soon(Done done) {
  const Instant end = system_clock().now() + 5s;
  while (!done() && system_clock().now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return done();
}

TEST_CASE("hook: the order comes on standard input, arguments arrive as they are") {
  const Folder folder;
  setenv("PM_SECRET", "not for hooks", 1);
  HookSettings settings = hook(
      "cat > \"$1\"; env | cut -d= -f1 | sort | tr '\\n' ' ' > \"$2\"; "
      "printf '%s|' \"$@\" > \"$3\"");
  for (const std::string& word : {std::string("sh"), folder / "in", folder / "env", folder / "argv",
                                  std::string("a b;$(touch x)")}) {
    settings.argv.push_back(word);
  }
  const auto ran = run_hook(settings, R"({"event":"promoted"})");
  unsetenv("PM_SECRET");
  REQUIRE(ran.ok());
  CHECK(content(folder / "in") == R"({"event":"promoted"})");
  CHECK(content(folder / "argv").ends_with("|a b;$(touch x)|"));
  const std::string variables = content(folder / "env");
  CHECK(variables.find("PM_SECRET") == std::string::npos);
  CHECK(variables.find("PATH") != std::string::npos);
}

TEST_CASE("hook: a failure is told with its code and its last words") {
  const auto ran = run_hook(hook("echo first >&2; printf 'warm\\033[31m' >&2; exit 7"), "{}");
  REQUIRE_FALSE(ran.ok());
  CHECK(ran.error().code == ErrorCode::kRefused);
  const std::string& text = ran.error().message;
  CHECK(text.find("hook on promoted: /bin/sh ended with 7") != std::string::npos);
  CHECK(text.find("warm") != std::string::npos);
  CHECK(text.find('\033') == std::string::npos);
  CHECK(run_hook({"promoted", {"/no/such/program"}, 1s}, "{}").error().code ==
        ErrorCode::kNotFound);
  CHECK(run_hook({"promoted", {}, 1s}, "{}").error().code == ErrorCode::kInvalid);
}

TEST_CASE("hook: what it prints is bounded, and an endless printer ends by its time") {
  CHECK(run_hook(hook("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2"), "{}").ok());
  const auto loud = run_hook(hook("head -c 20000000 /dev/zero | tr '\\0' x >&2; exit 1"), "{}");
  REQUIRE_FALSE(loud.ok());
  CHECK(loud.error().message.size() < 1000);
  const auto endless = run_hook(hook("exec yes", 300ms), "{}");
  REQUIRE_FALSE(endless.ok());
  CHECK(endless.error().code == ErrorCode::kTimeout);
}

TEST_CASE("hook: its time is up for all that it started") {
  const Folder folder;
  const Instant began = system_clock().now();
  const auto late =
      run_hook(hook("sleep 60 & echo $! > " + (folder / "pid") + "; wait", 400ms), "{}");
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == ErrorCode::kTimeout);
  CHECK(late.error().message.find("did not end within 400ms and was killed") != std::string::npos);
  CHECK(system_clock().now() - began < 10s);
  const pid_t started = std::atoi(content(folder / "pid").c_str());
  REQUIRE(started > 1);
  // Dead, or a corpse that nobody has buried yet (the first process of a container may not).
  CHECK(soon([&] {
    return kill(started, 0) != 0 ||
           content("/proc/" + std::to_string(started) + "/stat").find(") Z ") != std::string::npos;
  }));
}

}  // namespace
}  // namespace pointsman
