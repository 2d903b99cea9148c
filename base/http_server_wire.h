#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_server.h"
#include "base/result.h"
#include "base/time.h"

// One accepted connection, with or without TLS: every read and write has a deadline.

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace pointsman {

// The TLS side of a listener. Not thread-safe; connections keep what they were made from.
class TlsContext {
 public:
  // From the certificate files of `options`; kInvalid names the file.
  static Result<TlsContext> load(const HttpServerOptions& options);
  TlsContext(TlsContext&& other) noexcept;
  TlsContext& operator=(TlsContext&& other) noexcept;
  ~TlsContext();
  SSL_CTX* get() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* context_;
};

class Wire {
 public:
  // Takes over the non-blocking socket `fd`. With `tls` the handshake must come first.
  Wire(int fd, const TlsContext* tls);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // kTimeout, kUnavailable (the peer went away) or kRefused, with the reason. At once without TLS.
  Result<void> handshake(Instant deadline);

  // DNS names of the peer's verified certificate, in lower case.
  std::vector<std::string> peer_names() const;

  // At least one byte; 0 at the end of the stream. kTimeout, kUnavailable.
  Result<std::size_t> read(std::span<char> into, Instant deadline);

  // All of it, or false: the connection is then of no more use.
  bool write(std::string_view bytes, Instant deadline);

  // Ends our side, then reads what the peer still sends, for a moment: closing with unread bytes
  // would take back the answer that says what was wrong with them.
  void linger();

  // Ends both sides. Any thread may call it while the Wire lives.
  void cut();

  // Ends both sides and hands over the descriptor; the Wire is of no more use.
  int release();

 private:
  enum class Wait { kRead, kWrite };
  bool wait(Wait what, Instant deadline) const;
  // After a TLS call that returned `result`: true to call again.
  bool wait_for_tls(int result, Instant deadline) const;

  int fd_;
  SSL* ssl_ = nullptr;
  bool shaken_ = false;
  bool broken_ = false;
};

}  // namespace pointsman
