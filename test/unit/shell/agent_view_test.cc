#include "orchestrator/shell/agent_view.h"

#include <doctest/doctest.h>

#include "orchestrator/core/machine.h"

using namespace pointsman;

namespace {

StoreReport store(const char* name, Duration caught_up_age, Duration told_age) {
  StoreReport store;
  store.name = name;
  store.liveness = Liveness::kUp;
  store.caught_up_age = caught_up_age;
  store.told_age = told_age;
  return store;
}

}  // namespace

TEST_CASE("how far a standby is behind is judged at the last word of the store it follows") {
  ServicePolicy policy;
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  ServiceReport report;
  const auto behind = [&] {
    const AgentView view = view_of(policy, report);
    REQUIRE(view.caught_up_age.has_value());
    return behind_at_contact(policy, *view.caught_up_age, view.told_age);
  };
  // One store of the primary hangs, its agent and its other store answer: nothing is missing.
  report.stores = {store("mysql", 1600ms, 1600ms), store("redis", 150ms, 100ms)};
  CHECK_EQ(behind(), 50ms);
  // The other store is behind in earnest, though its age is the lesser one.
  report.stores = {store("mysql", 1600ms, 1600ms), store("redis", 1500ms, 100ms)};
  CHECK_EQ(behind(), 1400ms);
  // Longer silence than an interval and two polls is no excuse: the primary may have gone on.
  report.stores = {store("mysql", 10s, 10s)};
  CHECK_EQ(behind(), 8s);
  // A store that cannot be compared makes all unknown.
  report.stores = {store("mysql", 100ms, 100ms), store("redis", 100ms, 100ms)};
  report.stores[1].caught_up_age.reset();
  CHECK_FALSE(view_of(policy, report).caught_up_age.has_value());
}
