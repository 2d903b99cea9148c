#include "orchestrator/offline/keepalived.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "orchestrator/offline/config.h"
#include "test/config_cases.h"

using namespace pointsman;

namespace {

ServiceSettings read_service_of(const std::string& file) {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto outcome = read_monitor_config(folder.path() + file);
  for (const ConfigError& error : outcome.errors) FAIL(error.text());
  return outcome.config->services.front();
}

// Compared as a whole: an operator reads these files.
void expect_file(const std::string& name, const std::string& text) {
  const std::string path = std::string(PM_TEST_DATA) + "/keepalived/" + name;
  if (std::getenv("PM_REWRITE") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream in(path);
  std::ostringstream all;
  all << in.rdbuf();
  CHECK_EQ(text, all.str());
}

}  // namespace

TEST_CASE("a pair of configurations, one a site") {
  const ServiceSettings service = read_service_of("keepalived.toml");
  expect_file("hz.conf", keepalived_text(service, "hz"));
  expect_file("sh.conf", keepalived_text(service, "sh"));
}

TEST_CASE("the preferred site has the higher priority, else the first") {
  ServiceSettings service = read_service_of("keepalived.toml");
  CHECK_EQ(service.keepalived->priorities.at("hz"), 100);
  CHECK_EQ(service.keepalived->priorities.at("sh"), 90);
  CHECK_EQ(service.keepalived->power_weight(), 15);
  CHECK_EQ(service.keepalived->silent_after(), Duration(9s));
}

TEST_CASE("what is tried on another host differs in what only a site has") {
  const ServiceSettings service = read_service_of("keepalived.toml");
  const std::string trial = keepalived_trial(service, "hz", "veth7");
  CHECK_NE(trial.find("interface veth7\n"), std::string::npos);
  CHECK_EQ(trial.find("/usr/lib/pointsman"), std::string::npos);
}

TEST_CASE("IPv6 goes by version 3, and multicast names no peer") {
  ServiceSettings service = read_service_of("keepalived.toml");
  KeepalivedSettings& k = *service.keepalived;
  k.addresses = {"2001:db8::100/64"};
  k.auth_pass.clear();
  k.multicast = true;
  k.advert = 250ms;
  const std::string text = keepalived_text(service, "hz");
  CHECK_NE(text.find("vrrp_version 3\n"), std::string::npos);
  CHECK_NE(text.find("advert_int 0.25\n"), std::string::npos);
  CHECK_EQ(text.find("unicast"), std::string::npos);
  CHECK_EQ(text.find("auth"), std::string::npos);
}

TEST_CASE("a change of it is shown, its password is not") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto one = read_monitor_config(folder.path() + "keepalived.toml");
  REQUIRE(one.config.has_value());
  MonitorConfig other = *one.config;
  other.services.front().keepalived->auth_pass = "0ther-pw";
  other.services.front().keepalived->weight = -60;
  const auto lines = config_difference(*one.config, other);
  REQUIRE_EQ(lines.size(), 2U);
  CHECK_EQ(lines[0], "service.im-api.keepalived.auth_pass: changed (not shown)");
  CHECK_EQ(lines[1], "service.im-api.keepalived.weight: -50 -> -60");
}
