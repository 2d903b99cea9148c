#include "base/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/clock.h"

namespace pointsman {
namespace {

Result<ProcessOutcome> shell(const std::string& script, const std::string& input = "",
                             Duration within = 10s) {
  return run_process({"/bin/sh", "-c", script}, input, within);
}

TEST_CASE("process: input, output and exit code") {
  const auto done = shell("cat; echo oops >&2; exit 3", "hello");
  REQUIRE(done.ok());
  CHECK(done->out == "hello");
  CHECK(done->err == "oops\n");
  CHECK(done->exit_code == 3);
  CHECK(shell("kill -9 $$")->exit_code == 137);
  const std::string much(300'000, 'x');
  CHECK(run_process({"wc", "-c"}, much, 10s)->out == "300000\n");
  // Input that nobody reads is no failure.
  CHECK(shell("exec true", much)->exit_code == 0);
  CHECK(run_process({"printf", "%s", "a b;$(x)"}, "", 10s)->out == "a b;$(x)");
}

TEST_CASE("process: output is capped") {
  const auto done = run_process({"/bin/sh", "-c", "head -c 200000 /dev/zero; exit 0"}, "", 10s,
                                {.output_most = 100});
  REQUIRE(done.ok());
  CHECK(done->out == std::string(100, '\0') + "[cut]");
  CHECK(run_process({"/bin/sh", "-c", "printf 1234"}, "", 10s, {.output_most = 4})->out == "1234");
}

TEST_CASE("process: nothing is inherited but three descriptors and three variables") {
  setenv("PM_SECRET", "x", 1);
  const int extra = open("/dev/null", O_RDONLY);
  const auto done = shell("env | cut -d= -f1 | sort | tr '\\n' ' '; ls /proc/self/fd | wc -l");
  close(extra);
  REQUIRE(done.ok());
  CHECK(done->out.find("PM_SECRET") == std::string::npos);
  CHECK(done->out.find("PATH") != std::string::npos);
  // 0, 1, 2 and the one by which ls reads the folder.
  CHECK(done->out.substr(done->out.size() - 2) == "4\n");
}

TEST_CASE("process: the whole group is killed at the deadline") {
  const Instant began = system_clock().now();
  const auto late = shell("sleep 30 & echo $! >&2; echo $$; wait", "", 300ms);
  REQUIRE(!late.ok());
  CHECK(late.error().code == ErrorCode::kTimeout);
  CHECK(system_clock().now() - began < 5s);
}

TEST_CASE("process: a program that ends is done, whatever it left running") {
  const Instant began = system_clock().now();
  const auto done = shell("sleep 20 & echo $!");
  REQUIRE(done.ok());
  CHECK(system_clock().now() - began < 10s);
  const pid_t left = std::atoi(done->out.c_str());
  CHECK(kill(left, 0) == 0);
  kill(left, SIGKILL);
}

TEST_CASE("process: or it takes all with it that it left in its group") {
  const auto done = run_process({"/bin/sh", "-c", "sleep 21 & sleep 22 & echo $!"}, "", 10s,
                                {.leftovers = Leftovers::kKilled});
  REQUIRE(done.ok());
  CHECK(done->exit_code == 0);
  const pid_t left = std::atoi(done->out.c_str());
  REQUIRE(left > 1);
  // Whoever inherits orphans buries them when he likes: dead is what counts.
  const Instant until = system_clock().now() + 5s;
  const auto state = [left] {
    return shell("cut -d' ' -f3 /proc/" + std::to_string(left) + "/stat 2>/dev/null")->out;
  };
  while (state() != "" && state() != "Z\n" && system_clock().now() < until) usleep(10'000);
  CHECK_MESSAGE((state() == "" || state() == "Z\n"), state());
}

TEST_CASE("process: endless output is cut, read on, and ended at the deadline") {
  const Instant began = system_clock().now();
  const auto late = run_process({"yes"}, "", 500ms, {.output_most = 1000});
  REQUIRE(!late.ok());
  CHECK(late.error().code == ErrorCode::kTimeout);
  CHECK(system_clock().now() - began < 5s);
  const auto gigabyte = run_process({"head", "-c", "1000000000", "/dev/zero"}, "", 60s);
  REQUIRE(gigabyte.ok());
  CHECK(gigabyte->exit_code == 0);
  CHECK(gigabyte->out.size() < 70'000);
}

TEST_CASE("process: failures to start") {
  CHECK(run_process({"/no/such/program"}, "", 1s).error().code == ErrorCode::kNotFound);
  CHECK(run_process({"no-such-program-pm"}, "", 1s).error().code == ErrorCode::kNotFound);
  CHECK(run_process({"/etc/passwd"}, "", 1s).error().code == ErrorCode::kRefused);
  CHECK(run_process({"true"}, "", 0s).error().code == ErrorCode::kUnavailable);
  CHECK(run_process({}, "", 1s).error().code == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace pointsman
