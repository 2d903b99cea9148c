// The commands of the way back: nothing is ordered before host, site, role and number were shown
// and the site's name was typed.

#include <stdlib.h>

#include <filesystem>
#include <mutex>
#include <sstream>

#include "base/http_server.h"
#include "orchestrator/cli/run.h"
#include "orchestrator/cli/views.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

namespace pointsman {
namespace {

constexpr const char* kServices = R"({"monitor":{"restart_harmless":true},"services":[
 {"name":"im-api","phase":"steady","epoch":7,"primary":"sh","published":"sh","writable":"sh",
  "vouched_by":["monitor"],"lease_s":2.7,"failback":{"to":"hz","ready":false,
  "reason":"hz is no standby that has caught up","stable_s":0},
  "sites":[{"name":"hz","verdict":"up","role":"fenced","host":"db1.hz","agent":"up"},
           {"name":"sh","verdict":"up","role":"primary","host":"db1.sh","agent":"up"}]}]})";
constexpr const char* kPlan = R"({"plan":{"service":"im-api","kind":"rejoin","outcome":"dry-run",
 "from":"sh","to":"hz","epoch":7,"diverged":true,"refused_by":null,"gates":[],"steps":[
 {"name":"survey","state":"done","detail":"","writes":["hz: diverged: mysql: 0-101-4..7"]},
 {"name":"export","state":"waiting","detail":"what only hz holds is written down on its host"}]}})";
constexpr const char* kRunning = R"({"id":"m-2","service":"im-api","kind":"rejoin",
 "outcome":"running","from":"sh","to":"hz","took_s":2,"progress":{"done":50,"total":200},
 "steps":[{"name":"copy","state":"running","detail":"mysql: 1.0 of 4.0 MiB, 25 %"}]})";
constexpr const char* kEnded = R"({"id":"m-2","service":"im-api","kind":"rejoin",
 "outcome":"refused","from":"sh","to":"hz","took_s":3,"reason":"hz holds what sh never had",
 "steps":[{"name":"survey","state":"done","detail":""}]})";

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Daemon {
 public:
  Daemon() {
    char name[] = "/tmp/pm-cli-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    get("/api/v1/services", kServices);
    get("/api/v1/services/im-api/explain",
        R"({"service":"im-api","to":"hz","kind":"switchover","gates":[]})");
    server_.route("GET", "/api/v1/moves/{id}", [](const HttpCall&) { return answer(kEnded); });
    for (const char* verb : {"rejoin", "failback"}) {
      server_.route("POST", std::string("/api/v1/services/{service}/") + verb,
                    [this](const HttpCall& call) {
                      if (holds(call.body, "dry_run")) return answer(kPlan);
                      const std::lock_guard lock(mutex_);
                      orders_.push_back(call.body);
                      return answer(R"({"move":"m-2","text":"has begun"})", 202);
                    });
    }
    HttpServerOptions options;
    options.listen = "unix:" + folder_ + "/control.sock";
    REQUIRE(server_.start(options).ok());
  }
  ~Daemon() {
    server_.stop();
    std::filesystem::remove_all(folder_);
  }

  struct Ran {
    int exit;
    std::string out, err;
  };
  Ran run(std::vector<std::string> arguments, const std::string& typed = "", bool sits = false) {
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in(typed);
    Terminal terminal{out, err, in};
    terminal.in_is_terminal = sits;
    arguments.insert(arguments.end(), {"--control", folder_ + "/control.sock"});
    const int exit = run_cli(std::move(arguments), terminal);
    return {exit, out.str(), err.str()};
  }
  std::vector<std::string> orders() {
    const std::lock_guard lock(mutex_);
    return orders_;
  }

 private:
  static HttpReply answer(const std::string& body, int status = 200) {
    HttpReply reply;
    reply.status = status;
    reply.body = body;
    return reply;
  }
  void get(const std::string& path, const char* body) {
    server_.route("GET", path, [body](const HttpCall&) { return answer(body); });
  }

  std::string folder_;
  std::mutex mutex_;
  std::vector<std::string> orders_;
  HttpServer server_;
};

}  // namespace

TEST_CASE("rejoin shows host, site, role, number and survey, and asks for the site's name") {
  Daemon daemon;
  auto ran = daemon.run({"rejoin", "im-api", "hz", "--discard-divergent"}, "sh\n", true);
  CHECK(ran.exit == 1);
  CHECK(holds(ran.err, "not confirmed"));
  CHECK(daemon.orders().empty());
  for (const char* shown : {"site    hz", "host    db1.hz", "role    fenced",
                            "epoch   7, in power: sh", "diverged: mysql: 0-101-4..7",
                            "loss    all that hz holds is replaced", "Type hz to go on"}) {
    CHECK_MESSAGE(holds(ran.out, shown), shown, " in ", ran.out);
  }
  ran = daemon.run({"rejoin", "im-api", "hz", "--discard-divergent"}, "hz\n", true);
  CHECK(ran.exit == 4);
  CHECK(holds(ran.out, "Refused after 3.0 s: hz holds what sh never had"));
  CHECK(daemon.orders() == std::vector<std::string>{R"({"site":"hz","discard_divergent":true})"});
}

TEST_CASE("rejoin without a terminal needs --yes; a wrong site is told with the known ones") {
  Daemon daemon;
  CHECK(daemon.run({"rejoin", "im-api", "hz"}).exit == 2);
  CHECK(daemon.run({"rejoin", "im-api", "hz", "--json"}, "hz\n", true).exit == 2);
  auto ran = daemon.run({"rejoin", "im-api", "h", "--yes"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "did you mean hz?"));
  CHECK(daemon.orders().empty());
  ran = daemon.run({"rejoin", "im-api", "hz", "--dry-run"});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out, "diverged: mysql: 0-101-4..7"));
  CHECK(daemon.orders().empty());
  ran = daemon.run({"rejoin", "im-api", "hz", "--yes", "--reason", "after the fire"});
  CHECK(ran.exit == 4);
  CHECK(daemon.orders() == std::vector<std::string>{R"({"site":"hz","reason":"after the fire"})"});
}

TEST_CASE("failback shows the plan of a planned move, and why it is early") {
  Daemon daemon;
  const auto ran = daemon.run({"failback", "im-api"}, "sh\n", true);
  CHECK(ran.exit == 1);
  CHECK(holds(ran.out, "Failback of im-api: sh -> hz"));
  CHECK(holds(ran.out, "stable  hz is no standby that has caught up"));
  CHECK(daemon.orders().empty());
  CHECK(daemon.run({"failback", "im-api", "--yes"}).exit == 4);
  CHECK(daemon.orders() == std::vector<std::string>{"{}"});
}

TEST_CASE("what is copied is shown as a bar") {
  const auto move = Json::parse(kRunning);
  REQUIRE(move.ok());
  const std::string text = move_text(*move, 0, Paint(false));
  CHECK(holds(text, "mysql: 1.0 of 4.0 MiB"));
  CHECK(holds(text, "[#######-----------------------]  25 %"));
}

}  // namespace pointsman
