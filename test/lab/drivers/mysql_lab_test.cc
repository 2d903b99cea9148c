#include <fmt/format.h>

#include "agent/drivers/drivers.h"
#include "base/clock.h"
#include "test/lab/drivers/servers.h"

#include "test/lab/drivers/must.h"

#include <thread>

// The MySQL driver on real MariaDB servers.

namespace pointsman {
namespace {

using lab::eventually;
using lab::Mariadb;
using lab::now;

// A primary and its replica, with drivers for both.
struct Pair {
  explicit Pair(const std::vector<std::string>& options = {})
      : a(11, options),
        b(12, options),
        at_a(make_mysql_driver(a.agent())),
        at_b(make_mysql_driver(b.agent())) {
    MUST(at_b->follow({a.address()}, 20s));
    REQUIRE(b.value("SELECT @@read_only") == "1");
  }

  void write(int rows) {
    for (int i = 0; i < rows; ++i) a.sql("INSERT INTO d.t (v) VALUES (1)");
  }
  bool caught_up() {
    return eventually(20s, [&] {
      return at_b->contains(at_b->report(1s).executed, at_a->report(1s).executed) == true;
    });
  }
  std::string rows_at_b() { return b.value("SELECT COUNT(*) FROM d.t"); }

  Mariadb a, b;
  std::unique_ptr<Driver> at_a, at_b;
};

}  // namespace

TEST_CASE("mysql: a pair tells its roles, positions and lag") {
  Pair pair;
  pair.write(3);
  CHECK(pair.caught_up());
  const auto a = pair.at_a->report(2s);
  const auto b = pair.at_b->report(2s);
  CHECK(a.liveness == Liveness::kUp);
  CHECK(a.writable);
  CHECK_FALSE(a.replica);
  CHECK(a.executed == "0-11-3");
  CHECK(b.replica);
  CHECK_FALSE(b.writable);
  CHECK(b.source == pair.a.address());
  CHECK(b.receiver_running);
  CHECK(b.applier_running);
  CHECK(b.received == "0-11-3");
  CHECK(b.errant == "");
  CHECK(b.lag.has_value());
  const std::vector<std::string> promotion = {
      "STOP SLAVE IO_THREAD", "-- wait until everything received is applied", "STOP SLAVE",
      "RESET SLAVE ALL", "SET GLOBAL read_only=0"};
  CHECK(pair.at_b->render("promote") == promotion);
  CHECK(pair.at_a->render("fence").back() == "SET GLOBAL read_only=1");
  for (const auto& line : pair.at_b->render("follow")) {
    CHECK(line.find("secret") == std::string::npos);
  }
  CHECK(pair.at_b->render("unfence").back() == "SET GLOBAL read_only=0");
  CHECK(pair.at_a->report(2s).writable);  // Nothing was sent.
  CHECK(pair.at_b->report(2s).receiver_running);
  MUST(pair.at_b->follow({pair.a.address()}, 5s));  // Again: changes nothing.
  CHECK(pair.at_b->report(2s).receiver_running);
  pair.b.sql("STOP SLAVE SQL_THREAD");
  CHECK_FALSE(pair.at_b->report(2s).applier_running);
}

TEST_CASE("mysql: errant writes of a standby are seen") {
  Pair pair;
  pair.write(2);
  CHECK(pair.caught_up());
  pair.b.sql("INSERT INTO d.t (v) VALUES (7)");
  CHECK(pair.at_b->report(2s).errant == "0-12-3");
  const auto followed = pair.at_b->follow({pair.a.address()}, 5s);
  REQUIRE_FALSE(followed.ok());
  CHECK(followed.error().code == ErrorCode::kConflict);
}

TEST_CASE("mysql: a fence ends every client that could write, the mighty too, but no replica") {
  Pair pair;
  MysqlConnection app(pair.a.as("app", "lab-app"));
  MysqlConnection boss(pair.a.as("boss", "lab-boss"));
  REQUIRE(app.run("INSERT INTO d.t (v) VALUES (1)", now() + 5s).ok());
  REQUIRE(boss.run("BEGIN", now() + 5s).ok());
  REQUIRE(boss.run("INSERT INTO d.t (v) VALUES (2)", now() + 5s).ok());
  REQUIRE(app.run("BEGIN", now() + 5s).ok());
  REQUIRE(app.run("INSERT INTO d.t (v) VALUES (3)", now() + 5s).ok());

  const Timed fence;
  MUST(pair.at_a->fence(FenceDepth::kLease, 2s));
  MESSAGE("fence took " << fence.ms() << " ms");
  CHECK(pair.a.value("SELECT @@read_only") == "1");
  CHECK_FALSE(pair.at_a->report(2s).writable);

  // Neither open transaction is acknowledged. (begin: a retry on a fresh connection is no answer.)
  for (MysqlConnection* client : {&app, &boss}) {
    REQUIRE(client->begin("COMMIT", now() + 5s).ok());
    const auto outcome = client->finish(now() + 5s);
    REQUIRE(outcome.has_value());
    CHECK_FALSE(outcome->ok());
  }
  CHECK_FALSE(app.run("INSERT INTO d.t (v) VALUES (4)", now() + 5s).ok());
  CHECK(pair.a.value("SELECT COUNT(*) FROM d.t") == "1");
  CHECK(pair.at_b->report(2s).receiver_running);
  CHECK(pair.caught_up());

  MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
  MUST(pair.at_a->unfence(2s));
  CHECK(app.run("INSERT INTO d.t (v) VALUES (4)", now() + 5s).ok());
}

TEST_CASE("mysql: a fence is not held up by locks, long statements or many clients") {
  Pair pair;
  pair.write(1);
  MysqlConnection boss(pair.a.as("boss", "lab-boss"));
  MysqlConnection slow(pair.a.as("app", "lab-app"));
  REQUIRE(boss.run("LOCK TABLES d.t WRITE", now() + 5s).ok());
  REQUIRE(slow.begin("UPDATE d.t SET v=SLEEP(30)", now() + 5s).ok());
  std::vector<std::unique_ptr<MysqlConnection>> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(std::make_unique<MysqlConnection>(pair.a.as("app", "lab-app")));
    REQUIRE(many.back()->open(now() + 5s).ok());
  }
  const Timed fence;
  MUST(pair.at_a->fence(FenceDepth::kLease, 2s));
  MESSAGE("fence with locks and 100 clients took " << fence.ms() << " ms");
  CHECK(fence.ms() < 1500);
  slow.close();
}

