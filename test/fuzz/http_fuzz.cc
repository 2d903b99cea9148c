#include <cstdint>

#include "base/check.h"
#include "base/http_server_head.h"

// A request head and a chunked body: they read the same whole and in pieces of any size.
namespace pointsman {
namespace {

constexpr std::size_t kBodyMost = 1000;

struct Reading {
  std::size_t taken = 0;
  int status = 0;
  bool whole = false;
  std::string body;
  bool operator==(const Reading&) const = default;
};

Reading unchunked(std::string_view bytes, std::size_t piece) {
  ChunkReader reader(kBodyMost);
  Reading reading;
  while (reading.taken < bytes.size() && !reader.whole() && !reader.fault()) {
    reading.taken += reader.take(bytes.substr(reading.taken, piece));
  }
  reading.status = reader.fault() ? reader.fault()->status : 0;
  reading.whole = reader.whole();
  reading.body = reader.body();
  CHECK(reading.body.size() <= kBodyMost);
  return reading;
}

std::size_t head_size(std::string_view bytes, std::size_t piece) {
  HeadScan scan;
  for (std::size_t seen = piece;; seen += piece) {
    const auto found = scan.look(bytes.substr(0, seen));
    if (std::holds_alternative<HttpFault>(found)) return std::string_view::npos;
    if (std::get<std::size_t>(found) > 0 || seen >= bytes.size()) {
      return std::get<std::size_t>(found);
    }
  }
}

}  // namespace
}  // namespace pointsman

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  if (size < 2) return 0;
  const std::size_t piece = bytes[0] % 32 + 1;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  CHECK(unchunked(text, piece) == unchunked(text, size));
  const std::size_t head = head_size(text, size);
  CHECK(head == head_size(text, piece));
  if (head == 0 || head == std::string_view::npos) return 0;
  const auto read = read_head(text.substr(0, head));
  if (const auto* good = std::get_if<RequestHead>(&read)) {
    CHECK(good->target.starts_with('/'));
    CHECK(!(good->chunked && good->length != 0));
    (void)fault_of_path(good->target, good->target);
  }
  return 0;
}
