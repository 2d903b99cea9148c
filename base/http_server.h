#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/http.h"
#include "base/result.h"
#include "base/time.h"

// The guarded HTTP server: cpp-httplib behind a listener of ours, because cpp-httplib 0.11.4 bounds
// neither request line, headers nor chunked bodies and starves under dribbling connections. Serves
// plain TCP, TLS, mutual TLS and Unix sockets alike.

namespace pointsman {

struct HttpCall {
  std::string method{};
  std::string path{};     // Decoded once; never holds "..", NUL or an encoded slash.
  HttpHeaders query{};    // Decoded.
  HttpHeaders headers{};  // Names in lower case.
  std::string body{};
  std::string peer_address{};             // From the socket only; "unix" on a Unix socket.
  std::string peer_source{};              // Who counts as one: the address, of IPv6 the /64.
  std::vector<std::string> peer_names{};  // DNS names of a verified client certificate.

  std::string header(std::string_view name) const;
  std::string parameter(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  HttpHeaders headers{};
  // When set, the body is a stream: called again and again from the connection's thread with a
  // writer until it returns false or a write fails. For server-sent events. A call that waits for
  // something to say must come back within half a second, so that stop() is not held up.
  std::function<bool(const std::function<bool(std::string_view)>& write)> stream{};
};

struct HttpServerOptions {
  std::string listen{};     // "127.0.0.1:8780", "[::1]:8780", port 0 picks one; or "unix:/path".
  int unix_mode = 0660;     // Mode of the Unix socket.
  std::string cert_file{};  // With key_file: TLS.
  std::string key_file{};
  std::string
      client_ca_file{};  // When set: mutual TLS; a client without a certificate of it is refused.
  std::vector<std::string> hosts{};  // Allowed Host headers; empty: any. Others get 421.
  std::size_t head_most = 16 << 10;
  std::size_t body_most = 256 << 10;
  Duration head_within = 5s;  // From accept (later: from the first byte) to the end of the head.
  Duration request_within = 15s;  // Whole request read.
  Duration idle_most = 60s;       // Kept connection without a request.
  int connections_most = 64;
  int connections_per_source = 32;  // Not applied on a Unix socket.
  int streams_most = 16;
};

class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpCall&)>;

  HttpServer();
  ~HttpServer();  // Stops.
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Exact method and path; a segment "{name}" matches one non-empty segment, handed over as a query
  // parameter of that name. Call before start(). Handlers run on connection threads, several at a
  // time; an exception becomes 500. Unknown path: 404, known path with another method: 405, both as
  // RFC 9457 problem JSON.
  void route(std::string method, const std::string& path, Handler handler);

  // Binds and serves on threads of its own. kUnavailable names the address and why.
  Result<void> start(const HttpServerOptions& options);

  // The port bound; 0 on a Unix socket.
  int port() const;

  // Loads certificate files again for new connections; on error the old ones stay.
  Result<void> reload_tls();

  // Ends within a second when handlers do: it waits for those that run. Streams are cut at their
  // next write or return.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// {"type":"about:blank","title":..,"status":..,"detail":..} as application/problem+json (RFC 9457).
HttpReply problem(int status, std::string_view title, std::string_view detail);

}  // namespace pointsman
