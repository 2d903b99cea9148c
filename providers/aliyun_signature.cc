#include "providers/aliyun_signature.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/text.h"
#include "providers/api_call.h"

namespace pointsman {
namespace {

constexpr const char* kAlgorithm = "ACS3-HMAC-SHA256";

}  // namespace

std::string canonical_query(const AliyunFields& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out.push_back('&');
    out += percent_encoded(name) + "=" + percent_encoded(value);
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
  out.canonical_request =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path, request.query, headers,
                  names, hex(digest(Hash::kSha256, request.body)));
  out.string_to_sign =
      fmt::format("{}\n{}", kAlgorithm, hex(digest(Hash::kSha256, out.canonical_request)));
  out.signature = hex(hmac(Hash::kSha256, key_secret, out.string_to_sign));
  out.authorization = fmt::format("{} Credential={},SignedHeaders={},Signature={}", kAlgorithm,
                                  key_id, names, out.signature);
  return out;
}

}  // namespace pointsman
