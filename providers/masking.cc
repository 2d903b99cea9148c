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

void Masking::add(const std::string& secret) {
  if (secret.size() < kSecretLeast) return;
  const std::string quoted = Json(secret).dump();
  secrets_.push_back(secret);
  secrets_.push_back(quoted.substr(1, quoted.size() - 2));
}

void Masking::sort() {
  std::sort(secrets_.begin(), secrets_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

Masking::Masking(const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) add(secret);
  sort();
}

Masking::Masking(const std::map<std::string, std::string>& credentials) {
  for (const auto& [key, value] : credentials) add(value);
  sort();
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
