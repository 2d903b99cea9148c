#include "agent/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/descriptor.h"

namespace pointsman {
namespace {

constexpr Duration kLook = 100ms;
constexpr Duration kStillMost = 10min;  // A long statement moves neither file.
constexpr std::size_t kWordsMost = 600;

Error failed(const std::string& doing, int number) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", doing, std::strerror(number))};
}

struct Ends {
  Descriptor in, out, words;
};

Result<void> open_files(const ChildFiles& files, Ends& ends) {
  ends.in.reset(
      open(files.input.empty() ? "/dev/null" : files.input.c_str(), O_RDONLY | O_CLOEXEC));
  if (ends.in.get() < 0) return failed("opening " + files.input, errno);
  if (files.output.empty()) {
    ends.out.reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
  } else {
    // The program of an agent that was killed may still write into one of that name.
    unlink(files.output.c_str());
    ends.out.reset(open(files.output.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  }
  if (ends.out.get() < 0) return failed("making " + files.output, errno);
  ends.words.reset(memfd_create("words", MFD_CLOEXEC));
  if (ends.words.get() < 0) return failed("memfd_create", errno);
  return {};
}

int spawn(const std::vector<std::string>& argv, const Ends& ends, pid_t& pid) {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, ends.in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends.out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends.words.get(), STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& word : argv) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const char* path = std::getenv("PATH");
  std::string kept = fmt::format("PATH={}", path == nullptr ? "/usr/bin:/bin" : path);
  std::array<char*, 2> environment{kept.data(), nullptr};
  const int failed = posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes, arguments.data(),
                                  environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

std::uint64_t size_of(int fd) {
  struct stat about {};
  return fstat(fd, &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
}

// The end of what it wrote to standard error, on one line.
std::string last_words(int fd) {
  std::array<char, kWordsMost> buffer{};
  const auto size = static_cast<off_t>(size_of(fd));
  const off_t from = std::max<off_t>(size - static_cast<off_t>(buffer.size()), 0);
  const ssize_t got = pread(fd, buffer.data(), buffer.size(), from);
  std::string text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// Watches the child until it has ended; its status, or why it was ended.
Result<int> wait_for(pid_t pid, const Ends& ends, const ChildFiles& files,
                     const WayBackWatch& watch) {
  const bool reads = !files.input.empty();
  const std::uint64_t total = reads ? size_of(ends.in.get()) : files.total;
  std::uint64_t last = 0;
  Instant moved = system_clock().now();
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    // The child shares the offset of what it reads.
    const off_t read_so_far = reads ? lseek(ends.in.get(), 0, SEEK_CUR) : 0;
    const std::uint64_t done = reads ? static_cast<std::uint64_t>(std::max<off_t>(read_so_far, 0))
                                     : size_of(ends.out.get());
    watch.progress(done, total);
    if (ended == pid) return status;
    if (done != last) moved = system_clock().now();
    last = done;
    const bool stopped = watch.stopped();
    if (stopped || system_clock().now() - moved > kStillMost) {
      kill(-pid, SIGKILL);
      waitpid(pid, &status, 0);
      if (stopped) return {ErrorCode::kConflict, "ended on the way"};
      return {ErrorCode::kTimeout, fmt::format("stood still for {}", format_duration(kStillMost))};
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace

Result<void> run_child(const std::vector<std::string>& argv, const ChildFiles& files,
                       const WayBackWatch& watch) {
  Ends ends;
  RETURN_IF_ERROR(open_files(files, ends));
  pid_t pid = -1;
  const int number = spawn(argv, ends, pid);
  if (number == ENOENT) return {ErrorCode::kNotFound, argv[0] + " is not installed here"};
  if (number != 0) return failed("starting " + argv[0], number);
  const auto status = wait_for(pid, ends, files, watch);
  if (!status) return Error{status.error().code, argv[0] + ": " + status.error().message};
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    return {ErrorCode::kUnavailable,
            fmt::format("{} failed: {}", argv[0], last_words(ends.words.get()))};
  }
  if (!files.output.empty() && fsync(ends.out.get()) != 0) {
    return failed("syncing " + files.output, errno);
  }
  return {};
}

}  // namespace pointsman
