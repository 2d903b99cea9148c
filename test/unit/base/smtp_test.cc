#include "base/smtp.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

using namespace pointsman;

// What needs a real server (STARTTLS, logins, recipients) is in test/lab/notices_test.py.

namespace {

// Says `greeting` to whoever comes, and `answer` to each line; "" : nothing.
class Speaker {
 public:
  Speaker(std::string greeting, std::string answer)
      : greeting_(std::move(greeting)), answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    listen(listener_, 4);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Speaker() {
    ending_ = true;
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }
  std::string heard() const { return heard_; }  // Once it has ended.

 private:
  bool readable(int fd) const {
    pollfd one{fd, POLLIN, 0};
    while (!ending_) {
      if (poll(&one, 1, 10) > 0) return true;
    }
    return false;
  }
  void run() {
    while (readable(listener_)) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      (void)!send(fd, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
      char part[4096];
      while (readable(fd)) {
        const ssize_t n = recv(fd, part, sizeof part, 0);
        if (n <= 0) break;
        heard_.append(part, static_cast<std::size_t>(n));
        (void)!send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
      close(fd);
    }
  }

  const std::string greeting_, answer_;
  std::string heard_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

SmtpServer server(int port) {
  SmtpServer out;
  out.host = "127.0.0.1";
  out.port = port;
  out.greeting = "example.net";
  out.username = "pointsman";
  out.password = "canary-password";
  return out;
}

const Mail kMail{"pointsman@example.net", {"admin@example.net"}, "Subject: x\r\n\r\nx\r\n"};

}  // namespace

TEST_CASE("smtp: a server without STARTTLS gets neither password nor mail") {
  Speaker speaker("220 here\r\n", "250-here\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000\r\n");
  for (const auto& done :
       {send_mail(server(speaker.port()), kMail, 3s), try_smtp(server(speaker.port()), 3s)}) {
    REQUIRE_FALSE(done.ok());
    CHECK_EQ(done.error().code, ErrorCode::kRefused);
    CHECK_EQ(done.error().message.find("canary"), std::string::npos);
  }
  CHECK_EQ(speaker.heard().find("MAIL"), std::string::npos);
  CHECK_EQ(speaker.heard().find("AUTH"), std::string::npos);
}

TEST_CASE("smtp: who cannot now, who never will, who says nothing, and nobody") {
  const auto code = [](const std::string& greeting, const std::string& answer) {
    Speaker speaker(greeting, answer);
    const auto done = send_mail(server(speaker.port()), kMail, 300ms);
    REQUIRE_FALSE(done.ok());
    return done.error().code;
  };
  CHECK_EQ(code("421 too busy\r\n", ""), ErrorCode::kUnavailable);
  CHECK_EQ(code("554 not you\r\n", ""), ErrorCode::kRefused);
  CHECK_EQ(code("", ""), ErrorCode::kUnavailable);
  CHECK_EQ(code("220 here\r\n", ""), ErrorCode::kUnavailable);
  CHECK_EQ(code("220 here\r\n", std::string(100'000, 'x') + "\r\n"), ErrorCode::kUnavailable);
  CHECK_EQ(send_mail(server(1), kMail, 1s).error().code, ErrorCode::kUnavailable);
}

TEST_CASE("smtp: what would be another command is no address") {
  for (const char* bad : {"", "x", "a@b\r\nRCPT TO:<c@d>", "<a@b>", "a b@c", "a@b@c", "@b", "a@"}) {
    CAPTURE(bad);
    Mail mail = kMail;
    mail.to.push_back(bad);
    CHECK_EQ(send_mail(server(1), mail, 1s).error().code, ErrorCode::kInvalid);
    mail = kMail;
    mail.from = bad;
    CHECK_EQ(send_mail(server(1), mail, 1s).error().code, ErrorCode::kInvalid);
  }
  Mail nobody = kMail;
  nobody.to.clear();
  CHECK_EQ(send_mail(server(1), nobody, 1s).error().code, ErrorCode::kInvalid);
  SmtpServer half = server(1);
  half.password = "";
  CHECK_EQ(send_mail(half, kMail, 1s).error().code, ErrorCode::kInvalid);
}
