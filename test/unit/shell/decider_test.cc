// What the decider lets out, and when: nothing that the next run would not know of.

#include "orchestrator/shell/decider.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

class StandingClock final : public Clock {
 public:
  Instant at{1'000'000'000'000};
  Instant now() const override { return at; }
  WallTime wall() const override { return {1'700'000'000'000'000'000}; }
};

// Keeps what it is given; durable when the test says so.
class SlowSaving final : public Saving {
 public:
  std::vector<SaveBatch> batches;
  std::uint64_t durable = 0;

  std::uint64_t save(SaveBatch batch) override {
    batches.push_back(std::move(batch));
    return batches.size();
  }
  std::uint64_t done() const override { return durable; }
  std::string problem() const override { return ""; }
};

class NoExecutor final : public Executor {
 public:
  void start(const std::string&, const Command&) override {}
};

struct Scene {
  StandingClock clock;
  NoExecutor executor;
  SharedBook book{"run"};
  SlowSaving saving;
  ServicePolicy policy;
  Decider decider{{clock, executor, book, saving, 10, 3, 1min, "monitor"}};

  // A monitor that starts again with `lease`, after runs whose widest lease was `widest`.
  Scene(Duration lease, Duration widest) {
    policy.name = "im-api";
    policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
    policy.lease = lease;
    KeptState kept;
    kept.widest = widest;
    kept.state.phase = Phase::kSteady;
    kept.state.reign = {1, "r"};
    kept.state.primary = kept.state.published = 0;
    kept.state.issued = 1;
    VouchTerms terms;
    terms.sites = {"hz", "sh"};
    terms.lease = lease;
    terms.witness = {Json::array(), Json::array()};
    book.with([&](VouchBook& pages) { pages.set_service("im-api", terms, widest, clock.at); });
    decider.add(policy, kept);
    decider.begin();
    ServiceReport report;
    report.service = policy.name;
    report.site = "hz";
    report.token = {7, Instant{} + 100s};
    report.role = Role::kPrimary;
    report.reign = {1, "r"};
    report.lease_rest = 2s;
    book.with([&](VouchBook& pages) { pages.heard({policy.name, 0, report, 1}, clock.at); });
  }
  void turn() {
    clock.at = clock.at + 300ms;
    decider.turn(std::nullopt, {}, clock.at);
  }
  std::optional<Vouch> vouch() {
    return book.with([](VouchBook& pages) {
      return pages.request("monitor", {{"im-api", 0}}).services.at(0).vouch;
    });
  }
  Duration widest_saved() {
    REQUIRE_FALSE(saving.batches.empty());
    const auto decoded = decode_state(policy, saving.batches.back().states.at(0).second, clock.at);
    REQUIRE(decoded.ok());
    return decoded->widest;
  }
};

}  // namespace

TEST_CASE("a lease that grew while the monitor was down is durable before its first vouch") {
  Scene scene(6s, 3s);
  scene.turn();
  scene.turn();
  CHECK_FALSE(scene.vouch());
  CHECK_EQ(scene.widest_saved(), 6s);
  scene.saving.durable = scene.saving.batches.size();
  scene.turn();
  const auto vouch = scene.vouch();
  REQUIRE(vouch);
  CHECK_EQ(vouch->lease, 6s);
}

TEST_CASE("the lease of a first start is durable before its first vouch") {
  Scene scene(3s, 0s);
  scene.turn();
  CHECK_FALSE(scene.vouch());
  CHECK_EQ(scene.widest_saved(), 3s);
  scene.saving.durable = scene.saving.batches.size();
  scene.turn();
  CHECK(scene.vouch());
}

TEST_CASE("a known lease needs no disk: vouching goes on at once") {
  Scene scene(3s, 3s);
  scene.turn();
  CHECK(scene.vouch());
}
