#include "base/dns_transport.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/descriptor.h"
#include "base/dns_wire.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr int kUdpSends = 3;
constexpr Duration kUdpFirstWait = 400ms;  // Doubled with each send; lost packets are rare.
constexpr unsigned kTruncatedBit = 0x0200;

std::string errno_text() { return std::generic_category().message(errno); }

// One exchange with one server: what to say, to whom, until when.
struct Exchange {
  const DnsEndpoint& server;
  std::string_view request;
  Instant deadline;

  Error unsent(std::string_view why) const {
    return {ErrorCode::kUnavailable, fmt::format("DNS server {}: {}", server.text(), why)};
  }
  Error unknown(std::string_view why) const {
    return {ErrorCode::kTimeout, fmt::format("DNS server {}: {}", server.text(), why)};
  }
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

std::optional<Address> address_of(const DnsEndpoint& endpoint) {
  Address out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  if (inet_pton(AF_INET, endpoint.ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    out.size = sizeof *v4;
    return out;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET6, endpoint.ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    out.size = sizeof *v6;
    return out;
  }
  return std::nullopt;
}

// Waits until `fd` is ready for `events` (or has failed); false at the deadline.
bool wait_ready(int fd, short events, Instant deadline) {
  while (true) {
    const Duration left = deadline - system_clock().now();
    if (left <= 0ns) return false;
    pollfd entry{fd, events, 0};
    // Rounded up, so that the last fraction of a millisecond does not spin.
    const auto ms = static_cast<int>(std::min<std::int64_t>(whole_ms(left) + 1, 1 << 20));
    const int ready = poll(&entry, 1, ms);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // The call that follows reports it.
  }
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

Result<std::string> receive_udp(const Exchange& e, int fd, Instant until) {
  std::string buffer(kDnsMessageMost, '\0');
  while (wait_ready(fd, POLLIN, until)) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (would_block()) continue;
      if (errno == ECONNREFUSED) return e.unsent("nobody listens there");
      return e.unknown("receiving: " + errno_text());
    }
    const auto answer = std::string_view(buffer).substr(0, static_cast<std::size_t>(got));
    // Anything else is a stray or a forgery: keep waiting for the real one.
    if (dns_answers(e.request, answer)) return std::string(answer);
  }
  return e.unknown("no answer");
}

Result<std::string> exchange_udp(const Exchange& e, const Address& address) {
  const Descriptor socket(
      ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return Error{ErrorCode::kInternal, "UDP socket: " + errno_text()};
  // Connected: the kernel drops what comes from any other address, and tells of a closed port.
  if (connect(socket.get(), address.get(), address.size) != 0) return e.unsent(errno_text());
  Duration wait = kUdpFirstWait;
  for (int sends = 1;; ++sends, wait *= 2) {
    const Instant now = system_clock().now();
    if (now >= e.deadline) return e.unknown("no answer");
    if (send(socket.get(), e.request.data(), e.request.size(), MSG_NOSIGNAL) < 0 &&
        !would_block()) {
      return e.unsent("sending: " + errno_text());
    }
    const Instant until = sends == kUdpSends ? e.deadline : std::min(e.deadline, now + wait);
    auto answer = receive_udp(e, socket.get(), until);
    if (answer.ok() || answer.error().code != ErrorCode::kTimeout || until == e.deadline) {
      return answer;
    }
  }
}

Result<void> connect_tcp(const Exchange& e, const Address& address, int fd) {
  if (connect(fd, address.get(), address.size) == 0) return {};
  if (errno != EINPROGRESS) return e.unsent("connecting: " + errno_text());
  if (!wait_ready(fd, POLLOUT, e.deadline)) return e.unsent("no connection in time");
  int failure = 0;
  socklen_t size = sizeof failure;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
  if (failure != 0) return e.unsent("connecting: " + std::generic_category().message(failure));
  return {};
}

Result<void> send_all(const Exchange& e, int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait_ready(fd, POLLOUT, e.deadline)) return e.unknown("sending took too long");
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && !would_block()) return e.unknown("sending: " + errno_text());
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> receive_exactly(const Exchange& e, int fd, std::size_t wanted) {
  std::string out(wanted, '\0');
  std::size_t have = 0;
  while (have < wanted) {
    if (!wait_ready(fd, POLLIN, e.deadline)) return e.unknown("no answer over TCP in time");
    const ssize_t got = recv(fd, out.data() + have, wanted - have, 0);
    if (got == 0) return e.unknown("closed the connection without an answer");
    if (got < 0 && !would_block()) return e.unknown("receiving: " + errno_text());
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return out;
}

Result<std::string> exchange_tcp(const Exchange& e, const Address& address) {
  const Descriptor socket(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return Error{ErrorCode::kInternal, "TCP socket: " + errno_text()};
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  RETURN_IF_ERROR(connect_tcp(e, address, socket.get()));
  std::string framed;
  append_u16(framed, static_cast<unsigned>(e.request.size()));
  framed += e.request;
  RETURN_IF_ERROR(send_all(e, socket.get(), framed));
  const auto length = receive_exactly(e, socket.get(), 2);
  if (!length.ok()) return length.error();
  auto answer = receive_exactly(e, socket.get(), read_u16(*length, 0));
  if (!answer.ok()) return answer;
  if (!dns_answers(e.request, *answer)) return e.unknown("what came is no answer to the request");
  return answer;
}

bool is_truncated(std::string_view answer) { return (read_u16(answer, 2) & kTruncatedBit) != 0; }

}  // namespace

std::string DnsEndpoint::text() const {
  return ip.find(':') == std::string::npos ? fmt::format("{}:{}", ip, port)
                                           : fmt::format("[{}]:{}", ip, port);
}

Result<DnsHost> parse_host_port(std::string_view text, std::uint16_t default_port) {
  const Error bad{ErrorCode::kInvalid,
                  fmt::format("\"{}\" is not \"address:port\" or \"name:port\"", printable(text))};
  DnsHost out{std::string(text), default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad;
    out.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return bad;
    if (port == ":") return bad;
    if (!port.empty()) port.remove_prefix(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return bad;
  }
  if (!port.empty()) {
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (failure != std::errc{} || end != port.data() + port.size() || out.port == 0) return bad;
  }
  const bool address = address_of({out.host, out.port}).has_value();
  if (!address && (out.host.find(':') != std::string::npos || !DnsName::parse(out.host).ok())) {
    return bad;
  }
  return out;
}

Result<DnsEndpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  auto parsed = parse_host_port(text, default_port);
  if (!parsed.ok()) return parsed.error();
  DnsEndpoint out{std::move(parsed->host), parsed->port};
  if (!address_of(out)) {
    return Error{ErrorCode::kInvalid, fmt::format("\"{}\" is no address", printable(text))};
  }
  return out;
}

bool dns_answers(std::string_view request, std::string_view answer) {
  constexpr unsigned kResponseBit = 0x8000, kOpcodeBits = 0x7800, kRcodeBits = 0x000f;
  if (request.size() < kDnsHeaderBytes || answer.size() < kDnsHeaderBytes) return false;
  if (read_u16(request, 0) != read_u16(answer, 0)) return false;
  const unsigned flags = read_u16(answer, 2);
  const unsigned opcode = flags & kOpcodeBits;
  if ((flags & kResponseBit) == 0 || opcode != (read_u16(request, 2) & kOpcodeBits)) return false;
  const auto theirs = scan_message(answer);
  const auto ours = scan_message(request);
  if (!theirs.ok() || !ours.ok() || ours->empty()) return false;
  if (theirs->empty() || theirs->front().section != 0) {
    // RFC 2136 allows an answer of the header alone, and so does an error.
    return opcode == kDnsUpdate << 11 || (flags & kRcodeBits) != 0;
  }
  const WireRecord& a = ours->front();
  const WireRecord& b = theirs->front();
  const bool only = read_u16(answer, 4) == 1;
  return only && a.section == 0 && a.name == b.name && a.type == b.type && a.klass == b.klass;
}

DnsMessage dns_query(const DnsName& name, std::uint16_t type) {
  DnsMessage out;
  out.id = static_cast<std::uint16_t>(random_u64());
  out.question.push_back({name, type, kDnsClassIn, 0, ""});
  return out;
}

Result<std::string> dns_exchange(const DnsEndpoint& server, std::string_view request,
                                 DnsTransport transport, Instant deadline) {
  const Exchange e{server, request, deadline};
  const auto address = address_of(server);
  if (!address) return Error{ErrorCode::kInvalid, server.text() + " is no address"};
  CHECK(request.size() >= kDnsHeaderBytes && request.size() <= kDnsMessageMost);
  if (system_clock().now() >= deadline) return e.unsent("no time left to ask");
  if (transport == DnsTransport::kTcp) return exchange_tcp(e, *address);
  auto answer = exchange_udp(e, *address);
  if (!answer.ok() || !is_truncated(*answer)) return answer;
  return exchange_tcp(e, *address);
}

}  // namespace pointsman
