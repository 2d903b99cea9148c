#include "orchestrator/sim/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/core/machine.h"

namespace pointsman {
namespace {

void print_counts(const char* title, const std::map<std::string, std::uint64_t>& counts) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  fmt::print("{}: {}\n", title, sum);
  for (const auto& [name, count] : counts) fmt::print("  {:28} {}\n", name, count);
}

}  // namespace

void print_summary(const Figures& total, std::uint64_t hash) {
  print_counts("faults injected", total.faults);
  print_counts("refusals", total.refusals);
  std::map<std::string, std::uint64_t> rows = total.rows;
  for (const Transition& row : transitions()) rows[row.rule] += 0;
  print_counts("rows fired", rows);
  const auto silent =
      std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.second == 0; });
  fmt::print(
      "{} seeds, {:.1f} simulated hours, {} events, {} moves begun ({} done), {} rows never "
      "fired,\n{} writes acknowledged, {} of them lost; hash {:016x}\n",
      total.seeds, seconds(total.simulated) / 3600, total.events, total.moves, total.done, silent,
      total.acknowledged, total.lost, hash);
}

void print_speed(const Figures& total, Duration cpu) {
  const double used = std::max(seconds(cpu), 0.001);
  fmt::print("{:.1f} s of CPU time, {:.0f} simulated seconds for each\n", used,
             seconds(total.simulated) / used);
}

void print_failure(const SeedResult& result, const Setting& setting) {
  fmt::print("\nFAILED: seed {}: {} {}\nfaults:\n", result.seed, result.invariant, result.what);
  for (const Fault& fault : setting.faults) fmt::print("  {}\n", fault.text());
  fmt::print("last:\n");
  for (const std::string& text : result.last) fmt::print("  {}\n", text);
}

void print_shrunk(const SeedResult& result, Duration minutes) {
  Setting setting = draw_setting(result.seed, minutes);
  const auto fails = [&](const std::vector<Fault>& faults) {
    Setting tried = setting;
    tried.faults = faults;
    World world(std::move(tried), false);
    return world.run().invariant == result.invariant;
  };
  // Halves first, then quarters, down to single faults.
  for (std::size_t part = std::max<std::size_t>(setting.faults.size() / 2, 1); part > 0;
       part /= 2) {
    for (std::size_t at = 0; at < setting.faults.size();) {
      std::vector<Fault> fewer = setting.faults;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(part, fewer.size() - at);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      if (fails(fewer)) {
        setting.faults = std::move(fewer);
      } else {
        at += part;
      }
    }
  }
  World world(setting, false);
  fmt::print("\nshrunk to {} faults:\n", setting.faults.size());
  print_failure(world.run(), setting);
}

}  // namespace pointsman
