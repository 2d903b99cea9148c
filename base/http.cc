#include "base/http.h"

#include <curl/curl.h>
#include <fmt/core.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <string_view>

#include "base/clock.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kHeadMost = 64 << 10;

// What one exchange gathers while libcurl runs it.
struct Exchange {
  const TlsIdentity* tls = nullptr;
  HttpAnswer answer;
  std::size_t answer_most = 0;
  std::size_t head_bytes = 0;
  int sends = 0;  // How often the request set out: once, and again when a kept connection was dead.
  int sends_most = 1;
  std::string complaint;  // Why we broke it off ourselves.
};

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const std::string_view line(bytes, size * count);
  exchange.head_bytes += line.size();
  if (exchange.head_bytes > kHeadMost) {
    exchange.complaint = fmt::format("more than {} bytes of headers", kHeadMost);
    return 0;
  }
  HttpHeaders& headers = exchange.answer.headers;
  if (line.starts_with("HTTP/")) {
    headers.clear();  // What came before was an interim answer (1xx).
    return line.size();
  }
  if ((line.starts_with(' ') || line.starts_with('\t')) && !headers.empty()) {
    headers.back().second += fmt::format(" {}", trimmed(line));
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    headers.emplace_back(lowered(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return line.size();
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const std::size_t more = size * count;
  if (more > exchange.answer_most - exchange.answer.body.size()) {
    exchange.complaint = fmt::format("an answer of more than {} bytes", exchange.answer_most);
    return 0;
  }
  exchange.answer.body.append(bytes, more);
  return more;
}

// Called on a ready connection just before the request is written to it, and again each time that
// libcurl replaces a kept connection that proved dead.
int on_ready(void* context, char* /*peer*/, char* /*local*/, int /*peer_port*/,
             int /*local_port*/) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (exchange.sends >= exchange.sends_most) {
    exchange.complaint = "the kept connection broke after the request was sent";
    return CURL_PREREQFUNC_ABORT;
  }
  ++exchange.sends;
  return CURL_PREREQFUNC_OK;
}

// Has OpenSSL match `peer_name` itself while it verifies the chain, in place of the URL's host.
CURLcode on_tls(CURL* /*handle*/, void* context, void* user) {
  const auto& exchange = *static_cast<const Exchange*>(user);
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(static_cast<SSL_CTX*>(context));
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
  const std::string& name = exchange.tls->peer_name;
  return X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1
             ? CURLE_OK
             : CURLE_SSL_CONNECT_ERROR;
}

// Scheme, host and path: a query may hold a signature or a key.
std::string shown_url(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

// What is wrong with the request, or "".
std::string fault_of(const HttpRequest& request, const TlsIdentity& tls) {
  if (!is_token(request.method)) return "no HTTP method";
  if (has_control(request.url) || request.url.find(' ') != std::string::npos) {
    return "a URL with a space or control character";
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return "no header name: " + name;
    if (has_control(value)) return fmt::format("header {} with a control character", name);
  }
  if (!tls.peer_name.empty() && !request.url.starts_with("https://")) {
    return fmt::format("the peer must prove to be {}, which only https can", tls.peer_name);
  }
  return "";
}

// A broken connection, as opposed to a peer that says no.
bool is_lost_link(std::string_view told) {
  return told.find("SYSCALL") != std::string_view::npos ||
         told.find("reset by peer") != std::string_view::npos ||
         told.find("unexpected eof") != std::string_view::npos ||
         told.find("Broken pipe") != std::string_view::npos;
}

// With TLS 1.3 a server refuses our certificate only after we hold the handshake done.
bool is_refused_certificate(std::string_view told) {
  if (told.find(" alert ") == std::string_view::npos) return false;
  for (const std::string_view sign :
       {"certificate", "unknown ca", "access denied", "decrypt error", "handshake failure"}) {
    if (told.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

// What the far side says of our certificate, without the library's own numbers; "" when it says
// nothing of it. "OpenSSL SSL_read: error:0A000418:SSL routines::tlsv1 alert unknown ca, errno 0".
std::string refusal_of_certificate(const TlsIdentity& tls, std::string_view told) {
  if (!is_refused_certificate(told)) return "";
  const std::size_t alert = told.find(" alert ") + std::string_view(" alert ").size();
  const std::string_view reason = told.substr(alert, told.find(',', alert) - alert);
  return fmt::format(
      "the far side refuses {}: {}",
      tls.cert_file.empty() ? "us without a certificate" : "our certificate " + tls.cert_file,
      reason);
}

ErrorCode code_of(CURLcode failed, const Exchange& exchange, std::string_view told) {
  const ErrorCode lost = exchange.sends > 0 ? ErrorCode::kTimeout : ErrorCode::kUnavailable;
  const bool silent = exchange.answer.headers.empty() && exchange.head_bytes == 0;
  switch (failed) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED: return ErrorCode::kRefused;
    case CURLE_SSL_CONNECT_ERROR: return is_lost_link(told) ? lost : ErrorCode::kRefused;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return silent && is_refused_certificate(told) ? ErrorCode::kRefused : lost;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_HTTP2: return ErrorCode::kInvalid;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT: return ErrorCode::kInternal;
    default: return lost;
  }
}

struct HeaderList {
  curl_slist* first = nullptr;
  HeaderList() = default;
  ~HeaderList() { curl_slist_free_all(first); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) { first = curl_slist_append(first, line.c_str()); }
};

void set_headers(CURL* curl, const HttpRequest& request, HeaderList& list) {
  bool typed = false;
  for (const auto& [name, value] : request.headers) {
    // libcurl sends an empty header only when it is written with a semicolon.
    list.add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    typed = typed || lowered(name) == "content-type";
  }
  if (!typed) list.add("Content-Type:");  // Not the type of a form, which libcurl assumes.
  list.add("Expect:");                    // A round trip for nothing.
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.first);
}

void set_method(CURL* curl, const HttpRequest& request) {
  const std::string& method = request.method;
  if (method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    return;
  }
  const bool with_body =
      !request.body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  if (with_body) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
}

void set_manners(CURL* curl, Exchange& exchange) {
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);  // No waiting for a slow resolver.
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 4L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "pointsman/" PM_VERSION);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_ready);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, &exchange);
}

