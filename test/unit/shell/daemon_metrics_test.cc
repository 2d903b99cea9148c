// /metrics of the daemon: what a snapshot says, what is counted, and that promtool accepts it.

#include "orchestrator/shell/daemon_metrics.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/crypto.h"
#include "base/process.h"
#include "orchestrator/shell/provider_seat.h"
#include "providers/memory.h"

using namespace pointsman;

namespace {

ServicePolicy pair_of_sites() {
  ServicePolicy policy;
  policy.name = "im-api";
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  policy.records = 0;
  return policy;
}

// hz in power, both sites and agents well, at 100 s.
ServiceSnapshot calm() {
  ServiceSnapshot shot;
  shot.at = Instant{100'000'000'000};
  shot.policy = pair_of_sites();
  ServiceState& s = shot.state;
  s = begin(shot.policy, std::nullopt, shot.at - 60s);
  s.phase = Phase::kSteady;
  s.reign.epoch = 7;
  s.primary = 0;
  s.published = 0;
  for (int site = 0; site < kSites; ++site) {
    SiteView& view = s.sites.at(static_cast<std::size_t>(site));
    for (Damper& damper : view.probes) {
      damper.ever = true;
      damper.passes = 3;
      damper.last_pass = shot.at - 500ms;
      damper.heard = shot.at - 500ms;
    }
    view.agent_heard = true;
    view.agent_at = shot.at - 200ms;
    view.agent.role = site == 0 ? SiteRole::kPrimary : SiteRole::kStandby;
    view.agent.reign = s.reign;
    view.agent.writable_known = true;
    view.agent.writable = site == 0;
    view.agent.lease_rest = site == 0 ? Duration(2500ms) : Duration(0);
  }
  Evidence sound;
  sound.at = shot.at - 200ms;
  s.sites[1].evidence.push_back(sound);
  return shot;
}

std::string text_of(const ServiceSnapshot& shot) {
  MetricsPage page;
  put_snapshot(page, shot);
  return page.text();
}

std::string text_of(const Measures& measures) {
  MetricsPage page;
  measures.counts().collect(page);
  return page.text();
}

bool holds(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

const std::string kService = "{service=\"im-api\"";

Move ended(const std::string& id, const std::string& outcome) {
  Move move;
  move.id = id;
  move.outcome = outcome;
  move.steps = {{"prepare", StepState::kDone, Instant{1'000'000'000}, Instant{1'020'000'000}, ""},
                {"promote", StepState::kFailed, Instant{2'000'000'000}, Instant{5'000'000'000}, ""},
                {"verify", StepState::kWaiting, {}, {}, ""}};
  return move;
}

}  // namespace

TEST_CASE("daemon metrics: a calm pair is up, told apart by role and ready") {
  const ServiceSnapshot shot = calm();
  const std::string text = text_of(shot);
  CHECK(ready_to_fail_over(shot));
  CHECK(holds(text, "pointsman_ready_to_fail_over" + kService + "} 1"));
  CHECK(holds(text, "pointsman_service_epoch" + kService + "} 7"));
  CHECK(holds(text, "pointsman_service_phase" + kService + ",phase=\"steady\"} 1"));
  CHECK(holds(text, "pointsman_service_phase" + kService + ",phase=\"stuck\"} 0"));
  CHECK(holds(text, "pointsman_site_up" + kService + ",site=\"hz\"} 1"));
  CHECK(holds(text, "pointsman_site_role" + kService + ",site=\"hz\",role=\"primary\"} 1"));
  CHECK(holds(text, "pointsman_site_role" + kService + ",site=\"sh\",role=\"primary\"} 0"));
  CHECK(holds(text, "pointsman_site_role" + kService + ",site=\"sh\",role=\"standby\"} 1"));
  CHECK(holds(text, "pointsman_agent_lease_seconds" + kService + ",site=\"hz\"} 2.3"));
  CHECK(holds(text, "pointsman_gate_open" + kService + ",gate=\"witness\"} 0"));
  CHECK(holds(text, "pointsman_move_running" + kService + ",kind=\"failover\"} 0"));
}

TEST_CASE("daemon metrics: what would keep a failover from being made makes it not ready") {
  ServiceSnapshot shot = calm();
  SUBCASE("paused") { shot.state.hold.on = true; }
  SUBCASE("a move is on") { shot.state.move.emplace(); }
  SUBCASE("the standby's agent is silent") { shot.state.sites[1].agent_at = shot.at - 10s; }
  SUBCASE("the standby holds writes of its own") {
    shot.state.sites[1].evidence.back().has_stores = true;
    shot.state.sites[1].evidence.back().errant = "0-2-5";
  }
  SUBCASE("nobody is in power") { shot.state.primary = -1; }
  SUBCASE("state cannot be saved") { shot.state.around.store_problem = "disk full"; }
  CHECK_FALSE(ready_to_fail_over(shot));
  CHECK(holds(text_of(shot), "pointsman_ready_to_fail_over" + kService + "} 0"));
}

TEST_CASE("daemon metrics: a silent agent's words are not shown as of now") {
  ServiceSnapshot shot = calm();
  shot.state.sites[0].agent_at = shot.at - 30s;
  const std::string text = text_of(shot);
  CHECK(holds(text, "pointsman_agent_up" + kService + ",site=\"hz\"} 0"));
  CHECK(holds(text, "pointsman_agent_lease_seconds" + kService + ",site=\"hz\"} 0"));
  CHECK(text.find("pointsman_site_writable" + kService + ",site=\"hz\"") == std::string::npos);
}

TEST_CASE("daemon metrics: a move counts once, with its steps, and none of an earlier run") {
  Measures measures;
  const ServicePolicy policy = pair_of_sites();
  measures.begin(policy, ended("m1", "done"));
  const std::string total = "pointsman_moves_total" + kService + ",kind=\"failover\",outcome=";
  CHECK(holds(text_of(measures), total + "\"done\"} 0"));
  ServiceState next;
  next.last_move = ended("m1", "done");
  measures.decided(policy, next);
  CHECK(holds(text_of(measures), total + "\"done\"} 0"));
  next.last_move = ended("m2", "failed");
  measures.decided(policy, next);
  measures.decided(policy, next);
  const std::string text = text_of(measures);
  CHECK(holds(text, total + "\"failed\"} 1"));
  const std::string step = "pointsman_move_phase_seconds_count" + kService + ",kind=\"failover\"";
  CHECK(holds(text, step + ",phase=\"prepare\"} 1"));
  CHECK(holds(text, step + ",phase=\"promote\"} 1"));
  CHECK(text.find(step + ",phase=\"verify\"") == std::string::npos);
}

TEST_CASE("daemon metrics: an attempt that could not be made is neither a failure nor timed") {
  Measures measures;
  measures.begin(pair_of_sites(), std::nullopt);
  measures.probed("im-api", "hz", {Outcome::kPass, 20ms, ""});
  measures.probed("im-api", "hz", {Outcome::kFail, 1s, ""});
  measures.probed("im-api", "hz", {Outcome::kUnknown, 0ms, ""});
  const std::string text = text_of(measures);
  const std::string site = kService + ",site=\"hz\"} ";
  CHECK(holds(text, "pointsman_probe_duration_seconds_count" + site + "2"));
  CHECK(holds(text, "pointsman_probe_failures_total" + site + "1"));
  CHECK(holds(text, "pointsman_probe_unknown_total" + site + "1"));
}

TEST_CASE("daemon metrics: a provider's operations are timed, and failures told by why") {
  Measures measures;
  const std::optional<ErrorCode> refused = ErrorCode::kRefused;
  measures.asked_provider("corp", "read", 10ms, std::nullopt);
  measures.asked_provider("corp", "replace", 2s, refused);
  const std::string text = text_of(measures);
  const std::string of = "{provider=\"corp\",operation=";
  CHECK(holds(text, "pointsman_provider_request_seconds_count" + of + "\"read\"} 1"));
  CHECK(holds(text, "pointsman_provider_request_seconds_sum" + of + "\"replace\"} 2"));
  CHECK(holds(text, "pointsman_provider_errors_total" + of + "\"replace\",error=\"refused\"} 1"));
}

TEST_CASE("daemon metrics: of a store only what is fresh enough to be lag is lag") {
  Measures measures;
  ServiceReport report;
  report.stores.resize(10);
  for (std::size_t k = 0; k < report.stores.size(); ++k) {
    report.stores[k].name = "store" + std::to_string(k);
  }
  report.stores[0].lag = 3s;
  report.stores[1].caught_up_age = 900ms;
  report.stores[1].told_age = 400ms;
  measures.heard("im-api", 1, report);
  const auto seen = measures.stores("im-api", 1);
  REQUIRE_EQ(seen.size(), 8U);  // An agent that tells of very many is not believed.
  CHECK_EQ(seen[0].lag, Duration(3s));
  CHECK_EQ(seen[1].lag, Duration(500ms));
  CHECK_FALSE(seen[2].lag.has_value());
  CHECK(measures.stores("im-api", 0).empty());
}

TEST_CASE("daemon metrics: promtool accepts all of it") {
  MetricsPage page;
  put_snapshot(page, calm());
  Measures measures;
  measures.begin(pair_of_sites(), std::nullopt);
  ServiceState next;
  next.last_move = ended("m1", "done");
  measures.decided(pair_of_sites(), next);
  measures.probed("im-api", "hz", {Outcome::kPass, 20ms, ""});
  measures.asked_provider("corp", "read", 10ms, std::nullopt);
  measures.counts().collect(page);
  const auto judged = run_process({"promtool", "check", "metrics"}, page.text(), 20s);
  if (!judged.ok() && judged.error().code == ErrorCode::kNotFound) {
    MESSAGE("promtool is not on this host: not asked");
    return;
  }
  REQUIRE(judged.ok());
  CHECK_EQ(judged->out + judged->err, "");
  CHECK_EQ(judged->exit_code, 0);
}
