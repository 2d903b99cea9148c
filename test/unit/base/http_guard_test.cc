#include "base/http_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <thread>
#include <vector>
// What the server does with clients that misbehave, over real sockets.

namespace pointsman {
namespace {

// A bare TCP client.
class Peer {
 public:
  // From 127.0.0.`from`.
  explicit Peer(int port, std::uint32_t from = 1)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from);
    (void)bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool send_text(std::string_view text) {
    while (!text.empty()) {
      const ssize_t done = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (done <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
  }
  // Everything until the server closes, `enough` is in it, or nothing came for `within`.
  std::string receive(std::string_view enough = "\x01", Duration within = 8s) {
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, static_cast<int>(whole_ms(within))) != 1) return all + "<silence>";
      const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
      if (got <= 0) return all + "<end>";
      all.append(buffer.data(), static_cast<std::size_t>(got));
      if (all.find(enough) != std::string::npos) return all;
    }
  }
  bool connected() const { return connected_; }

 private:
  int fd_;
  bool connected_ = false;
};

struct Site {
  HttpServer server;
  std::atomic<int> calls{0};
  std::atomic<int> pieces{0};

  explicit Site(HttpServerOptions options) {
    options.listen = "127.0.0.1:0";
    server.route("POST", "/in", [this](const HttpCall& call) {
      ++calls;
      return HttpReply{.content_type = "text/plain", .body = std::to_string(call.body.size())};
    });
    server.route("GET", "/out", [this](const HttpCall&) {
      ++calls;
      return HttpReply{.content_type = "text/plain", .body = "out"};
    });
    server.route("GET", "/events", [this](const HttpCall&) {
      HttpReply reply{.content_type = "text/event-stream"};
      reply.stream = [this](const std::function<bool(std::string_view)>& write) {
        std::this_thread::sleep_for(20ms);
        ++pieces;
        return write("data: x\n\n");
      };
      return reply;
    });
    server.route("GET", "/count", [](const HttpCall&) {
      HttpReply reply{.content_type = "text/plain"};
      reply.stream = [n = 0](const std::function<bool(std::string_view)>& write) mutable {
        return write(std::to_string(n)) && ++n < 3;
      };
      return reply;
    });
    server.route("GET", "/split", [](const HttpCall&) {
      return HttpReply{.headers = {{"X-A", "b\r\nX-Evil: c"}}};
    });
    REQUIRE(server.start(options).ok());
  }
  std::string answer_to(const std::string& text) {
    Peer peer(server.port());
    peer.send_text(text);
    return peer.receive();
  }
};

bool begins(const std::string& text, const std::string& start) {
  INFO(text.substr(0, 200));
  return text.starts_with(start);
}

const std::string kGet = "GET /out HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST /in HTTP/1.1\r\nHost: a\r\n";

