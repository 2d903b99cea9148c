// /metrics of an agent.

#include "agent/agent_metrics.h"

#include <doctest/doctest.h>

#include "base/process.h"
#include "test/support/certs.h"

using namespace pointsman;

namespace {

bool holds(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

ServiceReport primary() {
  ServiceReport report;
  report.service = "im-api";
  report.site = "hz";
  report.role = Role::kPrimary;
  report.reign.epoch = 7;
  report.writable = true;
  report.writable_known = true;
  report.lease_rest = 2500ms;
  report.fenced = 4;
  report.deadman_available = true;
  report.deadman_armed = true;
  report.peer.answers = true;
  report.stores.resize(2);
  report.stores[0].name = "mysql";
  report.stores[0].liveness = Liveness::kUp;
  report.stores[1].name = "redis";
  report.stores[1].liveness = Liveness::kStopped;
  report.units.push_back({"im-api.service", true, true, ""});
  return report;
}

const std::string kOf = "{service=\"im-api\"";

}  // namespace

TEST_CASE("agent metrics: a site in power tells lease, role, kernel, stores and units") {
  const std::string text = agent_metrics({primary()}, {});
  CHECK(holds(text, "pointsman_local_role" + kOf + ",role=\"primary\"} 1"));
  CHECK(holds(text, "pointsman_local_role" + kOf + ",role=\"fenced\"} 0"));
  CHECK(holds(text, "pointsman_local_epoch" + kOf + "} 7"));
  CHECK(holds(text, "pointsman_local_lease_seconds" + kOf + "} 2.5"));
  CHECK(holds(text, "pointsman_local_writable" + kOf + "} 1"));
  CHECK(holds(text, "pointsman_local_fenced_epoch" + kOf + "} 4"));
  CHECK(holds(text, "pointsman_local_deadman_armed" + kOf + "} 1"));
  CHECK(holds(text, "pointsman_local_peer_answers" + kOf + "} 1"));
  CHECK(holds(text, "pointsman_local_trouble" + kOf + "} 0"));
  CHECK(holds(text, "pointsman_local_store_up" + kOf + ",store=\"mysql\"} 1"));
  CHECK(holds(text, "pointsman_local_store_up" + kOf + ",store=\"redis\"} 0"));
  CHECK(holds(text, "pointsman_local_unit_active" + kOf + ",unit=\"im-api.service\"} 1"));
  // A store that follows nobody has no lag and applies nothing.
  CHECK(text.find("pointsman_local_store_lag_seconds") == std::string::npos);
  CHECK(text.find("pointsman_local_store_applier_running") == std::string::npos);
}

TEST_CASE("agent metrics: a standby tells its lag, and nothing that it does not know") {
  ServiceReport report = primary();
  report.role = Role::kStandby;
  report.writable_known = false;
  report.lease_rest = -1s;
  report.trouble = "mysql: cannot follow";
  report.stores[0].replica = true;
  report.stores[0].applier_running = true;
  report.stores[0].lag = 1500ms;
  const std::string text = agent_metrics({report}, {});
  CHECK(holds(text, "pointsman_local_store_lag_seconds" + kOf + ",store=\"mysql\"} 1.5"));
  CHECK(holds(text, "pointsman_local_store_applier_running" + kOf + ",store=\"mysql\"} 1"));
  CHECK(holds(text, "pointsman_local_lease_seconds" + kOf + "} 0"));
  CHECK(holds(text, "pointsman_local_trouble" + kOf + "} 1"));
  CHECK(text.find("cannot follow") == std::string::npos);  // Words are no numbers.
  CHECK(text.find("pointsman_local_writable") == std::string::npos);
}

TEST_CASE("agent metrics: certificates are read anew, and one that is gone is left out") {
  const testing::Folder folder;
  const testing::Authority authority(folder, "ca");
  authority.issue("hz", "DNS:hz");
  TlsIdentity tls;
  tls.ca_file = authority.ca_file();
  tls.cert_file = folder / "hz.pem";
  const std::string metric = "pointsman_certificate_expiry_seconds{certificate=";
  std::string text = agent_metrics({}, tls);
  CHECK(text.find(metric + "\"own\"} 3") != std::string::npos);
  CHECK(text.find(metric + "\"ca\"} 3") != std::string::npos);
  std::filesystem::remove(tls.cert_file);
  text = agent_metrics({}, tls);
  CHECK(text.find(metric + "\"own\"}") == std::string::npos);
  CHECK(text.find(metric + "\"ca\"} 3") != std::string::npos);
}

TEST_CASE("agent metrics: promtool accepts all of it") {
  ServiceReport standby = primary();
  standby.service = "im-web";
  standby.stores[0].replica = true;
  standby.stores[0].lag = 1s;
  const std::string text = agent_metrics({primary(), standby}, {});
  const auto judged = run_process({"promtool", "check", "metrics"}, text, 20s);
  if (!judged.ok() && judged.error().code == ErrorCode::kNotFound) {
    MESSAGE("promtool is not on this host: not asked");
    return;
  }
  REQUIRE(judged.ok());
  CHECK_EQ(judged->out + judged->err, "");
  CHECK_EQ(judged->exit_code, 0);
}
