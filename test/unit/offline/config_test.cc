#include "orchestrator/offline/config.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/clock.h"
#include "test/config_cases.h"

using namespace pointsman;

namespace {

std::string good(const ConfigFolder& folder) { return folder.path() + "good.toml"; }

MonitorConfig read_good() {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(good(folder));
  REQUIRE(outcome.config.has_value());
  return *outcome.config;
}

}  // namespace

TEST_CASE("each configuration says what its file of expected lines says") {
  const auto failing = failing_config_cases(
      PM_TEST_DATA "/config/monitor", 70, [](const std::string& path, const std::string& folder) {
        const auto outcome = read_monitor_config(path);
        CHECK_EQ(outcome.config.has_value(), outcome.errors.empty());
        auto lines = config_lines(outcome.errors, outcome.warnings, folder);
        // So that a new provider changes none of these files.
        const std::string types = fmt::format("{}", fmt::join(provider_types(), " | "));
        for (std::string& line : lines) {
          CHECK(line.find("not-to-be-shown") == std::string::npos);
          if (line.ends_with(types))
            line.replace(line.size() - types.size(), types.size(), "TYPES");
        }
        return lines;
      });
  for (const std::string& text : failing) FAIL_CHECK(text);
}

TEST_CASE("probes that the host cannot hold in flight are told") {
  MonitorConfig config = read_good();
  CHECK_FALSE(capacity_problem(config, 1024).has_value());
  // Two sites, 1 + 4 + 3 + 2 attempts each: 300 services need 6,000.
  config.services.resize(300, config.services.front());
  const auto problem = capacity_problem(config, 1024);
  REQUIRE(problem.has_value());
  CHECK_NE(problem->find("6000 attempts"), std::string::npos);
  CHECK_NE(problem->find("lets 768 be (1024 descriptors a process)"), std::string::npos);
  CHECK_FALSE(capacity_problem(config, 8000).has_value());
}

TEST_CASE("the whole configuration arrives") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(good(folder));
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.warnings.empty());
  const MonitorConfig& config = *outcome.config;
  CHECK_EQ(config.name, "monitor-1");
  CHECK_EQ(config.credentials, folder.path() + "credentials.toml");
  CHECK_EQ(config.tls.cert_file, folder.path() + "monitor.pem");
  REQUIRE(config.web.has_value());
  CHECK_EQ(config.web->tokens.size(), 2);
  REQUIRE_EQ(config.providers.size(), 1);
  CHECK_EQ(config.providers.front().options.at("server"), "192.0.2.53:53");
  CHECK_EQ(config.providers.front().credentials.at("key"), "pointsman-key");
  REQUIRE_EQ(config.services.size(), 1);
  const ServiceSettings& service = config.services.front();
  CHECK(service.has_agents());
  CHECK_EQ(service.quorum, 2);
  CHECK_EQ(service.records.front().name, "api.example.test");
  CHECK_EQ(service.records.front().values.at("sh"), std::vector<std::string>{"198.51.100.20"});
  const auto probes = service.probes_of(service.sites[1]);
  REQUIRE_EQ(probes.size(), 1);
  CHECK_EQ(probes.front().name, "im-api/sh/0");
  CHECK_EQ(probes.front().url, "http://198.51.100.20:8080/health");
  CHECK_EQ(probes.front().address, "198.51.100.20");
  CHECK_EQ(probes.front().fall, 3);
}

TEST_CASE("channels of notices arrive, and a difference between two shows no secret") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(folder.path() + "notify-good.toml");
  REQUIRE(outcome.config.has_value());
  const MonitorConfig& config = *outcome.config;
  REQUIRE_EQ(config.notices.size(), 8);
  CHECK_EQ(config.notices[0].language, "zh");
  CHECK_EQ(config.notices[0].option("ca"), folder.path() + "ca.pem");
  CHECK_EQ(config.notices[0].credential("username"), "pointsman");
  CHECK(config.notices[1].only_fallback);
  CHECK_EQ(config.notices[1].budget.most, 30);
  CHECK_EQ(config.notices[3].language, "en");
  CHECK_EQ(config.notices[3].option("endpoint"), "https://oapi.dingtalk.com");
  CHECK_EQ(config.heartbeat->url, "https://hc.example.net/not-to-be-shown-10");

  MonitorConfig other = config;
  other.notices[0].credentials["password"] = "not-to-be-shown-either";
  other.notices[2].budget.most = 5;
  other.notices.pop_back();
  other.heartbeat->url += "-x";
  const auto lines = config_difference(config, other);
  const auto text = fmt::format("{}", fmt::join(lines, "\n"));
  CHECK_EQ(text.find("not-to-be-shown"), std::string::npos);
  CHECK_NE(text.find("notify.ops-mail.credentials.password: changed (not shown)"),
           std::string::npos);
  CHECK_NE(text.find("notify.wecom.budget: 10/1m -> 5/1m"), std::string::npos);
  CHECK_NE(text.find("notify.alerts.type: alertmanager -> (none)"), std::string::npos);
  CHECK_NE(text.find("heartbeat.url: changed (not shown)"), std::string::npos);
  // All of it is taken over by a running daemon.
  CHECK(config_difference(merge_for_reload(config, other), other).empty());
}

