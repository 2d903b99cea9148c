#include "providers/memory.h"

#include <algorithm>

#include <fmt/format.h>

#include "providers/compare.h"

namespace pointsman {
namespace {

std::string folded(const std::string& name) {
  const auto parsed = DnsName::parse(name);
  return parsed.ok() ? parsed->canonical_wire() : name;
}

}  // namespace

MemoryZone::Id MemoryZone::id_of(const RecordKey& key) {
  return {folded(key.zone), folded(key.name), key.type};
}

RecordSet MemoryZone::get_locked(const RecordKey& key) const {
  const auto found = sets_.find(id_of(key));
  RecordSet out = found == sets_.end() ? RecordSet{} : found->second;
  out.key = key;
  return out;
}

void MemoryZone::put(const RecordSet& set) {
  const std::lock_guard lock(mutex_);
  RecordSet sorted = set;
  std::sort(sorted.values.begin(), sorted.values.end());
  sets_[id_of(set.key)] = std::move(sorted);
}

RecordSet MemoryZone::get(const RecordKey& key) const {
  const std::lock_guard lock(mutex_);
  return get_locked(key);
}

int MemoryZone::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

Result<RecordSet> MemoryProvider::read(const RecordKey& key, Duration) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  return zone_.get(key);
}

Result<void> MemoryProvider::replace(const Change& change, Duration) {
  const auto checked = check_change(change);
  if (!checked.ok()) return checked.error();
  const std::lock_guard lock(zone_.mutex_);
  const auto todo = compare(zone_.get_locked(change.key), *checked);
  if (!todo.ok()) return todo.error();
  if (*todo == Todo::kNothing) return {};
  zone_.sets_[MemoryZone::id_of(change.key)] = {change.key, checked->desired, checked->ttl,
                                                checked->mark};
  ++zone_.writes_;
  return {};
}

Result<std::vector<std::string>> MemoryProvider::render(const Change& change, Duration) {
  const auto checked = check_change(change);
  if (!checked.ok()) return checked.error();
  const auto todo = compare(zone_.get(change.key), *checked);
  if (!todo.ok()) return todo.error();
  if (*todo == Todo::kNothing) return std::vector<std::string>{};
  return std::vector<std::string>{fmt::format("set {} {} to {} mark \"{}\"", to_text(change.key),
                                              checked->ttl.count(), to_text(checked->desired),
                                              checked->mark)};
}

Result<std::string> MemoryProvider::preflight(const RecordKey& key, Duration) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  const RecordSet live = zone_.get(key);
  if (live.values.empty()) return Error{ErrorCode::kNotFound, to_text(key) + " does not exist"};
  return fmt::format("{} is {} with TTL {} s, held in memory", to_text(key), to_text(live.values),
                     live.ttl.count());
}

Result<std::vector<std::string>> MemoryProvider::authorities(const RecordKey& key, Duration) {
  const auto checked = check_key(key);
  if (!checked.ok()) return checked.error();
  return std::vector<std::string>{};
}

}  // namespace pointsman
