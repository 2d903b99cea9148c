#include "agent/drivers/mysql_gtid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace pointsman {
namespace {

struct Entry {
  std::uint32_t domain = 0;
  Gtid gtid;
};

constexpr const char* kNothing = "-";

template <typename N>
bool take_number(std::string_view& text, N& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_dash(std::string_view& text) {
  if (text.empty() || text.front() != '-') return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::vector<Entry>> parse_entries(std::string_view text) {
  std::vector<Entry> entries;
  while (!text.empty()) {
    Entry entry;
    if (!take_number(text, entry.domain) || !take_dash(text) ||
        !take_number(text, entry.gtid.server) || !take_dash(text) ||
        !take_number(text, entry.gtid.sequence)) {
      return std::nullopt;
    }
    entries.push_back(entry);
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
    while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  }
  return entries;
}

void raise(GtidPosition& position, std::uint32_t domain, const Gtid& gtid) {
  const auto [at, fresh] = position.try_emplace(domain, gtid);
  if (!fresh && gtid.sequence > at->second.sequence) at->second = gtid;
}

}  // namespace

std::string position_text(const GtidPosition& position) {
  return position.empty() ? kNothing : to_text(position);
}

std::optional<GtidPosition> parse_gtid(const std::string& text) {
  if (text == kNothing) return GtidPosition{};
  const auto entries = parse_entries(text);
  if (!entries) return std::nullopt;
  GtidPosition position;
  for (const auto& entry : *entries) raise(position, entry.domain, entry.gtid);
  return position;
}

std::string to_text(const GtidPosition& position) {
  std::string text;
  for (const auto& [domain, gtid] : position) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}-{}-{}", domain, gtid.server, gtid.sequence);
  }
  return text;
}

std::uint64_t transactions_of(const GtidPosition& position) {
  std::uint64_t sum = 0;
  for (const auto& [domain, gtid] : position) sum += gtid.sequence;
  return sum;
}

GtidPosition join(const GtidPosition& a, const GtidPosition& b) {
  GtidPosition joined = a;
  for (const auto& [domain, gtid] : b) raise(joined, domain, gtid);
  return joined;
}

bool holds(const GtidPosition& whole, const GtidPosition& part) {
  for (const auto& [domain, gtid] : part) {
    const auto at = whole.find(domain);
    if (at == whole.end() || at->second.sequence < gtid.sequence) return false;
    if (at->second.sequence == gtid.sequence && at->second.server != gtid.server) return false;
  }
  return true;
}

GtidPosition errant_of(const std::string& binlog_state, std::uint32_t own,
                       const GtidPosition& given) {
  GtidPosition errant;
  const auto entries = parse_entries(binlog_state);
  if (!entries) return errant;
  for (const auto& entry : *entries) {
    if (entry.gtid.server != own) continue;
    const auto at = given.find(entry.domain);
    if (at != given.end() && at->second.sequence > entry.gtid.sequence) continue;
    if (at != given.end() && at->second == entry.gtid) continue;
    raise(errant, entry.domain, entry.gtid);
  }
  return errant;
}

std::string Fork::text() const {
  if (shared.sequence == 0)
    return fmt::format("all up to {}-{}-{}", domain, last.server, last.sequence);
  if (shared.sequence + 1 == last.sequence) {
    return fmt::format("{}-{}-{}", domain, last.server, last.sequence);
  }
  return fmt::format("{}-{}-{}..{}", domain, last.server, shared.sequence + 1, last.sequence);
}

std::vector<Fork> forks_of(const GtidStanding& standing, const GtidStanding& source,
                           const std::map<std::uint32_t, std::uint64_t>& first) {
  // By domain and server, the highest sequence that each log has.
  using Written = std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t>;
  const auto read = [](const std::string& state) {
    Written written;
    for (const Entry& entry : parse_entries(state).value_or(std::vector<Entry>{})) {
      std::uint64_t& at = written[{entry.domain, entry.gtid.server}];
      at = std::max(at, entry.gtid.sequence);
    }
    return written;
  };
  Written own = read(standing.written);
  const Written theirs = read(source.written);
  // What came with a copy is in no log.
  for (const auto& [domain, gtid] : standing.position) {
    std::uint64_t& at = own[{domain, gtid.server}];
    at = std::max(at, gtid.sequence);
  }
  const auto is_held = [&](std::uint32_t domain, const Gtid& gtid) {
    const auto known = theirs.find({domain, gtid.server});
    if (known != theirs.end()) return known->second >= gtid.sequence;
    const auto at = source.position.find(domain);
    if (at == source.position.end() || at->second.sequence < gtid.sequence) return false;
    if (at->second == gtid) return true;
    const auto from = first.find(domain);
    return from != first.end() && gtid.sequence < from->second;
  };
  std::map<std::uint32_t, Fork> forks;
  for (const auto& [whose, sequence] : own) {
    const Gtid gtid{whose.second, sequence};
    if (is_held(whose.first, gtid)) continue;
    Fork& fork = forks[whose.first];
    fork.domain = whose.first;
    if (sequence > fork.last.sequence) fork.last = gtid;
  }
  std::vector<Fork> all;
  for (auto& [domain, fork] : forks) {
    for (const auto& [whose, sequence] : own) {
      if (whose.first != domain) continue;
      const auto known = theirs.find(whose);
      if (known == theirs.end()) continue;
      const std::uint64_t both = std::min(sequence, known->second);
      if (both > fork.shared.sequence) fork.shared = {whose.second, both};
    }
    all.push_back(fork);
  }
  return all;
}

}  // namespace pointsman
