#include "base/http_server_wire.h"

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/certificate.h"
#include "base/clock.h"

namespace pointsman {
namespace {

constexpr Duration kLinger = 300ms;
constexpr std::size_t kLingerBytesMost = 1 << 20;

std::string tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

// We speak HTTP/1.1 and nothing else; a client that offers no ALPN is served too.
int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned int in_size, void* /*context*/) {
  static constexpr std::array<unsigned char, 9> kOurs{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs.data(), kOurs.size(), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Error bad_file(std::string_view what, const std::string& path) {
  return {ErrorCode::kInvalid, fmt::format("{} {}: {}", what, path, tls_error())};
}

Result<void> require_clients(SSL_CTX* context, const std::string& ca_file) {
  if (SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1) {
    return bad_file("client authority", ca_file);
  }
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(ca_file.c_str());
  if (names == nullptr) return bad_file("client authority", ca_file);
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, 4);
  return {};
}

}  // namespace

Result<TlsContext> TlsContext::load(const HttpServerOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  CHECK(context != nullptr);
  TlsContext made(context);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  // No session is resumed: a client shows its certificate on every connection.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1) {
    return bad_file("certificate", options.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return bad_file("private key", options.key_file);
  }
  if (!options.client_ca_file.empty()) {
    RETURN_IF_ERROR(require_clients(context, options.client_ca_file));
  }
  return made;
}

TlsContext::TlsContext(TlsContext&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)) {}

TlsContext& TlsContext::operator=(TlsContext&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Wire::Wire(int fd, const TlsContext* tls) : fd_(fd) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls->get());
  CHECK(ssl_ != nullptr);
  CHECK(SSL_set_fd(ssl_, fd_) == 1);
}

Wire::~Wire() {
  SSL_free(ssl_);
  if (fd_ >= 0) close(fd_);
}

bool Wire::wait(Wait what, Instant deadline) const {
  for (;;) {
    const Duration left = deadline - system_clock().now();
    if (left <= Duration::zero()) return false;
    pollfd ready{fd_, static_cast<short>(what == Wait::kRead ? POLLIN : POLLOUT), 0};
    const auto wait_ms = std::min<std::int64_t>(whole_ms(left) + 1, 60'000);
    const int count = poll(&ready, 1, static_cast<int>(wait_ms));
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
  }
}

bool Wire::wait_for_tls(int result, Instant deadline) const {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return wait(Wait::kRead, deadline);
    case SSL_ERROR_WANT_WRITE: return wait(Wait::kWrite, deadline);
    default: return false;
  }
}

Result<void> Wire::handshake(Instant deadline) {
  if (ssl_ == nullptr) return {};
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_accept(ssl_);
    const int number = errno;
    if (result == 1) {
      shaken_ = true;
      return {};
    }
    const int why = SSL_get_error(ssl_, result);
    const bool again = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    if (again && wait(why == SSL_ERROR_WANT_READ ? Wait::kRead : Wait::kWrite, deadline)) continue;
    broken_ = true;
    if (again) return {ErrorCode::kTimeout, "TLS handshake: not done in time"};
    if (why == SSL_ERROR_SYSCALL) {
      return {ErrorCode::kUnavailable, fmt::format("TLS handshake: {}", std::strerror(number))};
    }
    const long verdict = SSL_get_verify_result(ssl_);
    return {
        ErrorCode::kRefused,
        fmt::format("TLS handshake: {}",
                    verdict == X509_V_OK ? tls_error() : X509_verify_cert_error_string(verdict))};
  }
}

std::vector<std::string> Wire::peer_names() const {
  X509* certificate = ssl_ == nullptr ? nullptr : SSL_get1_peer_certificate(ssl_);
  std::vector<std::string> names = certificate_names(certificate);
  X509_free(certificate);
  return names;
}

Result<std::size_t> Wire::read(std::span<char> into, Instant deadline) {
  if (broken_) return {ErrorCode::kUnavailable, "connection broken"};
  for (;;) {
    if (ssl_ != nullptr) {
      ERR_clear_error();
      std::size_t got = 0;
      const int result = SSL_read_ex(ssl_, into.data(), into.size(), &got);
      if (result == 1) return got;
      const int why = SSL_get_error(ssl_, result);
      if (why == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) break;
      if (!wait_for_tls(result, deadline)) return {ErrorCode::kTimeout, "nothing came in time"};
    } else {
      const ssize_t got = recv(fd_, into.data(), into.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EAGAIN && errno != EINTR) break;
      if (!wait(Wait::kRead, deadline)) return {ErrorCode::kTimeout, "nothing came in time"};
    }
  }
  broken_ = true;
  return {ErrorCode::kUnavailable, "connection broken"};
}

bool Wire::write(std::string_view bytes, Instant deadline) {
  while (!bytes.empty() && !broken_) {
    if (ssl_ != nullptr) {
      ERR_clear_error();
      std::size_t done = 0;
      const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &done);
      if (result == 1) {
        bytes.remove_prefix(done);
      } else if (!wait_for_tls(result, deadline)) {
        broken_ = true;
      }
    } else {
      const ssize_t done = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (done >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(done));
      } else if ((errno != EAGAIN && errno != EINTR) || !wait(Wait::kWrite, deadline)) {
        broken_ = true;
      }
    }
  }
  return !broken_;
}

void Wire::linger() {
  if (ssl_ != nullptr && shaken_ && !broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  shutdown(fd_, SHUT_WR);
  const Instant deadline = system_clock().now() + kLinger;
  std::array<char, 16384> buffer{};
  std::size_t seen = 0;
  while (seen < kLingerBytesMost) {
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      seen += static_cast<std::size_t>(got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR) || !wait(Wait::kRead, deadline)) {
      return;
    }
  }
}

void Wire::cut() { shutdown(fd_, SHUT_RDWR); }

int Wire::release() {
  cut();
  return std::exchange(fd_, -1);
}

}  // namespace pointsman
