// The cloudflare provider before a mock made from the vendor's own OpenAPI file, which refuses each
// request that breaks the schema. The mock keeps nothing: what was written is never read back.
// $POINTSMAN_MOCK is its URL; cloudflare_contract.py starts it.

#include "providers/cloudflare.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace pointsman;

namespace {

const RecordKey kWww{"example.com", "www.example.com", "A"};
constexpr Duration kWithin = 8s;

std::string url() {
  const char* set = std::getenv("POINTSMAN_MOCK");
  REQUIRE(set != nullptr);
  return set;
}

std::unique_ptr<Provider> provider() {
  auto made = make_provider(
      {"cf", "cloudflare", {{"endpoint", url()}}, {{"api_token", "a-token-that-the-mock-takes"}}},
      system_clock());
  REQUIRE(made.ok());
  return std::move(*made);
}

// What the mock shows is 192.0.2.10 without a mark.
Change change_to(std::vector<std::string> desired) {
  return {kWww, std::move(desired), std::chrono::seconds(60), "im-api 2", {"192.0.2.10"}, {""}};
}

}  // namespace

TEST_CASE("reads and the pre-flight understand the vendor's examples") {
  const auto cf = provider();
  const auto live = cf->read(kWww, kWithin);
  REQUIRE_MESSAGE(live.ok(), (live.ok() ? "" : live.error().message));
  CHECK_EQ(live->values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(live->ttl.count(), 60);
  CHECK_EQ(live->mark, "");
  // The mock knows every record, so the one that cannot exist can be changed there.
  const auto sound = cf->preflight(kWww, kWithin);
  REQUIRE_FALSE(sound.ok());
  CHECK_NE(sound.error().message.find("a record that cannot exist could be changed"),
           std::string::npos);
}

TEST_CASE("a PATCH and a batch of ours fit the schema, and are not believed unseen") {
  const auto cf = provider();
  for (const auto& desired : {std::vector<std::string>{"198.51.100.20"},
                              std::vector<std::string>{"198.51.100.20", "198.51.100.21"}}) {
    const auto got = cf->replace(change_to(desired), kWithin);
    REQUIRE_FALSE(got.ok());
    CHECK_MESSAGE(got.error().message.find("not effective so far: the change was accepted") !=
                      std::string::npos,
                  got.error().message);
  }
}

TEST_CASE("a POST of ours fits the schema") {
  ApiSettings settings{.provider = "cf", .endpoint = url()};
  ApiCaller caller(settings, {}, ApiOutside::real(system_clock()));
  CloudflareSet none;
  const CloudflarePlan plan = plan_of(none, change_to({"198.51.100.20"}));
  ApiRequest request = cloudflare_write(plan, std::string(32, 'a'));
  CHECK_EQ(request.method, "POST");
  const Instant deadline = system_clock().now() + kWithin;
  CHECK_EQ(to_string(cloudflare_call(caller, request, deadline).failure.error.code),
           std::string("refused"));  // No token.
  request.headers = {{"Authorization", "Bearer a-token-that-the-mock-takes"}};
  const auto outcome = cloudflare_call(caller, request, deadline);
  CHECK_MESSAGE(outcome.body.has_value(), outcome.failure.error.message);
  // The mock does judge: the same with a TTL that is no number.
  request.body = R"({"name":"www.example.com","type":"A","content":"192.0.2.1","ttl":"60"})";
  CHECK(cloudflare_call(caller, request, deadline).failure.has(1004));
}

TEST_CASE("each failure that the file names is told for what it is") {
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {"code=400, example=validation_1004", ErrorCode::kInvalid},
      {"code=400, example=validation_ttl_1004", ErrorCode::kInvalid},
      {"code=400, example=validation_ipv4_9005", ErrorCode::kInvalid},
      {"code=400, example=content_type_9207", ErrorCode::kInvalid},
      {"code=400, example=identical_81058", ErrorCode::kConflict},
      {"code=400, example=exists_81057", ErrorCode::kConflict},
      {"code=400, example=host_conflict_81053", ErrorCode::kConflict},
      {"code=400, example=cname_conflict_81054", ErrorCode::kConflict},
      {"code=400, example=bad_auth_header_6003", ErrorCode::kRefused},
      {"code=400, example=bad_identifier_7003", ErrorCode::kNotFound},
      {"code=401, example=invalid_token_1000", ErrorCode::kRefused},
      {"code=401, example=auth_10000", ErrorCode::kRefused},
      {"code=403, example=unauthorized_9109", ErrorCode::kRefused},
      {"code=403, example=auth_10000", ErrorCode::kRefused},
      {"code=404, example=no_record_81044", ErrorCode::kNotFound},
      {"code=404, example=no_route_7003", ErrorCode::kNotFound},
      {"code=429, example=slow_down_971", ErrorCode::kUnavailable},
      {"code=429, example=more_10429", ErrorCode::kUnavailable},
      {"code=500, example=internal_10002", ErrorCode::kTimeout},
  };
  const std::string id(32, 'a');
  for (const auto& [prefer, code] : cases) {
    ApiSettings settings{.provider = "cf", .endpoint = url()};
    ApiCaller caller(settings, {nullptr, cloudflare_throttled}, ApiOutside::real(system_clock()));
    ApiRequest request{.method = "PATCH", .target = "/zones/" + id + "/dns_records/" + id};
    request.body = R"({"comment":null})";
    request.headers = {{"Authorization", "Bearer a-token-that-the-mock-takes"}, {"Prefer", prefer}};
    request.writes = true;
    const auto outcome = cloudflare_call(caller, request, system_clock().now() + 2s);
    REQUIRE_FALSE(outcome.body.has_value());
    CHECK_MESSAGE(std::string(to_string(outcome.failure.error.code)) == to_string(code),
                  request.headers.back().second << ": " << outcome.failure.error.message);
  }
}
