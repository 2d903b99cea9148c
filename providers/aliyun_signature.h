#pragma once

#include <map>
#include <string>
#include <string_view>

// Aliyun's request signature V3 (ACS3-HMAC-SHA256). Pure: time and nonce are headers that the
// caller gives.

namespace pointsman {

// Parameters or headers by name; a map keeps them in byte order, in which they are signed.
using AliyunFields = std::map<std::string, std::string>;

// "name=value&name=value", both encoded. An empty value keeps its "=".
std::string canonical_query(const AliyunFields& parameters);

struct AliyunToSign {
  std::string method = "POST";
  std::string path = "/";
  std::string query{};     // As canonical_query() makes it.
  AliyunFields headers{};  // Names in lower case; every one is signed.
  std::string body{};
};

struct AliyunSignature {
  std::string canonical_request{};
  std::string string_to_sign{};
  std::string signature{};      // Lower-case hex.
  std::string authorization{};  // The value of the header.
};

AliyunSignature sign_aliyun(const AliyunToSign& request, const std::string& key_id,
                            const std::string& key_secret);

}  // namespace pointsman
