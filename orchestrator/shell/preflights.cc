#include "orchestrator/shell/preflights.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "orchestrator/shell/rounds.h"

namespace pointsman {
namespace {

constexpr Duration kWithin = 5s;
constexpr Duration kDelegatedWithin = 5s;
constexpr Duration kWhileBad = 1min;
constexpr Duration kWhileGood = 24h;
constexpr Duration kTurnMost = 5s;  // How soon a change of plan is noticed.

}  // namespace

Preflights::Preflights(Parts parts) : parts_(std::move(parts)) {
  for (const auto& [name, outside] : parts_.outside) {
    for (std::size_t k = 0; k < outside.publishers.size(); ++k) records_[{name, k}];
  }
}

Instant Preflights::turn(Instant now) {
  std::vector<Key> due;
  Instant next = now + kTurnMost;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, record] : records_) {
      if (!record.under_way && record.next <= now) {
        record.under_way = true;
        due.push_back(key);
      } else if (!record.under_way) {
        next = std::min(next, record.next);
      }
    }
  }
  for (const Key& key : due) ask(key);
  return next;
}

void Preflights::afresh() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, record] : records_) record.next = Instant{0};
}

std::vector<Preflights::Last> Preflights::last() const {
  const std::lock_guard lock(mutex_);
  std::vector<Last> all;
  for (const auto& [key, record] : records_) {
    if (record.at == Instant{0}) continue;
    all.push_back({key.first, key.second, record.passed, record.at});
  }
  return all;
}

void Preflights::published(const std::string& service, int record) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find({service, static_cast<std::size_t>(record)});
    if (found == records_.end() || !found->second.shut) return;
    found->second.shut = false;
    found->second.passed = true;
    found->second.at = parts_.clock.now();
    found->second.said.clear();
    found->second.next = parts_.clock.now() + jittered(kWhileGood, parts_.chance());
  }
  parts_.judged(service, {record, true, ""});
}

void Preflights::ask(const Key& key) {
  const ServiceOutside& outside = parts_.outside.at(key.first);
  const bool taken = outside.publisher_lanes.at(key.second)->give([this, key] {
    Publisher& publisher = *parts_.outside.at(key.first).publishers.at(key.second);
    const ProviderLimits limits = publisher.limits();
    const auto result = publisher.preflight(std::max(kWithin, limits.change));
    note(key, result);
    // At once: a move that waits for the list must not wait for the next read.
    if (!result.ok()) return;
    publisher.find_authorities(limits.reading);
    if (publisher.last_values().empty())
      publisher.read(static_cast<int>(key.second), limits.reading);
    lookups_.give([this, key] { compare_delegation(key); });
  });
  if (taken) return;
  const std::lock_guard lock(mutex_);
  Record& record = records_.at(key);
  record.under_way = false;
  record.next = parts_.clock.now() + jittered(kTurnMost, parts_.chance());
}

// A monitor with resolvers of its own may see another world: so this is told, and no gate.
void Preflights::compare_delegation(const Key& key) {
  const Publisher& publisher = *parts_.outside.at(key.first).publishers.at(key.second);
  const auto values = publisher.last_values();
  if (publisher.asks_api() || values.empty()) return;
  const auto answers = parts_.ask_delegated(publisher.key(), kDelegatedWithin);
  // Moved meanwhile: the next one tells.
  if (!answers.ok() || publisher.last_values() != values) return;
  const Delegation found = judge_delegation(values, *answers);
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(records_.at(key).delegation, found.text) == found.text) return;
  }
  log(found.serves ? LogLevel::kInfo : LogLevel::kWarning,
      found.serves ? "delegation-agrees" : "delegation-differs",
      {{"service", key.first}, {"record", key.second + 1}, {"text", found.text}});
}

void Preflights::note(const Key& key, const Result<std::string>& result) {
  const std::string text = result.ok() ? *result : result.error().message;
  ProviderJudged judged;
  judged.record = static_cast<int>(key.second);
  judged.well = result.ok() || (result.error().code != ErrorCode::kRefused &&
                                result.error().code != ErrorCode::kInvalid);
  judged.problem = result.ok() ? "" : text;
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    Record& record = records_.at(key);
    record.under_way = false;
    record.shut = !judged.well;
    record.passed = result.ok();
    record.at = parts_.clock.now();
    news = record.said.empty() || record.said != text;
    record.said = text;
    const Duration wait = result.ok() ? Duration(kWhileGood) : Duration(kWhileBad);
    record.next = parts_.clock.now() + jittered(wait, parts_.chance());
  }
  if (news) {
    log(result.ok() ? LogLevel::kInfo : LogLevel::kError,
        result.ok() ? "preflight-passed" : "preflight-failed",
        {{"service", key.first}, {"record", key.second + 1}, {"text", text}});
  }
  parts_.judged(key.first, judged);
}

}  // namespace pointsman
