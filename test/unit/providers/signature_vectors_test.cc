// Services that pointsman does not speak to yet. Their vectors are met by the same hashes, codes
// and percent-encoding that sign what it does send, so that whoever builds them starts on firm
// ground.

#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "providers/api_call.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>

using namespace pointsman;

namespace {

using Fields = std::map<std::string, std::string>;

Json load(const std::string& name) {
  const auto text = read_file(std::string(PM_TEST_DATA) + "/vectors/" + name);
  REQUIRE(text.ok());
  auto json = Json::parse(*text);
  REQUIRE(json.ok());
  return *std::move(json);
}

// Calls `meet` with each vector of the file: how many there were.
template <typename Meet>
std::size_t each(const std::string& name, const char* list, Meet meet) {
  const Json all = load(name);
  for (const Json& vector : all.array_or_empty(list)) {
    CAPTURE(vector.string_or("name"));
    meet(vector);
  }
  return all.array_or_empty(list).size();
}

std::string text(const Json& vector, const char* key) { return vector.string_at(key).value(); }

std::string sha256(std::string_view bytes) { return hex(digest(Hash::kSha256, bytes)); }
std::string keyed(std::string_view key, std::string_view bytes) {
  return hmac(Hash::kSha256, key, bytes);
}

// What Amazon and Tencent sign alike: the lines of a request (`asked`: method and path), names of
// headers sorted.
struct Canonical {
  std::string request;
  std::string signed_names;
};
Canonical canonical(const std::string& asked, const std::string& query, const Fields& headers,
                    const std::string& body) {
  Canonical out;
  std::string lines;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, trimmed(value));
    out.signed_names += (out.signed_names.empty() ? "" : ";") + name;
  }
  out.request =
      fmt::format("{}\n{}\n{}\n{}\n{}", asked, query, lines, out.signed_names, sha256(body));
  return out;
}

}  // namespace

TEST_CASE("every vector of DingTalk's and Feishu's robots is met byte for byte") {
  CHECK_EQ(each("dingtalk.json", "vectors",
                [](const Json& vector) {
                  const auto at = vector.int_at("timestamp_ms").value();
                  const std::string secret = text(vector, "secret");
                  const std::string to_sign = fmt::format("{}\n{}", at, secret);
                  CHECK_EQ(to_sign, text(vector, "string_to_sign"));
                  const std::string sign = base64(keyed(secret, to_sign));
                  CHECK_EQ(sign, text(vector, "sign_base64"));
                  CHECK_EQ(percent_encoded(sign), text(vector, "sign_urlencoded"));
                  CHECK_EQ(fmt::format("&timestamp={}&sign={}", at, percent_encoded(sign)),
                           text(vector, "url_suffix"));
                }),
           3);
  CHECK_EQ(each("feishu.json", "vectors",
                [](const Json& vector) {
                  const auto at = vector.int_at("timestamp_s").value();
                  const std::string key = fmt::format("{}\n{}", at, text(vector, "secret"));
                  CHECK_EQ(key, text(vector, "hmac_key"));
                  const std::string sign = base64(keyed(key, ""));
                  CHECK_EQ(sign, text(vector, "sign_base64"));
                  CHECK_EQ(*vector.find("body_members"),
                           Json::object({{"timestamp", std::to_string(at)}, {"sign", sign}}));
                }),
           2);
}

TEST_CASE("every vector of Tencent's TC3-HMAC-SHA256 is met byte for byte") {
  const std::size_t met = each("tencent-tc3.json", "vectors", [](const Json& vector) {
    const std::string service = text(vector, "service");
    Fields headers{{"content-type", text(vector, "content_type")}, {"host", text(vector, "host")}};
    for (const auto& [name, value] : vector.find("extra_signed_headers")->as_object()) {
      headers[name] = lowered(value.as_string());
    }
    const Canonical made = canonical("POST\n/", "", headers, text(vector, "body"));
    CHECK_EQ(made.request, text(vector, "canonical_request"));
    const auto at = vector.int_at("timestamp").value();
    const std::string day = format_wall({at * 1'000'000'000}).substr(0, 10);
    const std::string scope = fmt::format("{}/{}/tc3_request", day, service);
    const std::string to_sign =
        fmt::format("TC3-HMAC-SHA256\n{}\n{}\n{}", at, scope, sha256(made.request));
    CHECK_EQ(to_sign, text(vector, "string_to_sign"));
    const std::string key =
        keyed(keyed(keyed("TC3" + text(vector, "secret_key"), day), service), "tc3_request");
    const std::string signature = hex(keyed(key, to_sign));
    CHECK_EQ(signature, text(vector, "signature"));
    CHECK_EQ(fmt::format("TC3-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                         text(vector, "secret_id"), scope, made.signed_names, signature),
             text(vector, "authorization"));
  });
  CHECK_EQ(met, 4);
}

TEST_CASE("every vector of Amazon's signature version 4 is met byte for byte") {
  const std::size_t met = each("aws-sigv4.json", "vectors", [](const Json& vector) {
    Fields headers;
    for (const auto& [name, value] : vector.find("headers")->as_object()) {
      headers[name] = value.as_string();
    }
    std::string query;
    for (const Json& pair : vector.array_or_empty("query")) {
      query += fmt::format("{}{}={}", query.empty() ? "" : "&",
                           percent_encoded(pair.as_array().at(0).as_string()),
                           percent_encoded(pair.as_array().at(1).as_string()));
    }
    const Canonical made = canonical(text(vector, "method") + "\n" + text(vector, "path"), query,
                                     headers, text(vector, "body"));
    CHECK_EQ(made.request, text(vector, "canonical_request"));
    const std::string time = headers.at("x-amz-date"), day = time.substr(0, 8);
    const std::string region = text(vector, "region"), service = text(vector, "service");
    const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, region, service);
    const std::string to_sign =
        fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, sha256(made.request));
    CHECK_EQ(to_sign, text(vector, "string_to_sign"));
    const std::string key =
        keyed(keyed(keyed(keyed("AWS4" + text(vector, "secret_key"), day), region), service),
              "aws4_request");
    CHECK_EQ(hex(key), text(vector, "signing_key_hex"));
    const std::string signature = hex(keyed(key, to_sign));
    CHECK_EQ(signature, text(vector, "signature"));
    CHECK_EQ(fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                         text(vector, "access_key"), scope, made.signed_names, signature),
             text(vector, "authorization"));
  });
  CHECK_EQ(met, 6);
}

TEST_CASE("every recorded exchange with etcd is read, and written as it was") {
  const auto bytes_in = [](const Json& object, const char* member) {
    const std::string coded = object.string_or(member);
    const auto bytes = from_base64(coded);
    REQUIRE(bytes.ok());
    CHECK_EQ(base64(*bytes), coded);
  };
  const std::size_t met = each("etcd-http.json", "exchanges", [&](const Json& exchange) {
    CHECK(exchange.int_at("status").ok());
    for (const char* side : {"request", "response"}) {
      const Json* body = exchange.find(side);
      REQUIRE(body != nullptr);
      const std::string text = body->is_string() ? body->as_string() : body->dump();
      if (body->is_string()) continue;
      CHECK_EQ(Json::parse(text).value(), *body);
      CHECK_EQ(Json::parse(text).value().dump(), text);
      for (const Json& pair : body->array_or_empty("kvs")) {
        bytes_in(pair, "key");
        bytes_in(pair, "value");
      }
    }
  });
  CHECK_EQ(met, 26);
}
