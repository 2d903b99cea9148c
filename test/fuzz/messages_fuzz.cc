#include <cstdint>

#include "agent/guard.h"
#include "agent/protocol.h"
#include "base/check.h"

// Messages of monitors and agents, and the agents' durable record: what is understood means the
// same when it is written and read again, and a guard that obeys it keeps its promises to itself.
namespace pointsman {
namespace {

template <typename Read>
void same_again(const Json& json, Read read) {
  const auto first = read(json);
  if (!first.ok()) {
    CHECK(!first.error().message.empty());
    return;
  }
  const Json written = to_json(*first);
  const auto again = read(written);
  CHECK(again.ok());
  CHECK(to_json(*again) == written);
}

// Orders as they come, to a standby: numbers never go down, and what is refused changes nothing but
// the highest number seen.
void obey(const Order& order) {
  GuardRecord record;
  record.role = Role::kStandby;
  record.reign = record.highest_reign = {5, "00000000000000aa"};
  record.highest = 5;
  record.power = record.peer = "hz";
  const Instant start = Instant{} + 1000s;
  Guard guard({"sh", "", record, 7, start, 0s});
  Order mine = order;
  mine.token = {7, start + 20s};
  const Verdict verdict = guard.on_order(mine, {false, "", "", true}, start + 20s);
  const GuardRecord& after = guard.record();
  CHECK(after.highest >= record.highest);
  CHECK(after.highest == after.highest_reign.epoch);
  CHECK(verdict.save || after == record);
  CHECK(verdict.accepted || after.role == record.role);
  CHECK(after.role != Role::kPrimary || mine.verb == Verb::kAdopt);
  const auto kept = GuardRecord::from_json(after.to_json());
  CHECK(kept.ok() && *kept == after);
}

}  // namespace
}  // namespace pointsman

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pointsman;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const Result<Json> json = Json::parse(text);
  if (!json.ok() || !json->is_object()) return 0;
  same_again(*json, poll_request_from);
  same_again(*json, poll_reply_from);
  same_again(*json, order_from);
  same_again(*json, order_reply_from);
  if (const auto record = GuardRecord::from_json(*json); record.ok()) {
    const auto again = GuardRecord::from_json(record->to_json());
    CHECK(again.ok() && *again == *record);
  }
  if (const auto order = order_from(*json); order.ok()) obey(*order);
  return 0;
}
