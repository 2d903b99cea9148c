#include "probes/engine.h"

#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <string>

#include "bench/probes/site.h"
#include "bench/probes/subject.h"

namespace pointsman::bench {
namespace {

class HostClock final : public Clock {
 public:
  Instant now() const override { return {read(CLOCK_BOOTTIME)}; }
  WallTime wall() const override { return {read(CLOCK_REALTIME)}; }

 private:
  static std::int64_t read(clockid_t id) {
    timespec t{};
    clock_gettime(id, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

ProbeSpec spec_of(const Task& task, int index) {
  const bool black = task.black_holed > 0 && index % (task.targets / task.black_holed) == 0;
  ProbeSpec spec;
  spec.name = "service-" + std::to_string(index) + "/site-a/0";
  spec.url = "http://" + address_of(index, black) + ":" +
             std::to_string(black ? task.black_port : task.port) + "/health";
  spec.host = "api.example.test";
  return spec;
}

}  // namespace

int run_engine(const Task& task) {
  const HostClock clock;
  std::array<std::atomic<std::uint64_t>, 3> outcomes{};
  ProbeEngine engine(clock, [&](const EngineEvent& event) {
    if (event.kind == EngineEvent::Kind::kObservation) {
      ++outcomes[static_cast<std::size_t>(event.observation.outcome)];
    }
  });
  std::vector<ProbeSpec> specs;
  for (int i = 0; i < task.targets; ++i) specs.push_back(spec_of(task, i));
  if (const auto watched = engine.watch(std::move(specs)); !watched) {
    std::fprintf(stderr, "%s\n", watched.error().message.c_str());
    return 1;
  }
  char byte = 0;
  while (read(0, &byte, 1) == 1) {
    const auto stats = engine.stats();
    std::printf("%llu %llu %llu %llu %.3f\n", static_cast<unsigned long long>(stats.attempts),
                static_cast<unsigned long long>(outcomes[0]),
                static_cast<unsigned long long>(outcomes[1]),
                static_cast<unsigned long long>(outcomes[2]), seconds(stats.lateness_p99) * 1e3);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace pointsman::bench
