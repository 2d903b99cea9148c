#include "providers/masking.h"

#include <algorithm>

#include "base/json.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretLeast = 4;
constexpr std::string_view kMask = "***";

void replace_all(std::string& text, std::string_view from) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + kMask.size())) {
    text.replace(at, from.size(), kMask);
  }
}

}  // namespace

Masking::Masking(const std::map<std::string, std::string>& secrets) {
  for (const auto& [key, value] : secrets) {
    if (value.size() < kSecretLeast) continue;
    secrets_.push_back(value);
    const std::string quoted = Json(value).dump();
    secrets_.push_back(quoted.substr(1, quoted.size() - 2));
  }
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string Masking::masked(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets_) replace_all(out, secret);
  return out;
}

std::string Masking::line(std::string_view text, std::size_t most) const {
  std::string out = masked(text);
  const bool long_one = out.size() > most;
  if (long_one) out.resize(most);
  return printable(out) + (long_one ? "..." : "");
}

}  // namespace pointsman
