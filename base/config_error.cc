#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/config_reader.h"

namespace pointsman {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: a swap of two neighbours is one edit.
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return "";
  std::size_t best = word.size() <= 3 ? 2 : word.size() <= 8 ? 3 : 4;
  std::string nearest;
  for (const std::string& candidate : known) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string ConfigError::text() const {
  std::string all = file;
  if (line > 0) all += fmt::format(":{}:{}", line, column);
  if (!key.empty()) all += ": " + key;
  const char* separator = ": ";
  const auto add = [&](const std::string& part) {
    all += separator + part;
    separator = ", ";
  };
  if (!message.empty()) add(message);
  if (!found.empty()) add("found " + found);
  if (!allowed.empty()) add("allowed: " + allowed);
  return all;
}

void sort_errors(std::vector<ConfigError>& errors) {
  const auto rank = [](const ConfigError& e) {
    return std::tie(e.file, e.line, e.column, e.key, e.message, e.found, e.allowed);
  };
  std::sort(errors.begin(), errors.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const auto end = std::unique(errors.begin(), errors.end(),
                               [&](const auto& a, const auto& b) { return rank(a) == rank(b); });
  errors.erase(end, errors.end());
}

}  // namespace pointsman