TEST_CASE("authorities of a provider are its own matter, those of a record are the record's") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  std::ifstream file(good(folder));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string server = "server = \"192.0.2.53:53\"\n";
  REQUIRE_NE(text.find(server), std::string::npos);
  text.insert(text.find(server), "authorities = [\"192.0.2.54:53\", \"192.0.2.55\"]\n");
  std::ofstream(folder.path() + "own.toml") << text;
  auto outcome = read_monitor_config(folder.path() + "own.toml");
  REQUIRE(outcome.config.has_value());
  const ProviderSettings& corp = outcome.config->providers.front();
  CHECK_EQ(corp.options.at("authorities"), "192.0.2.54:53, 192.0.2.55");
  // Only what the record itself names would take the API's last word from a provider.
  CHECK(outcome.config->services.front().records.front().authorities.empty());
  const auto provider = make_provider(corp, system_clock());
  REQUIRE(provider.ok());
  CHECK_EQ((*provider)->authorities({"example.test", "api.example.test", "A"}, 1s).value(),
           std::vector<std::string>{"192.0.2.54:53", "192.0.2.55:53"});
}

TEST_CASE("a record of a type of the provider's own keeps names and values as they are spelled") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(folder.path() + "record-balancer.toml");
  REQUIRE(outcome.config.has_value());
  const auto& records = outcome.config->services.front().records;
  REQUIRE_EQ(records.size(), 2);
  CHECK_EQ(records[0].values.at("hz"), std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(records[1].zone, "cn-hangzhou");
  CHECK_EQ(records[1].name, "lb-bp1o94dp5i6earr9g6d1l");
  CHECK_EQ(records[1].type, "SLB");
  CHECK_EQ(records[1].values.at("hz"), std::vector<std::string>{"eni-hz2", "i-bp1HZ"});
  CHECK_EQ(records[1].values.at("sh"), std::vector<std::string>{"i-bp1sh"});
}

TEST_CASE("the CLI reads without credentials") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(folder.path() + "secrets-none.toml", false);
  REQUIRE(outcome.config.has_value());
  CHECK(outcome.config->providers.front().credentials.empty());
  CHECK(outcome.config->web->tokens.empty());
}

TEST_CASE(
    "a credentials file that others may read is refused with the command "
    "that mends it") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const std::string secrets = folder.path() + "credentials.toml";
  REQUIRE_EQ(chmod(secrets.c_str(), 0640), 0);
  const auto refused = read_monitor_config(good(folder));
  REQUIRE_EQ(refused.errors.size(), 1);
  CHECK(refused.errors.front().text().find("chmod 600 " + secrets) != std::string::npos);
  REQUIRE_EQ(chmod(secrets.c_str(), 0400), 0);
  CHECK(read_monitor_config(good(folder)).errors.empty());
}

TEST_CASE("$CREDENTIALS_DIRECTORY comes first") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const std::string given = folder.path() + "given";
  REQUIRE_EQ(mkdir(given.c_str(), 0700), 0);
  std::ofstream(given + "/credentials.toml") << "[corp]\nkey = \"k\"\nsecret = "
                                                "\"bm90LWEtcmVhbC1zZWNyZXQtYnV0LTMyLWJ5dGVzISE=\"\n"
                                             << "[web.tokens]\nviewer = \"another-viewer-token\"\n";
  setenv("CREDENTIALS_DIRECTORY", given.c_str(), 1);
  const auto outcome = read_monitor_config(good(folder));
  unsetenv("CREDENTIALS_DIRECTORY");
  REQUIRE(outcome.config.has_value());
  CHECK_EQ(outcome.config->credentials, given + "/credentials.toml");
  CHECK_EQ(outcome.config->web->tokens.at("viewer"), "another-viewer-token");
}

