#include "probes/dial.h"
#include "test/unit/probes/site.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace pointsman;

namespace {

// Runs `body` in a child process; its exit code. No thread of ours runs while we fork.
template <typename F>
pid_t fork_child(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  return child;
}

int exit_code(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int only_unknown_without_descriptors() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  bind(listener, reinterpret_cast<sockaddr*>(&at), length);
  listen(listener, 128);
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length);
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  ProbeSpec spec = http_spec("http://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/");
  ProbeSpec kept = spec;
  kept.name += "-kept";
  kept.keep_alive = true;
  spec.type = "tcp";
  spec.address = "127.0.0.1";
  spec.port = ntohs(at.sin_port);
  if (!engine.watch({spec, kept}).ok()) return 10;
  if (!notes.until_count(Outcome::kPass, 1)) return 11;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t fails_before = notes.number(Outcome::kFail);
  if (!notes.until_count(Outcome::kUnknown, 10)) return 12;
  // Attempts of `kept` that began while there were descriptors may still fail: nobody answers.
  std::size_t later = 0;
  const auto events = notes.all();
  Instant first_unknown = Instant::never();
  for (const auto& event : events) {
    if (event.observation.outcome == Outcome::kUnknown &&
        event.kind == EngineEvent::Kind::kObservation) {
      first_unknown = std::min(first_unknown, event.started);
    }
  }
  for (const auto& event : events) {
    const bool fail = event.kind == EngineEvent::Kind::kObservation &&
                      event.observation.outcome == Outcome::kFail;
    later += fail && event.started > first_unknown ? 1 : 0;
  }
  return later == 0 ? 0 : 20 + static_cast<int>(fails_before);
}

}  // namespace

TEST_CASE("without descriptors nothing is known, and nothing fails") {
  CHECK_EQ(exit_code(fork_child(only_unknown_without_descriptors)), 0);
}

// A network namespace of its own has no way to anywhere: its loopback is down.
static int only_unknown_without_route() {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return 0;  // Not allowed here.
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  std::vector<ProbeSpec> specs(3, http_spec("http://127.0.0.1:9/"));
  specs[1].name = "kept";
  specs[1].keep_alive = true;
  specs[2].name = "tcp";
  specs[2].type = "tcp";
  specs[2].address = "192.0.2.1";
  specs[2].port = 9;
  if (!engine.watch(specs).ok()) return 10;
  if (!notes.until_count(Outcome::kUnknown, 9)) return 11;
  return notes.number(Outcome::kFail) == 0 ? 0 : 12;
}

TEST_CASE("without a route nothing is known, and nothing fails") {
  CHECK_EQ(exit_code(fork_child(only_unknown_without_route)), 0);
}

TEST_CASE("a suspended host fails nobody") {
  std::atomic<int> asked{0};
  Site site([&](int fd) {
    hear(fd);
    ++asked;
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  ProbeSpec spec = http_spec(site.url());
  spec.suspect_interval = 300ms;
  REQUIRE(engine.watch({spec}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 2));
  const int before = asked;
  while (asked == before) std::this_thread::yield();
  clock.jump(3600s);
  REQUIRE(notes.until_count(Outcome::kUnknown, 1));
  const std::size_t passes = notes.number(Outcome::kPass);
  REQUIRE(notes.until_count(Outcome::kPass, passes + 3));
  CHECK_EQ(notes.number(Outcome::kFail), 0);
  for (const auto& event : notes.all()) CHECK_NE(event.kind, EngineEvent::Kind::kDoubt);
}

TEST_CASE("a stopped process fails nobody when it goes on") {
  int pipe_fds[2];
  REQUIRE_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork_child([&]() -> int {
    int port = 0;
    if (read(pipe_fds[0], &port, sizeof port) != sizeof port) return 10;
    const ShiftClock clock;
    Notes notes;
    ProbeEngine engine(clock, notes.sink());
    std::vector<ProbeSpec> specs;
    for (int i = 0; i < 20; ++i) {
      specs.push_back(http_spec("http://127.0.0.1:" + std::to_string(port) + "/"));
      specs.back().name += std::to_string(i);
      specs.back().timeout = 800ms;
      specs.back().suspect_interval = 500ms;
    }
    if (!engine.watch(specs).ok()) return 11;
    const bool enough = notes.until_count(Outcome::kPass, 300);
    return !enough ? 12 : notes.number(Outcome::kFail) > 0 ? 13 : 0;
  });
  Site site([](int fd) {
    // A site that loses patience with a client that sends nothing, or reads nothing.
    timeval patience{0, 400'000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (hear(fd).empty()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const int port = site.port();
  REQUIRE_EQ(write(pipe_fds[1], &port, sizeof port), sizeof port);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(child, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  kill(child, SIGCONT);
  CHECK_EQ(exit_code(child), 0);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_CASE("who says unreachable decides whose fault it is") {
  ProbeSpec spec = http_spec("http://127.0.0.1:9/");
  const Place near = *place_of(spec);
  CHECK(has_route(near));
  CHECK_EQ(network_error(near, EHOSTUNREACH).code, ErrorCode::kUnavailable);
  CHECK_EQ(network_error(near, ENETUNREACH).code, ErrorCode::kUnavailable);
  CHECK_EQ(network_error(near, ECONNREFUSED).code, ErrorCode::kUnavailable);
  CHECK_EQ(network_error(near, ENETDOWN).code, ErrorCode::kInternal);
  CHECK_EQ(network_error(near, EMFILE).code, ErrorCode::kInternal);
  // 255.255.255.255 cannot be the far end of TCP: the kernel says so before a packet leaves.
  spec.url = "http://255.255.255.255/";
  const auto refused = dial(*place_of(spec));
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kInternal);
}
