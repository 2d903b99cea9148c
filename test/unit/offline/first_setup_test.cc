#include "orchestrator/offline/first_write.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/file.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string path = "/tmp/pointsman-first-" + random_id();
  ~Folder() { fs::remove_all(path); }
  std::string text(const std::string& name) const { return *read_file(path + "/" + name); }
  mode_t mode(const std::string& name) const {
    struct stat status {};
    REQUIRE(stat((path + "/" + name).c_str(), &status) == 0);
    return status.st_mode & 0777;
  }
};

FirstSetup whole() {
  FirstSetup setup;
  setup.service = "api";
  setup.sites = {{"hz", "192.0.2.10"}, {"sh", "198.51.100.20"}};
  setup.record = "api.example.test";
  setup.zone = "example.test";
  setup.provider = "rfc2136";
  setup.server = "192.0.2.53:53";
  setup.probe = "http://{address}:8080/health";
  setup.mysql = setup.redis = true;
  setup.units = {"api.service"};
  setup.ports = {443};
  setup.references = {"tcp://203.0.113.1:53"};
  draw_secrets(setup);
  return setup;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("first setup: what is written is sound at once, and closed to others") {
  const Folder folder;
  const FirstSetup setup = whole();
  const auto written = write_first(folder.path, setup);
  REQUIRE(written.ok());
  CHECK(written->problems.empty());
  const auto read = read_monitor_config(folder.path + "/pointsman.toml");
  REQUIRE(read.config.has_value());
  CHECK(read.warnings.empty());
  CHECK(read.config->mode == "observe");
  CHECK(read.config->services.front().has_agents());
  CHECK(read.config->web->tokens.size() == 2);

  for (const char* secret :
       {"credentials.toml", "monitor.key", "tsig.key", "certs/ca.key", "agents/accounts.sql",
        "agents/hz/hz.key", "agents/hz/mysql.password", "agents/sh/repl.password"}) {
    INFO(secret);
    CHECK(folder.mode(secret) == 0600);
  }
  CHECK(folder.mode("agents") == 0700);
  CHECK(folder.mode("certs") == 0700);
  CHECK(folder.mode("pointsman.toml") == 0644);
  for (const std::string name : {"hz", "sh"}) {
    const std::string home = folder.path + "/agents/" + name + "/";
    CHECK(check_identity(home + "ca.pem", home + name + ".pem", home + name + ".key").ok());
    CHECK_FALSE(fs::exists(home + "ca.key"));  // It signs, and belongs on no site.
  }
  // Nothing is left of the folder in which it was made.
  for (const auto& entry : fs::directory_iterator(folder.path)) {
    CHECK(entry.path().filename().string().front() != '.');
  }
  std::vector<std::string> told = written->files;
  CHECK(std::find(told.begin(), told.end(), folder.path + "/agents/sh/agent.toml") != told.end());
}

TEST_CASE("first setup: the agents' files name each other, and every port that shall close") {
  const Folder folder;
  const FirstSetup setup = whole();
  REQUIRE(write_first(folder.path, setup).ok());
  const std::string text = folder.text("agents/hz/agent.toml");
  CHECK(holds(text, "peer = \"https://198.51.100.20:7443\""));
  CHECK(holds(text, "ports = [443, 3306, 6379, 8080]"));
  CHECK(holds(text, "allow = [\"198.51.100.20\"]"));
  CHECK(holds(text, "advertise = \"192.0.2.10:3306\""));
  CHECK_FALSE(holds(text, "redis.password"));  // None was given.
  CHECK(folder.text("agents/hz/mysql.password") == setup.secrets.at("mysql_password") + "\n");
  // No secret stands in a file that others may read.
  for (const auto& one : setup.secrets) {
    CAPTURE(one.first);
    CHECK_FALSE(holds(text + folder.text("pointsman.toml"), one.second));
  }
}

TEST_CASE("first setup: nothing is overwritten, and nothing is left by what is wrong") {
  const Folder folder;
  fs::create_directory(folder.path);
  std::ofstream(folder.path + "/credentials.toml") << "mine";
  const auto refused = write_first(folder.path, whole());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(holds(refused.error().message, "/credentials.toml"));
  CHECK(folder.text("credentials.toml") == "mine");
  fs::remove(folder.path + "/credentials.toml");

  FirstSetup wrong = whole();
  wrong.secrets["secret"] = "no base64";
  const auto found = write_first(folder.path, wrong);
  REQUIRE(found.ok());
  REQUIRE_FALSE(found->problems.empty());
  CHECK_FALSE(holds(found->problems.front(), "no base64"));
  CHECK(found->files.empty());
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("first setup: a broken link in the way is there already") {
  const Folder folder;
  fs::create_directory(folder.path);
  fs::create_symlink("/nowhere", folder.path + "/pointsman.toml");
  CHECK(write_first(folder.path, whole()).error().code == ErrorCode::kConflict);
  CHECK_FALSE(fs::exists(folder.path + "/certs"));
}

TEST_CASE("first setup: other providers, IPv6, no agents") {
  FirstSetup setup = whole();
  setup.agents = setup.mysql = setup.redis = false;
  setup.units.clear();
  setup.server.clear();
  setup.sites = {{"hz", "2001:db8::10"}, {"sh", "2001:db8:1::20"}};
  setup.probe = "https://{address}/";
  const std::vector<std::pair<std::string, std::map<std::string, std::string>>> accounts{
      {"cloudflare", {{"api_token", "abcdefghij-klmnopqrst_0123456789ABCDEFGH"}}},
      {"aliyun", {{"access_key_id", "LTAI5tExample"}, {"access_key_secret", "a\"b\\c"}}}};
  for (const auto& account : accounts) {
    CAPTURE(account.first);
    const Folder folder;
    setup.provider = account.first;
    setup.secrets = account.second;
    CHECK(needed_secrets(setup).size() == account.second.size());
    const auto written = write_first(folder.path, setup);
    REQUIRE(written.ok());
    for (const std::string& problem : written->problems) FAIL_CHECK(problem);
    CHECK_FALSE(fs::exists(folder.path + "/agents"));
    CHECK_FALSE(fs::exists(folder.path + "/tsig.key"));
    const auto read = read_monitor_config(folder.path + "/pointsman.toml");
    REQUIRE(read.config.has_value());
    const ServiceSettings& service = read.config->services.front();
    CHECK(service.records.front().type == "AAAA");
    CHECK(service.probes_of(service.sites[1]).front().url == "https://[2001:db8:1::20]/");
  }
}

}  // namespace pointsman
