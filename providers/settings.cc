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

void SettingsReader::complain_option(const std::string& key, std::string_view allowed) {
  const auto found = settings_.options.find(key);
  complaints_.push_back(fmt::format(
      "{}: found {}, allowed: {}", key,
      found == settings_.options.end() ? "nothing" : '"' + printable(found->second) + '"',
      allowed));
}

void SettingsReader::complain_credential(const std::string& key, std::string_view allowed) {
  const bool there = settings_.credentials.count(key) != 0;
  complaints_.push_back(fmt::format("credential {}: found {}, allowed: {}", key,
                                    there ? "something else (not shown)" : "nothing", allowed));
}

void SettingsReader::only(std::initializer_list<std::string_view> options,
                          std::initializer_list<std::string_view> credentials) {
  const auto unknown = [](const std::map<std::string, std::string>& given,
                          std::initializer_list<std::string_view> known) {
    std::vector<std::string> out;
    for (const auto& [key, value] : given) {
      if (std::find(known.begin(), known.end(), key) == known.end()) out.push_back(key);
    }
    return out;
  };
  for (const std::string& key : unknown(settings_.options, options)) {
    complaints_.push_back(
        fmt::format("{}: unknown key, allowed: {}", printable(key), fmt::join(options, ", ")));
  }
  for (const std::string& key : unknown(settings_.credentials, credentials)) {
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
