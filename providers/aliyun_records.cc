#include "providers/aliyun_records.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "providers/aliyun_mark.h"

namespace pointsman {
namespace {

constexpr const char* kDefaultLine = "default";

Error unreadable(std::string_view what) {
  return {ErrorCode::kInvalid, fmt::format("the answer is not understood: {}", what)};
}

// Numbers come as numbers or as text, ids too.
std::optional<std::int64_t> number_at(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr) return std::nullopt;
  if (found->is_int()) return found->as_int();
  if (!found->is_string()) return std::nullopt;
  const std::string& text = found->as_string();
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return out;
}

std::string text_at(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found != nullptr && found->is_int()) return std::to_string(found->as_int());
  return object.string_or(key);
}

Result<AliyunRecord> parse_record(const Json& json) {
  AliyunRecord out;
  out.id = text_at(json, "RecordId");
  out.rr = json.string_or("RR");
  out.type = json.string_or("Type");
  out.value = json.string_or("Value");
  out.line = json.string_or("Line", kDefaultLine);
  out.remark = json.string_or("Remark");
  const auto ttl = number_at(json, "TTL");
  if (out.id.empty() || out.rr.empty() || out.type.empty() || out.value.empty() || !ttl ||
      *ttl < 0 || *ttl > INT32_MAX) {
    return unreadable("a record without RecordId, RR, Type, Value or TTL");
  }
  out.ttl = std::chrono::seconds(*ttl);
  out.priority = number_at(json, "Priority");
  out.weight = number_at(json, "Weight");
  out.enabled = lowered(json.string_or("Status", "ENABLE")) != "disable";
  out.locked = json.bool_or("Locked");
  return out;
}

bool is_redirect(const std::string& type) {
  return type == "REDIRECT_URL" || type == "FORWARD_URL";
}

Result<void> refuse_weights(const RecordKey& key, const std::vector<AliyunRecord>& records) {
  std::map<std::string, const AliyunRecord*> first;
  for (const AliyunRecord& record : records) {
    if (!record.enabled) continue;
    const auto [at, fresh] = first.try_emplace(record.line, &record);
    if (fresh || at->second->weight == record.weight) continue;
    return Error{ErrorCode::kRefused,
                 fmt::format("{}: {} and {} carry different weights, which a move would give to "
                             "other values: set them equal or turn weights off",
                             to_text(key), to_text(*at->second), to_text(record))};
  }
  return {};
}

