#include "orchestrator/sim/sim_zone.h"

#include <algorithm>
#include <cstdlib>

#include "orchestrator/shell/publisher.h"
#include "orchestrator/sim/world.h"
#include "providers/compare.h"

namespace pointsman {

std::string address_of(int site) { return site == 0 ? "192.0.2.10" : "198.51.100.20"; }

std::string record_name(int service, std::size_t record) {
  return "s" + std::to_string(service) + "-" + std::to_string(record) + ".example.test";
}

int service_of(const std::string& record_name) { return std::atoi(record_name.c_str() + 1); }

SimZone::SimZone(World& world) : world_(world) {
  const int services = static_cast<int>(world.setting.services.size());
  for (int service = 0; service < services; ++service) {
    for (std::size_t k = 0; k < records(service); ++k) {
      Entry entry;
      entry.now.key = {"example.test", record_name(service, k), "A"};
      entry.now.values = {address_of(0)};
      entry.now.ttl = std::chrono::seconds(60);
      entry.before = entry.now;
      entry.shown = {entry.now.values, entry.now.values};
      entries_.push_back(std::move(entry));
    }
  }
}

std::size_t SimZone::records(int service) const {
  return static_cast<std::size_t>(world_.policy(service).records);
}

const SimZone::Entry* SimZone::find(const RecordKey& key) const {
  for (const Entry& entry : entries_) {
    if (entry.now.key == key) return &entry;
  }
  return nullptr;
}
SimZone::Entry* SimZone::find(const RecordKey& key) {
  return const_cast<Entry*>(std::as_const(*this).find(key));  // NOLINT
}

RecordSet SimZone::read(const RecordKey& key) const {
  const Entry* entry = find(key);
  return stale_reads ? entry->before : entry->now;
}

void SimZone::change(Entry& entry, const std::vector<std::string>& values,
                     const std::string& mark) {
  entry.before = entry.now;
  entry.now.values = values;
  entry.now.mark = mark;
  for (std::size_t server = 0; server < 2; ++server) {
    const Duration late = world_.dice.between(
        0s, world_.dice.chance(1000 - world_.setting.late_servers) ? 500ms : 20s);
    world_.line.in(late, [&entry, server, values] {
      if (entry.now.values == values) entry.shown.at(server) = values;
    });
  }
}

Result<void> SimZone::apply(const Change& change) {
  const auto checked = check_change(change);
  if (!checked.ok()) return checked.error();
  Entry* entry = find(change.key);
  const auto todo = compare(entry->now, *checked);
  if (!todo.ok()) return todo.error();
  if (*todo == Todo::kNothing) return {};
  world_.oracles.on_dns_write(entry->now, *checked);
  if (entry->now.values != checked->desired) ++written_;
  this->change(*entry, checked->desired, checked->mark);
  entry->now.ttl = checked->ttl;
  world_.note("dns " + entry->now.key.name + " = " + checked->desired.front() + " " +
              checked->mark);
  return {};
}

void SimZone::edit(int service, std::size_t record, int site) {
  Entry* entry = find({"example.test", record_name(service, record), "A"});
  world_.note("edit of " + entry->now.key.name + " to site " + std::to_string(site));
  change(*entry, {site < 0 ? "203.0.113.99" : address_of(site)}, entry->now.mark);
}

AuthorityAnswer SimZone::ask(const std::string& server, const RecordKey& key) const {
  AuthorityAnswer answer;
  answer.server = server;
  if (!world_.net.passes(kMonitorEnd, kDnsEnd) || down) {
    answer.problem = "timeout";
    return answer;
  }
  answer.answered = true;
  answer.values = find(key)->shown.at(server == "ns1" ? 0 : 1);
  return answer;
}

int SimZone::shown(int service, std::uint64_t chance) const {
  const auto& values = find({"example.test", record_name(service, 0), "A"})->shown.at(chance & 1);
  for (int site = 0; site < kSites; ++site) {
    if (values.front() == address_of(site)) return site;
  }
  return -1;
}

bool SimZone::is_foreign(int service) const {
  for (std::size_t k = 0; k < records(service); ++k) {
    const auto& values = find({"example.test", record_name(service, k), "A"})->now.values;
    if (values.front() != address_of(0) && values.front() != address_of(1)) return true;
  }
  return false;
}

bool SimZone::agrees(int service, int site) const {
  for (std::size_t k = 0; k < records(service); ++k) {
    const Entry* entry = find({"example.test", record_name(service, k), "A"});
    for (const auto& values : entry->shown) {
      if (values.front() != address_of(site)) return false;
    }
  }
  return true;
}

Result<void> StagedProvider::replace(const Change& asked, Duration) {
  SimZone& zone = world_.zone;
  // What it was shown when it asked is judged, and is the prerequisite of the write.
  if (!staged.ok()) return staged.error();
  Change change = asked;
  const auto todo = compare(*staged, change);
  if (!todo.ok()) return todo.error();
  change.expected_marks = marks_of(staged->mark);
  change.judge_mark = nullptr;
  world_.oracles.on_publish(change);
  if (zone.down || !world_.net.passes(kMonitorEnd, kDnsEnd)) {
    return {ErrorCode::kUnavailable, "the provider does not answer"};
  }
  if (zone.late_by > Duration::zero()) {
    world_.line.in(std::exchange(zone.late_by, Duration::zero()), [this, &zone, change] {
      if (!world_.healed) static_cast<void>(zone.apply(change));
    });
    return {ErrorCode::kTimeout, "no reply of the provider"};
  }
  const auto applied = zone.apply(change);
  if (zone.lost_replies > 0) {
    --zone.lost_replies;
    return {ErrorCode::kTimeout, "no reply of the provider"};
  }
  return applied;
}

}  // namespace pointsman
