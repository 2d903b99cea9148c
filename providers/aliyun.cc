#include "providers/aliyun.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "providers/aliyun_mark.h"

namespace pointsman {
namespace {

constexpr int kPagesMost = 10;
constexpr std::size_t kPageSize = 100;  // The vendor's most.
constexpr int kRoundsMost = 6;
constexpr Duration kConfirmWithin = 3s;
constexpr Duration kConfirmFirstPause = 20ms;
constexpr int kMarkTriesMost = 3;
constexpr Duration kMarkWithin = 2s;  // Nobody waits longer with a move that is done.
// Taken for the floor when a TTL is refused and the zone does not tell: the highest that any
// edition is said to have.
constexpr std::chrono::seconds kFloorUntold = std::chrono::minutes(10);

bool is_value(const AliyunStep& step) {
  return step.act == AliyunAct::kUpdate || step.act == AliyunAct::kAdd;
}

bool has_values(const std::vector<AliyunStep>& steps) {
  return std::any_of(steps.begin(), steps.end(), is_value);
}

bool are_marks(const std::vector<AliyunStep>& steps) {
  return std::all_of(steps.begin(), steps.end(),
                     [](const AliyunStep& step) { return step.act == AliyunAct::kRemark; });
}

bool writes_mark(const AliyunStep& step, const std::string& mark) {
  return step.act == AliyunAct::kRemark && read_remark(step.record.remark).mark == mark;
}

std::string steps_text(const std::vector<AliyunStep>& steps) {
  std::string out;
  for (const AliyunStep& step : steps) {
    if (step.act == AliyunAct::kRemark) continue;
    out += fmt::format("{}{} should be {}", out.empty() ? "" : ", ",
                       step.record.id.empty() ? "a new record" : "record " + step.record.id,
                       step.act == AliyunAct::kDelete ? "gone" : step.record.value);
  }
  return out;
}

}  // namespace

AliyunProvider::AliyunProvider(AliyunSettings settings, ApiOutside outside)
    : settings_(std::move(settings)),
      outside_(outside),
      api_(settings_.api, settings_.keys, "2015-01-09", std::move(outside)) {}

std::chrono::seconds AliyunProvider::floor_of(const std::string& zone) const {
  const auto found = floors_.find(lowered(zone));
  return found == floors_.end() ? std::chrono::seconds(1) : found->second;
}

ProviderLimits AliyunProvider::limits() const {
  ProviderLimits out;
  for (const auto& [zone, floor] : floors_) out.ttl_min = std::max(out.ttl_min, floor);
  return with_times(out, settings_.api.timeout, 1, 4);
}

Result<AliyunLive> AliyunProvider::fetch(const RecordKey& key, Instant deadline, bool of_move) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  std::vector<AliyunRecord> all;
  std::set<std::string> ids;
  for (int number = 1; number <= kPagesMost; ++number) {
    // Of every type: a CNAME that stands in the way shall be seen.
    const auto answer = api_.call({.action = "DescribeSubDomainRecords",
                                   .parameters = {{"DomainName", checked->zone.text()},
                                                  {"SubDomain", checked->name.text()},
                                                  {"PageNumber", std::to_string(number)},
                                                  {"PageSize", std::to_string(kPageSize)}},
                                   .of_move = of_move},
                                  deadline);
    if (!answer.ok()) return answer.error();
    auto page = parse_aliyun_page(*answer);
    if (!page.ok()) return api_.caller().error(ErrorCode::kUnavailable, page.error().message);
    const bool empty = page->records.empty();
    for (AliyunRecord& record : page->records) {
      // The list moved on between two pages: then another record may have been on neither.
      if (!ids.insert(record.id).second) {
        return api_.caller().error(ErrorCode::kUnavailable,
                                   to_text(record) + " came twice: the list changed under us");
      }
      all.push_back(std::move(record));
    }
    if (static_cast<std::int64_t>(all.size()) >= page->total) {
      auto live = aliyun_live(key, std::move(all));
      if (!live.ok()) return api_.caller().error(live.error().code, live.error().message);
      return live;
    }
    if (empty) break;
  }
  return api_.caller().error(ErrorCode::kUnavailable,
                             fmt::format("{}: the pages do not add up to the total told, or are "
                                         "more than {}",
                                         to_text(key), kPagesMost));
}

