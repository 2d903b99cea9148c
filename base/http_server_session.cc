#include "base/http_server_session.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.h"
#include "base/http_server_turn.h"
#include "base/log.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr Duration kReplyWithin = 15s;   // A whole reply, or one piece of a stream, written.
constexpr Duration kRefusalWithin = 1s;  // A canned refusal.

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_place(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::equal(
      pattern.begin(), pattern.end(), path.begin(), path.end(),
      [](const std::string& p, const std::string& s) { return is_place(p) ? !s.empty() : p == s; });
}

const char* reason_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

// One line a second for all strangers together.
void log_refusal(const std::string& peer, const HttpFault& fault) {
  static LogPace pace;
  if (!pace.due(system_clock().now())) return;
  log(LogLevel::kInfo, "http-refused",
      {{"peer", peer}, {"status", fault.status}, {"reason", fault.detail}});
}

}  // namespace

void RouteTable::add(std::string method, const std::string& path, HttpServer::Handler handler) {
  CHECK(path.starts_with('/'));
  routes_.push_back({std::move(method), segments_of(path), std::move(handler)});
}

HttpReply RouteTable::answer(HttpCall& call) const {
  const std::vector<std::string> path = segments_of(call.path);
  const std::string method = call.method == "HEAD" ? "GET" : call.method;
  std::string allowed;
  for (const Route& route : routes_) {
    if (!fits(route.segments, path)) continue;
    if (route.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      continue;
    }
    // Before what the client sent: a query cannot stand in for a segment.
    HttpHeaders places;
    for (std::size_t i = 0; i < path.size(); ++i) {
      const std::string& segment = route.segments[i];
      if (is_place(segment)) places.emplace_back(segment.substr(1, segment.size() - 2), path[i]);
    }
    call.query.insert(call.query.begin(), places.begin(), places.end());
    return route.handler(call);
  }
  if (allowed.empty()) return problem(404, "Not Found", "no such resource: " + call.path);
  HttpReply reply = problem(405, "Method Not Allowed", "allowed here: " + allowed);
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

HttpSession::HttpSession(SessionHost& host, Wire& wire, Caller caller,
                         std::atomic<std::int64_t>& waiting_since)
    : host_(host), wire_(wire), caller_(std::move(caller)), waiting_since_(waiting_since) {}

HttpSession::~HttpSession() { release_stream(); }

void HttpSession::release_stream() {
  if (std::exchange(holds_stream_, false)) host_.streams.fetch_sub(1);
}

void HttpSession::run(Instant began) {
  const Result<void> shaken = wire_.handshake(began + host_.options.head_within);
  if (!shaken.ok()) {
    log_refusal(caller_.address, {0, shaken.error().message});
    wire_.linger();  // The alert that says why must reach the client.
    return;
  }
  peer_names_ = wire_.peer_names();
  bool first = true;
  while (!host_.stopping && receive(first, began)) {
    if (!answer()) break;
    first = false;
  }
  wire_.linger();
}

// One request, whole; false when the connection is to end.
bool HttpSession::receive(bool first, Instant began) {
  if (!first && buffer_.empty() && !await_first_byte()) return false;
  if (!first) began = system_clock().now();
  Arrival arrival = receive_head(began + host_.options.head_within);
  if (arrival == Arrival::kWhole && !host_allowed()) {
    arrival = refuse({421, "this host is not served here"});
  }
  if (arrival == Arrival::kWhole) arrival = receive_body(began + host_.options.request_within);
  if (arrival == Arrival::kFault) tell_fault();
  return arrival == Arrival::kWhole;
}

bool HttpSession::await_first_byte() {
  const Instant now = system_clock().now();
  waiting_since_ = now.ns;
  return read_more(now + host_.options.idle_most) == Arrival::kWhole;
}

HttpSession::Arrival HttpSession::refuse(HttpFault fault) {
  fault_ = std::move(fault);
  return Arrival::kFault;
}

// kNone when the peer went away or the deadline passed.
HttpSession::Arrival HttpSession::read_more(Instant deadline) {
  std::array<char, 16384> bytes{};
  const Result<std::size_t> got = wire_.read(bytes, deadline);
  if (!got.ok() || *got == 0) return Arrival::kNone;
  buffer_.append(bytes.data(), *got);
  return Arrival::kWhole;
}

HttpSession::Arrival HttpSession::receive_head(Instant deadline) {
  HeadScan scan;
  for (;;) {
    const auto found = scan.look(std::string_view(buffer_).substr(0, host_.options.head_most));
    if (const auto* fault = std::get_if<HttpFault>(&found)) return refuse(*fault);
    const std::size_t size = std::get<std::size_t>(found);
    if (size > 0) {
      auto head = read_head(std::string_view(buffer_).substr(0, size));
      buffer_.erase(0, size);
      if (auto* fault = std::get_if<HttpFault>(&head)) return refuse(std::move(*fault));
      head_ = std::get<RequestHead>(std::move(head));
      return Arrival::kWhole;
    }
    if (buffer_.size() >= host_.options.head_most) {
      return refuse({431, fmt::format("a head of more than {} bytes", host_.options.head_most)});
    }
    if (read_more(deadline) == Arrival::kNone) {
      if (buffer_.empty() || system_clock().now() < deadline) return Arrival::kNone;
      return refuse({408, "the head did not arrive in time"});
    }
  }
}

HttpSession::Arrival HttpSession::receive_body(Instant deadline) {
  body_.clear();
  if (!head_.chunked && head_.length > host_.options.body_most) {
    return refuse({413, fmt::format("a body of more than {} bytes", host_.options.body_most)});
  }
  if (head_.expects_continue && buffer_.empty() && (head_.chunked || head_.length > 0) &&
      !wire_.write("HTTP/1.1 100 Continue\r\n\r\n", deadline)) {
    return Arrival::kNone;
  }
  return head_.chunked ? receive_chunked(deadline) : receive_counted(deadline);
}

HttpSession::Arrival HttpSession::receive_counted(Instant deadline) {
  while (buffer_.size() < head_.length) {
    if (read_more(deadline) == Arrival::kNone) {
      return refuse({408, "the body did not arrive whole in time"});
    }
  }
  body_ = buffer_.substr(0, head_.length);
  buffer_.erase(0, head_.length);
  return Arrival::kWhole;
}

HttpSession::Arrival HttpSession::receive_chunked(Instant deadline) {
  ChunkReader chunks(host_.options.body_most);
  for (;;) {
    buffer_.erase(0, chunks.take(buffer_));
    if (chunks.fault()) return refuse(*chunks.fault());
    if (chunks.whole()) {
      body_ = std::move(chunks.body());
      return Arrival::kWhole;
    }
    if (read_more(deadline) == Arrival::kNone) {
      return refuse({408, "the body did not arrive whole in time"});
    }
  }
}

bool HttpSession::host_allowed() const {
  const auto& hosts = host_.options.hosts;
  if (hosts.empty()) return true;
  const std::string host = lowered(head_.header("host"));
  const std::string name = host.substr(0, host.find_last_of(':'));
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
    const std::string one = lowered(allowed);
    return host == one || (name == one && !host.ends_with(']'));
  });
}

