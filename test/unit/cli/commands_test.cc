#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/http_server.h"
#include "orchestrator/cli/run.h"
#include "test/unit/cli/canned.h"

// After ours: both have a CHECK.
#include <doctest/doctest.h>

namespace pointsman {
namespace {

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

HttpReply reply(std::string_view body, int status = 200) {
  HttpReply answer;
  answer.status = status;
  answer.body = std::string(body);
  return answer;
}

// A daemon that answers from cans and notes what it was asked to do.
class FakeDaemon {
 public:
  FakeDaemon() {
    char name[] = "/tmp/pm-cli-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    const auto get = [this](const std::string& path, std::string_view body) {
      server_.route("GET", path, [body](const HttpCall&) { return reply(body); });
    };
    get("/api/v1/services", canned::kServices);
    get("/api/v1/services/im-api/explain", canned::kExplain);
    get("/api/v1/history/verify", R"({"sound":true,"entries":12,"problem":""})");
    server_.route("GET", "/api/v1/history", [this](const HttpCall& call) {
      note("limit=" + call.parameter("limit") + " service=" + call.parameter("service"), "");
      return reply(canned::kHistory);
    });
    server_.route("GET", "/api/v1/moves/{id}", [this](const HttpCall& call) {
      if (call.parameter("id") != "m-2") return problem(404, "Not found", "no such move");
      return reply(polls_++ < runs_for ? canned::kMoveRuns : end_with);
    });
    for (const char* verb :
         {"failover", "switchover", "adopt", "cancel", "pause", "resume", "ack"}) {
      server_.route("POST", std::string("/api/v1/services/{service}/") + verb,
                    [this, verb](const HttpCall& call) {
                      note(call.parameter("service") + " " + verb, call.body);
                      return order(call.parameter("service"));
                    });
      server_.route("POST", std::string("/api/v1/") + verb, [this, verb](const HttpCall& call) {
        note(verb, call.body);
        return order_answer;
      });
    }
  }
  ~FakeDaemon() {
    server_.stop();
    std::filesystem::remove_all(folder_);
  }

  void start() {
    HttpServerOptions options;
    options.listen = "unix:" + socket();
    const auto started = server_.start(options);
    INFO((started.ok() ? std::string() : started.error().message));
    REQUIRE(started.ok());
  }

  std::string socket() const { return folder_ + "/control.sock"; }
  const std::string& folder() const { return folder_; }
  std::vector<std::string> orders() {
    const std::lock_guard lock(mutex_);
    return orders_;
  }

  // Set before start().
  HttpReply order_answer = reply(R"({"text":"im-api is held until resumed."})");
  int runs_for = 2;
  std::string_view end_with = canned::kMoveDone;

 private:
  HttpReply order(const std::string& service) {
    if (service != "im-api") return problem(404, "Not found", "no such service");
    return order_answer;
  }
  void note(const std::string& what, const std::string& body) {
    const std::lock_guard lock(mutex_);
    orders_.push_back(body.empty() ? what : what + " " + body);
  }

  std::string folder_;
  std::mutex mutex_;
  std::vector<std::string> orders_;
  std::atomic<int> polls_{0};
  HttpServer server_;
};

struct Ran {
  int exit;
  std::string out, err;
};

struct Typed {
  std::string input;
  bool terminal = false;
};

Ran run(FakeDaemon& daemon, std::vector<std::string> arguments, const Typed& typed = {}) {
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in(typed.input);
  Terminal terminal{out, err, in};
  terminal.in_is_terminal = typed.terminal;
  arguments.push_back("--control");
  arguments.push_back(daemon.socket());
  const int exit = run_cli(std::move(arguments), terminal);
  return {exit, out.str(), err.str()};
}

HttpReply refusal() {
  return reply(R"({"title":"Refused","status":409,"gate":"replication",
                   "detail":"applier not running since 12 s"})",
               409);
}

}  // namespace

