#include "providers/compare.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::size_t kMarkMost = 200;
constexpr std::size_t kValuesShown = 16;
constexpr std::chrono::seconds kTtlMost = std::chrono::hours(24);

Error invalid(const RecordKey& key, std::string_view why) {
  return {ErrorCode::kInvalid, fmt::format("{}: {}", to_text(key), why)};
}

bool holds(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::string to_text(const RecordKey& key) {
  return printable(fmt::format("{} {}", key.name, key.type));
}

std::string to_text(const std::vector<std::string>& values) {
  if (values.empty()) return "nothing";
  const std::size_t shown = std::min(values.size(), kValuesShown);
  std::string out = fmt::format("{}", fmt::join(values.begin(), values.begin() + shown, ", "));
  if (shown < values.size()) out += fmt::format(" and {} more", values.size() - shown);
  return printable(out);
}

std::vector<std::string> marks_of(const std::string& mark) {
  std::vector<std::string> out;
  for (std::size_t at = 0;; ++at) {
    const std::size_t end = std::min(mark.find('\n', at), mark.size());
    out.push_back(mark.substr(at, end - at));
    at = end;
    if (at == mark.size()) return out;
  }
}

Result<CheckedKey> check_key(const RecordKey& key) {
  auto zone = DnsName::parse(key.zone);
  if (!zone.ok()) return invalid(key, "zone: " + zone.error().message);
  auto name = DnsName::parse(key.name);
  if (!name.ok()) return invalid(key, "name: " + name.error().message);
  if (!name->is_within(*zone)) return invalid(key, "the name is not within zone " + zone->text());
  const auto type = dns_type(key.type);
  if (!type || (*type != kDnsA && *type != kDnsAaaa && *type != kDnsCname)) {
    return invalid(key, "type is none of A, AAAA, CNAME");
  }
  if (*type == kDnsCname && *name == *zone) {
    return invalid(key, "a CNAME cannot stand at the top of a zone");
  }
  return CheckedKey{std::move(*zone), std::move(*name), *type};
}

RecordKey lower_key(const CheckedKey& key) {
  return {lowered(key.zone.text()), lowered(key.name.text()), dns_type_text(key.type)};
}

Result<void> make_canonical(const CheckedKey& key, std::vector<std::string>& values) {
  for (std::string& value : values) {
    auto canonical = canonical_value(key.type, value);
    if (!canonical.ok()) {
      return invalid(lower_key(key), canonical.error().message);
    }
    value = std::move(*canonical);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return {};
}

Result<Change> check_change(const Change& change) {
  const auto key = check_key(change.key);
  if (!key.ok()) return key.error();
  Change out = change;
  RETURN_IF_ERROR(make_canonical(*key, out.desired));
  RETURN_IF_ERROR(make_canonical(*key, out.expected));
  if (out.desired.empty()) return invalid(change.key, "a record set is never emptied");
  if (key->type == kDnsCname && out.desired.size() > 1) {
    return invalid(change.key, "a CNAME has exactly one value");
  }
  if (change.ttl < std::chrono::seconds(1) || change.ttl > kTtlMost) {
    return invalid(change.key, fmt::format("ttl {} is not within 1 to {} seconds",
                                           change.ttl.count(), kTtlMost.count()));
  }
  RETURN_IF_ERROR(check_mark(change));
  return out;
}

Result<void> check_mark(const Change& change) {
  if (change.mark.size() > kMarkMost) return invalid(change.key, "the mark is above 200 bytes");
  for (const char c : change.mark) {
    if (c < ' ' || c > '~') return invalid(change.key, "the mark is not printable ASCII");
  }
  return {};
}

Result<Todo> compare(const RecordSet& live, const Change& change) {
  for (const std::string& value : live.values) {
    if (holds(change.expected, value) || holds(change.desired, value)) continue;
    return Error{ErrorCode::kConflict,
                 fmt::format("{} holds {}, which is neither expected nor wanted: someone else "
                             "changed it",
                             to_text(change.key), printable(value))};
  }
  for (const std::string& mark : marks_of(live.mark)) {
    if (mark == change.mark || holds(change.expected_marks, mark)) continue;
    if (change.judge_mark) {
      RETURN_IF_ERROR(change.judge_mark(live.mark));
      break;
    }
    return Error{
        ErrorCode::kConflict,
        mark.empty()
            ? fmt::format("{} has lost its mark: someone else changed it", to_text(change.key))
            : fmt::format("{} carries the mark \"{}\", which is not the expected one: "
                          "another or a newer plan was here",
                          to_text(change.key), printable(mark))};
  }
  const bool same =
      live.values == change.desired && live.ttl == change.ttl && live.mark == change.mark;
  return same ? Todo::kNothing : Todo::kWrite;
}

}  // namespace pointsman
