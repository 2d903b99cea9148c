// Whatever the configuration allows, the agents take: a poll or an order that they refuse for a
// duration would close the site that it was to keep open.

#include "orchestrator/shell/daemon.h"

#include <doctest/doctest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "orchestrator/shell/agent_view.h"
#include "test/config_cases.h"

using namespace pointsman;

namespace {

constexpr const char* kTravelling[] = {"lease",   "lone_lease", "prepare_ttl", "order_ttl",
                                       "max_lag", "interval",   "timeout",     "suspect_interval"};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Duration& member(ServiceSettings& service, const std::string& key) {
  if (key == "lease") return service.lease;
  if (key == "lone_lease") return service.lone_lease;
  if (key == "prepare_ttl") return service.prepare_ttl;
  if (key == "order_ttl") return service.order_ttl;
  if (key == "max_lag") return service.max_lag;
  if (key == "interval") return service.interval;
  if (key == "timeout") return service.timeout;
  REQUIRE_EQ(key, "suspect_interval");
  return service.suspect_interval;
}

// What the reader itself says is allowed: "a duration such as \"1s\", 100ms to 1m".
std::pair<Duration, Duration> allowed(const ConfigFolder& folder, const std::string& key) {
  std::string text = text_of(folder.path() + "good.toml");
  text = std::regex_replace(text, std::regex("\n" + key + " *=[^\n]*"), "");
  const std::string service = "[[service]]\n";
  text.replace(text.find(service), service.size(), service + key + " = \"99999d\"\n");
  const std::string path = folder.path() + "bounds.toml";
  std::ofstream(path) << text;
  for (const ConfigError& error : read_monitor_config(path).errors) {
    std::smatch found;
    const std::regex bounds("such as \"[^\"]*\", (\\S+) to (\\S+)");
    if (error.key != "service." + key || !std::regex_search(error.allowed, found, bounds)) continue;
    const auto least = parse_duration(found[1].str());
    const auto most = parse_duration(found[2].str());
    REQUIRE(least);
    REQUIRE(most);
    return {*least, *most};
  }
  FAIL("no bounds are told for " << key);
  return {};
}

// Polls with an ordinary and with a lone vouch, then an order, as the wire carries them.
void expect_taken(const MonitorConfig& config, const ServiceSettings& service) {
  const ServicePolicy policy = policy_of(config, service);
  VouchTerms terms;
  terms.sites = {policy.sites[0].name, policy.sites[1].name};
  terms.lease = policy.lease;
  terms.lone_lease = policy.lone_lease;
  terms.prepare_ttl = policy.prepare_ttl;
  const Witnesses witness = witnesses_of(service);
  terms.witness = witness.targets;
  terms.witness_version = witness.version;
  VouchBook book("run");
  book.set_service(policy.name, terms, std::max(policy.lease, policy.lone_lease), Instant{});
  ServiceReport report;
  report.service = policy.name;
  report.token = {7, Instant{} + 100s};
  report.role = Role::kPrimary;
  report.reign = {1, "0000000000000001"};
  report.lease_rest = 1s;
  std::uint64_t sequence = 0;
  for (int site = 0; site < kSites; ++site) {
    book.heard({policy.name, site, report, ++sequence}, Instant{});
  }
  for (const bool lone : {false, true}) {
    book.wish(policy.name, {0, report.reign, lone});
    const PollRequest request = book.request("monitor", {{policy.name, 0}});
    REQUIRE(request.services.at(0).vouch);
    CHECK_EQ(request.services.at(0).vouch->lone, lone);
    const auto read = poll_request_from(to_json(request));
    CHECK_MESSAGE(read.ok(), (read.ok() ? "" : read.error().message));
    for (const Json& target : request.services.at(0).witness->as_array()) {
      const auto spec = ProbeSpec::from_json(*target.find("spec"));
      CHECK_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().message));
    }
  }
  SendOrder order;
  order.site = order.power = 1;
  order.kind = OrderKind::kPrepare;
  order.reign = {2, "0000000000000002"};
  order.move = "m-1";
  Order wire = order_of(policy, order);
  wire.sender = "monitor";
  book.address(wire, 1, Instant{});
  const auto read = order_from(to_json(wire));
  CHECK_MESSAGE(read.ok(), (read.ok() ? "" : read.error().message));
}

}  // namespace

TEST_CASE("what the configuration allows, the agents take") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(folder.path() + "good.toml");
  REQUIRE(outcome.config);
  for (const std::string key : kTravelling) {
    const auto [least, most] = allowed(folder, key);
    for (const Duration each : {least, most}) {
      CAPTURE(key);
      CAPTURE(whole_ms(each));
      ServiceSettings service = outcome.config->services.at(0);
      member(service, key) = each;
      expect_taken(*outcome.config, service);
    }
  }
}