TEST_CASE("http guard: bounds on bytes") {
  Site site({.head_most = 4096, .body_most = 10'000});
  CHECK(begins(site.answer_to("GET /out HTTP/1.1\r\nX: " + std::string(60'000, 'x')),
               "HTTP/1.1 431 "));
  CHECK(begins(site.answer_to(kPost + "Content-Length: 10001\r\n\r\n"), "HTTP/1.1 413 "));
  std::string flood = kPost + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 60; ++i) flood += "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  CHECK(begins(site.answer_to(flood), "HTTP/1.1 413 "));
  CHECK(site.calls == 0);
  const std::string close = "Connection: close\r\n";
  CHECK(site.answer_to(kPost + close + "Content-Length: 10000\r\n\r\n" + std::string(10'000, 'x'))
            .ends_with("\r\n\r\n10000<end>"));
  CHECK(site.answer_to(kPost + close + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .ends_with("\r\n\r\n3<end>"));
}

TEST_CASE("http guard: bounds on time") {
  Site site({.head_within = 300ms, .request_within = 500ms, .idle_most = 300ms});
  Peer dribbler(site.server.port());
  std::thread dribble([&] {
    for (const char c : kGet) {
      if (!dribbler.send_text({&c, 1})) return;
      std::this_thread::sleep_for(50ms);
    }
  });
  const std::string told = dribbler.receive();
  dribble.join();
  CHECK(begins(told, "HTTP/1.1 408 "));
  CHECK(site.answer_to("") == "<end>");  // Says nothing: hung up on.
  CHECK(begins(site.answer_to(kPost + "Content-Length: 5\r\n\r\nab"), "HTTP/1.1 408 "));
  // A kept connection is closed when it idles.
  CHECK(site.answer_to(kGet).ends_with("\r\n\r\nout<end>"));
  CHECK(site.calls == 1);
}

TEST_CASE("http guard: nothing is smuggled") {
  Site site({});
  for (const char* bad : {"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
                          "Content-Length: 3\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                          "Transfer-Encoding: chunked\r\n\r\n0x1\r\n"}) {
    const std::string told = site.answer_to(kPost + bad + kGet);
    CHECK(begins(told, "HTTP/1.1 400 "));
    CHECK(told.find("text/plain") == std::string::npos);
    CHECK(told.ends_with("<end>"));
  }
  CHECK(site.calls == 0);
  // The body of a GET is its body, not the next request.
  const std::string told =
      site.answer_to("GET /out HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: " +
                     std::to_string(kGet.size()) + "\r\n\r\n" + kGet);
  CHECK(site.calls == 1);
  CHECK(told.find("HTTP/1.1", 1) == std::string::npos);
  CHECK(
      site.answer_to("GET /split HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").find("Evil") ==
      std::string::npos);
}

TEST_CASE("http guard: kept connections, pipelines, 100-continue, HTTP/1.0") {
  Site site({});
  Peer peer(site.server.port());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(peer.send_text(kGet));
    CHECK(begins(peer.receive("\r\n\r\nout"), "HTTP/1.1 200 OK\r\n"));
  }
  REQUIRE(peer.send_text(kPost + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  CHECK(peer.receive("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  REQUIRE(peer.send_text("abc" + kGet + kGet));
  const std::string told = peer.receive("nothing more", 500ms);
  INFO(told);
  CHECK(told.find("\r\n\r\n3HTTP/1.1 200") != std::string::npos);
  CHECK(site.calls == 6);
  const std::string old = site.answer_to("GET /out HTTP/1.0\r\n\r\n");
  CHECK(old.ends_with("\r\n\r\nout<end>"));
  CHECK(old.find("Connection: close") != std::string::npos);
  // What the client would like cpp-httplib to do does not reach it.
  const std::string plain = site.answer_to(
      "GET /out HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=0-0\r\n"
      "Accept-Encoding: gzip\r\n\r\n");
  CHECK(begins(plain, "HTTP/1.1 200 OK\r\n"));
  CHECK(plain.ends_with("\r\n\r\nout<end>"));
}

TEST_CASE("http guard: hosts") {
  Site site({.hosts = {"monitor.example", "127.0.0.1", "[::1]"}});
  const auto status = [&](const std::string& host) {
    return site.answer_to("GET /out HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n")
        .substr(9, 3);
  };
  CHECK(status("monitor.example") == "200");
  CHECK(status("Monitor.Example:8780") == "200");
  CHECK(status("127.0.0.1:1") == "200");
  CHECK(status("[::1]:1") == "200");
  CHECK(status("[::1]") == "200");
  CHECK(status("evil.example") == "421");
  CHECK(status("monitor.example.evil") == "421");
  CHECK(status("") == "421");
  CHECK(site.answer_to("GET /out HTTP/1.0\r\n\r\n").substr(9, 3) == "421");
}

TEST_CASE("http guard: bounds on connections") {
  Site site({.connections_per_source = 3});
  {
    Peer one(site.server.port());
    Peer two(site.server.port());
    Peer three(site.server.port());
    for (Peer* peer : {&one, &two, &three}) {
      peer->send_text(kGet);
      CHECK(begins(peer->receive("\r\n\r\nout"), "HTTP/1.1 200"));
    }
    Peer four(site.server.port());
    CHECK(four.receive() == "<end>");
  }
  // Places come back.
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) {
    std::this_thread::sleep_for(10ms);
    served = site.answer_to("GET /out HTTP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n")
                 .ends_with("out<end>");
  }
  CHECK(served);
}

TEST_CASE("http guard: a full server drops the connection that waits longest") {
  Site site({.connections_most = 2});
  Peer old(site.server.port());
  old.send_text(kGet);
  CHECK(begins(old.receive("\r\n\r\nout"), "HTTP/1.1 200"));
  std::this_thread::sleep_for(100ms);
  Peer younger(site.server.port());
  younger.send_text(kGet);
  CHECK(begins(younger.receive("\r\n\r\nout"), "HTTP/1.1 200"));
  Peer early(site.server.port());
  CHECK(early.receive() == "<end>");  // Nobody has waited long enough to be dropped.
  std::this_thread::sleep_for(2s);
  Peer later(site.server.port());
  later.send_text(kGet);
  CHECK(begins(later.receive("\r\n\r\nout"), "HTTP/1.1 200"));
  CHECK(old.receive() == "<end>");
  younger.send_text(kGet);
  CHECK(begins(younger.receive("\r\n\r\nout"), "HTTP/1.1 200"));
}

TEST_CASE("http guard: a few sources cannot keep others out") {
  Site site({.connections_most = 12, .connections_per_source = 6});
  std::list<Peer> slow;
  // One dribbles heads, the other a body: both only wait for their clients.
  for (int i = 0; i < 6; ++i) {
    slow.emplace_back(site.server.port(), 2).send_text("GET /out HTTP/1.1\r\nHo");
    slow.emplace_back(site.server.port(), 3).send_text(kPost + "Content-Length: 9\r\n\r\nab");
  }
  std::this_thread::sleep_for(100ms);
  for (int i = 0; i < 3; ++i) {
    Peer good(site.server.port(), 4);
    good.send_text(kGet);
    CHECK(begins(good.receive("\r\n\r\nout", 4s), "HTTP/1.1 200"));
  }
}

TEST_CASE("http guard: one that does not read its answers gives up its place") {
  Site site({.connections_most = 12, .connections_per_source = 6});
  std::list<Peer> deaf;
  std::string many;
  while (many.size() < 100'000) many += kGet;
  std::vector<std::thread> senders;
  for (int i = 0; i < 12; ++i) {
    Peer& peer = deaf.emplace_back(site.server.port(), 2 + i % 2);
    senders.emplace_back([&] {
      for (int k = 0; k < 400 && peer.send_text(many); ++k) {
      }
    });
  }
  std::this_thread::sleep_for(1s);  // Both directions are full by now.
  for (int i = 0; i < 3; ++i) {
    Peer good(site.server.port(), 4);
    good.send_text(kGet);
    CHECK(begins(good.receive("\r\n\r\nout", 4s), "HTTP/1.1 200"));
  }
  site.server.stop();
  for (std::thread& sender : senders) sender.join();
}

TEST_CASE("http guard: streams are capped, end, and are cut by stop") {
  Site site({.streams_most = 2});
  const std::string get = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  CHECK(site.answer_to("GET /count" + get)
            .ends_with("\r\n\r\n1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n<end>"));
  Peer one(site.server.port());
  Peer two(site.server.port());
  one.send_text("GET /events" + get);
  two.send_text("GET /events" + get);
  CHECK(begins(one.receive("data: x"), "HTTP/1.1 200"));
  CHECK(begins(two.receive("data: x"), "HTTP/1.1 200"));
  CHECK(begins(site.answer_to("GET /events" + get), "HTTP/1.1 503"));
  site.server.stop();
  CHECK(one.receive().ends_with("<end>"));
  const int seen = site.pieces;
  std::this_thread::sleep_for(60ms);
  CHECK(site.pieces == seen);
  CHECK(!Peer(site.server.port()).connected());
}

TEST_CASE("http guard: a stream's place comes back when its client leaves") {
  Site site({.streams_most = 1});
  const std::string get = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";
  {
    Peer one(site.server.port());
    one.send_text(get);
    CHECK(begins(one.receive("data: x"), "HTTP/1.1 200"));
  }
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) {
    std::this_thread::sleep_for(20ms);
    Peer next(site.server.port());
    next.send_text(get);
    served = next.receive("\r\n\r\n").starts_with("HTTP/1.1 200");
  }
  CHECK(served);
}

TEST_CASE("http guard: addresses that cannot be had") {
  HttpServer server;
  CHECK(server.start({.listen = "nonsense"}).error().code == ErrorCode::kInvalid);
  CHECK(server.start({.listen = "localhost:0"}).error().code == ErrorCode::kInvalid);
  CHECK(server.start({.listen = "::1:80"}).error().code == ErrorCode::kInvalid);
  CHECK(server.start({.listen = "192.0.2.77:0"}).error().code == ErrorCode::kUnavailable);
  CHECK(server.start({.listen = "unix:/no/such/folder/x"}).error().code == ErrorCode::kUnavailable);
  CHECK(server.start({.listen = "unix:" + std::string(200, 'x')}).error().code ==
        ErrorCode::kInvalid);
  CHECK(server.start({.listen = "127.0.0.1:0", .cert_file = "/none.pem"}).error().code ==
        ErrorCode::kInvalid);
  REQUIRE(server.start({.listen = "127.0.0.1:0"}).ok());
  HttpServer second;
  const auto taken = second.start({.listen = "127.0.0.1:" + std::to_string(server.port())});
  CHECK(taken.error().code == ErrorCode::kUnavailable);
  CHECK(taken.error().message.find("in use") != std::string::npos);
}

}  // namespace
}  // namespace pointsman
