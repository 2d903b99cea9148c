#include "base/http.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

// What an exchange does when its kept connection dies under it: nothing may be sent twice that must
// not be, and what was sent may not be called unsent.

namespace pointsman {
namespace {

// Answers the first request of each connection and breaks the connection at the second.
class Fickle {
 public:
  Fickle() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0);
    REQUIRE(listen(fd_, 8) == 0);
    socklen_t size = sizeof address_;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size);
    thread_ = std::thread([this] { serve(); });
  }
  ~Fickle() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  Fickle(const Fickle&) = delete;
  Fickle& operator=(const Fickle&) = delete;
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)) + "/";
  }
  std::atomic<int> requests{0};
  std::atomic<int> connections{0};
  std::atomic<bool> half{false};  // Break it after half an answer instead.

 private:
  // One whole request (they fit one segment here); false when none came.
  bool take(int client) {
    pollfd ready{client, POLLIN, 0};
    std::array<char, 4096> bytes{};
    if (poll(&ready, 1, 3000) != 1 || recv(client, bytes.data(), bytes.size(), 0) <= 0) {
      return false;
    }
    ++requests;
    return true;
  }
  void serve() {
    for (;;) {
      const int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      ++connections;
      const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      if (take(client)) send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (take(client) && half) send(client, answer.data(), answer.size() - 1, MSG_NOSIGNAL);
      close(client);
    }
  }

  int fd_;
  sockaddr_in address_{};
  std::thread thread_;
};

TEST_CASE("http repeat: what must not be done twice is sent once, and is not called unsent") {
  Fickle site;
  HttpClient client;
  HttpRequest request{.method = "POST", .url = site.url(), .body = "order"};
  CHECK(client.exchange(request, 5s).ok());
  const auto broken = client.exchange(request, 5s);
  REQUIRE(!broken.ok());
  CHECK(broken.error().code == ErrorCode::kTimeout);
  CHECK(site.requests == 2);
  // Without a body, too.
  request.body.clear();
  CHECK(client.exchange(request, 5s).ok());
  CHECK(client.exchange(request, 5s).error().code == ErrorCode::kTimeout);
  CHECK(site.requests == 4);
}

TEST_CASE("http repeat: what may be repeated is, once") {
  Fickle site;
  HttpClient client;
  const HttpRequest get{.url = site.url()};
  CHECK(client.exchange(get, 5s).ok());
  CHECK(client.exchange(get, 5s).ok());
  CHECK(site.connections == 2);
  const HttpRequest post{.method = "POST", .url = site.url(), .body = "poll", .may_repeat = true};
  CHECK(client.exchange(post, 5s).ok());
  CHECK(site.connections == 3);
}

TEST_CASE("http repeat: half an answer is no answer, and nothing is repeated after it") {
  Fickle site;
  site.half = true;
  HttpClient client;
  CHECK(client.exchange({.url = site.url()}, 5s).ok());
  CHECK(client.exchange({.url = site.url()}, 5s).error().code == ErrorCode::kTimeout);
  CHECK(site.connections == 1);
}

}  // namespace
}  // namespace pointsman
