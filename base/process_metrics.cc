#include "base/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/file.h"

namespace pointsman {
namespace {

constexpr Metric kStart{"process_start_time_seconds", "Start of the process, seconds since 1970."};
constexpr Metric kMemory{"process_resident_memory_bytes", "Resident memory."};
constexpr Metric kOpen{"process_open_fds", "Open file descriptors."};
constexpr Metric kOpenMost{"process_max_fds", "File descriptors that may be open."};
constexpr Metric kProcessor{"process_cpu_seconds_total", "Processor time, user and system."};
constexpr Metric kThreads{"process_threads", "Threads."};

// Field `number` of /proc/self/stat, counted from 1 as in proc(5); the name of the program may hold
// spaces, and ends with the last parenthesis.
double stat_field(const std::string& stat, int number) {
  const auto name_ends = stat.rfind(')');
  if (name_ends == std::string::npos) return -1;
  std::istringstream rest(stat.substr(name_ends + 1));
  std::string word;
  for (int k = 2; k < number && rest >> word; ++k) {
  }
  double value = -1;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

// "btime 1700000000": seconds since 1970 at which the host started.
double host_start() {
  const auto text = read_file("/proc/stat");
  if (!text.ok()) return -1;
  const auto at = text->find("\nbtime ");
  if (at == std::string::npos) return -1;
  double value = -1;
  std::from_chars(text->data() + at + 7, text->data() + text->size(), value);
  return value;
}

double open_descriptors() {
  std::error_code failed;
  double count = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", failed);
       !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    ++count;
  }
  return failed ? -1 : count - 1;  // Not the one that we count with.
}

}  // namespace

void put_process_metrics(MetricsPage& page) {
  const auto stat = read_file("/proc/self/stat");
  const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (stat.ok() && per_second > 0) {
    page.counter(kProcessor, {}, (stat_field(*stat, 14) + stat_field(*stat, 15)) / per_second);
    page.gauge(kThreads, {}, stat_field(*stat, 20));
    page.gauge(kMemory, {}, stat_field(*stat, 24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    const double host = host_start();
    if (host > 0) page.gauge(kStart, {}, host + stat_field(*stat, 22) / per_second);
  }
  if (const double open = open_descriptors(); open >= 0) page.gauge(kOpen, {}, open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    page.gauge(kOpenMost, {}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace pointsman