TEST_CASE("mysql: a commit that waits for a semi-sync answer does not hold up a fence") {
  Pair pair({"--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-slave-enabled=1"});
  pair.write(1);
  CHECK(pair.caught_up());
  CHECK(pair.at_a->report(2s).semi_sync);
  CHECK(pair.at_b->report(2s).semi_sync);
  pair.b.process().freeze();
  MysqlConnection app(pair.a.as("app", "lab-app"));
  REQUIRE(app.begin("INSERT INTO d.t (v) VALUES (5)", now() + 5s).ok());
  REQUIRE_FALSE(app.finish(now() + 300ms).has_value());
  const Timed fence;
  MUST(pair.at_a->fence(FenceDepth::kLease, 2s));
  MESSAGE("fence over a semi-sync wait took " << fence.ms() << " ms");
  CHECK(fence.ms() < 1500);
  const auto outcome = app.finish(now() + 5s);
  REQUIRE(outcome.has_value());
  CHECK_FALSE(outcome->ok());
  pair.b.process().thaw();
}

TEST_CASE("mysql: a full server is still fenced") {
  Pair pair({"--max-connections=10"});
  REQUIRE(pair.at_a->report(2s).liveness == Liveness::kUp);
  std::vector<std::unique_ptr<MysqlConnection>> many;
  for (int i = 0; i < 15; ++i) {
    many.push_back(std::make_unique<MysqlConnection>(pair.a.as("app", "lab-app")));
    if (!many.back()->open(now() + 500ms).ok()) break;
  }
  REQUIRE(many.size() < 15);
  CHECK(pair.at_a->report(2s).liveness == Liveness::kUp);
  // Also by an agent that just started and holds no connection yet.
  MUST(make_mysql_driver(pair.a.agent())->fence(FenceDepth::kLease, 2s));
  CHECK_FALSE(pair.at_a->report(2s).writable);
}

