#pragma once

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "base/http_server.h"
#include "base/http_server_head.h"
#include "base/http_server_listen.h"
#include "base/http_server_wire.h"

// The requests of one connection, one after the other, each within its bounds.

namespace pointsman {

// Method and path to handler. Filled before the start, read by all connections after it.
class RouteTable {
 public:
  void add(std::string method, const std::string& path, HttpServer::Handler handler);
  HttpReply answer(HttpCall& call) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    HttpServer::Handler handler;
  };
  std::vector<Route> routes_;
};

// What all connections of a listener share.
struct SessionHost {
  HttpServerOptions options;
  RouteTable routes;
  std::atomic<bool> stopping{false};
  std::atomic<int> streams{0};  // Running now.
};

class HttpSession {
 public:
  // `waiting_since` is told to the listener: the Instant (ns) since which the connection waits for
  // its client to send or to read; 0 while a handler works or a stream runs.
  HttpSession(SessionHost& host, Wire& wire, Caller caller,
              std::atomic<std::int64_t>& waiting_since);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // Serves until the connection ends. `began` is when it was accepted.
  void run(Instant began);

 private:
  enum class Arrival { kWhole, kNone, kFault };
  Arrival receive_head(Instant deadline);
  bool await_first_byte();
  Arrival receive_body(Instant deadline);
  Arrival receive_counted(Instant deadline);
  Arrival receive_chunked(Instant deadline);
  Arrival read_more(Instant deadline);
  Arrival refuse(HttpFault fault);
  bool receive(bool first, Instant began);
  bool host_allowed() const;
  bool answer();
  HttpReply reply_to(std::string path, HttpHeaders query);
  void tell_fault();
  void release_stream();

  SessionHost& host_;
  Wire& wire_;
  const Caller caller_;
  std::atomic<std::int64_t>& waiting_since_;
  std::vector<std::string> peer_names_;
  std::string buffer_;  // Received and not yet used.
  RequestHead head_;
  std::string body_;
  HttpFault fault_;
  bool holds_stream_ = false;
};

}  // namespace pointsman
