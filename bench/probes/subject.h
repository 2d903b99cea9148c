#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace pointsman::bench {

// What every prober is asked to do: `targets` of them, once a second each.
struct Task {
  int targets = 1000;
  int port = 0;
  int black_holed = 0;  // So many of the targets, spread evenly.
  int black_port = 0;
};

// CPU time and memory of a process, as the kernel accounts them.
struct Use {
  double cpu_us = 0;
  double memory_kb = 0;  // Anonymous memory in use.
};
Use use_of(pid_t pid);

// A prober under measurement: a process of its own, started by the constructor of its kind and
// ended by the destructor.
class Subject {
 public:
  virtual ~Subject();
  Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  pid_t pid() const { return pid_; }
  // What the subject says about itself; "" when it says nothing.
  virtual std::string account() { return ""; }

 protected:
  // With `talk`, its standard input and output are ours.
  void spawn(const std::vector<std::string>& argv, bool talk = false);
  void end();

  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

std::unique_ptr<Subject> start_pointsman(const Task& task);
// nullptr when it is not installed.
std::unique_ptr<Subject> start_haproxy(const Task& task);
std::unique_ptr<Subject> start_blackbox(const Task& task);

// The body of the process that start_pointsman() starts from this same program.
int run_engine(const Task& task);

}  // namespace pointsman::bench