TEST_CASE("status: text, JSON as it came, one service, an unknown one") {
  FakeDaemon daemon;
  daemon.start();
  Ran ran = run(daemon, {"status"});
  CHECK(ran.exit == 0);
  CHECK(ran.err.empty());
  CHECK(holds(ran.out, "im-api  hz is writable, vouched for by monitor and sh"));
  CHECK(!holds(ran.out, "\x1b"));

  ran = run(daemon, {"status", "--json"});
  CHECK(ran.exit == 0);
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 1);
  auto json = Json::parse(ran.out);
  REQUIRE(json.ok());
  CHECK(*json == *Json::parse(canned::kServices));

  json = Json::parse(run(daemon, {"status", "mail", "--json"}).out);
  REQUIRE(json.ok());
  CHECK(json->array_or_empty("services").size() == 1);
  CHECK(json->find("monitor") != nullptr);

  ran = run(daemon, {"status", "im-apo"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "there is no service \"im-apo\""));
  CHECK(holds(ran.err, "im-api and mail"));
}

TEST_CASE("complete: names for the shell, silence on failure") {
  FakeDaemon daemon;
  CHECK(run(daemon, {"complete", "services"}).err.empty());
  daemon.start();
  CHECK(run(daemon, {"complete", "services"}).out == "im-api\nmail\n");
  CHECK(run(daemon, {"complete", "sites", "im-api"}).out == "hz\nsh\n");
  CHECK(run(daemon, {"complete", "gates", "im-api"}).out == "mode\nheld\nleader\nreplication\n");
  CHECK(run(daemon, {"complete", "sites", "im-apo"}).out.empty());
}

TEST_CASE("explain: table, JSON, an unknown service") {
  FakeDaemon daemon;
  daemon.start();
  CHECK(holds(run(daemon, {"explain", "im-api"}).out, "replication  SHUT   applier not running"));
  auto json = Json::parse(run(daemon, {"explain", "im-api", "--json"}).out);
  REQUIRE(json.ok());
  CHECK(*json == *Json::parse(canned::kExplain));
  const Ran ran = run(daemon, {"explain", "im-apo"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "did you mean im-api?"));
}

TEST_CASE("history: lines, objects, the query, the chain") {
  FakeDaemon daemon;
  daemon.start();
  CHECK(holds(run(daemon, {"history"}).out, "decision suspect: 2 failed probes"));
  const Ran ran = run(daemon, {"history", "im-api", "--limit", "7", "--json"});
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 3);
  CHECK(daemon.orders().back() == "limit=7 service=im-api");
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) CHECK(Json::parse(line).ok());
  const Ran chain = run(daemon, {"history", "--verify"});
  CHECK(chain.exit == 0);
  CHECK(chain.out == "The journal is sound: 12 entries.\n");
}

TEST_CASE("a daemon that is not there: where, why and what to try") {
  FakeDaemon daemon;
  Ran ran = run(daemon, {"explain", "im-api"});
  CHECK(ran.exit == 3);
  CHECK(holds(ran.err, daemon.socket() + ": there is no such socket"));
  CHECK(holds(ran.err, "systemctl status pointsmand"));
  ran = run(daemon, {"explain", "im-api", "--json"});
  auto json = Json::parse(ran.out);
  REQUIRE(json.ok());
  REQUIRE(json->find("error") != nullptr);
  CHECK(json->find("error")->string_or("code") == "unreachable");
  CHECK(json->find("error")->int_or("exit") == 3);
  // A socket that nobody listens on is what a killed daemon leaves.
  { daemon.start(); }
  std::filesystem::rename(daemon.socket(), daemon.folder() + "/old");
  std::ofstream(daemon.socket()).close();
  CHECK(holds(run(daemon, {"explain", "im-api"}).err, "nobody listens"));
  std::filesystem::remove(daemon.socket());
}

TEST_CASE("the socket is found by the configuration, even by one with mistakes elsewhere") {
  FakeDaemon daemon;
  daemon.start();
  const std::string config = daemon.folder() + "/pointsman.toml";
  std::ofstream(config) << "[monitor]\ncontrol = \"" << daemon.socket() << "\"\nnonsense = 1\n";
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in;
  const Terminal terminal{out, err, in};
  CHECK(run_cli({"status", "--config", config}, terminal) == 0);
  CHECK(run_cli({"status", "--config", daemon.folder() + "/none.toml"}, terminal) == 2);
  CHECK(holds(err.str(), "none.toml"));
}

TEST_CASE("failover: never without a confirmation") {
  FakeDaemon daemon;
  daemon.order_answer = reply(R"({"move":"m-2"})", 202);
  daemon.start();
  Ran ran = run(daemon, {"failover", "im-api"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "standard input is no terminal"));
  CHECK(run(daemon, {"failover", "im-api", "--json"}, {"sh\n", true}).exit == 2);
  for (const char* typed : {"", "\n", "hz\n", "yes\n", "SH\n"}) {
    ran = run(daemon, {"failover", "im-api"}, {typed, true});
    CHECK(ran.exit == 1);
    CHECK(holds(ran.err, "nothing was done"));
  }
  CHECK(daemon.orders().empty());
}

