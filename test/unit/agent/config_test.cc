#include "agent/config.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "test/config_cases.h"

using namespace pointsman;

TEST_CASE("each agent configuration says what its file of expected lines says") {
  const auto failing = failing_config_cases(
      PM_TEST_DATA "/config/agent", 34, [](const std::string& path, const std::string& folder) {
        const auto outcome = read_agent_config(path);
        CHECK_EQ(outcome.config.has_value(), outcome.errors.empty());
        return config_lines(outcome.errors, outcome.warnings, folder);
      });
  for (const std::string& text : failing) FAIL_CHECK(text);
}

TEST_CASE("the whole configuration arrives") {
  const ConfigFolder folder(PM_TEST_DATA "/config/agent");
  const auto outcome = read_agent_config(folder.path() + "good.toml");
  REQUIRE(outcome.config.has_value());
  const AgentConfig& config = *outcome.config;
  CHECK_EQ(config.site, "hz");
  CHECK_EQ(config.monitors, std::vector<std::string>{"monitor"});
  CHECK_EQ(config.stop_units_after, 20s);
  CHECK_EQ(config.tls.key_file, folder.path() + "hz.key");
  REQUIRE_EQ(config.services.size(), 1);
  const AgentServiceSettings& service = config.services.front();
  CHECK_EQ(service.peer, "https://198.51.100.20:7443");
  CHECK_EQ(service.mysql->password, "not-a-real-one");
  CHECK_EQ(service.redis->advertise, "192.0.2.10:6379");
  CHECK_EQ(service.deadman->ports, std::vector<int>{80, 443, 3306, 6379});
  CHECK_EQ(service.units.size(), 3);
  CHECK_FALSE(service.units[1].only_primary);
  CHECK_EQ(service.units[2].start.size(), 2);
  CHECK_EQ(service.hooks.front().on, "promoted");
}

TEST_CASE("the example loads as it stands") {
  const ConfigFolder folder(PM_TEST_DATA "/config/agent");
  std::filesystem::copy_file(PM_TEST_DATA "/../../etc/agent.toml.example",
                             folder.path() + "agent.toml");
  const auto outcome = read_agent_config(folder.path() + "agent.toml");
  CHECK_EQ(config_lines(outcome.errors, outcome.warnings, folder.path()),
           std::vector<std::string>{});
  REQUIRE(outcome.config.has_value());
  CHECK_EQ(outcome.config->services.front().units.size(), 2);
}