bool holds(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

Error immovable(const AliyunRecord& record, std::string_view why) {
  return {ErrorCode::kRefused, fmt::format("{} is {}", to_text(record), why)};
}

// The steps for the records of one line, and what becomes of its records.
struct LinePlan {
  std::vector<AliyunStep> writes;
  std::vector<AliyunRecord> stay;  // As they are or will be; those to be added have no id.
  std::vector<AliyunRecord> left_over;
};

Result<void> rewrite(LinePlan& plan, const AliyunRecord& from, const std::string& value,
                     std::chrono::seconds ttl) {
  AliyunRecord to = from;
  to.value = value;
  to.ttl = ttl;
  if (!(to == from)) {
    if (from.locked) return immovable(from, "locked: unlock it in the console");
    plan.writes.push_back({AliyunAct::kUpdate, to});
  }
  plan.stay.push_back(std::move(to));
  return {};
}

Result<LinePlan> plan_line(const std::vector<AliyunRecord>& records, const Change& change,
                           const AliyunRecord& pattern) {
  LinePlan plan;
  std::vector<std::string> missing = change.desired;
  std::vector<AliyunRecord> others;
  for (const AliyunRecord& record : records) {
    const auto wanted = std::find(missing.begin(), missing.end(), record.value);
    if (!record.enabled) {
      if (!holds(change.desired, record.value)) continue;
      return immovable(record, "disabled and holds a wanted value: enable or delete it");
    }
    if (wanted == missing.end()) {
      others.push_back(record);
      continue;
    }
    missing.erase(wanted);
    RETURN_IF_ERROR(rewrite(plan, record, record.value, change.ttl));
  }
  for (const AliyunRecord& record : others) {
    if (missing.empty()) {
      if (record.locked) return immovable(record, "locked: unlock it in the console");
      plan.left_over.push_back(record);
      continue;
    }
    RETURN_IF_ERROR(rewrite(plan, record, missing.front(), change.ttl));
    missing.erase(missing.begin());
  }
  for (const std::string& value : missing) {
    AliyunRecord fresh = pattern;
    fresh.value = value;
    fresh.ttl = change.ttl;
    plan.writes.push_back({AliyunAct::kAdd, fresh});
    plan.stay.push_back(std::move(fresh));
  }
  return plan;
}

// Puts `mark` behind the operator's words, or leaves the words alone when it has no room: an older
// mark of ours would say of whatever comes to stand there that we wrote it.
std::optional<AliyunStep> plan_remark(AliyunRecord record, const std::string& mark) {
  const AliyunRemark now = read_remark(record.remark);
  if (now.mark == mark) return std::nullopt;
  std::string words = now.words;
  std::optional<std::string> remark;
  if (!mark.empty()) remark = make_remark({words, mark});
  if (!remark) {
    while (!read_remark(words).mark.empty()) words = read_remark(words).words;
    if (words == record.remark) return std::nullopt;
    remark = words;
  }
  record.remark = *std::move(remark);
  return AliyunStep{AliyunAct::kRemark, std::move(record)};
}

// The bearer gets the mark, and every other record that is left loses what it has of ours.
std::vector<AliyunStep> plan_remarks(const AliyunRecord& bearer, const std::string& mark,
                                     const std::vector<AliyunRecord>& records,
                                     const std::vector<AliyunStep>& deletions) {
  std::vector<AliyunStep> out;
  if (auto step = plan_remark(bearer, mark)) out.push_back(*std::move(step));
  for (const AliyunRecord& record : records) {
    const bool goes = std::any_of(deletions.begin(), deletions.end(), [&](const AliyunStep& step) {
      return step.record.id == record.id;
    });
    if (record.id == bearer.id || goes) continue;
    if (auto step = plan_remark(record, "")) out.push_back(*std::move(step));
  }
  return out;
}

}  // namespace

namespace {

// What stands there twice could be told apart by nobody. `records` are sorted by line.
Result<void> refuse_twins(const RecordKey& key, const std::vector<AliyunRecord>& records) {
  for (const AliyunRecord& record : records) {
    const auto twin = std::find_if(records.begin(), records.end(), [&](const AliyunRecord& other) {
      return other.id != record.id && other.line == record.line && other.value == record.value;
    });
    if (twin == records.end() || !record.enabled || !twin->enabled) continue;
    return Error{ErrorCode::kConflict, fmt::format("{}: {} and {} hold the same: delete one",
                                                   to_text(key), to_text(record), to_text(*twin))};
  }
  return {};
}

}  // namespace

std::string to_text(const AliyunRecord& record) {
  return printable(fmt::format("record {} ({}, line {})", record.id.empty() ? "?" : record.id,
                               record.value, record.line));
}

Result<AliyunPage> parse_aliyun_page(const Json& answer) {
  AliyunPage out;
  const Json* records = answer.find("DomainRecords");
  const Json* list = records == nullptr ? nullptr : records->find("Record");
  if (list == nullptr || !list->is_array()) return unreadable("no DomainRecords.Record");
  const auto total = number_at(answer, "TotalCount");
  if (!total || *total < 0) return unreadable("no TotalCount");
  out.total = *total;
  for (const Json& one : list->as_array()) {
    auto record = parse_record(one);
    if (!record.ok()) return record.error();
    out.records.push_back(*std::move(record));
  }
  return out;
}

std::string aliyun_rr(const CheckedKey& key) {
  if (key.name == key.zone) return "@";
  const std::string name = key.name.text();
  return name.substr(0, name.size() - key.zone.text().size() - 1);
}