TEST_CASE("failover: plan, confirmation, progress, outcome") {
  FakeDaemon daemon;
  daemon.order_answer = reply(R"({"move":"m-2"})", 202);
  daemon.start();
  const Ran ran = run(daemon, {"failover", "im-api", "--force", "replication"}, {"sh\n", true});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out, "Failover of im-api: hz -> sh\n  time    about 3.9 s"));
  CHECK(holds(ran.out, "sh is 0.2 s behind"));
  CHECK(holds(ran.out, "held         not asked of an operator"));
  CHECK(holds(ran.out, "replication  overridden by --force"));
  CHECK(holds(ran.out, "hz is up: it will be fenced"));
  CHECK(holds(ran.out, "Type sh to go on: "));
  CHECK(holds(ran.out, "fence running: lease ends in 2.1 s\n"));
  CHECK(holds(ran.out, "promote done: mysql, redis\n"));
  CHECK(holds(ran.out, "Done in 3.9 s: sh is the primary of im-api.\n  lost: writes 3"));
  CHECK(daemon.orders() ==
        std::vector<std::string>{R"(im-api failover {"force":["replication"]})"});
}

TEST_CASE("switchover: steps, time, loss, confirmation, a time of day") {
  FakeDaemon daemon;
  daemon.order_answer = reply(R"({"text":"the switchover to sh begins by itself"})");
  daemon.start();
  Ran ran = run(daemon, {"switchover", "im-api", "--to", "sh"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "switchover asks for a confirmation"));
  ran = run(daemon, {"switchover", "im-api", "--to", "sh", "--force", "fence"}, {"sh\n", true});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "cannot be overridden"));
  ran = run(daemon, {"switchover", "im-api", "--to", "sh", "--at", "half past"}, {"sh\n", true});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "is no time such as 03:30"));
  CHECK(daemon.orders().empty());
  ran = run(daemon, {"switchover", "im-api", "--to", "sh", "--at", "2026-11-28T03:30:00+08:00"},
            {"sh\n", true});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out, "Switchover of im-api: hz -> sh, at 2026-11-28T03:30:00+08:00\n  steps"));
  CHECK(holds(ran.out, "hz takes no more writes; where it ended is noted"));
  CHECK(holds(ran.out, "in which nobody takes writes"));
  CHECK(holds(ran.out, "loss    none"));
  CHECK(holds(ran.out, "begins by itself"));
  CHECK(daemon.orders() == std::vector<std::string>{
                               R"(im-api switchover {"to":"sh","at":"2026-11-27T19:30:00.000Z"})"});
}

TEST_CASE("failover: the exit code tells how it ended") {
  struct Case {
    std::string from, to;
    int exit;
  };
  for (const Case& one : {Case{"done", "done", 0}, Case{"done", "partial", 5},
                          Case{"done", "failed", 1}, Case{"done", "voided", 1}}) {
    FakeDaemon daemon;
    daemon.order_answer = reply(R"({"move":"m-2"})", 202);
    std::string end(canned::kMoveDone);
    end.replace(end.find(R"("outcome":"done")"), 16, R"("outcome":")" + one.to + "\"");
    daemon.end_with = end;
    daemon.start();
    const Ran ran = run(daemon, {"failover", "im-api", "--yes", "--json"});
    CHECK(ran.exit == one.exit);
    auto json = Json::parse(ran.out);
    REQUIRE(json.ok());
    CHECK(json->string_or("outcome") == one.to);
  }
}

TEST_CASE("failover: a refusal names the gate") {
  FakeDaemon daemon;
  daemon.order_answer = refusal();
  daemon.start();
  Ran ran = run(daemon, {"failover", "im-api", "--yes"});
  CHECK(ran.exit == 4);
  CHECK(holds(ran.err, "refused by the gate replication: applier not running since 12 s"));
  ran = run(daemon, {"failover", "im-api", "--yes", "--json"});
  auto json = Json::parse(ran.out);
  REQUIRE(json.ok());
  CHECK(json->find("error")->string_or("gate") == "replication");
  CHECK(json->find("error")->int_or("exit") == 4);
}

