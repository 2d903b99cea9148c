#include <cstdint>

#include "agent/protocol.h"
#include "base/json.h"

// JSON from anywhere: what is read can be written and read again, the same; and the agents'
// messages are read or refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const Result<Json> json = Json::parse(text);
  if (!json.ok()) return 0;
  const Result<Json> again = Json::parse(json->dump(), {.bytes = 64 << 20, .depth = 32});
  CHECK(again.ok());
  CHECK(*again == *json);
  (void)poll_request_from(*json).ok();
  (void)poll_reply_from(*json).ok();
  (void)order_from(*json).ok();
  (void)order_reply_from(*json).ok();
  return 0;
}
