#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/time.h"
#include "orchestrator/sim/planted.h"
#include "orchestrator/sim/summary.h"
#include "orchestrator/sim/what_if.h"
#include "orchestrator/sim/world.h"

// pointsman-sim: runs seeds, prints what fired, and for a seed that breaks an invariant its faults
// and last transitions. Exit 1 then; 2 for a command line that it does not understand.
// `pointsman-sim what-if` answers an operator's question; `pointsman simulate` has its help.

namespace pointsman {
namespace {

constexpr const char* kUsage =
    "usage: pointsman-sim [--seeds FROM..TO] [--minutes M] [--jobs N] [--trace] [--shrink]\n"
    "                     [--fresh] [--all] [--within SECONDS]\n"
    "       pointsman-sim what-if ...   (see: pointsman simulate --help)\n"
    "  --seeds    which to run; 1..100 by default\n"
    "  --minutes  simulated time with faults, of each; then comes healing; 15 by default\n"
    "  --jobs     threads; 2 by default\n"
    "  --trace    prints all that happens; for one seed\n"
    "  --shrink   drops the faults of a failing seed that do not matter\n"
    "  --fresh    seeds from the clock on; as many as --seeds says\n"
    "  --all      goes on after a failing seed\n"
    "  --within   begins no seed later than this\n";

struct Wish {
  std::uint64_t from = 1;
  std::uint64_t to = 100;
  Duration minutes = 15min;
  int jobs = 2;
  bool trace = false;
  bool shrink = false;
  bool all = false;
  std::string planted;  // pointsman-sim-planted: the bug; "": every one.
  Duration within = 24h;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

bool read_seeds(std::string_view text, Wish& wish) {
  const auto dots = text.find("..");
  const auto from = number_of(text.substr(0, dots));
  const auto to = dots == std::string_view::npos ? from : number_of(text.substr(dots + 2));
  if (!from || !to || *to < *from) return false;
  wish.from = *from;
  wish.to = *to;
  return true;
}

bool read_value(std::string_view key, std::string_view value, Wish& wish) {
  if (key == "--seeds") return read_seeds(value, wish);
#ifdef PM_PLANTED
  if (key == "--planted") return !(wish.planted = value).empty();
#endif
  const auto n = number_of(value);
  if (!n || *n == 0 || *n > 1'000'000) return false;
  if (key == "--minutes") wish.minutes = std::chrono::minutes(*n);
  if (key == "--jobs") wish.jobs = static_cast<int>(*n);
  if (key == "--within") wish.within = std::chrono::seconds(*n);
  return key == "--minutes" || key == "--jobs" || key == "--within";
}

bool read_wish(const std::vector<std::string>& words, Wish& wish) {
  bool fresh = false;
  for (std::size_t k = 0; k < words.size(); ++k) {
    const std::string& word = words[k];
    if (word == "--trace") {
      wish.trace = true;
    } else if (word == "--shrink") {
      wish.shrink = true;
    } else if (word == "--fresh") {
      fresh = true;
    } else if (word == "--all") {
      wish.all = true;
    } else if (k + 1 < words.size() && read_value(word, words[k + 1], wish)) {
      ++k;
    } else {
      return false;
    }
  }
  if (fresh) {
    const auto base = static_cast<std::uint64_t>(std::time(nullptr)) * 100'000;
    wish.to = base + (wish.to - wish.from);
    wish.from = base;
  }
  return true;
}

// Of all threads, since the start.
Duration cpu_time() {
  timespec used{};
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

SeedResult run_seed(const Wish& wish, std::uint64_t seed) {
  World world(draw_setting(seed, wish.minutes), wish.trace);
  return world.run();
}

// Runs all seeds on `jobs` threads; the failing ones come back, in order of seed.
std::vector<SeedResult> run_all(const Wish& wish, Figures& total, std::uint64_t& hash) {
  std::atomic<std::uint64_t> next{wish.from};
  std::atomic<bool> over{false};
  std::mutex mutex;  // Of what the threads bring together.
  std::vector<SeedResult> failed;
  const std::time_t began = std::time(nullptr);
  const auto work = [&] {
    for (;;) {
      const std::uint64_t seed = next++;
      if (seed > wish.to || over) return;
      if (std::time(nullptr) - began > wish.within / 1s) return;
      SeedResult result = run_seed(wish, seed);
      const std::lock_guard lock(mutex);
      total.add(result.figures);
      hash += result.hash * (2 * seed + 1);
      if (result.invariant.empty()) continue;
      if (!wish.all) over = true;
      failed.push_back(std::move(result));
    }
  };
  std::vector<std::thread> threads;
  for (int k = 1; k < wish.jobs; ++k) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return failed;
}

#ifdef PM_PLANTED
// The first seed, of those that are sound without it, in which the bug breaks an invariant.
std::vector<SeedResult> find_planted(Wish wish, Plant bug, Figures& total) {
  for (;;) {
    std::uint64_t hash = 0;
    plant(bug);
    auto failed = run_all(wish, total, hash);
    plant(Plant::kNone);
    // What breaks without the bug as well is another matter.
    if (failed.empty() || run_seed(wish, failed.front().seed).invariant.empty()) return failed;
    fmt::print("seed {} breaks without any\n", failed.front().seed);
    wish.from = failed.front().seed + 1;
  }
}

// Plants each bug (or the one named) and counts the seeds until an invariant breaks. 0 when all
// were found.
int run_planted(Wish wish, const std::string& only) {
  int missed = 0;
  wish.all = false;
  fmt::print("{:32} {:>6}  {}\n", "planted bug", "seeds", "invariant");
  for (const PlantedBug& bug : planted_bugs()) {
    if (only != "all" && only != bug.name) continue;
    plant(bug.plant);
    Figures total;
    const std::vector<SeedResult> failed = find_planted(wish, bug.plant, total);
    missed += failed.empty() ? 1 : 0;
    fmt::print(
        "{:32} {:>6}  {}\n", bug.name, total.seeds,
        failed.empty() ? "NOT FOUND" : failed.front().invariant + ": " + failed.front().what);
    std::fflush(stdout);
  }
  return missed;
}
#endif

int run(const Wish& wish) {
  fmt::print("seeds {}..{}, {} simulated minutes with faults each\n", wish.from, wish.to,
             wish.minutes / 1min);
  std::fflush(stdout);
  Figures total;
  std::uint64_t hash = 0;
  const std::vector<SeedResult> failed = run_all(wish, total, hash);
  print_summary(total, hash);
  // A trace is the same each time; how long it took is not.
  if (!wish.trace) print_speed(total, cpu_time());
  for (const SeedResult& result : failed) {
    print_failure(result, draw_setting(result.seed, wish.minutes));
    if (wish.shrink) print_shrunk(result, wish.minutes);
  }
  return failed.empty() ? 0 : 1;
}

}  // namespace
}  // namespace pointsman

int main(int argc, char** argv) {
  pointsman::set_log_level(pointsman::LogLevel::kNone);
  if (argc > 1 && std::string_view(argv[1]) == "what-if") {
    return pointsman::ask_what_if({argv + 2, argv + argc});
  }
  pointsman::Wish wish;
  if (!pointsman::read_wish({argv + 1, argv + argc}, wish)) {
    std::fputs(pointsman::kUsage, stderr);
    return 2;
  }
#ifdef PM_PLANTED
  if (wish.planted != "none") {
    return pointsman::run_planted(wish, wish.planted.empty() ? "all" : wish.planted);
  }
#endif
  return pointsman::run(wish);
}