TEST_CASE("failover: forces that cannot be are refused here") {
  FakeDaemon daemon;
  daemon.start();
  Ran ran = run(daemon, {"failover", "im-api", "--yes", "--force", "leader"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "cannot be overridden"));
  ran = run(daemon, {"failover", "im-api", "--yes", "--force", "replicaton"});
  CHECK(ran.exit == 2);
  CHECK(holds(ran.err, "did you mean replication?"));
  CHECK(daemon.orders().empty());
}

TEST_CASE("failover: a dry run asks nothing and says what would be written") {
  FakeDaemon daemon;
  const std::string plan = R"({"plan":)" + std::string(canned::kMoveDone) + "}";
  daemon.order_answer = reply(plan);
  daemon.start();
  const Ran ran = run(daemon, {"failover", "im-api", "--dry-run", "--to", "sh"});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out, "  sh: STOP SLAVE\n"));
  CHECK(daemon.orders() ==
        std::vector<std::string>{R"(im-api failover {"to":"sh","dry_run":true})"});
}

TEST_CASE("failover: following ends after --wait, the move does not") {
  FakeDaemon daemon;
  daemon.order_answer = reply(R"({"move":"m-2"})", 202);
  daemon.runs_for = 1000000;
  daemon.start();
  const Ran ran = run(daemon, {"failover", "im-api", "--yes", "--wait", "300ms"});
  CHECK(ran.exit == 5);
  CHECK(holds(ran.err, "The move m-2 goes on without us"));
  CHECK(holds(ran.err, "pointsman cancel im-api"));
}

TEST_CASE("orders: what is sent, what is said") {
  FakeDaemon daemon;
  daemon.start();
  const Ran ran = run(daemon, {"pause", "im-api", "--for", "10m", "--reason", "new kernel"});
  CHECK(ran.exit == 0);
  CHECK(ran.out == "im-api is held until resumed.\n");
  CHECK(run(daemon, {"pause", "--all"}).exit == 0);
  CHECK(run(daemon, {"resume", "--all"}).exit == 0);
  CHECK(run(daemon, {"resume", "im-api"}).exit == 0);
  CHECK(run(daemon, {"ack", "im-api"}).exit == 0);
  CHECK(run(daemon, {"cancel", "im-api"}).exit == 0);
  CHECK(
      run(daemon, {"adopt", "im-api", "--primary", "hz", "--assert-off", "sh", "--reason", "burnt"})
          .exit == 0);
  CHECK(daemon.orders() ==
        std::vector<std::string>{
            R"(im-api pause {"for":"10m","reason":"new kernel"})", "pause {}", "resume {}",
            "im-api resume {}", "im-api ack {}", "im-api cancel {}",
            R"(im-api adopt {"primary":"hz","assert_off":"sh","reason":"burnt"})"});
  const Ran unknown = run(daemon, {"ack", "im-apo"});
  CHECK(unknown.exit == 2);
  CHECK(holds(unknown.err, "did you mean im-api?"));
}

TEST_CASE("an order that leads to a move is followed") {
  FakeDaemon daemon;
  daemon.order_answer = reply(R"({"move":"m-2"})", 202);
  daemon.start();
  const Ran ran = run(daemon, {"adopt", "im-api", "--primary", "sh"});
  CHECK(ran.exit == 0);
  CHECK(holds(ran.out, "Done in 3.9 s"));
}

TEST_CASE("answers that are no JSON, or of another server, are told") {
  FakeDaemon daemon;
  daemon.order_answer = reply("<html>nginx</html>");
  daemon.start();
  const Ran ran = run(daemon, {"ack", "im-api"});
  CHECK(ran.exit == 1);
  CHECK(holds(ran.err, "no JSON in the answer"));
  CHECK(holds(ran.err, "is that the control socket of pointsmand?"));
}

TEST_CASE("watch without a terminal prints changes and ends on a signal") {
  FakeDaemon daemon;
  daemon.start();
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in;
  std::atomic<bool> stopped{false};
  Terminal terminal{out, err, in};
  terminal.stopped = &stopped;
  std::thread signal([&] {
    ::usleep(1500000);
    stopped = true;
  });
  CHECK(run_cli({"status", "im-api", "--watch", "--control", daemon.socket()}, terminal) == 0);
  signal.join();
  const std::string text = out.str();
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(
      holds(text, "im-api: steady, epoch 3, primary hz, published hz, writable hz, hz up, sh up"));
}

}  // namespace pointsman