void set_tls(CURL* curl, const TlsIdentity& tls, Exchange& exchange) {
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, tls.peer_name.empty() ? 2L : 0L);
  // A resumed session is not verified again; connections are kept, so resuming gains little.
  curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  if (!tls.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, tls.ca_file.c_str());
    // Else the system's folder of authorities would be believed beside ours.
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  if (!tls.cert_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, tls.cert_file.c_str());
    curl_easy_setopt(curl, CURLOPT_SSLKEY, tls.key_file.c_str());
  }
  if (!tls.peer_name.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, &exchange);
  }
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

struct HttpClient::Impl {
  TlsIdentity tls;
  CURL* curl = nullptr;
};

HttpClient::HttpClient(TlsIdentity tls) : impl_(std::make_unique<Impl>()) {
  http_global_init();
  impl_->tls = std::move(tls);
  impl_->curl = curl_easy_init();
  CHECK(impl_->curl != nullptr);
}

HttpClient::~HttpClient() { curl_easy_cleanup(impl_->curl); }

Result<HttpAnswer> HttpClient::exchange(const HttpRequest& request, Duration within) {
  const std::string who = fmt::format("{} {}", request.method, shown_url(request.url));
  const std::string fault = fault_of(request, impl_->tls);
  if (!fault.empty()) return {ErrorCode::kInvalid, fmt::format("{}: {}", who, fault)};
  if (within <= Duration::zero()) {
    return {ErrorCode::kUnavailable, fmt::format("{}: no time left to send it", who)};
  }
  CURL* curl = impl_->curl;
  curl_easy_reset(curl);  // Keeps connections.
  Exchange exchange;
  exchange.tls = &impl_->tls;
  exchange.answer_most = request.answer_most;
  const bool may_repeat = request.may_repeat || request.method == "GET" || request.method == "HEAD";
  exchange.sends_most = may_repeat ? 2 : 1;
  std::array<char, CURL_ERROR_SIZE> told{};
  HeaderList list;
  set_manners(curl, exchange);
  set_tls(curl, impl_->tls, exchange);
  set_headers(curl, request, list);
  set_method(curl, request);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, told.data());
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(whole_ms(within) + 1));
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }

  const Instant began = system_clock().now();
  const CURLcode ended = curl_easy_perform(curl);
  exchange.answer.took = system_clock().now() - began;
  if (ended != CURLE_OK) {
    const std::string_view detail = !exchange.complaint.empty()
                                        ? std::string_view(exchange.complaint)
                                    : told[0] != '\0' ? std::string_view(told.data())
                                                      : curl_easy_strerror(ended);
    const ErrorCode code = code_of(ended, exchange, detail);
    const std::string refusal = refusal_of_certificate(impl_->tls, detail);
    const bool plain = code == ErrorCode::kRefused && !refusal.empty();
    return {code, fmt::format("{}: {}", who, plain ? std::string_view(refusal) : detail)};
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.status = static_cast<int>(status);
  return std::move(exchange.answer);
}

void http_global_init() {
  static std::once_flag once;
  std::call_once(once, [] {
    signal(SIGPIPE, SIG_IGN);
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  });
}

}  // namespace pointsman
