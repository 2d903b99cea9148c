#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "orchestrator/cli/run.h"
#include "test/config_cases.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

namespace pointsman {
namespace {

struct Ran {
  int exit;
  std::string out, err;
};

Ran run(std::vector<std::string> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in;
  const int exit = run_cli(std::move(arguments), Terminal{out, err, in});
  return {exit, out.str(), err.str()};
}

Ran render(const ConfigFolder& folder, const std::string& config, const std::string& service) {
  return run({"render", "keepalived", service, "--dir", folder.path(), "--config",
              folder.path() + config, "--json"});
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string content_of(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

}  // namespace

TEST_CASE("render keepalived writes a pair that others cannot read") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const Ran ran = render(folder, "keepalived.toml", "im-api");
  const auto json = Json::parse(ran.out);
  REQUIRE(json.ok());
  REQUIRE_EQ(json->array_or_empty("written").size(), 2U);
  // Without keepalived on this host they are written all the same, and it is said.
  const std::string unchecked = json->string_or("unchecked");
  CHECK_EQ(ran.exit, unchecked.empty() ? kExitDone : kExitPartial);
  for (const Json& one : json->array_or_empty("written")) {
    CHECK_EQ(one.bool_or("checked"), unchecked.empty());
    const std::string file = one.string_or("file");
    CHECK_EQ(file, folder.path() + "/im-api-" + one.string_or("site") + ".conf");
    CHECK_FALSE(std::filesystem::exists(file + ".trial"));
    CHECK(holds(content_of(file), "auth_pass n0t-real\n"));
    struct stat status {};
    REQUIRE_EQ(::stat(file.c_str(), &status), 0);
    CHECK_EQ(status.st_mode & 0777, 0600);
  }
  CHECK_FALSE(holds(ran.out + ran.err, "n0t-real"));
}

TEST_CASE("a file that others can read gets no password") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const std::string file = folder.path() + "im-api-hz.conf";
  std::ofstream(file) << "mine\n";
  REQUIRE_EQ(::chmod(file.c_str(), 0644), 0);
  const Ran ran = render(folder, "keepalived.toml", "im-api");
  CHECK_EQ(ran.exit, kExitFailed);
  CHECK(holds(ran.out + ran.err, "chmod 600"));
  CHECK_EQ(content_of(file), "mine\n");
}

TEST_CASE("what cannot be rendered is told with the way out") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  Ran ran = render(folder, "keepalived.toml", "im-web");
  CHECK_EQ(ran.exit, kExitUsage);
  CHECK(holds(ran.out + ran.err, "there is no service"));
  ran = render(folder, "good.toml", "im-api");
  CHECK_EQ(ran.exit, kExitUsage);
  CHECK(holds(ran.out + ran.err, "has no [service.keepalived]"));
  ran = render(folder, "keepalived-wrong.toml", "im-api");
  CHECK_EQ(ran.exit, kExitUsage);
  CHECK(holds(ran.out + ran.err, "router_id: found 256"));
  ran = run({"render", "keepalived"});
  CHECK_EQ(ran.exit, kExitUsage);
  // The section with the password is missing.
  std::filesystem::copy_file(folder.path() + "credentials.toml",
                             folder.path() + "credentials-vrrp.toml",
                             std::filesystem::copy_options::overwrite_existing);
  ran = render(folder, "keepalived.toml", "im-api");
  CHECK_EQ(ran.exit, kExitUsage);
  CHECK(holds(ran.out + ran.err, "there is no [vrrp] with auth_pass"));
}

TEST_CASE("render prometheus writes a file for every job, and says what nobody asks") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const std::vector<std::string> command{"render",
                                         "prometheus",
                                         "--dir",
                                         folder.path(),
                                         "--json",
                                         "--config",
                                         folder.path() + "good.toml"};
  Ran ran = run(command);
  CHECK_EQ(ran.exit, kExitDone);
  const auto json = Json::parse(ran.out);
  REQUIRE(json.ok());
  CHECK_EQ(json->array_or_empty("written").size(), 6U);
  CHECK_EQ(content_of(folder.path() + "mysql.json"),
           R"([{"targets":["192.0.2.10:9104"],"labels":{"site":"hz"}},)"
           R"({"targets":["198.51.100.20:9104"],"labels":{"site":"sh"}}])"
           "\n");
  CHECK_EQ(content_of(folder.path() + "minio.json"), "[]\n");
  CHECK(holds(content_of(folder.path() + "pointsman.json"), "127.0.0.1:8780"));

  auto asked = command;
  asked.insert(asked.end(), {"--jobs", "node,minio"});
  CHECK_EQ(run(asked).exit, kExitDone);
  CHECK_EQ(content_of(folder.path() + "mysql.json"), "[]\n");
  CHECK(holds(content_of(folder.path() + "minio.json"), "198.51.100.20:9000"));
}

TEST_CASE("render prometheus refuses what is not there, with the way out") {
  const ConfigFolder folder(PM_TEST_DATA "/config/monitor");
  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> asked{"render",      "prometheus", "--dir",
                                   folder.path(), "--config",   folder.path() + "good.toml"};
    asked.insert(asked.end(), more.begin(), more.end());
    const Ran ran = run(asked);
    CHECK_EQ(ran.exit, kExitUsage);
    CHECK_FALSE(std::filesystem::exists(folder.path() + "node.json"));
    return ran.out + ran.err;
  };
  CHECK(holds(refused({"--jobs", "node,mongo"}), "there is no job \"mongo\""));
  CHECK(holds(refused({"im-web"}), "there is no service \"im-web\""));
}

}  // namespace pointsman
