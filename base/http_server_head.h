#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/http.h"

// The strict reading of an HTTP/1.1 request head and of chunked bodies (RFC 9112), pure. Whatever
// two readers could take in two ways is refused, so that nothing can be smuggled past a proxy.

namespace pointsman {

// Why a request is not served, and with which status.
struct HttpFault {
  int status = 400;
  std::string detail;
};

struct RequestHead {
  std::string method;   // One of GET HEAD POST PUT PATCH DELETE OPTIONS.
  std::string target;   // In origin form; every % begins a valid escape.
  HttpHeaders headers;  // Names in lower case, values trimmed.
  std::size_t length = 0;
  bool chunked = false;
  bool close = false;  // The connection ends with the answer.
  bool old = false;    // HTTP/1.0.
  bool expects_continue = false;

  std::string header(std::string_view name) const;  // The first, or "".
};

// Looks for the end of a head in bytes as they arrive.
class HeadScan {
 public:
  // `bytes` is all that came so far, and begins with what the last call saw. The size of the head,
  // its empty line included; 0 while it is not whole; a fault for a line break that is not CR LF.
  std::variant<std::size_t, HttpFault> look(std::string_view bytes);

 private:
  std::size_t seen_ = 0;
};

// Reads a whole head as HeadScan found it.
std::variant<RequestHead, HttpFault> read_head(std::string_view bytes);

// The path and the query of a target are decoded once; these may not come of it.
std::optional<HttpFault> fault_of_path(std::string_view raw, std::string_view decoded);

// Decodes a chunked body as it arrives.
class ChunkReader {
 public:
  explicit ChunkReader(std::size_t body_most) : body_most_(body_most) {}

  // How many of `bytes` belong to the body; fewer than all only when it is whole or at fault.
  std::size_t take(std::string_view bytes);

  bool whole() const { return state_ == State::kWhole; }
  const std::optional<HttpFault>& fault() const { return fault_; }
  std::string& body() { return body_; }

 private:
  enum class State {
    kSize,
    kExtension,
    kSizeEnd,
    kBytes,
    kBytesCr,
    kBytesLf,
    kLastCr,
    kLastLf,
    kWhole
  };
  void step(char c);
  void step_in_size(char c);
  void size_ended();
  void refuse(int status, std::string detail) { fault_ = {status, std::move(detail)}; }

  const std::size_t body_most_;
  State state_ = State::kSize;
  std::size_t left_ = 0;  // Of this chunk.
  int digits_ = 0;
  std::size_t framing_ = 0;  // Bytes that were no body: one-byte chunks are a way to be slow.
  std::string body_;
  std::optional<HttpFault> fault_;
};

}  // namespace pointsman
