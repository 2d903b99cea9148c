#include "agent/drivers/mysql_gtid.h"

#include <fmt/format.h>

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

}  // namespace pointsman
