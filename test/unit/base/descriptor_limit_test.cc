#include "base/descriptor_limit.h"

#include "base/process.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"

namespace pointsman {
namespace {

// In a child: limits are of the process.
int raised_in_child() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 100;
  if (limit.rlim_max <= 100 || setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const DescriptorLimit now = raise_descriptor_limit();
  if (now.soft != limit.rlim_max || now.hard != limit.rlim_max) return 2;
  if (descriptor_limit().soft != now.soft) return 3;
  // A program that we start may select(): it gets what we were given. It looks a little later, for
  // the limit is set when it runs already.
  const auto seen = run_process({"/bin/sh", "-c", "sleep 0.1; exec sh -c 'ulimit -n'"}, "", 10s);
  return seen.ok() && seen->out == "100\n" ? 0 : 4;
}

TEST_CASE("the limit of descriptors is raised for us and not for what we start") {
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) _exit(raised_in_child());
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
}

}  // namespace
}  // namespace pointsman