TEST_CASE("mysql: a promotion applies everything received") {
  Pair pair;
  pair.write(3);
  CHECK(pair.caught_up());
  pair.b.sql("STOP SLAVE SQL_THREAD");
  pair.write(200);
  REQUIRE(eventually(10s, [&] { return pair.at_b->report(1s).received == "0-11-203"; }));
  pair.a.process().kill_hard();
  SUBCASE("with a standing applier") {}
  SUBCASE("with both threads standing: START SLAVE would discard the relay log") {
    pair.b.sql("STOP SLAVE IO_THREAD");
  }
  SUBCASE("after the server was started again without its threads") {
    pair.b.sql("SHUTDOWN");
    CHECK(eventually(20s, [&] { return pair.at_b->report(1s).liveness == Liveness::kStopped; }));
    pair.b.add_option("--skip-slave-start");
    pair.b.start();
    pair.b.sql("SET GLOBAL read_only=1");
  }
  const Timed promotion;
  MUST(pair.at_b->promote(10s));
  MESSAGE("promotion with 200 writes to apply took " << promotion.ms() << " ms");
  CHECK(pair.rows_at_b() == "203");
  const auto b = pair.at_b->report(2s);
  CHECK(b.writable);
  CHECK_FALSE(b.replica);
  CHECK(b.executed == "0-11-203");
  MUST(pair.at_b->promote(2s));
  pair.b.sql("INSERT INTO d.t (v) VALUES (9)");
  CHECK(pair.at_b->report(2s).executed == "0-12-204");
}

TEST_CASE("mysql: a promotion that cannot apply in time throws nothing away") {
  Pair pair;
  pair.write(1);
  CHECK(pair.caught_up());
  MysqlConnection boss(pair.b.as("boss", "lab-boss"));
  REQUIRE(boss.run("LOCK TABLES d.t WRITE", now() + 5s).ok());
  pair.write(50);
  REQUIRE(eventually(10s, [&] { return pair.at_b->report(1s).received == "0-11-51"; }));
  const Timed promotion;
  const auto late = pair.at_b->promote(400ms);
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == ErrorCode::kTimeout);
  CHECK(promotion.ms() < 700);
  CHECK_FALSE(pair.at_b->report(2s).writable);
  REQUIRE(boss.run("UNLOCK TABLES", now() + 5s).ok());
  MUST(pair.at_b->promote(10s));
  CHECK(pair.rows_at_b() == "51");
}

