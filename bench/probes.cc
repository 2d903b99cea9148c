// What a probe costs, beside haproxy's checks and blackbox exporter, in one run on this host.
//
//   bench-probes            everything, about seven minutes
//   bench-probes --quick    without the search for the highest rate
//   bench-probes --one pointsman|haproxy|blackbox TARGETS SECONDS    one line
//
// Every prober asks the same targets (addresses of loopback, one HTTP server in this process) once
// a second each over fresh connections, as a process of its own; only that process is counted.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/probes/site.h"
#include "bench/probes/subject.h"

using namespace pointsman::bench;

namespace {

using Start = std::function<std::unique_ptr<Subject>(const Task&)>;

struct Measure {
  bool ran = false;
  double us_per_probe = 0;
  double per_second = 0;
  AllTargets::Gaps gaps;
  double memory_kb = 0;
  std::string account;
};

void pause(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

Measure measure(AllTargets& site, const Start& start, const Task& task, double window) {
  Measure seen;
  const auto subject = start(task);
  if (!subject) return seen;
  pause(3);
  site.note_from_now();
  const std::uint64_t answered = site.answered();
  const Use before = use_of(subject->pid());
  const auto began = std::chrono::steady_clock::now();
  pause(window);
  const Use after = use_of(subject->pid());
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto probes = static_cast<double>(site.answered() - answered);
  seen.gaps = site.gaps(1e6);
  seen.account = subject->account();
  seen.ran = probes > 0;
  seen.us_per_probe = probes > 0 ? (after.cpu_us - before.cpu_us) / probes : 0;
  seen.per_second = probes / took;
  seen.memory_kb = after.memory_kb;
  return seen;
}

// The one in the middle by cost.
Measure median(std::vector<Measure> rounds) {
  std::sort(rounds.begin(), rounds.end(),
            [](const Measure& a, const Measure& b) { return a.us_per_probe < b.us_per_probe; });
  return rounds[rounds.size() / 2];
}

void print(const char* name, int targets, const Measure& seen) {
  if (!seen.ran) return void(std::printf("%-24s %8d  not installed\n", name, targets));
  std::printf("%-24s %8d %10.0f %12.1f %12.2f %12.2f %12.0f\n", name, targets, seen.per_second,
              seen.us_per_probe, seen.gaps.p50_us / 1000, seen.gaps.p99_us / 1000, seen.memory_kb);
  std::fflush(stdout);
}

void print_ratio(const char* what, double ratio, const char* limit) {
  std::printf("%-60s %6.2f   (limit %s)\n", what, ratio, limit);
}

struct Account {
  unsigned long long attempts = 0, pass = 0, fail = 0, unknown = 0;
  double p99_ms = 0;
};

Account read_account(const std::string& text) {
  Account account;
  std::sscanf(text.c_str(), "%llu %llu %llu %llu %lf", &account.attempts, &account.pass,
              &account.fail, &account.unknown, &account.p99_ms);
  return account;
}

// Holds `rate` for `window` seconds: every probe in its time, none failed.
bool holds(AllTargets& site, int rate, double window, Measure& seen) {
  seen = measure(site, start_pointsman, {rate, site.port(), 0, 0}, window);
  const Account account = read_account(seen.account);
  const bool held =
      seen.per_second > 0.995 * rate && account.p99_ms < 100 && account.fail + account.unknown == 0;
  std::printf(
      "%8d/s for %2.0f s: %s (%.0f/s, %.1f us, p99 of starts %.1f ms late, "
      "%llu failed, %llu unknown)\n",
      rate, window, held ? "held" : "not held", seen.per_second, seen.us_per_probe, account.p99_ms,
      account.fail, account.unknown);
  std::fflush(stdout);
  return held;
}

void find_highest_rate(AllTargets& site) {
  std::printf(
      "\nHighest rate of pointsman's engine (one thread) held for 60 s, with the server on "
      "the same host:\n");
  Measure seen;
  int best = 0;
  for (int rate = 1000; rate <= 40'000; rate += rate < 4000 ? 1000 : 2000) {
    // A second chance: something else on the host may have had its second.
    if (!holds(site, rate, 5, seen) && !holds(site, rate, 5, seen)) break;
    best = rate;
  }
  for (int rate = best; rate > 0; rate -= rate > 4000 ? 2000 : 1000) {
    if (holds(site, rate, 60, seen)) return;
  }
}

void compare(AllTargets& site, double window) {
  const Task thousand{1000, site.port(), 0, 0};
  const Task five_thousand{5000, site.port(), 0, 0};
  std::vector<Measure> ours;
  std::vector<Measure> theirs;
  for (int round = 0; round < 5; ++round) {  // In turn, so that the host's mood meets both.
    ours.push_back(measure(site, start_pointsman, thousand, window));
    theirs.push_back(measure(site, start_haproxy, thousand, window));
  }
  const Measure pointsman = median(ours);
  const Measure haproxy = median(theirs);
  const Measure blackbox = measure(site, start_blackbox, thousand, window);
  print("pointsman", 1000, pointsman);
  print("haproxy", 1000, haproxy);
  print("blackbox exporter", 1000, blackbox);
  const Measure pointsman5 = measure(site, start_pointsman, five_thousand, window);
  const Measure haproxy5 = measure(site, start_haproxy, five_thousand, window);
  print("pointsman", 5000, pointsman5);
  print("haproxy", 5000, haproxy5);

  const BlackHole hole;
  const Task holed{1000, site.port(), 100, hole.port()};
  const Measure pointsman_holed = measure(site, start_pointsman, holed, window);
  print("pointsman, 10% holed", 1000, pointsman_holed);
  print("haproxy, 10% holed", 1000, measure(site, start_haproxy, holed, window));

  std::printf("\n");
  print_ratio("CPU time per probe, to haproxy's", pointsman.us_per_probe / haproxy.us_per_probe,
              "1.50");
  print_ratio("CPU time per probe, to blackbox exporter's",
              pointsman.us_per_probe / blackbox.us_per_probe, "0.25");
  print_ratio("p99 of gaps, to haproxy's", pointsman.gaps.p99_us / haproxy.gaps.p99_us, "told");
  print_ratio("p99 of healthy targets' gaps, 10% black-holed to none",
              pointsman_holed.gaps.p99_us / pointsman.gaps.p99_us, "about 1");
  const auto per_target = [](const Measure& few, const Measure& many) {
    return (many.memory_kb - few.memory_kb) / 4000;
  };
  std::printf("memory per target: pointsman %.1f KiB, haproxy %.1f KiB\n",
              per_target(pointsman, pointsman5), per_target(haproxy, haproxy5));
  const Account account = read_account(pointsman.account);
  std::printf(
      "pointsman's own account: %llu passed, %llu failed, %llu unknown, p99 of starts "
      "%.2f ms late\n",
      account.pass, account.fail, account.unknown, account.p99_ms);
  if (blackbox.ran) std::printf("blackbox exporter: %s\n", blackbox.account.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 5 && words[0] == "--engine") {
    return run_engine(
        {std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5])});
  }
  if (words.size() == 4 && words[0] == "--one") {
    AllTargets site;
    const Start start = words[1] == "haproxy"    ? start_haproxy
                        : words[1] == "blackbox" ? start_blackbox
                                                 : start_pointsman;
    const int targets = std::atoi(argv[3]);
    print(argv[2], targets, measure(site, start, {targets, site.port(), 0, 0}, std::atof(argv[4])));
    return 0;
  }
  const bool quick = !words.empty() && words[0] == "--quick";
  AllTargets site;
  std::printf("%-24s %8s %10s %12s %12s %12s %12s\n", "prober", "targets", "probes/s", "us/probe",
              "gap p50 ms", "gap p99 ms", "memory KiB");
  compare(site, quick ? 4 : 8);
  if (!quick) find_highest_rate(site);
  return 0;
}