Result<AliyunLive> aliyun_live(const RecordKey& key, std::vector<AliyunRecord> all) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const std::string rr = lowered(aliyun_rr(*checked));
  AliyunLive out;
  out.set.key = key;
  for (AliyunRecord& record : all) {
    if (lowered(record.rr) != rr) continue;
    if (record.type != key.type) {
      const bool in_the_way = record.type == "CNAME" || is_redirect(record.type);
      if (!in_the_way || !record.enabled) continue;
      return Error{ErrorCode::kConflict,
                   fmt::format("a {} to {} stands where {} is wanted", record.type,
                               printable(record.value), to_text(key))};
    }
    auto value = canonical_value(checked->type, record.value);
    if (value.ok()) record.value = *std::move(value);
    out.records.push_back(std::move(record));
  }
  std::sort(out.records.begin(), out.records.end(),
            [](const AliyunRecord& a, const AliyunRecord& b) {
              return std::tuple(a.line != kDefaultLine, a.line, a.id.size(), a.id) <
                     std::tuple(b.line != kDefaultLine, b.line, b.id.size(), b.id);
            });
  RETURN_IF_ERROR(refuse_weights(key, out.records));
  RETURN_IF_ERROR(refuse_twins(key, out.records));
  std::vector<std::string> marks;
  for (const AliyunRecord& record : out.records) {
    if (!record.enabled) continue;
    if (!holds(out.set.values, record.value)) out.set.values.push_back(record.value);
    out.set.ttl = std::max(out.set.ttl, record.ttl);
    const std::string mark = read_remark(record.remark).mark;
    // Only one record bears ours; what others bear besides is left from an interruption, or newer.
    if (!mark.empty() && !holds(marks, mark)) marks.push_back(mark);
  }
  out.set.mark = fmt::format("{}", fmt::join(marks, "\n"));
  std::sort(out.set.values.begin(), out.set.values.end());
  return out;
}

Result<std::vector<AliyunStep>> plan_aliyun(const AliyunLive& live, const Change& change) {
  const auto checked = check_key(change.key);
  if (!checked.ok()) return checked.error();
  std::vector<std::vector<AliyunRecord>> lines;
  for (const AliyunRecord& record : live.records) {
    if (lines.empty() || lines.back().front().line != record.line) lines.emplace_back();
    lines.back().push_back(record);
  }
  // A line all of whose records are disabled answers nobody, and is left so.
  std::erase_if(lines, [](const std::vector<AliyunRecord>& line) {
    return std::none_of(line.begin(), line.end(), [](const auto& r) { return r.enabled; });
  });
  if (lines.empty() && !live.records.empty()) {
    return immovable(live.records.front(),
                     "disabled, as is all else at the name: users get no answer; enable it");
  }
  if (lines.empty()) lines.emplace_back();

  std::vector<AliyunStep> steps;
  std::vector<AliyunStep> deletions;
  std::optional<AliyunRecord> bearer;
  for (const std::vector<AliyunRecord>& line : lines) {
    AliyunRecord pattern;
    pattern.rr = aliyun_rr(*checked);
    pattern.type = change.key.type;
    if (!line.empty()) pattern.line = line.front().line;
    auto plan = plan_line(line, change, pattern);
    if (!plan.ok()) return plan.error();
    steps.insert(steps.end(), plan->writes.begin(), plan->writes.end());
    for (AliyunRecord& record : plan->left_over) {
      deletions.push_back({AliyunAct::kDelete, std::move(record)});
    }
    if (bearer) continue;
    // The order of live.records, which aliyun_live() reads the mark by: ids before new records.
    std::stable_sort(plan->stay.begin(), plan->stay.end(),
                     [](const AliyunRecord& a, const AliyunRecord& b) {
                       return std::tuple(a.id.empty(), a.id.size(), a.id) <
                              std::tuple(b.id.empty(), b.id.size(), b.id);
                     });
    bearer = plan->stay.front();
  }
  const auto remarks = plan_remarks(*bearer, change.mark, live.records, deletions);
  steps.insert(steps.end(), remarks.begin(), remarks.end());
  steps.insert(steps.end(), deletions.begin(), deletions.end());
  return steps;
}

}  // namespace pointsman
