#include "providers/masking.h"

#include <algorithm>
#include <cctype>

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "providers/api_call.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretLeast = 4;
constexpr std::string_view kMask = "***";

// In one pass: the far side may repeat a secret a million times.
std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t end; (end = text.find(what, at)) != std::string::npos; at = end + what.size()) {
    out.append(text.substr(at, end - at)).append(with);
  }
  return out.append(text.substr(at));
}

std::string in_json(const std::string& text) {
  const std::string quoted = Json(text).dump();
  return quoted.substr(1, quoted.size() - 2);
}

std::string uppered(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// "%2F" -> "%2f".
std::string small_escapes(std::string text) {
  for (std::size_t at = 0; (at = text.find('%', at)) != std::string::npos; at += 3) {
    for (std::size_t k = at + 1; k < std::min(at + 3, text.size()); ++k) {
      text[k] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[k])));
    }
  }
  return text;
}

// The characters that `secret` alone decides when it stands in base64 behind so many other bytes,
// modulo 3: "user:secret" of Basic authentication and the like.
std::string base64_core(const std::string& secret, std::size_t before) {
  const std::string all = base64(std::string(before, 'x') + secret);
  const std::size_t begin = (before * 8 + 5) / 6;
  return all.substr(begin, (before + secret.size()) * 8 / 6 - begin);
}

}  // namespace

void Masking::add_spelling(std::string spelling) {
  if (spelling.size() < kSecretLeast) return;
  if (std::find(secrets_.begin(), secrets_.end(), spelling) != secrets_.end()) return;
  secrets_.push_back(std::move(spelling));
}

void Masking::add(const std::string& secret) {
  if (secret.size() < kSecretLeast) return;
  const std::string once = in_json(secret);
  for (const std::string& spelling :
       {secret, once, replaced(once, "/", "\\/"), in_json(once), hex(secret), uppered(hex(secret)),
        percent_encoded(secret), replaced(percent_encoded(secret), "%20", "+"),
        small_escapes(percent_encoded(secret))}) {
    add_spelling(spelling);
  }
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string core = base64_core(secret, before);
    add_spelling(core);
    add_spelling(replaced(replaced(core, "+", "-"), "/", "_"));
  }
}

// The longest first: one may hold another.
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
  for (const std::string& secret : secrets_) {
    if (out.find(secret) != std::string::npos) out = replaced(out, secret, kMask);
  }
  return out;
}

std::string Masking::line(std::string_view text, std::size_t most) const {
  // A part of a secret may stand at a cut: as much as one can be long is left out before it.
  const std::size_t longest = secrets_.empty() ? 0 : secrets_.front().size();
  const std::size_t looked_at = 4 * most + 2 * longest;
  const bool cut = text.size() > looked_at;
  std::string out = masked(text.substr(0, looked_at));
  if (cut) out.resize(out.size() - std::min(out.size(), longest));
  const bool long_one = cut || out.size() > most;
  if (out.size() > most) out.resize(most);
  return printable(out) + (long_one ? "..." : "");
}

}  // namespace pointsman
