#include "providers/masking.h"

#include <algorithm>

#include "base/json.h"
#include "base/log.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretLeast = 4;
constexpr std::string_view kMask = "***";

// In one pass: the far side may repeat a secret a million times.
std::string without(const std::string& text, std::string_view secret) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t end; (end = text.find(secret, at)) != std::string::npos;
       at = end + secret.size()) {
    out.append(text, at, end - at).append(kMask);
  }
  return out.append(text, at);
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
  for (const std::string& secret : secrets_) out = without(out, secret);
  return out;
}

std::string Masking::line(std::string_view text, std::size_t most) const {
  std::string out = masked(text);
  const bool long_one = out.size() > most;
  if (long_one) out.resize(most);
  return printable(out) + (long_one ? "..." : "");
}

}  // namespace pointsman