TEST_CASE("mysql: a planned move waits until what was executed at the fence is applied") {
  Pair pair;
  pair.write(1);
  CHECK(pair.caught_up());
  MysqlConnection boss(pair.b.as("boss", "lab-boss"));
  REQUIRE(boss.run("LOCK TABLES d.t WRITE", now() + 5s).ok());
  pair.write(20);
  MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
  const std::string ended = pair.at_a->report(2s).executed;
  CHECK(ended == "0-11-21");
  // Received is not applied.
  REQUIRE(eventually(
      10s, [&] { return pair.at_b->contains(pair.at_b->report(1s).received, ended) == true; }));
  CHECK(pair.at_b->contains(pair.at_b->report(1s).executed, ended) == false);
  REQUIRE(boss.run("UNLOCK TABLES", now() + 5s).ok());
  REQUIRE(eventually(
      10s, [&] { return pair.at_b->contains(pair.at_b->report(1s).executed, ended) == true; }));
  CHECK(pair.at_a->report(2s).executed == ended);
  MUST(pair.at_b->promote(5s));
  CHECK(pair.rows_at_b() == "21");
  MUST(pair.at_a->follow({pair.b.address()}, 10s));
  CHECK(pair.at_a->report(2s).replica);
  // A position of another history cannot be compared, and is never taken for reached.
  CHECK_FALSE(pair.at_b->contains("0-11-21", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"));
}

TEST_CASE("mysql: a promotion cut off after any statement is completed by the next") {
  for (int cut = 0; cut < 5; ++cut) {
    CAPTURE(cut);
    Pair pair;
    pair.b.sql("STOP SLAVE SQL_THREAD");
    pair.write(20);
    REQUIRE(eventually(10s, [&] { return pair.at_b->report(1s).received == "0-11-20"; }));
    pair.a.process().kill_hard();
    if (cut >= 1) pair.b.sql("STOP SLAVE IO_THREAD");
    if (cut >= 2) {
      const auto status = pair.b.sql("SHOW SLAVE STATUS");
      pair.b.sql(
          fmt::format("CHANGE MASTER TO MASTER_USE_GTID=no, RELAY_LOG_FILE='{}', "
                      "RELAY_LOG_POS={}",
                      status.at(0, "Relay_Log_File"), status.at(0, "Relay_Log_Pos")));
    }
    if (cut >= 3) {
      pair.b.sql("START SLAVE SQL_THREAD");
      CHECK(eventually(10s, [&] { return pair.rows_at_b() == "20"; }));
      pair.b.sql("STOP SLAVE");
    }
    if (cut >= 4) pair.b.sql("RESET SLAVE ALL");
    MUST(make_mysql_driver(pair.b.agent())->promote(10s));
    CHECK(pair.rows_at_b() == "20");
    CHECK(pair.at_b->report(2s).writable);
  }
}

TEST_CASE("mysql: a promotion with a frozen source is quick, semi-sync or not") {
  std::vector<std::string> options;
  SUBCASE("asynchronous") {}
  SUBCASE("semi-synchronous") {
    options = {"--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-slave-enabled=1"};
  }
  Pair pair(options);
  pair.write(5);
  CHECK(pair.caught_up());
  pair.a.process().freeze();
  const Timed promotion;
  MUST(pair.at_b->promote(5s));
  MESSAGE("promotion with a frozen source took " << promotion.ms() << " ms");
  CHECK(promotion.ms() < 1500);
  const Timed first;
  pair.b.sql("INSERT INTO d.t (v) VALUES (9)");
  MESSAGE("first write took " << first.ms() << " ms");
  CHECK(first.ms() < 500);
  pair.a.process().thaw();
}

TEST_CASE("mysql: an old primary follows the new one, unless it holds writes of its own") {
  Pair pair;
  pair.write(5);
  CHECK(pair.caught_up());
  MUST(pair.at_a->fence(FenceDepth::kOrder, 2s));
  MUST(pair.at_b->promote(5s));
  pair.b.sql("INSERT INTO d.t (v) VALUES (2)");
  SUBCASE("it follows") {
    MUST(pair.at_a->follow({pair.b.address()}, 10s));
    CHECK(eventually(10s, [&] { return pair.a.value("SELECT COUNT(*) FROM d.t") == "6"; }));
    CHECK(pair.at_a->report(2s).errant == "");
    // And back again.
    MUST(pair.at_b->fence(FenceDepth::kOrder, 2s));
    MUST(pair.at_a->promote(5s));
    pair.a.sql("INSERT INTO d.t (v) VALUES (3)");
    MUST(pair.at_b->follow({pair.a.address()}, 10s));
    CHECK(eventually(10s, [&] { return pair.rows_at_b() == "7"; }));
  }
  SUBCASE("the same number, another write") {
    pair.a.sql("SET GLOBAL read_only=0");
    pair.a.sql("INSERT INTO d.t (v) VALUES (66)");
    const auto followed = pair.at_a->follow({pair.b.address()}, 10s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kConflict);
    CHECK(followed.error().message.find("0-11-6") != std::string::npos);
    CHECK(pair.a.value("SELECT @@read_only") == "1");
    CHECK_FALSE(pair.at_a->report(2s).replica);
  }
  SUBCASE("a lower number, hidden by those of the new primary") {
    pair.a.sql("INSERT INTO d.t (v) VALUES (66)");
    for (int i = 0; i < 5; ++i) pair.b.sql("INSERT INTO d.t (v) VALUES (3)");
    const auto followed = pair.at_a->follow({pair.b.address()}, 10s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kConflict);
  }
  SUBCASE("the source cannot be asked") {
    pair.b.process().kill_hard();
    const auto followed = pair.at_a->follow({pair.b.address()}, 2s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kUnavailable);
  }
  SUBCASE("the source hangs: other verbs do not wait for long") {
    pair.b.process().freeze();
    const Timed took;
    const auto followed = pair.at_a->follow({pair.b.address()}, 15s);
    REQUIRE_FALSE(followed.ok());
    CHECK(followed.error().code == ErrorCode::kTimeout);
    CHECK(took.ms() < 3000);
    pair.b.process().thaw();
  }
}

TEST_CASE("mysql: a frozen server costs each call its deadline and no more") {
  Pair pair;
  CHECK(pair.at_b->report(2s).liveness == Liveness::kUp);
  const auto each = [&](const char* how) {
    CAPTURE(how);
    const auto timed = [&](const char* verb, const Result<void>& result, const Timed& took) {
      CAPTURE(verb);
      CHECK_FALSE(result.ok());
      CHECK(result.error().code == ErrorCode::kTimeout);
      CHECK(took.ms() >= 200);
      CHECK(took.ms() < 400);
    };
    Timed report;
    CHECK(pair.at_b->report(250ms).liveness == Liveness::kHung);
    CHECK(report.ms() < 450);
    Timed t1;
    timed("fence", pair.at_b->fence(FenceDepth::kLease, 250ms), t1);
    Timed t2;
    timed("promote", pair.at_b->promote(250ms), t2);
    Timed t3;
    timed("unfence", pair.at_b->unfence(250ms), t3);
    Timed t4;
    timed("keep_standby", pair.at_b->keep_standby(250ms), t4);
    Timed t5;
    timed("follow", pair.at_b->follow({pair.a.address()}, 250ms), t5);
  };
  pair.b.process().freeze();
  each("with a kept connection");
  pair.at_b = make_mysql_driver(pair.b.agent());
  each("by a fresh driver");
  MysqlSettings by_tcp = pair.b.agent();
  by_tcp.socket = "";
  by_tcp.host = "127.0.0.1";
  by_tcp.port = pair.b.port();
  pair.at_b = make_mysql_driver(by_tcp);
  each("over TCP");
  pair.b.process().thaw();
  pair.at_b = make_mysql_driver(pair.b.agent());
  CHECK(eventually(10s, [&] { return pair.at_b->report(1s).liveness == Liveness::kUp; }));
}

TEST_CASE("mysql: a stopped server is told from a hung one, and counts as fenced") {
  Mariadb a(11);
  const auto driver = make_mysql_driver(a.agent());
  CHECK(driver->report(2s).liveness == Liveness::kUp);
  a.process().kill_hard();
  CHECK(driver->report(2s).liveness == Liveness::kStopped);
  CHECK(make_mysql_driver(a.agent())->report(2s).liveness == Liveness::kStopped);
  MUST(driver->fence(FenceDepth::kOrder, 2s));
  CHECK_FALSE(driver->promote(2s).ok());
  a.start();
  CHECK(driver->report(2s).liveness == Liveness::kUp);
  // A socket file that was removed does not stop a server.
  a.process().freeze();
  REQUIRE(::unlink(a.agent().socket.c_str()) == 0);
  CHECK(make_mysql_driver(a.agent())->report(300ms).liveness != Liveness::kStopped);
  a.process().thaw();
}

TEST_CASE("mysql: wrong credentials and missing rights are told, without the secret") {
  Mariadb a(11);
  MysqlSettings settings = a.agent();
  settings.password = "not-the-password";
  auto report = make_mysql_driver(settings)->report(2s);
  CHECK(report.liveness == Liveness::kUnknown);
  CHECK(report.detail.find("1045") != std::string::npos);
  CHECK(report.detail.find("not-the-password") == std::string::npos);
  const auto fenced = make_mysql_driver(a.as("app", "lab-app"))->fence(FenceDepth::kLease, 2s);
  REQUIRE_FALSE(fenced.ok());
  CHECK(fenced.error().code == ErrorCode::kRefused);
  CHECK(fenced.error().message.find("CONNECTION ADMIN") != std::string::npos);
}

}  // namespace pointsman
