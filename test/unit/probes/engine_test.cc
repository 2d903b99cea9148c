#include "probes/engine.h"

#include <doctest/doctest.h>

#include <set>

#include "test/unit/probes/site.h"

using namespace pointsman;

namespace {

// Watches one target until `count` observations of `outcome`; gives the last detail.
std::string see(const ProbeSpec& spec, Outcome outcome, std::size_t count = 2) {
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  REQUIRE(engine.watch({spec}).ok());
  CHECK(notes.until_count(outcome, count));
  for (const Outcome other : {Outcome::kPass, Outcome::kFail, Outcome::kUnknown}) {
    if (other != outcome) CHECK_EQ(notes.number(other), 0);
  }
  return notes.last_detail();
}

// A port on which nobody listens.
int closed_port() {
  const Site gone([](int) {});
  return gone.port();
}

}  // namespace

TEST_CASE("a site that answers passes, each time on a fresh connection") {
  Site site(answering("200 OK", "well"));
  CHECK_EQ(see(http_spec(site.url()), Outcome::kPass, 4),
           "200 from 127.0.0.1:" + std::to_string(site.port()));
  CHECK_GE(site.accepted(), 4);
}

TEST_CASE("the request names host and path, and closes") {
  std::mutex mutex;
  std::string heard;
  Site site([&](int fd) {
    const std::string head = hear(fd);
    {
      const std::lock_guard lock(mutex);
      heard = head;
    }
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  ProbeSpec spec = http_spec(site.url("/health?deep=1"));
  spec.host = "api.example.test";
  see(spec, Outcome::kPass);
  const std::lock_guard lock(mutex);
  CHECK_EQ(heard.find("GET /health?deep=1 HTTP/1.1\r\n"), 0);
  CHECK_NE(heard.find("\r\nHost: api.example.test\r\n"), std::string::npos);
  CHECK_NE(heard.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_CASE("targets that share handles ask each its own question") {
  std::mutex mutex;
  std::set<std::string> heard;
  Site site([&](int fd) {
    const std::string head = hear(fd);
    const auto host = head.find("Host: ");
    {
      const std::lock_guard lock(mutex);
      heard.insert(head.substr(0, head.find(" HTTP")) + " " +
                   head.substr(host + 6, head.find("\r\n", host) - host - 6));
    }
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  std::vector<ProbeSpec> specs;
  for (const std::string name : {"a", "b", "c"}) {
    specs.push_back(http_spec(site.url("/" + name)));
    specs.back().name = name;
    specs.back().host = name + ".example.test";
  }
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  REQUIRE(engine.watch(specs).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 12));
  REQUIRE(engine.watch({specs[2]}).ok());
  const auto passes = notes.number(Outcome::kPass);
  REQUIRE(notes.until_count(Outcome::kPass, passes + 4));
  CHECK_EQ(notes.number(Outcome::kFail), 0);
  const std::lock_guard lock(mutex);
  CHECK_EQ(heard, std::set<std::string>{"GET /a a.example.test", "GET /b b.example.test",
                                        "GET /c c.example.test"});
}

TEST_CASE("kept connections are used again") {
  Site site(answering("200 OK", "well"));
  ProbeSpec spec = http_spec(site.url());
  spec.keep_alive = true;
  see(spec, Outcome::kPass, 8);
  CHECK_LE(site.accepted(), 4);  // A slow answer lets a second attempt begin beside it.
}

TEST_CASE("a kept connection that the site has closed is no failure") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  ProbeSpec spec = http_spec(site.url());
  spec.keep_alive = true;
  see(spec, Outcome::kPass, 4);
}

TEST_CASE("wrong answers fail") {
  Site site(answering("503 Unavailable", R"({"state":"down"})"));
  CHECK_EQ(see(http_spec(site.url()), Outcome::kFail).find("503 from"), 0);
  ProbeSpec spec = http_spec(site.url());
  spec.expect_status = {503};
  see(spec, Outcome::kPass);
  spec.expect_body = "all well";
  see(spec, Outcome::kFail);
  spec.expect_body.clear();
  spec.expect_json = "state=up";
  CHECK_NE(see(spec, Outcome::kFail).find("\"down\""), std::string::npos);
}

TEST_CASE("redirects are not followed") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
  });
  CHECK_EQ(see(http_spec(site.url()), Outcome::kFail).find("302 from"), 0);
}

TEST_CASE("an answer that dribbles fails in time") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 200; ++i) {
      say(fd, "x");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      char byte = 0;
      if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0) return;
    }
  });
  CHECK_NE(see(http_spec(site.url()), Outcome::kFail).find("no answer from"), std::string::npos);
}

