#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "providers/compare.h"

// What Cloudflare holds at one name, and the difference between that and a change: one address a
// record, each with an id, a comment and perhaps proxied. Pure.

namespace pointsman {

struct CloudflareRecord {
  std::string id;
  std::string name;
  std::string type;
  std::string content;  // Canonical where the type is one of ours.
  std::int64_t ttl = 0;
  bool proxied = false;    // The public answer holds Cloudflare's addresses; always TTL 1.
  bool flattened = false;  // A CNAME whose public answer holds addresses.
  std::string comment;
};

// One record set: all records of one name and type.
struct CloudflareSet {
  RecordSet set;
  std::vector<CloudflareRecord> records;
  bool proxied = false;
  bool hidden = false;  // Name servers do not show what the account holds.
};

// The mark within a comment: `before [[pm MARK]]after`. What is not ours stays as it is.
struct MarkedComment {
  std::string before;
  std::string mark;
  std::string after;
};
MarkedComment read_comment(const std::string& comment);
// The comment with `mark` in place of the one it holds, else behind it.
std::string write_comment(const std::string& comment, const std::string& mark);
// Whether `mark` would be read as it was written: not with brackets like those around it.
bool is_comment_mark(const std::string& mark);

// Reads one entry of a list. kInvalid names the member that is missing or of another type.
Result<CloudflareRecord> parse_record(const Json& entry);

// The set of `key` among the records of its name. kConflict, by name: a CNAME beside addresses, a
// delegation, a value twice, some proxied and others not.
Result<CloudflareSet> set_of(const RecordKey& key, const CheckedKey& checked,
                             const std::vector<CloudflareRecord>& records);

// What makes `live` equal a change: records are changed in place, one is added before there were
// too few, and one goes only while another stays. Members as the API wants them.
struct CloudflarePlan {
  std::vector<Json> patches;  // Each with its "id".
  std::vector<Json> posts;
  std::vector<std::string> deletes;

  bool empty() const { return patches.empty() && posts.empty() && deletes.empty(); }
  std::size_t size() const { return patches.size() + posts.size() + deletes.size(); }
};
// REQUIRES: compare() found nothing foreign in `live`.
CloudflarePlan plan_of(const CloudflareSet& live, const Change& change);

}  // namespace pointsman
