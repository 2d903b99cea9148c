#include "test/unit/probes/site.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

// Answers until told to fall silent; then it accepts and says nothing.
struct Patient {
  std::atomic<bool> silent{false};
  Site site{[this](int fd) {
    hear(fd);
    if (silent) return wait_for_end(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }};
};

// The schedule alone would bring one attempt a second.
ProbeSpec rare(const std::string& url) {
  ProbeSpec spec = http_spec(url);
  spec.interval = 1s;
  spec.timeout = 400ms;
  spec.suspect_interval = 80ms;
  spec.fall = 4;
  return spec;
}

std::vector<EngineEvent> after_last_pass(const std::vector<EngineEvent>& events) {
  std::vector<EngineEvent> rest;
  for (const auto& event : events) {
    const bool pass = event.kind == EngineEvent::Kind::kObservation &&
                      event.observation.outcome == Outcome::kPass;
    pass ? rest.clear() : rest.push_back(event);
  }
  return rest;
}

}  // namespace

TEST_CASE("silence raises doubt once, then brings a burst of attempts in flight together") {
  Patient patient;
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  const ProbeSpec spec = rare(patient.site.url());
  REQUIRE(engine.watch({spec}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 1));
  patient.silent = true;
  REQUIRE(notes.until_count(Outcome::kFail, 4));
  const auto events = after_last_pass(notes.all());
  REQUIRE_EQ(events.size(), 5);
  CHECK_EQ(events[0].kind, EngineEvent::Kind::kDoubt);
  CHECK_EQ(events[0].started, events[1].started);
  for (std::size_t i = 1; i < events.size(); ++i) {
    CHECK_EQ(events[i].kind, EngineEvent::Kind::kObservation);
    CHECK_GE(events[i].observation.latency, spec.timeout);
    // All began before the first of them was given up.
    CHECK_LT(events[i].started, events[1].at);
    if (i > 1) CHECK_GE(events[i].started - events[i - 1].started, spec.suspect_interval);
  }
}

TEST_CASE("a refusal after a pass brings a burst, the first attempt at once") {
  auto patient = std::make_unique<Patient>();
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  const ProbeSpec spec = rare(patient->site.url());
  REQUIRE(engine.watch({spec}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 1));
  patient.reset();
  REQUIRE(notes.until_count(Outcome::kFail, 4));
  const auto events = after_last_pass(notes.all());
  REQUIRE_EQ(events.size(), 4);
  CHECK_LT(events[1].started - events[0].at, events[2].started - events[1].started);
  CHECK_LT(events[3].at - events[0].at, spec.interval / 2);
}

TEST_CASE("unanswered attempts do not hold the schedule back") {
  Site site(wait_for_end);
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  ProbeSpec spec = http_spec(site.url());
  spec.timeout = 600ms;
  REQUIRE(engine.watch({spec}).ok());
  REQUIRE(notes.until_count(Outcome::kFail, 1));
  CHECK_GE(engine.stats().attempts, 6);
  CHECK_EQ(notes.number(Outcome::kUnknown), 0);
}

TEST_CASE("hurry asks now") {
  Patient patient;
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  const ProbeSpec spec = rare(patient.site.url());
  REQUIRE(engine.watch({spec}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 1));
  engine.hurry("nobody");
  engine.hurry(spec.name);
  REQUIRE(notes.until_count(Outcome::kPass, 2));
  const auto events = notes.all();
  CHECK_LT(events[1].started - events[0].started, spec.interval / 2);
}