TEST_CASE("probes are filled in for IPv6 with and without brackets") {
  ServiceSettings service;
  service.name = "s";
  service.probes.resize(3);
  service.probes[0].shape.url = "http://{address6}:80/{site}";
  service.probes[1].shape.url = "https://[{address6}]/";
  service.probes[2].shape.type = "tcp";
  service.probes[2].shape.port = 22;
  service.probes[2].shape.family = "6";
  const SiteSettings site{"hz", "192.0.2.1", "2001:db8::1", "", "", false};
  const auto specs = service.probes_of(site);
  CHECK_EQ(specs[0].url, "http://[2001:db8::1]:80/hz");
  CHECK_EQ(specs[0].address, "2001:db8::1");
  CHECK_EQ(specs[1].url, "https://[2001:db8::1]/");
  CHECK_EQ(specs[1].port, 443);
  CHECK_EQ(specs[2].address, "2001:db8::1");
  CHECK_EQ(specs[2].name, "s/hz/2");
}

TEST_CASE("the worst case of the defaults is that of the design") {
  const MonitorConfig config = read_good();
  const WorstCase worst = worst_case(config.services.front());
  CHECK_EQ(worst.detection, 2500ms);
  CHECK_EQ(worst.promise, 4497ms);
  CHECK_EQ(worst.promise_unarmed, 9492ms);
  CHECK_EQ(worst.publish, 3500ms);
  CHECK_EQ(worst.total, 6500ms);
  ServiceSettings plain = config.services.front();
  for (SiteSettings& site : plain.sites) site.agent.clear();
  CHECK_EQ(worst_case(plain).total, 3500ms);
  CHECK_EQ(worst_case(plain).promise, 0ms);
}

TEST_CASE("every term of the inequality is printed") {
  const auto lines = worst_case_terms(read_good().services.front());
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  for (const char* term : {"rho = 0.11", "L = lease 3s", "eps = 200ms", "F = 500ms", "W = 4.497 s",
                           "F = 5s", "W = 9.492 s", "2.50 s", "6.50 s", "60 s"}) {
    CAPTURE(term);
    CHECK(all.find(term) != std::string::npos);
  }
}

TEST_CASE("a difference names what changed and shows no secret") {
  const MonitorConfig a = read_good();
  CHECK(config_difference(a, a).empty());
  MonitorConfig b = a;
  b.services.front().lease = 6s;
  b.services.front().records.front().values["sh"] = {"198.51.100.21"};
  b.providers.front().credentials["secret"] = "another-secret";
  b.web->tokens.erase("viewer");
  CHECK_EQ(config_difference(a, b),
           std::vector<std::string>{"provider.corp.credentials.secret: changed (not shown)",
                                    "service.im-api.lease: 3s -> 6s",
                                    "service.im-api.record.api.example.test.A.values.sh: "
                                    "[198.51.100.20] -> "
                                    "[198.51.100.21]",
                                    "web.tokens.viewer: (secret) -> (none)"});
  b = a;
  b.services.front().name = "chat";
  const auto lines = config_difference(a, b);
  CHECK(std::count(lines.begin(), lines.end(), "service.chat.fall: (none) -> 3") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "service.im-api.fall: 3 -> (none)") == 1);
}

TEST_CASE("a reload takes over a service whole or not at all") {
  const MonitorConfig running = read_good();
  MonitorConfig fresh = running;
  fresh.mode = "observe";
  fresh.references = {"tcp://192.0.2.99:53"};
  fresh.state_dir = "/elsewhere";
  fresh.providers.front().credentials["secret"] = "another-secret";
  fresh.services.front().fall = 5;
  fresh.services.front().interval = 2s;
  fresh.services.front().sites.back().preferred = true;
  MonitorConfig merged = merge_for_reload(running, fresh);
  CHECK_EQ(config_difference(merged, fresh),
           std::vector<std::string>{"monitor.state_dir: " + running.state_dir + " -> /elsewhere"});

  // One term of the promises holds back the rest of its service, and nothing else.
  fresh.services.front().lease = 12s;
  merged = merge_for_reload(running, fresh);
  CHECK_EQ(merged.services.front().fall, running.services.front().fall);
  CHECK_EQ(merged.services.front().interval, running.services.front().interval);
  CHECK_EQ(merged.references, fresh.references);

  // Another address of a site is another place for records, agents and witnesses.
  fresh = running;
  fresh.services.front().sites.front().address = "192.0.2.77";
  fresh.services.front().fall = 5;
  CHECK_EQ(merge_for_reload(running, fresh).services.front().fall, running.services.front().fall);
}
