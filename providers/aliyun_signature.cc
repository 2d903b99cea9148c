#include "providers/aliyun_signature.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr const char* kAlgorithm = "ACS3-HMAC-SHA256";

bool stays(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

}  // namespace

std::string percent_encode(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (stays(c)) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string canonical_query(const AliyunFields& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out.push_back('&');
    out += percent_encode(name) + "=" + percent_encode(value);
  }
  return out;
}

AliyunSignature sign_aliyun(const AliyunToSign& request, const std::string& key_id,
                            const std::string& key_secret) {
  std::string headers;
  std::string names;
  for (const auto& [name, value] : request.headers) {
    headers += fmt::format("{}:{}\n", name, trimmed(value));
    names += (names.empty() ? "" : ";") + name;
  }
  AliyunSignature out;
  out.canonical_request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path,
                                      canonical_query(request.query), headers, names,
                                      hex(digest(Hash::kSha256, request.body)));
  out.string_to_sign =
      fmt::format("{}\n{}", kAlgorithm, hex(digest(Hash::kSha256, out.canonical_request)));
  out.signature = hex(hmac(Hash::kSha256, key_secret, out.string_to_sign));
  out.authorization = fmt::format("{} Credential={},SignedHeaders={},Signature={}", kAlgorithm,
                                  key_id, names, out.signature);
  return out;
}

}  // namespace pointsman
