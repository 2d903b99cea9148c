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

#include "base/dns_transport.h"
#include "base/dns_wire.h"

// A name server made of lies, on one UDP and one TCP port of loopback, for unit tests.

namespace pointsman {

class FakeDns {
 public:
  // What to send back for a request; over TCP each string goes out as it is, so the length in front
  // is the script's own, and the connection is closed afterwards.
  using Script = std::function<std::vector<std::string>(const std::string& request, bool tcp)>;

  explicit FakeDns(Script script) : script_(std::move(script)) {
    do {
      udp_ = bound(SOCK_DGRAM, 0);
      tcp_ = bound(SOCK_STREAM, port_of(udp_));
      if (tcp_ < 0) close(udp_);  // The port is taken for TCP: try the next.
    } while (tcp_ < 0);
    listen(tcp_, 8);
    thread_ = std::thread([this] { run(); });
  }
  ~FakeDns() {
    ending_ = true;
    thread_.join();
    close(udp_);
    close(tcp_);
  }
  FakeDns(const FakeDns&) = delete;
  FakeDns& operator=(const FakeDns&) = delete;

  DnsEndpoint endpoint() const { return {"127.0.0.1", port_of(udp_)}; }
  int requests() const { return requests_; }

  static std::string framed(const std::string& message) {
    std::string out;
    append_u16(out, static_cast<unsigned>(message.size()));
    return out + message;
  }

  // `request` turned into its answer: QR and AA set, rcode as told, TSIG cut off.
  static std::string answer_to(const std::string& request, Rcode rcode,
                               const std::vector<DnsRecord>& records = {}, bool truncated = false) {
    std::string plain = request;
    const auto shape = scan_message(request).value();
    if (shape.back().type == kDnsTsig) {
      plain.resize(shape.back().begin);
      plain[11] = static_cast<char>(plain[11] - 1);
    }
    DnsMessage message = parse_message(plain).value();
    message.response = message.authoritative = true;
    message.truncated = truncated;
    message.rcode = rcode;
    message.answer = records;
    message.authority.clear();
    return build_message(message).value();
  }

 private:
  static int bound(int type, std::uint16_t port) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }

  static std::uint16_t port_of(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  void run() {
    while (!ending_) {
      pollfd entries[] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      if (poll(entries, 2, 20) <= 0) continue;
      if (entries[0].revents != 0) serve_udp();
      if (entries[1].revents != 0) serve_tcp();
    }
  }

  void serve_udp() {
    std::string buffer(4096, '\0');
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(udp_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0) return;
    ++requests_;
    for (const std::string& one : script_(buffer.substr(0, static_cast<std::size_t>(got)), false)) {
      (void)sendto(udp_, one.data(), one.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  void serve_tcp() {
    const int fd = accept(tcp_, nullptr, nullptr);
    std::string got;
    while (got.size() < 2 || got.size() < read_u16(got, 0) + 2u) {
      char part[4096];
      const ssize_t n = recv(fd, part, sizeof part, 0);
      if (n <= 0) break;
      got.append(part, static_cast<std::size_t>(n));
    }
    if (got.size() > 2) {
      ++requests_;
      for (const std::string& one : script_(got.substr(2), true)) {
        (void)send(fd, one.data(), one.size(), MSG_NOSIGNAL);
      }
    }
    close(fd);
  }

  Script script_;
  int udp_ = -1;
  int tcp_ = -1;
  std::atomic<bool> ending_{false};
  std::atomic<int> requests_{0};
  std::thread thread_;
};

}  // namespace pointsman
