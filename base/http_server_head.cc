#include "base/http_server_head.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "base/utf8.h"

namespace pointsman {
namespace {

constexpr std::size_t kTargetMost = 8000;  // cpp-httplib's own bound is 8192 for the line.
constexpr std::size_t kHeadersMost = 100;
constexpr std::size_t kChunkFramingMost = 64 << 10;
constexpr std::array<std::string_view, 7> kMethods{"GET",   "HEAD",   "POST",   "PUT",
                                                   "PATCH", "DELETE", "OPTIONS"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool is_token_char(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
         kMarks.find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}
bool is_value_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
}

using MaybeFault = std::optional<HttpFault>;

MaybeFault read_target(std::string_view target, RequestHead& head) {
  if (target.size() > kTargetMost) return HttpFault{414, "the request target is too long"};
  if (target.empty() || target[0] != '/') return HttpFault{400, "the target must begin with /"};
  for (std::size_t i = 0; i < target.size(); ++i) {
    const char c = target[i];
    if (c <= ' ' || c == 0x7F || static_cast<unsigned char>(c) >= 0x80 || c == '#') {
      return HttpFault{400, "a character in the target that must be escaped"};
    }
    if (c != '%') continue;
    if (i + 2 >= target.size() || hex_value(target[i + 1]) < 0 || hex_value(target[i + 2]) < 0) {
      return HttpFault{400, "an escape in the target that is none"};
    }
  }
  head.target = target;
  return {};
}

MaybeFault read_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return HttpFault{400, "a malformed request line"};
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return HttpFault{400, "a malformed method"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return HttpFault{version.starts_with("HTTP/") ? 505 : 400, "only HTTP/1.1 is spoken here"};
  }
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return HttpFault{501, "a method that is not known here"};
  }
  head.method = method;
  head.old = version == "HTTP/1.0";
  head.close = head.old;
  return read_target(line.substr(first + 1, last - first - 1), head);
}

MaybeFault read_header(std::string_view line, RequestHead& head) {
  if (head.headers.size() >= kHeadersMost) return HttpFault{431, "too many headers"};
  const std::size_t colon = line.find(':');
  // No space may stand before the colon, and no line may go on with one (obs-fold).
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return HttpFault{400, "a malformed header"};
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), is_value_char)) {
    return HttpFault{400, "a control character in a header"};
  }
  head.headers.emplace_back(lowered(line.substr(0, colon)), value);
  return {};
}

MaybeFault read_length(std::string_view value, RequestHead& head) {
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, head.length);
  if (value.empty() || !is_digit(value[0]) || stop != end || error != std::errc()) {
    return HttpFault{400, "a malformed Content-Length"};
  }
  return {};
}

MaybeFault read_meaning(const std::string& name, const std::string& value, RequestHead& head) {
  const std::string word = lowered(value);
  if (name == "content-length") return read_length(value, head);
  if (name == "transfer-encoding") {
    if (word != "chunked") return HttpFault{501, "a Transfer-Encoding other than chunked"};
    if (head.old) return HttpFault{400, "Transfer-Encoding in HTTP/1.0"};
    head.chunked = true;
  } else if (name == "content-encoding" && word != "identity") {
    return HttpFault{415, "no Content-Encoding is understood"};
  } else if (name == "expect") {
    if (word != "100-continue") return HttpFault{417, "an unknown expectation"};
    head.expects_continue = !head.old;
  } else if (name == "connection" && word.find("close") != std::string::npos) {
    head.close = true;
  }
  return {};
}

MaybeFault read_meanings(RequestHead& head) {
  int hosts = 0;
  int framings = 0;
  for (const auto& [name, value] : head.headers) {
    hosts += name == "host" ? 1 : 0;
    framings += name == "content-length" || name == "transfer-encoding" ? 1 : 0;
    if (MaybeFault fault = read_meaning(name, value, head)) return fault;
  }
  if (framings > 1) return HttpFault{400, "two lengths in one request"};
  if (hosts > 1 || (hosts == 0 && !head.old)) return HttpFault{400, "exactly one Host is needed"};
  return {};
}

}  // namespace

std::string RequestHead::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

