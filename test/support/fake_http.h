#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/http.h"
#include "base/text.h"

// A web server made of lies, on one port of loopback, for unit tests: it can answer rightly, late,
// by half, not at all, or break the connection.

namespace pointsman {

struct FakeRequest {
  std::string method;
  std::string target;   // As sent: path and query, not decoded.
  HttpHeaders headers;  // Names in lower case.
  std::string body;

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

struct FakeReply {
  enum class Way {
    kWhole,
    kHalf,    // Half of the body, then the connection is closed.
    kSilent,  // Nothing; the connection stays open.
    kReset,   // Nothing; the connection is reset.
  };
  int status = 200;
  std::string body{};
  std::string content_type = "application/json";
  HttpHeaders headers{};
  Way way = Way::kWhole;
  Duration delay{0};
  std::string raw{};  // When set, goes out instead, as it is; then the connection is closed.
};

class FakeHttp {
 public:
  // Called on the server's thread, one request at a time.
  using Script = std::function<FakeReply(const FakeRequest&)>;

  explicit FakeHttp(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_, 16);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~FakeHttp() { end(); }
  FakeHttp(const FakeHttp&) = delete;
  FakeHttp& operator=(const FakeHttp&) = delete;

  // Nobody listens any more from here on. Again is harmless.
  void end() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
    for (Peer& peer : peers_) close(peer.fd);
    peers_.clear();
    if (listener_ >= 0) close(listener_);
    listener_ = -1;
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int requests() const { return requests_; }

 private:
  struct Peer {
    int fd = -1;
    std::string got;
    bool deaf = false;  // Left unanswered.
  };

  void run() {
    while (!ending_) {
      std::vector<pollfd> entries = {{listener_, POLLIN, 0}};
      for (const Peer& peer : peers_) {
        entries.push_back({peer.deaf ? -1 : peer.fd, POLLIN, 0});
      }
      if (poll(entries.data(), entries.size(), 10) <= 0) continue;
      std::vector<Peer> left;
      for (std::size_t k = 0; k < peers_.size(); ++k) {
        if (entries[k + 1].revents == 0 || serve(peers_[k])) {
          left.push_back(std::move(peers_[k]));
        } else {
          close(peers_[k].fd);
        }
      }
      peers_ = std::move(left);
      if (entries[0].revents != 0) {
        peers_.push_back({accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), "", false});
      }
    }
  }

  // False: close the connection.
  bool serve(Peer& peer) {
    char part[8192];
    const ssize_t n = recv(peer.fd, part, sizeof part, 0);
    if (n <= 0) return false;
    peer.got.append(part, static_cast<std::size_t>(n));
    const std::size_t head = peer.got.find("\r\n\r\n");
    if (head == std::string::npos) return true;
    FakeRequest request = parsed(peer.got.substr(0, head));
    const std::string length = request.header("content-length");
    const std::size_t size = length.empty() ? 0 : std::stoul(length);
    if (peer.got.size() < head + 4 + size) return true;
    request.body = peer.got.substr(head + 4, size);
    peer.got.erase(0, head + 4 + size);
    ++requests_;
    return answer(peer, script_(request));
  }

  static FakeRequest parsed(const std::string& head) {
    FakeRequest out;
    const std::size_t line = head.find("\r\n");
    const std::string first = head.substr(0, line);
    out.method = first.substr(0, first.find(' '));
    out.target = first.substr(first.find(' ') + 1);
    out.target.resize(out.target.rfind(' '));
    for (std::size_t at = line; at != std::string::npos;) {
      const std::size_t next = head.find("\r\n", at + 2);
      const std::string one = head.substr(at + 2, next - at - 2);
      const std::size_t colon = one.find(':');
      if (colon != std::string::npos) {
        out.headers.emplace_back(lowered(one.substr(0, colon)), trimmed(one.substr(colon + 1)));
      }
      at = next;
    }
    return out;
  }

  bool answer(Peer& peer, const FakeReply& reply) {
    for (Duration slept{0}; slept < reply.delay && !ending_; slept += 5ms) {
      std::this_thread::sleep_for(5ms);
    }
    if (reply.way == FakeReply::Way::kSilent) {
      peer.deaf = true;
      return true;
    }
    if (reply.way == FakeReply::Way::kReset) {
      const linger at_once{1, 0};
      setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return false;
    }
    if (!reply.raw.empty()) {
      send_all(peer.fd, reply.raw);
      return false;
    }
    std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " Said\r\n";
    for (const auto& [name, value] : reply.headers) out += name + ": " + value + "\r\n";
    if (reply.status != 204) {
      out += "Content-Type: " + reply.content_type + "\r\n";
      out += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    }
    out += "\r\n";
    const bool half = reply.way == FakeReply::Way::kHalf;
    send_all(peer.fd, out + reply.body.substr(0, half ? reply.body.size() / 2 : std::string::npos));
    return !half;
  }

  void send_all(int fd, const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size() && !ending_) {
      const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::vector<Peer> peers_;
  std::atomic<bool> ending_{false};
  std::atomic<int> requests_{0};
  std::thread thread_;
};

}  // namespace pointsman
