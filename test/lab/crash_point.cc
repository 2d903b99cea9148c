// The crash points of programs built with PM_CRASH_POINTS, steered by their environment:
//
//   POINTSMAN_CRASH_AT=NAME[:N]   die at the N-th passing of this point, as by SIGKILL
//   POINTSMAN_CRASH_HOW=stop      freeze there instead, until somebody sends SIGCONT
//   POINTSMAN_CRASH_TRACE=FILE    write down every point that is passed, one a line

#include "base/crash_point.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

namespace pointsman {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class Crash {
 public:
  Crash() : name_(variable("POINTSMAN_CRASH_AT")), how_(variable("POINTSMAN_CRASH_HOW")) {
    const auto colon = name_.rfind(':');
    if (colon != std::string::npos) {
      left_ = std::atoi(name_.c_str() + colon + 1);
      name_.resize(colon);
    }
    const std::string trace = variable("POINTSMAN_CRASH_TRACE");
    if (!trace.empty()) {
      trace_ = open(trace.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
  }

  void pass(const std::string& point) {
    const std::lock_guard lock(mutex_);  // One of several threads that pass it is the N-th.
    if (trace_ >= 0 && seen_.insert(point).second) say(trace_, point + "\n");
    if (point != name_ || left_ == 0 || --left_ != 0) return;
    say(STDERR_FILENO, "crash-point " + point + "\n");
    kill(getpid(), how_ == "stop" ? SIGSTOP : SIGKILL);
  }

 private:
  static void say(int fd, const std::string& line) {
    if (write(fd, line.data(), line.size()) < 0) std::perror("crash point");
  }

  std::string name_;
  const std::string how_;
  int left_ = 1;
  int trace_ = -1;
  std::set<std::string> seen_;
  std::mutex mutex_;
};

}  // namespace

void crash_point(std::string_view when, std::string_view what, std::string_view of) {
  static Crash crash;
  std::string point(when);
  point.append("/").append(what).append(of.empty() ? "" : " ").append(of);
  crash.pass(point);
}

}  // namespace pointsman
