#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "orchestrator/cli/run.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

namespace pointsman {
namespace {

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A folder with a configuration, gone with its scope.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/pm-cli-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path_ + "/" + name) << text;
    REQUIRE(::chmod((path_ + "/" + name).c_str(), mode) == 0);
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

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

// A service without agents, whose failover is slower than its goal when `goal` is small.
std::string config_text(const Folder& folder, const std::string& goal) {
  return "[monitor]\nname = \"monitor-1\"\nstate_dir = \"" + folder.path() +
         "\"\ncredentials = \"" + folder.path() + "/credentials.toml\"\n" + R"(
[provider.corp]
type = "rfc2136"
server = "192.0.2.53:53"

[[service]]
name = "im-api"
rto_goal = ")" +
         goal + R"("
[[service.record]]
provider = "corp"
zone = "example.test"
name = "api.example.test"
type = "A"
[[service.probe]]
type = "http"
url = "http://{address}:8080/health"
[[service.site]]
name = "hz"
address = "192.0.2.10"
[[service.site]]
name = "sh"
address = "198.51.100.20"
)";
}

constexpr const char* kCredentials =
    "[corp]\nkey = \"pointsman-key\"\nalgorithm = \"hmac-sha256\"\nsecret = "
    "\"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=\"\n";

}  // namespace

TEST_CASE("check: every error at once, exit 2") {
  const Folder folder;
  const std::string file = folder.write(
      "pointsman.toml", "[monitor]\nnaem = \"x\"\nmode = \"maybe\"\nbreaker_window = \"1x\"\n");
  const Ran ran = run({"check", "--config", file});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.out, file + ":2:"));
  CHECK(holds(ran.out, "did you mean \"name\"?"));
  CHECK(holds(ran.out, file + ":3:"));
  CHECK(holds(ran.out, file + ":4:"));
  const Ran machine = run({"check", "--config", file, "--json"});
  CHECK(machine.exit == 2);
  auto json = Json::parse(machine.out);
  REQUIRE(json.ok());
  CHECK(!json->bool_or("sound", true));
  const auto& errors = json->array_or_empty("errors");
  REQUIRE(errors.size() >= 3);
  const auto named = [&](const Json& error) {
    return error.string_or("key") == "monitor.naem" && error.int_or("line") == 2;
  };
  CHECK(std::any_of(errors.begin(), errors.end(), named));
}

TEST_CASE("check: a sound file shows the worst case") {
  const Folder folder;
  const std::string file = folder.write("pointsman.toml", config_text(folder, "30s"));
  folder.write("credentials.toml", kCredentials);
  const Ran ran = run({"check", "--config", file});
  CHECK(ran.exit == 0);
  INFO(ran.out);
  CHECK(holds(ran.out, "is sound: 1 service, 1 provider"));
  CHECK(holds(ran.out, "A failover at its slowest"));
  CHECK(holds(ran.out, "im-api   2.5 s"));
  auto json = Json::parse(run({"check", "--config", file, "--json"}).out);
  REQUIRE(json.ok());
  CHECK(json->bool_or("sound"));
  const auto& worst = json->array_or_empty("worst_case");
  REQUIRE(worst.size() == 1);
  CHECK(worst[0].number_or("detection_s") == 2.5);
  CHECK(worst[0].int_or("ttl_s") == 60);
}

TEST_CASE("check: a file that is not there, credentials open to all") {
  const Folder folder;
  const Ran none = run({"check", "--config", folder.path() + "/none.toml"});
  CHECK(none.exit == 2);
  CHECK(holds(none.out, "none.toml"));
  const std::string file = folder.write("pointsman.toml", config_text(folder, "30s"));
  folder.write("credentials.toml", kCredentials, 0644);
  const Ran open = run({"check", "--config", file});
  CHECK(open.exit == 2);
  CHECK(holds(open.out, "chmod"));
  CHECK(!holds(open.out, "c2VjcmV0"));
}

TEST_CASE("notify test: which channels work, in exit codes, text and JSON; a dry run shows all") {
  const Folder folder;
  const std::string bare = folder.write("bare.toml", config_text(folder, "30s"));
  folder.write("credentials.toml", kCredentials);
  Ran ran = run({"notify", "test", "--config", bare});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "has no [[notify]]: nobody would be told"));
  const std::string file =
      folder.write("pointsman.toml", config_text(folder, "30s") +
                                         "[[notify]]\ntype = \"wecom\"\nname = \"chat\"\n"
                                         "endpoint = \"http://127.0.0.1:1\"\n");
  folder.write("credentials.toml",
               std::string(kCredentials) + "[chat]\nkey = \"canary-of-the-robot\"\n");
  ran = run({"notify", "test", "--config", file});
  CHECK(ran.exit == 1);
  CHECK(holds(ran.out, "FAILED  chat (wecom)  POST http://127.0.0.1:1/cgi-bin/webhook/send: "));
  CHECK(!holds(ran.out, "canary"));
  const auto json = Json::parse(run({"notify", "test", "chat", "--config", file, "--json"}).out);
  REQUIRE(json.ok());
  CHECK(!json->array_or_empty("tests").front().bool_or("delivered", true));
  ran = run({"notify", "test", "chta", "--config", file});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "did you mean chat?"));
  ran = run({"notify", "test", "--dry-run", "--config", file});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out,
              "chat (wecom) would send:\n  POST http://127.0.0.1:1/cgi-bin/webhook/send?key=***"));
  CHECK(holds(ran.out, "a test"));
  CHECK(!holds(ran.out, "canary"));
}

TEST_CASE("certs: made, told, never replaced") {
  const Folder folder;
  const std::string ca = folder.path() + "/ca";
  CHECK(run({"certs", "issue", "hz", "--dir", ca}).exit == 1);
  const Ran made = run({"certs", "init", "--dir", ca});
  CHECK(made.exit == 0);
  CHECK(holds(made.out, "wrote " + ca + "/ca.pem\n"));
  CHECK(run({"certs", "init", "--dir", ca}).exit == 1);
  auto json = Json::parse(run({"certs", "issue", "hz", "sh", "--dir", ca, "--json"}).out);
  REQUIRE(json.ok());
  CHECK(json->array_or_empty("written").size() == 4);
  CHECK(run({"certs", "issue", "hz", "--dir", ca}).exit == 1);
  CHECK(run({"certs", "issue", "hz", "--renew", "--dir", ca}).exit == 0);
  CHECK(run({"certs", "issue", "not a name", "--dir", ca}).exit == 2);
}

TEST_CASE("status without a daemon: exit 3, and what the agents say") {
  const Folder folder;
  const std::string file =
      folder.write("pointsman.toml", "[monitor]\nname = \"m\"\ncontrol = \"" + folder.path() +
                                         "/none.sock\"\nnonsense = 1\n");
  const Ran ran = run({"status", "--config", file});
  CHECK(ran.exit == 3);
  CHECK(holds(ran.err, folder.path() + "/none.sock"));
  CHECK(holds(ran.out, "The agents cannot be asked"));
  auto json = Json::parse(run({"status", "--config", file, "--json"}).out);
  REQUIRE(json.ok());
  CHECK(json->find("error")->int_or("exit") == 3);
}

}  // namespace pointsman