std::variant<std::size_t, HttpFault> HeadScan::look(std::string_view bytes) {
  // The first byte of a method: tells TLS, and other protocols, at once.
  if (!bytes.empty() && !is_token_char(bytes[0])) return HttpFault{400, "this is no HTTP request"};
  for (; seen_ < bytes.size(); ++seen_) {
    const char c = bytes[seen_];
    if (c == '\0') return HttpFault{400, "a NUL in the head"};
    if (c == '\n' && (seen_ == 0 || bytes[seen_ - 1] != '\r')) {
      return HttpFault{400, "a line that does not end in CR LF"};
    }
    if (c != '\n' && seen_ > 0 && bytes[seen_ - 1] == '\r') {
      return HttpFault{400, "a CR that ends no line"};
    }
    if (c == '\n' && seen_ >= 3 && bytes.substr(seen_ - 3, 4) == "\r\n\r\n") return seen_ + 1;
  }
  return std::size_t{0};
}

std::variant<RequestHead, HttpFault> read_head(std::string_view bytes) {
  RequestHead head;
  bool first = true;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) return HttpFault{400, "a head that is cut off"};
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (line.empty() && !first) break;
    MaybeFault fault = first ? read_request_line(line, head) : read_header(line, head);
    if (fault) return *std::move(fault);
    first = false;
  }
  if (MaybeFault fault = read_meanings(head)) return *std::move(fault);
  return head;
}

std::optional<HttpFault> fault_of_path(std::string_view raw, std::string_view decoded) {
  const std::string small = lowered(raw);
  if (small.find("%2f") != std::string::npos || small.find("%5c") != std::string::npos) {
    return HttpFault{400, "an encoded slash in the path"};
  }
  for (std::string_view rest = decoded; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    const auto byte = static_cast<unsigned char>(rest[0]);
    if (length == 0 || byte < 0x20 || byte == 0x7F || byte == '\\') {
      return HttpFault{400, "a character in the path that has no place there"};
    }
    rest.remove_prefix(length);
  }
  for (std::string_view rest = decoded; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment == "." || segment == "..") return HttpFault{400, "a dot segment in the path"};
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return {};
}

std::size_t ChunkReader::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !whole() && !fault_) {
    if (state_ == State::kBytes) {
      const std::size_t some = std::min(left_, bytes.size() - taken);
      body_.append(bytes.substr(taken, some));
      taken += some;
      left_ -= some;
      if (left_ == 0) state_ = State::kBytesCr;
      continue;
    }
    if (++framing_ > kChunkFramingMost) {
      refuse(413, "more chunk framing than is reasonable");
      break;
    }
    step(bytes[taken++]);
  }
  return taken;
}

void ChunkReader::step(char c) {
  const auto expect = [&](char wanted, State next) {
    if (c == wanted) {
      state_ = next;
    } else {
      refuse(400, "malformed chunk framing");
    }
  };
  switch (state_) {
    case State::kSize: return step_in_size(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeEnd;
      } else if (!is_value_char(c)) {
        refuse(400, "a control character in a chunk extension");
      }
      return;
    case State::kSizeEnd:
      expect('\n', State::kBytes);
      if (!fault_) size_ended();
      return;
    case State::kBytesCr: return expect('\r', State::kBytesLf);
    case State::kBytesLf: return expect('\n', State::kSize);
    case State::kLastCr:
      if (c != '\r') return refuse(400, "trailers are not taken");
      state_ = State::kLastLf;
      return;
    case State::kLastLf: return expect('\n', State::kWhole);
    case State::kBytes:
    case State::kWhole: return;
  }
}

void ChunkReader::step_in_size(char c) {
  const int digit = hex_value(c);
  if (digit >= 0 && digits_ < 8) {
    left_ = left_ * 16 + static_cast<std::size_t>(digit);
    ++digits_;
  } else if (digits_ > 0 && c == '\r') {
    state_ = State::kSizeEnd;
  } else if (digits_ > 0 && c == ';') {
    state_ = State::kExtension;
  } else {
    refuse(400, "a malformed chunk size");
  }
}

void ChunkReader::size_ended() {
  digits_ = 0;
  if (left_ == 0) {
    state_ = State::kLastCr;
  } else if (left_ > body_most_ - body_.size()) {
    refuse(413, fmt::format("a body of more than {} bytes", body_most_));
  }
}

}  // namespace pointsman
