#include "agent/drivers/redis_position.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace pointsman {
namespace {

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool hex_id(std::string_view text) {
  return text.size() == 40 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

bool read_part(std::string_view text, std::string& id, std::int64_t& offset) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !hex_id(text.substr(0, colon))) return false;
  const auto value = to_number(text.substr(colon + 1));
  if (!value || *value < 0) return false;
  id = text.substr(0, colon);
  offset = *value;
  return true;
}

}  // namespace

RedisInfo parse_redis_info(const std::string& text) {
  RedisInfo info;
  std::size_t at = 0;
  while (at < text.size()) {
    auto end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto colon = line.find(':');
    if (line.empty() || line.front() == '#' || colon == std::string_view::npos) continue;
    info.emplace(line.substr(0, colon), line.substr(colon + 1));
  }
  return info;
}

std::string text_at(const RedisInfo& info, const std::string& key) {
  const auto at = info.find(key);
  return at == info.end() ? "" : at->second;
}

std::int64_t number_at(const RedisInfo& info, const std::string& key, std::int64_t otherwise) {
  return to_number(text_at(info, key)).value_or(otherwise);
}

std::string RedisPosition::text() const {
  std::string text = fmt::format("{}:{}", id, offset);
  if (!former_id.empty()) text += fmt::format(",{}:{}", former_id, former_offset);
  return text;
}

std::optional<RedisPosition> parse_redis_position(const std::string& text) {
  RedisPosition position;
  const auto comma = text.find(',');
  const std::string_view all(text);
  if (!read_part(all.substr(0, comma), position.id, position.offset)) return std::nullopt;
  if (comma != std::string::npos &&
      !read_part(all.substr(comma + 1), position.former_id, position.former_offset)) {
    return std::nullopt;
  }
  return position;
}

RedisPosition position_of(const RedisInfo& info, bool received) {
  RedisPosition position;
  position.id = text_at(info, "master_replid");
  position.offset = number_at(info, "master_repl_offset");
  if (text_at(info, "role") == "slave") {
    const std::int64_t applied = number_at(info, "slave_repl_offset");
    position.offset = received ? number_at(info, "slave_read_repl_offset", applied) : applied;
  }
  // second_repl_offset is the first offset that is no longer of the former history.
  const std::string former = text_at(info, "master_replid2");
  const std::int64_t ended = number_at(info, "second_repl_offset", -1);
  if (ended > 0 && former.find_first_not_of('0') != std::string::npos) {
    position.former_id = former;
    position.former_offset = ended - 1;
  }
  return position;
}

std::optional<bool> holds(const RedisPosition& whole, const RedisPosition& part) {
  if (whole.id == part.id) return whole.offset >= part.offset;
  if (whole.former_id == part.id) return whole.former_offset >= part.offset;
  return std::nullopt;
}

std::int64_t keys_of(const RedisInfo& info) {
  std::int64_t keys = 0;
  for (const auto& [name, value] : info) {
    if (!name.starts_with("db") || !value.starts_with("keys=")) continue;
    keys += to_number(value.substr(5, value.find(',') - 5)).value_or(0);
  }
  return keys;
}

bool redis_writable(const RedisInfo& info, std::int64_t min_replicas, std::int64_t max_lag,
                    bool replica_read_only) {
  if (text_at(info, "role") == "slave") return !replica_read_only;
  if (min_replicas == 0 || max_lag == 0) return true;
  return number_at(info, "min_slaves_good_slaves") >= min_replicas;
}

}  // namespace pointsman
