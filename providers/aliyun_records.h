#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "providers/compare.h"
#include "providers/provider.h"

// What Aliyun DNS holds at one name, and the writes that turn it into what is wanted. There is no
// record set at Aliyun: each value of each line (a class of resolvers) is a record with an id of
// its own. Pure.

namespace pointsman {

struct AliyunRecord {
  std::string id;
  std::string rr;  // The name within the zone; "@" for the zone itself.
  std::string type;
  std::string value;
  std::string line = "default";
  std::string remark;
  std::chrono::seconds ttl{0};
  std::optional<std::int64_t> priority;
  std::optional<std::int64_t> weight;
  bool enabled = true;
  bool locked = false;

  bool operator==(const AliyunRecord&) const = default;
};

struct AliyunPage {
  std::vector<AliyunRecord> records;
  std::int64_t total = 0;  // On all pages together.
};
// kInvalid names what the answer lacks.
Result<AliyunPage> parse_aliyun_page(const Json& answer);

// "www" for www.example.com in example.com, "@" for the zone itself.
std::string aliyun_rr(const CheckedKey& key);

struct AliyunLive {
  RecordSet set;  // All lines together; its TTL is the longest.
  // Of this name and type, those that answer nobody included. Line `default` first, then by line
  // and id, so that the record that carries the mark is always the same.
  std::vector<AliyunRecord> records;
};
// kConflict: a CNAME or a redirect answers where something else is wanted. kRefused: weights.
Result<AliyunLive> aliyun_live(const RecordKey& key, std::vector<AliyunRecord> all);

enum class AliyunAct { kUpdate, kAdd, kRemark, kDelete };
struct AliyunStep {
  AliyunAct act = AliyunAct::kUpdate;
  AliyunRecord record;  // As it shall be; without id when it is to be added.
};
// In the order of sending: values are changed in place and missing ones added, then the mark is
// written and marks of ours on all other records removed, then what is left over is deleted. A mark
// that has no room is not written, and the older one is removed all the same. So no line is ever
// empty, and none ever holds a value that is neither of `live` nor wanted. Empty: nothing to do.
// kRefused names the record that will not let itself be changed.
//
// REQUIRES: compare(live.set, change) found no conflict.
Result<std::vector<AliyunStep>> plan_aliyun(const AliyunLive& live, const Change& change);

// "record 9999985 (192.0.2.1, line telecom)", for messages.
std::string to_text(const AliyunRecord& record);

}  // namespace pointsman
