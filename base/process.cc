#include "base/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/descriptor_limit.h"

namespace pointsman {
namespace {

constexpr int kDrainTurns = 128;     // Of 16 KiB: more than any pipe holds.
constexpr Duration kKillGrace = 2s;  // A killed process that has not ended by then hangs in a call.

struct Pipe {
  Descriptor reading;
  Descriptor writing;
  bool make() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    reading.reset(ends[0]);
    writing.reset(ends[1]);
    return true;
  }
};

// A child that closes its standard input early must not end us by SIGPIPE: blocked in this thread
// while we write, and taken off the queue before it is unblocked.
class PipeSignalBlocked {
 public:
  PipeSignalBlocked() {
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  ~PipeSignalBlocked() {
    if (sigismember(&before_, SIGPIPE) == 0) {
      const timespec at_once{};
      while (sigtimedwait(&only_, nullptr, &at_once) == SIGPIPE) continue;
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalBlocked(const PipeSignalBlocked&) = delete;
  PipeSignalBlocked& operator=(const PipeSignalBlocked&) = delete;

 private:
  sigset_t only_{};
  sigset_t before_{};
};

// Children that did not end even when killed; each later call tries to bury them.
class Undead {
 public:
  void add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.push_back(pid);
  }
  void bury() {
    const std::lock_guard lock(mutex_);
    std::erase_if(pids_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
  }

 private:
  std::mutex mutex_;
  std::vector<pid_t> pids_;
};
Undead& undead() {
  static Undead one;
  return one;
}

struct Attributes {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  Attributes() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~Attributes() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
};

struct Plumbing {
  Pipe in, out, err;
};

// 0 and the pid, or an errno.
int spawn(const std::vector<std::string>& argv, Plumbing& pipes, pid_t& pid) {
  Attributes how;
  posix_spawn_file_actions_adddup2(&how.actions, pipes.in.reading.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&how.actions, pipes.out.writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&how.actions, pipes.err.writing.get(), STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&how.actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how.attributes, &none);
  posix_spawnattr_setsigdefault(&how.attributes, &all);
  posix_spawnattr_setpgroup(&how.attributes, 0);
  posix_spawnattr_setflags(&how.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> kept;
  for (const char* name : {"PATH", "LANG", "HOME"}) {
    if (const char* value = std::getenv(name)) kept.push_back(fmt::format("{}={}", name, value));
  }
  std::vector<char*> environment;
  environment.reserve(kept.size() + 1);
  for (std::string& entry : kept) environment.push_back(entry.data());
  environment.push_back(nullptr);
  return posix_spawnp(&pid, argv[0].c_str(), &how.actions, &how.attributes, arguments.data(),
                      environment.data());
}

// Appends what `from` holds now, up to `most`. False at its end. Returns now and then from a writer
// who is always faster, so that the deadline is looked at.
bool drain(int from, std::string& into, std::size_t most) {
  std::array<char, 16384> buffer{};
  for (int turns = 0; turns < kDrainTurns; ++turns) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    // One byte more than `most` is kept to know that it was cut.
    const std::size_t room = most + 1 - into.size();
    into.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
  }
  return true;
}

void mark_cut(std::string& output, std::size_t most) {
  if (output.size() <= most) return;
  output.resize(most);
  output += "[cut]";
}

// One child at work.
class Run {
 public:
  Run(Plumbing& pipes, int ended, std::string_view input, std::size_t most)
      : pipes_(pipes), ended_(ended), input_(input), most_(most) {}

  // True when the child has ended before `deadline`.
  bool until(Instant deadline) {
    for (;;) {
      feed();
      const Duration left = deadline - system_clock().now();
      if (left <= Duration::zero()) return false;
      std::array<pollfd, 4> waits{{{ended_, POLLIN, 0},
                                   {pipes_.in.writing.get(), POLLOUT, 0},
                                   {pipes_.out.reading.get(), POLLIN, 0},
                                   {pipes_.err.reading.get(), POLLIN, 0}}};
      const auto wait_ms = std::min<std::int64_t>(whole_ms(left) + 1, 60'000);
      if (poll(waits.data(), waits.size(), static_cast<int>(wait_ms)) < 0 && errno != EINTR) {
        return false;
      }
      collect();
      if ((waits[0].revents & POLLIN) != 0) {
        collect();
        return true;
      }
    }
  }

  ProcessOutcome outcome(int status) {
    mark_cut(out_, most_);
    mark_cut(err_, most_);
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return {code, std::move(out_), std::move(err_)};
  }

 private:
  void feed() {
    Descriptor& in = pipes_.in.writing;
    if (in.get() < 0) return;
    while (!input_.empty()) {
      const ssize_t done = write(in.get(), input_.data(), input_.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0 && errno == EAGAIN) return;
      if (done < 0) break;  // It does not read its input; that is its own affair.
      input_.remove_prefix(static_cast<std::size_t>(done));
    }
    in.reset();
  }
  void collect() {
    Descriptor& out = pipes_.out.reading;
    Descriptor& err = pipes_.err.reading;
    if (out.get() >= 0 && !drain(out.get(), out_, most_)) out.reset();
    if (err.get() >= 0 && !drain(err.get(), err_, most_)) err.reset();
  }

  Plumbing& pipes_;
  const int ended_;
  std::string_view input_;
  const std::size_t most_;
  std::string out_;
  std::string err_;
};

// Waits for a killed child, but not for ever: a process in an uninterruptible call ends when it
// ends.
void bury(pid_t pid, int ended) {
  pollfd wait{ended, POLLIN, 0};
  poll(&wait, 1, static_cast<int>(whole_ms(kKillGrace)));
  if (waitpid(pid, nullptr, WNOHANG) == 0) undead().add(pid);
}

}  // namespace

Result<ProcessOutcome> run_process(const std::vector<std::string>& argv, const std::string& input,
                                   Duration within, ProcessBounds bounds) {
  if (argv.empty() || argv[0].empty()) return {ErrorCode::kInvalid, "no program to run"};
  if (within <= Duration::zero()) {
    return {ErrorCode::kUnavailable, fmt::format("no time left to start {}", argv[0])};
  }
  undead().bury();
  const Instant deadline = system_clock().now() + within;
  Plumbing pipes;
  if (!pipes.in.make() || !pipes.out.make() || !pipes.err.make()) {
    return {ErrorCode::kInternal, fmt::format("pipes for {}: {}", argv[0], std::strerror(errno))};
  }
  pid_t pid = -1;
  const int failed = spawn(argv, pipes, pid);
  if (failed != 0) {
    const ErrorCode code = failed == ENOENT || failed == ENOTDIR ? ErrorCode::kNotFound
                           : failed == EACCES                    ? ErrorCode::kRefused
                                                                 : ErrorCode::kInternal;
    return {code, fmt::format("starting {}: {}", argv[0], std::strerror(failed))};
  }
  lower_descriptor_limit_of(pid);
  pipes.in.reading.reset();
  pipes.out.writing.reset();
  pipes.err.writing.reset();
  for (const int fd : {pipes.in.writing.get(), pipes.out.reading.get(), pipes.err.reading.get()}) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  Descriptor ended;
  ended.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (ended.get() < 0) {
    const int number = errno;
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return {ErrorCode::kInternal, fmt::format("watching {}: {}", argv[0], std::strerror(number))};
  }
  const PipeSignalBlocked blocked;
  Run run(pipes, ended.get(), input, bounds.output_most);
  if (!run.until(deadline)) {
    kill(-pid, SIGKILL);
    bury(pid, ended.get());
    return {ErrorCode::kTimeout, fmt::format("{} did not end within {} and was killed", argv[0],
                                             format_duration(within))};
  }
  // Before its leader is buried, so that the number is still that of our group.
  if (bounds.leftovers == Leftovers::kKilled) kill(-pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  return run.outcome(status);
}

}  // namespace pointsman
