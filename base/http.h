#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// HTTP exchanges on libcurl: one request, one answer, one deadline. Proxies of the environment are
// not used, redirects are not followed, only http and https are spoken, answers are capped, TLS
// is 1.2 or newer and always verified.

namespace pointsman {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct TlsIdentity {
  std::string ca_file{};    // PEM. Empty: the system's store.
  std::string cert_file{};  // PEM; empty: no client certificate.
  std::string key_file{};
  // When set, the peer's certificate must chain to the CA and carry this DNS name among its subject
  // alternative names; the host of the URL is then not matched (agents move address, not name).
  std::string peer_name{};
};

struct HttpRequest {
  std::string method = "GET";
  std::string url{};
  HttpHeaders headers{};
  std::string body{};
  std::string unix_socket{};  // When set, the connection goes there; the URL gives only the path.
  std::size_t answer_most = 1 << 20;
  bool may_repeat = false;  // Acting on it twice does no harm. GET and HEAD always may.
};

struct HttpAnswer {
  int status = 0;
  HttpHeaders headers{};  // Names in lower case.
  std::string body{};
  Duration took{0};

  // First value of `name` (lower case), or "".
  std::string header(std::string_view name) const;
};

// A reusable connection to anywhere; connections are kept between exchanges and a kept one that
// proves dead before the first byte of an answer is replaced once within the deadline, but only for
// a request that `may_repeat`. One caller at a time; not thread-safe; no exception leaves.
class HttpClient {
 public:
  explicit HttpClient(TlsIdentity tls = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any HTTP status is a success. kUnavailable: no connection, nothing of the request was sent
  // (also when connecting took all of `within`). kTimeout: sent, and no complete answer within
  // `within` or before the connection broke; it may have been acted on. kRefused: TLS or identity,
  // on either side; not acted on. kInvalid: a request that cannot be sent, or an answer that breaks
  // the protocol or is larger than `answer_most`; the far side may then have acted.
  Result<HttpAnswer> exchange(const HttpRequest& request, Duration within);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Once per process, before any thread starts. Sets SIGPIPE to be ignored.
void http_global_init();

}  // namespace pointsman
