#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>

// An HTTP server on a port of loopback that says exactly the bytes it is told, or cuts the
// connection: what base/http_server.h rightly cannot. One exchange a connection, one connection at
// a time.

namespace pointsman {

struct BluntRequest {
  std::string method;
  std::string target;                          // As it arrived, not decoded.
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
};

class BluntHttp {
 public:
  // The bytes to send; nullopt: a reset instead of an answer.
  using Script = std::function<std::optional<std::string>(const BluntRequest&)>;

  explicit BluntHttp(Script script, int port = 0) : script_(std::move(script)) {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        listen(listening_, 16) == 0 &&
        getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      port_ = ntohs(address.sin_port);
    }
    thread_ = std::thread([this] { run(); });
  }
  ~BluntHttp() {
    ending_ = true;
    thread_.join();
    close(listening_);
  }
  BluntHttp(const BluntHttp&) = delete;
  BluntHttp& operator=(const BluntHttp&) = delete;

  int port() const { return port_; }  // 0: no port was to be had.
  bool ending() const { return ending_; }

  static std::string answer(int status, const std::string& headers, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) + " Told\r\n" + headers +
           "content-length: " + std::to_string(body.size()) + "\r\nconnection: close\r\n\r\n" +
           body;
  }

 private:
  void run() {
    while (!ending_) {
      if (!readable(listening_)) continue;
      const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      serve(fd);
      close(fd);
    }
  }

  static bool readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return poll(&entry, 1, 20) > 0;
  }

  void serve(int fd) {
    const auto request = receive(fd);
    if (!request) return;
    const auto bytes = script_(*request);
    if (!bytes) {
      const linger at_once{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return;
    }
    for (std::size_t sent = 0; sent < bytes->size() && !ending_;) {
      const ssize_t more = send(fd, bytes->data() + sent, bytes->size() - sent, MSG_NOSIGNAL);
      if (more <= 0) return;
      sent += static_cast<std::size_t>(more);
    }
    // The far side has read all once it closes; closing first could reset what is still on its way.
    shutdown(fd, SHUT_WR);
    char rest = 0;
    for (int k = 0; k < 50 && !ending_; ++k) {
      if (readable(fd) && recv(fd, &rest, 1, 0) <= 0) return;
    }
  }

  std::optional<BluntRequest> receive(int fd) const {
    std::string all;
    std::size_t head = std::string::npos;
    std::size_t wanted = 0;
    while (head == std::string::npos || all.size() < wanted) {
      if (ending_) return std::nullopt;
      if (!readable(fd)) continue;
      char buffer[4096];
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0 || all.size() > (1 << 20)) return std::nullopt;
      all.append(buffer, static_cast<std::size_t>(got));
      if (head != std::string::npos) continue;
      head = all.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const auto request = parsed(all.substr(0, head + 2));
      const auto length = request.headers.find("content-length");
      wanted = head + 4 + (length == request.headers.end() ? 0 : std::stoul(length->second));
    }
    BluntRequest request = parsed(all.substr(0, head + 2));
    request.body = all.substr(head + 4);
    return request;
  }

  static BluntRequest parsed(const std::string& head) {
    BluntRequest out;
    const auto end = head.find("\r\n");
    const auto first = head.find(' ');
    const auto second = head.find(' ', first + 1);
    out.method = head.substr(0, first);
    out.target = head.substr(first + 1, second - first - 1);
    for (std::size_t at = end + 2; at < head.size();) {
      const auto stop = head.find("\r\n", at);
      const auto colon = head.find(':', at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const auto value = head.find_first_not_of(' ', colon + 1);
      out.headers[name] = head.substr(value, value < stop ? stop - value : 0);
      at = stop + 2;
    }
    return out;
  }

  Script script_;
  int listening_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace pointsman