Result<RecordSet> AliyunProvider::read(const RecordKey& key, Duration within) {
  auto live = fetch(key, api_.caller().now() + within, false);
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<RecordSet> AliyunProvider::read_for_move(const RecordKey& key, Duration within) {
  auto live = fetch(key, api_.caller().now() + within, true);
  if (!live.ok()) return live.error();
  return std::move(live->set);
}

Result<AliyunProvider::Steps> AliyunProvider::left(const Change& change, Instant deadline,
                                                   bool of_move) {
  const auto live = fetch(change.key, deadline, of_move);
  if (!live.ok()) return live.error();
  const auto todo = compare(live->set, change);
  // It repeats what stands there, which the far side chose.
  if (!todo.ok()) return api_.caller().error(todo.error().code, todo.error().message);
  Change possible = change;
  possible.ttl = std::max(change.ttl, floor_of(change.key.zone));
  auto steps = plan_aliyun(*live, possible);
  if (!steps.ok()) return api_.caller().error(steps.error().code, steps.error().message);
  const bool marks = std::any_of(steps->begin(), steps->end(), [&](const AliyunStep& step) {
    return writes_mark(step, change.mark);
  });
  if (!marks && marks_of(live->set.mark).front() != change.mark) {
    mark_problem_ = "the remark of the first record has no room for it";
  }
  return steps;
}

AliyunRequest AliyunProvider::request_of(const AliyunStep& step, const Change& change) const {
  const AliyunRecord& record = step.record;
  AliyunRequest out;
  out.writes = true;
  out.of_move = true;
  if (!record.id.empty()) out.parameters["RecordId"] = record.id;
  if (step.act == AliyunAct::kRemark) {
    out.action = "UpdateDomainRecordRemark";
    out.parameters["Remark"] = record.remark;
    if (record.id.empty()) out.parameters["RecordId"] = "(of the new record)";
    return out;
  }
  if (step.act == AliyunAct::kDelete) {
    out.action = "DeleteDomainRecord";
    return out;
  }
  out.action = step.act == AliyunAct::kAdd ? "AddDomainRecord" : "UpdateDomainRecord";
  if (step.act == AliyunAct::kAdd) out.parameters["DomainName"] = lowered(change.key.zone);
  // What an update leaves out is set to the vendor's default, not kept.
  out.parameters["RR"] = record.rr;
  out.parameters["Type"] = record.type;
  out.parameters["Value"] = record.value;
  out.parameters["Line"] = record.line;
  out.parameters["TTL"] = std::to_string(record.ttl.count());
  if (record.priority) out.parameters["Priority"] = std::to_string(*record.priority);
  return out;
}

Result<void> AliyunProvider::send(const Steps& steps, const Change& change, Instant deadline) {
  const bool values = has_values(steps);
  for (const AliyunStep& step : steps) {
    if (is_value(step) != values) continue;
    if (step.act == AliyunAct::kRemark) {
      send_mark(step, change, deadline);
      continue;
    }
    const auto done = api_.call(request_of(step, change), deadline);
    if (!done.ok()) return done.error();
  }
  return {};
}

void AliyunProvider::send_mark(const AliyunStep& step, const Change& change, Instant deadline) {
  const Instant now = api_.caller().now();
  const Instant until = now + std::min<Duration>((deadline - now) / 2, kMarkWithin);
  for (int round = 0; round < kMarkTriesMost; ++round) {
    const auto done = api_.call(request_of(step, change), until);
    if (done.ok()) {
      if (writes_mark(step, change.mark)) mark_problem_.clear();
      return;
    }
    mark_problem_ = done.error().message;
    const ErrorCode code = done.error().code;
    // The same remark twice does no harm, so nothing is read between.
    if (code != ErrorCode::kTimeout && code != ErrorCode::kUnavailable) break;
    if (!api_.may_go_on(round, until)) break;
  }
}

Result<AliyunProvider::Steps> AliyunProvider::confirm(const Change& change, bool values,
                                                      Instant deadline) {
  const Instant until = std::min(deadline, api_.caller().now() + kConfirmWithin);
  for (Duration pause = kConfirmFirstPause;; pause *= 2) {
    auto steps = left(change, deadline, true);
    if (!steps.ok()) {
      if (steps.error().code == ErrorCode::kConflict) return steps.error();
      return Error{ErrorCode::kTimeout,
                   "the change was accepted but not read back: " + steps.error().message};
    }
    const bool done = values ? !has_values(*steps) : are_marks(*steps);
    if (done) return steps;
    if (api_.caller().now() + pause >= until) {
      return api_.caller().error(
          ErrorCode::kTimeout,
          fmt::format("accepted, not effective: {}: {}", to_text(change.key), steps_text(*steps)));
    }
    outside_.sleep(pause + pause * static_cast<int>(outside_.random() % 100) / 200);
  }
}

void AliyunProvider::raise_floor(const std::string& zone, Instant deadline) {
  const auto before = floor_of(zone);
  (void)describe_zone(zone, deadline);
  if (floor_of(zone) <= before) floors_[lowered(zone)] = std::max(before, kFloorUntold);
}

bool AliyunProvider::may_go_on(const Change& change, int round, Instant deadline) {
  if (api_.failure().next != AliyunNext::kRaiseTtl) return api_.may_go_on(round, deadline);
  if (std::max(change.ttl, floor_of(change.key.zone)) >= kFloorUntold) return false;
  raise_floor(change.key.zone, deadline);
  return true;
}

Result<void> AliyunProvider::replace(const Change& asked, Duration within) {
  const auto change = check_change(asked);
  if (!change.ok()) return change.error();
  const Instant deadline = api_.caller().now() + within;
  auto steps = left(*change, deadline, true);
  Error last;
  for (int round = 0; round < kRoundsMost; ++round) {
    if (!steps.ok()) return after_write(last, steps.error());
    if (steps->empty()) return {};
    const bool only_marks = are_marks(*steps);
    const bool values = has_values(*steps);
    const auto sent = send(*steps, *change, deadline);
    if (only_marks) return {};
    if (sent.ok()) {
      steps = confirm(*change, values, deadline);
      last = {};
      continue;
    }
    last = sent.error();
    if (!may_go_on(*change, round, deadline)) return last;
    // Whatever the far side did with the failed call, it shows now.
    steps = left(*change, deadline, true);
  }
  if (!steps.ok()) return after_write(last, steps.error());
  if (steps->empty()) return {};
  return last.message.empty()
             ? api_.caller().error(ErrorCode::kTimeout,
                                   to_text(change->key) + " keeps changing while we write")
             : last;
}

Result<std::vector<std::string>> AliyunProvider::render(const Change& asked, Duration within) {
  const auto change = check_change(asked);
  if (!change.ok()) return change.error();
  const auto steps = left(*change, api_.caller().now() + within, false);
  if (!steps.ok()) return steps.error();
  std::vector<std::string> out;
  for (const AliyunStep& step : *steps) out.push_back(api_.render(request_of(step, *change)));
  return out;
}

}  // namespace pointsman
