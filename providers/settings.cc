#include "providers/settings.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"

namespace pointsman {
namespace {

std::string value_of(const std::map<std::string, std::string>& from, const std::string& key,
                     std::string_view fallback) {
  const auto found = from.find(key);
  return found == from.end() ? std::string(fallback) : found->second;
}

bool holds(const std::vector<std::string_view>& known, const std::string& key) {
  return std::find(known.begin(), known.end(), key) != known.end();
}

}  // namespace

std::string SettingsReader::required_option(const std::string& key, std::string_view allowed) {
  const std::string value = option(key);
  if (value.empty()) complain_option(key, allowed);
  return value;
}

std::string SettingsReader::required_credential(const std::string& key, std::string_view allowed) {
  const std::string value = credential(key);
  if (value.empty()) complain_credential(key, allowed);
  return value;
}

std::string SettingsReader::option(const std::string& key, std::string_view fallback) const {
  return value_of(settings_.options, key, fallback);
}

std::string SettingsReader::credential(const std::string& key, std::string_view fallback) const {
  return value_of(settings_.credentials, key, fallback);
}

Duration SettingsReader::duration(const std::string& key, Duration fallback, Duration least,
                                  Duration most) {
  if (settings_.options.count(key) == 0) return fallback;
  const auto parsed = parse_duration(option(key));
  if (parsed && *parsed >= least && *parsed <= most) return *parsed;
  complain_option(key, fmt::format("a duration such as \"{}\", {} to {}", format_duration(fallback),
                                   format_duration(least), format_duration(most)));
  return fallback;
}

Duration SettingsReader::timeout() { return duration("timeout", 2s, 100ms, 8s); }

std::chrono::seconds SettingsReader::ttl_min(Duration fallback, Duration least, Duration most) {
  return std::chrono::duration_cast<std::chrono::seconds>(
      duration("ttl_min", fallback, least, most));
}

ProviderLimits with_times(ProviderLimits limits, Duration answer, int of_reading, int of_change) {
  limits.reading = std::clamp<Duration>(answer * of_reading, 2s, 8s);
  limits.change = std::clamp<Duration>(answer * of_change, 4s, 18s);
  return limits;
}

std::vector<std::string> SettingsReader::authorities() {
  std::vector<std::string> out;
  for (const DnsEndpoint& one : endpoints("authorities")) out.push_back(one.text());
  return out;
}

std::vector<DnsEndpoint> SettingsReader::endpoints(const std::string& key) {
  std::vector<DnsEndpoint> out;
  for (const std::string& text : split_list(option(key))) {
    auto endpoint = parse_endpoint(text);
    if (!endpoint.ok()) {
      complain_option(key, "addresses with ports: \"192.0.2.53:53\"");
      break;
    }
    out.push_back(std::move(*endpoint));
  }
  return out;
}

std::vector<std::string> SettingsReader::required_list(const std::string& key,
                                                       std::string_view allowed) {
  const auto found = settings_.lists.find(key);
  if (found != settings_.lists.end() && !found->second.empty()) return found->second;
  complain_option(key, allowed);
  return {};
}

void SettingsReader::complain_option(const std::string& key, std::string_view allowed) {
  const auto list = settings_.lists.find(key);
  const auto found = settings_.options.find(key);
  std::string shown = "nothing";
  if (found != settings_.options.end()) shown = '"' + printable(found->second) + '"';
  if (list != settings_.lists.end()) {
    shown = list->second.empty()
                ? "[]"
                : printable(fmt::format("[\"{}\"]", fmt::join(list->second, "\", \"")));
  }
  complaints_.push_back(fmt::format("{}: found {}, allowed: {}", key, shown, allowed));
}

void SettingsReader::complain_credential(const std::string& key, std::string_view allowed) {
  const bool there = settings_.credentials.count(key) != 0;
  complaints_.push_back(fmt::format("credential {}: found {}, allowed: {}", key,
                                    there ? "something else (not shown)" : "nothing", allowed));
}

void SettingsReader::only_options(const Keys& options, const Keys& lists) {
  const auto unknown = [&](const std::string& key) {
    Keys all(options);
    all.insert(all.end(), lists.begin(), lists.end());
    complaints_.push_back(
        fmt::format("{}: unknown key, allowed: {}", printable(key), fmt::join(all, ", ")));
  };
  for (const auto& [key, value] : settings_.options) {
    if (!holds(options, key) && !holds(lists, key)) unknown(key);
  }
  for (const auto& [key, values] : settings_.lists) {
    if (holds(lists, key)) continue;
    if (!holds(options, key)) {
      unknown(key);
    } else {
      complaints_.push_back(fmt::format("{}: found a list, allowed: one value", printable(key)));
    }
  }
}

void SettingsReader::only(const Keys& options, const Keys& credentials) {
  only_options(options);
  for (const auto& [key, value] : settings_.credentials) {
    if (holds(credentials, key)) continue;
    complaints_.push_back(fmt::format("credential {}: unknown key, allowed: {}", printable(key),
                                      fmt::join(credentials, ", ")));
  }
}

Result<void> SettingsReader::finish() const {
  if (complaints_.empty()) return {};
  return Error{ErrorCode::kInvalid, fmt::format("provider {} ({}): {}", settings_.name,
                                                settings_.type, fmt::join(complaints_, "; "))};
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text) {
    if (c != ',' && c != ' ') {
      word.push_back(c);
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

}  // namespace pointsman
