#include "test/unit/probes/site.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

// A port that refuses.
int refusing_port() {
  const Site site(answering("200 OK", ""));
  return site.port();
}

ProbeSpec tcp_spec(const std::string& name, int port) {
  ProbeSpec spec;
  spec.name = name;
  spec.type = "tcp";
  spec.address = "127.0.0.1";
  spec.port = port;
  spec.interval = 800ms;
  spec.timeout = 4s;
  spec.suspect_interval = 50ms;
  spec.fall = 20;
  return spec;
}

std::vector<Instant> starts_of(const std::vector<EngineEvent>& events, const std::string& target) {
  std::vector<Instant> starts;
  for (const auto& event : events) {
    if (event.kind == EngineEvent::Kind::kObservation && event.target == target) {
      starts.push_back(event.started);
    }
  }
  return starts;
}

}  // namespace

TEST_CASE("an engine behind its schedule leaves bursts out and keeps the schedule") {
  // Two sites: what the ballast's observations cost makes each round last 250 ms, as in an engine
  // that has more to do than time. Less than half a timeout, so that failures count.
  const Site busy(answering("200 OK", ""));
  ProbeSpec ballast = tcp_spec("ballast", busy.port());
  ballast.interval = 100ms;
  ballast.timeout = 600ms;
  const ProbeSpec doubtful = tcp_spec("doubtful", refusing_port());
  const ShiftClock clock;
  Notes notes;
  const auto note = notes.sink();
  ProbeEngine engine(clock, [&](EngineEvent event) {
    if (event.target == "ballast") std::this_thread::sleep_for(std::chrono::milliseconds(250));
    note(std::move(event));
  });
  REQUIRE(engine.watch({ballast, doubtful}).ok());
  REQUIRE(notes.until([](const auto& events) { return starts_of(events, "ballast").size() >= 2; }));
  engine.hurry("doubtful");  // 19 further attempts, 50 ms apart, if there were time for them.
  const std::size_t before = starts_of(notes.all(), "doubtful").size();
  REQUIRE(notes.until(
      [&](const auto& events) { return starts_of(events, "doubtful").size() >= before + 7; }));
  const auto starts = starts_of(notes.all(), "doubtful");
  int close = 0;
  for (std::size_t k = 1; k < starts.size(); ++k) close += starts[k] - starts[k - 1] < 400ms;
  // The first of the burst may find a round that is not late.
  CAPTURE(close);
  CHECK(close <= 2);
  CHECK(engine.stats().late > 0);
}

TEST_CASE("the same burst is made by an engine that is in time") {
  const ProbeSpec doubtful = tcp_spec("doubtful", refusing_port());
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  REQUIRE(engine.watch({doubtful}).ok());
  REQUIRE(notes.until_count(Outcome::kFail, 1));
  engine.hurry("doubtful");
  REQUIRE(notes.until_count(Outcome::kFail, 8));
  const auto starts = starts_of(notes.all(), "doubtful");
  int close = 0;
  for (std::size_t k = 1; k < starts.size(); ++k) close += starts[k] - starts[k - 1] < 400ms;
  CHECK(close >= 3);
}
