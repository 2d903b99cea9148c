#include "providers/cloudflare_records.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"

namespace pointsman {
namespace {

constexpr std::string_view kOpen = "[[pm ";
constexpr std::string_view kClose = "]]";
constexpr std::int64_t kAutomatic = 1;             // As the API writes "automatic TTL".
constexpr std::int64_t kAutomaticInAnswers = 300;  // The same in answers, in seconds.
constexpr std::size_t kIdSize = 32;

Error conflict(const RecordKey& key, std::string_view why) {
  return {ErrorCode::kConflict, printable(fmt::format("{}: {}", to_text(key), why))};
}

bool is_id(const std::string& text) {
  return text.size() == kIdSize && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Several marks that differ are told as provider.h says.
std::string joined_marks(const std::vector<CloudflareRecord>& records) {
  std::vector<std::string> marks;
  marks.reserve(records.size());
  for (const CloudflareRecord& record : records) marks.push_back(read_comment(record.comment).mark);
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  return fmt::format("{}", fmt::join(marks, "\n"));
}

// What stands at the name and forbids our type there, or "".
std::string foreign_type(const CheckedKey& checked, const CloudflareRecord& record) {
  if (record.type == "NS" && !(checked.name == checked.zone)) {
    return fmt::format("the name is delegated to {}", record.content);
  }
  const bool address = record.type == "A" || record.type == "AAAA";
  if (checked.type != kDnsCname && record.type == "CNAME") {
    return fmt::format("a CNAME to {} stands there", record.content);
  }
  if (checked.type == kDnsCname && address) {
    return fmt::format("{} {} stands where a CNAME is wanted", record.type, record.content);
  }
  return "";
}

Json body_of(const CloudflareRecord& record) {
  Json body = Json::object({{"name", record.name},
                            {"type", record.type},
                            {"content", record.content},
                            {"ttl", record.ttl},
                            {"proxied", record.proxied}});
  body.set("comment", record.comment.empty() ? Json() : Json(record.comment));
  return body;
}

// The longest of them, unless they agree: a set is as slow as its slowest record.
std::int64_t ttl_of(const CloudflareSet& live) {
  std::int64_t most = 0;
  for (const CloudflareRecord& record : live.records) {
    const bool automatic = record.ttl == kAutomatic && !record.proxied;
    most = std::max(most, automatic ? kAutomaticInAnswers : record.ttl);
  }
  return most;
}

}  // namespace

MarkedComment read_comment(const std::string& comment) {
  const std::size_t first = comment.find(kOpen);
  if (first == std::string::npos) return {comment, "", ""};
  const std::size_t close = comment.find(kClose, first + kOpen.size());
  if (close == std::string::npos) return {comment, "", ""};
  // What was opened last before it: an opening that nothing closes is the operator's.
  const std::size_t open = comment.rfind(kOpen, close - kOpen.size());
  return {comment.substr(0, open), comment.substr(open + kOpen.size(), close - open - kOpen.size()),
          comment.substr(close + kClose.size())};
}

bool is_comment_mark(const std::string& mark) {
  return read_comment(write_comment("", mark)).mark == mark;
}

std::string write_comment(const std::string& comment, const std::string& mark) {
  MarkedComment parts = read_comment(comment);
  if (mark.empty()) return parts.before + parts.after;
  if (!parts.before.empty() && parts.before.back() != ' ') parts.before += ' ';
  return fmt::format("{}{}{}{}{}", parts.before, kOpen, mark, kClose, parts.after);
}

Result<CloudflareRecord> parse_record(const Json& entry) {
  CloudflareRecord out;
  for (const auto& [key, into] : {std::pair<const char*, std::string*>{"id", &out.id},
                                  {"name", &out.name},
                                  {"type", &out.type},
                                  {"content", &out.content}}) {
    auto text = entry.string_at(key);
    if (!text.ok()) return text.error();
    *into = std::move(*text);
  }
  if (!is_id(out.id)) return {ErrorCode::kInvalid, "id is not 32 hexadecimal digits"};
  const auto ttl = entry.int_at("ttl");
  if (!ttl.ok()) return ttl.error();
  if (*ttl < 1 || *ttl > 1'000'000) return {ErrorCode::kInvalid, "ttl is out of range"};
  out.ttl = *ttl;
  const Json* proxied = entry.find("proxied");
  if (proxied != nullptr && !proxied->is_null()) {
    if (!proxied->is_bool()) return {ErrorCode::kInvalid, "proxied is no boolean"};
    out.proxied = proxied->as_bool();
  }
  const Json* comment = entry.find("comment");
  if (comment != nullptr && !comment->is_null()) {
    if (!comment->is_string()) return {ErrorCode::kInvalid, "comment is no text"};
    out.comment = comment->as_string();
  }
  const Json* settings = entry.find("settings");
  out.flattened = settings != nullptr && settings->bool_or("flatten_cname");
  return out;
}

Result<CloudflareSet> set_of(const RecordKey& key, const CheckedKey& checked,
                             const std::vector<CloudflareRecord>& records) {
  CloudflareSet out;
  out.set.key = key;
  for (const CloudflareRecord& record : records) {
    const auto name = DnsName::parse(record.name);
    if (!name.ok() || !(*name == checked.name)) continue;
    const std::string foreign = foreign_type(checked, record);
    if (!foreign.empty()) return conflict(key, foreign);
    if (record.type != key.type) continue;
    auto value = canonical_value(checked.type, record.content);
    if (!value.ok()) return conflict(key, fmt::format("it holds \"{}\"", record.content));
    out.records.push_back(record);
    out.records.back().content = *value;
    out.set.values.push_back(std::move(*value));
  }
  std::sort(out.set.values.begin(), out.set.values.end());
  const auto twice = std::adjacent_find(out.set.values.begin(), out.set.values.end());
  if (twice != out.set.values.end()) {
    return conflict(key, fmt::format("{} stands there in two records: delete one", *twice));
  }
  if (out.records.empty()) return out;
  std::sort(out.records.begin(), out.records.end(),
            [](const auto& a, const auto& b) { return a.content < b.content; });
  out.proxied = out.records.front().proxied;
  for (const CloudflareRecord& record : out.records) {
    if (record.proxied != out.proxied) {
      return conflict(key, fmt::format("of {} and {} one is proxied and the other is not: make "
                                       "them alike",
                                       out.records.front().content, record.content));
    }
    out.hidden = out.hidden || record.proxied || record.flattened;
  }
  out.set.ttl = std::chrono::seconds(ttl_of(out));
  out.set.mark = joined_marks(out.records);
  return out;
}

CloudflarePlan plan_of(const CloudflareSet& live, const Change& change) {
  CloudflarePlan plan;
  const std::int64_t ttl = live.proxied ? kAutomatic : change.ttl.count();
  std::vector<std::string> wanted = change.desired;
  std::vector<CloudflareRecord> spare;
  const auto patch = [&](const CloudflareRecord& from, const std::string& content) {
    CloudflareRecord to = from;
    to.content = content;
    to.ttl = ttl;
    to.comment = write_comment(from.comment, change.mark);
    // Whatever TTL a proxied record shows, it is the automatic one.
    const bool same_ttl = live.proxied || to.ttl == from.ttl;
    if (to.content == from.content && same_ttl && to.comment == from.comment) return;
    Json body = body_of(to);
    body.set("id", from.id);
    plan.patches.push_back(std::move(body));
  };
  for (const CloudflareRecord& record : live.records) {
    const auto at = std::find(wanted.begin(), wanted.end(), record.content);
    if (at == wanted.end()) {
      spare.push_back(record);
    } else {
      wanted.erase(at);
      patch(record, record.content);
    }
  }
  for (const std::string& content : wanted) {
    if (!spare.empty()) {
      patch(spare.front(), content);
      spare.erase(spare.begin());
      continue;
    }
    CloudflareRecord fresh;
    fresh.name = live.records.empty() ? change.key.name : live.records.front().name;
    fresh.type = change.key.type;
    fresh.content = content;
    fresh.ttl = ttl;
    fresh.proxied = live.proxied;
    fresh.comment = write_comment("", change.mark);
    plan.posts.push_back(body_of(fresh));
  }
  for (const CloudflareRecord& record : spare) plan.deletes.push_back(record.id);
  return plan;
}

}  // namespace pointsman
