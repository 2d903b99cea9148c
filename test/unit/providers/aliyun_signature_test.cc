#include "providers/aliyun_signature.h"

#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "providers/api_call.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

Json vectors(const std::string& name) {
  const auto text = read_file(std::string(PM_TEST_DATA) + "/vectors/" + name);
  REQUIRE(text.ok());
  auto json = Json::parse(*text);
  REQUIRE(json.ok());
  return *std::move(json);
}

AliyunFields fields(const Json& object, const char* key) {
  AliyunFields out;
  const Json* found = object.find(key);
  REQUIRE(found != nullptr);
  for (const auto& [name, value] : found->as_object()) out.emplace(name, value.as_string());
  return out;
}

// Version 1 is not sent by us. Its vectors hold the encoding and the order of parameters, which
// both versions share, to the vendor's word once more.
struct VersionOne {
  std::string to_sign;
  std::string signature;
};
VersionOne sign_version_one(const std::string& method, const AliyunFields& parameters,
                            const std::string& secret) {
  VersionOne out;
  out.to_sign =
      method + "&" + percent_encoded("/") + "&" + percent_encoded(canonical_query(parameters));
  out.signature = base64(hmac(Hash::kSha1, secret + "&", out.to_sign));
  return out;
}

}  // namespace

TEST_CASE("parameters are encoded as the vendor encodes them") {
  const Json all = vectors("aliyun-v1.json");
  std::size_t pairs = 0;
  for (const Json& pair : all.array_or_empty("percent_encode")) {
    CHECK_EQ(percent_encoded(pair.string_at("input").value()), pair.string_at("output").value());
    ++pairs;
  }
  CHECK_EQ(pairs, 21);
  CHECK_EQ(percent_encoded(std::string("\0\x7f", 2)), "%00%7F");
  CHECK_EQ(canonical_query({}), "");
}

TEST_CASE("every vector of signature version 1 is met byte for byte") {
  const Json all = vectors("aliyun-v1.json");
  std::size_t met = 0;
  for (const Json& vector : all.array_or_empty("vectors")) {
    CAPTURE(vector.string_or("name"));
    const AliyunFields parameters = fields(vector, "params");
    CHECK_EQ(canonical_query(parameters), vector.string_at("canonical_query").value());
    const auto made = sign_version_one(vector.string_at("http_method").value(), parameters,
                                       vector.string_at("secret").value());
    CHECK_EQ(made.to_sign, vector.string_at("string_to_sign").value());
    CHECK_EQ(made.signature, vector.string_at("signature").value());
    ++met;
  }
  CHECK_EQ(met, 9);
}

TEST_CASE("every vector of signature version 3 is met byte for byte") {
  const Json all = vectors("aliyun-v3.json");
  std::size_t met = 0;
  for (const Json& vector : all.array_or_empty("vectors")) {
    CAPTURE(vector.string_or("name"));
    AliyunToSign request;
    request.method = vector.string_at("http_method").value();
    request.path = vector.string_at("canonical_uri").value();
    request.query = canonical_query(fields(vector, "query"));
    request.headers = fields(vector, "signed_headers_input");
    request.body = vector.string_at("body").value();
    CHECK_EQ(hex(digest(Hash::kSha256, request.body)), vector.string_at("hashed_payload").value());
    CHECK_EQ(request.query, vector.string_at("canonical_query").value());
    const AliyunSignature made = sign_aliyun(request, vector.string_at("access_key_id").value(),
                                             vector.string_at("secret").value());
    CHECK_EQ(made.canonical_request, vector.string_at("canonical_request").value());
    CHECK_EQ(made.string_to_sign, vector.string_at("string_to_sign").value());
    CHECK_EQ(made.signature, vector.string_at("signature").value());
    CHECK_EQ(made.authorization, vector.string_at("authorization").value());
    ++met;
  }
  CHECK_EQ(met, 12);
}

TEST_CASE("a header's value is signed without the spaces around it") {
  AliyunToSign plain;
  plain.headers = {{"host", "alidns.aliyuncs.com"}};
  AliyunToSign padded;
  padded.headers = {{"host", "  alidns.aliyuncs.com "}};
  CHECK_EQ(sign_aliyun(plain, "id", "secret").signature,
           sign_aliyun(padded, "id", "secret").signature);
}