HttpReply HttpSession::reply_to(std::string path, HttpHeaders query) {
  HttpCall call{.method = head_.method,
                .path = std::move(path),
                .query = std::move(query),
                .headers = std::move(head_.headers),
                .body = std::move(body_),
                .peer_address = caller_.address,
                .peer_source = caller_.source,
                .peer_names = peer_names_};
  HttpReply reply = host_.routes.answer(call);
  if (!reply.stream || head_.method == "HEAD") return reply;
  if (head_.old) return problem(505, "HTTP Version Not Supported", "streams need HTTP/1.1");
  if (host_.streams.fetch_add(1) >= host_.options.streams_most) {
    host_.streams.fetch_sub(1);
    return problem(503, "Service Unavailable", "as many streams run as are allowed");
  }
  holds_stream_ = true;
  return reply;
}

// Serves the request at hand; true when another may follow on this connection.
bool HttpSession::answer() {
  const bool close = head_.close || host_.stopping;
  Instant deadline = system_clock().now() + kReplyWithin;
  const HttpTurn turn{.head = head_,
                      .close = close,
                      .idle_most = host_.options.idle_most,
                      .answer =
                          [&](std::string path, HttpHeaders query) {
                            waiting_since_ = 0;
                            HttpReply reply = reply_to(std::move(path), std::move(query));
                            const Instant now = system_clock().now();
                            if (!holds_stream_) waiting_since_ = now.ns;
                            deadline = now + kReplyWithin;
                            return reply;
                          },
                      .write =
                          [&](std::string_view bytes) {
                            if (holds_stream_) deadline = system_clock().now() + kReplyWithin;
                            return !(holds_stream_ && host_.stopping) &&
                                   wire_.write(bytes, deadline);
                          }};
  const bool written = take_turn(turn);
  release_stream();
  return written && !close;
}

void HttpSession::tell_fault() {
  log_refusal(caller_.address, fault_);
  const std::string reason = reason_of(fault_.status);
  const HttpReply reply = problem(fault_.status, reason, fault_.detail);
  wire_.write(fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                          "Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
                          fault_.status, reason, reply.content_type, reply.body.size(), reply.body),
              system_clock().now() + kRefusalWithin);
}

}  // namespace pointsman
