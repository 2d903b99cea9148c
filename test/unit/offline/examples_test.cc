#include "orchestrator/offline/config.h"
#include "test/config_cases.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

using namespace pointsman;

TEST_CASE("the examples load as they stand") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const std::string etc = PM_TEST_DATA "/../../etc/";
  std::filesystem::copy_file(etc + "pointsman.toml.example", folder.path() + "pointsman.toml");
  const std::string secrets = folder.path() + "credentials.toml";
  std::filesystem::copy_file(etc + "credentials.toml.example", secrets,
                             std::filesystem::copy_options::overwrite_existing);
  REQUIRE_EQ(chmod(secrets.c_str(), 0600), 0);
  const auto outcome = read_monitor_config(folder.path() + "pointsman.toml");
  CHECK_EQ(config_lines(outcome.errors, outcome.warnings, folder.path()),
           std::vector<std::string>{});
  REQUIRE(outcome.config.has_value());
  CHECK_EQ(outcome.config->services.size(), 1);
}