TEST_CASE("an endless body is cut, and its beginning judged") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 200 OK\r\n\r\nmagic word ");
    const std::string block(4096, 'x');
    while (send(fd, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  ProbeSpec spec = http_spec(site.url());
  spec.expect_body = "magic word";
  see(spec, Outcome::kPass);
}

TEST_CASE("an endless head fails") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 200 OK\r\n");
    while (send(fd, "X-Pad: 0123456789012345678901234567890123456789\r\n", 49, MSG_NOSIGNAL) > 0) {
    }
  });
  CHECK_NE(see(http_spec(site.url()), Outcome::kFail).find("head"), std::string::npos);
}

TEST_CASE("garbage fails") {
  Site site([](int fd) {
    hear(fd);
    say(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });
  see(http_spec(site.url()), Outcome::kFail);
}

TEST_CASE("a site that closes without an answer fails") {
  Site site([](int fd) { hear(fd); });
  see(http_spec(site.url()), Outcome::kFail);
}

TEST_CASE("a refused connection fails, by HTTP kept or fresh, and by TCP") {
  const int port = closed_port();
  ProbeSpec spec = http_spec("http://127.0.0.1:" + std::to_string(port) + "/");
  CHECK_NE(see(spec, Outcome::kFail).find("refused"), std::string::npos);
  spec.keep_alive = true;
  CHECK_NE(see(spec, Outcome::kFail).find("refused"), std::string::npos);
  spec.type = "tcp";
  spec.address = "127.0.0.1";
  spec.port = port;
  CHECK_NE(see(spec, Outcome::kFail).find("refused"), std::string::npos);
}

TEST_CASE("a connection is all that TCP asks") {
  Site site(wait_for_end);
  ProbeSpec spec = http_spec("");
  spec.type = "tcp";
  spec.address = "127.0.0.1";
  spec.port = site.port();
  see(spec, Outcome::kPass);
}

TEST_CASE("targets that stay are not disturbed by others that come and go") {
  Site site(answering("200 OK", ""));
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  ProbeSpec stays = http_spec(site.url());
  ProbeSpec goes = http_spec(site.url());
  goes.name = "app/site-b/0";
  REQUIRE(engine.watch({stays, goes}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 4));
  REQUIRE(engine.watch({stays}).ok());
  REQUIRE(notes.until_count(Outcome::kPass, 12));
  std::vector<Instant> starts;
  for (const auto& event : notes.all()) {
    if (event.target == stays.name) starts.push_back(event.started);
  }
  for (std::size_t i = 1; i < starts.size(); ++i) CHECK_LT(starts[i] - starts[i - 1], Duration(1s));
  CHECK_EQ(notes.all().back().target, stays.name);
  CHECK_GT(engine.stats().attempts, 0);
}

TEST_CASE("a set with a wrong target changes nothing") {
  Site site(answering("200 OK", ""));
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  const ProbeSpec good = http_spec(site.url());
  REQUIRE(engine.watch({good}).ok());
  CHECK_EQ(engine.watch({good, good}).error().code, ErrorCode::kInvalid);
  CHECK_FALSE(engine.watch({http_spec("http://nowhere.example.test/")}).ok());
  CHECK(notes.until_count(Outcome::kPass, 2));
}

TEST_CASE("an engine ends with attempts in flight") {
  Site site(wait_for_end);
  const ShiftClock clock;
  Notes notes;
  {
    ProbeEngine engine(clock, notes.sink());
    std::vector<ProbeSpec> many;
    for (int i = 0; i < 20; ++i) {
      many.push_back(http_spec(site.url()));
      many.back().name += std::to_string(i);
      many.back().keep_alive = i % 2 == 0;
    }
    REQUIRE(engine.watch(many).ok());
    while (engine.stats().attempts < 10) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK_LE(notes.number(Outcome::kPass), 0);
}
