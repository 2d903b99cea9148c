// The call that HTTP providers share, against a server made of lies.

#include "providers/api_call.h"

#include <doctest/doctest.h>

#include <deque>

#include "base/http_server.h"
#include "test/support/certs.h"
#include "test/support/fake_http.h"

using namespace pointsman;

namespace {

using Way = FakeReply::Way;

// Time that passes only by sleeping, from a fixed instant and wall time.
class SleptClock final : public Clock {
 public:
  Duration slept{0};
  Instant now() const override { return Instant{1'000'000'000'000} + slept; }
  WallTime wall() const override { return {784'111'777'000'000'000 + slept.count()}; }
};

FakeReply said(int status, std::string body, HttpHeaders headers = {}) {
  return {.status = status, .body = std::move(body), .headers = std::move(headers)};
}

struct Scene {
  std::deque<FakeReply> script;  // What is said in turn; then R"({"ok":true})" for ever.
  std::vector<FakeRequest> heard;
  FakeHttp server{[this](const FakeRequest& request) {
    heard.push_back(request);
    if (script.empty()) return said(200, R"({"ok":true})");
    FakeReply next = script.front();
    script.pop_front();
    return next;
  }};
  SleptClock clock;
  std::vector<Duration> pauses;
  std::uint64_t chance = 0;
  ApiHooks hooks{
      [](HttpRequest& http) { http.headers.emplace_back("Authorization", "Bearer sesame-sesame"); },
      {}};
  CallLimit limit{};
  std::optional<ApiCaller> made;

  ApiCaller& caller() {
    if (!made) {
      ApiSettings settings{.provider = "cf", .endpoint = server.url() + "/v4"};
      settings.timeout = 1s;
      settings.secrets = {"sesame-sesame"};
      settings.limit = limit;
      made.emplace(settings, hooks,
                   ApiOutside{clock,
                              [this](Duration pause) {
                                pauses.push_back(pause);
                                clock.slept += pause;
                              },
                              [this] { return chance; }});
    }
    return *made;
  }
  Result<ApiAnswer> read(Duration within = 4s, bool of_move = false) {
    return caller().call({.target = "/zones?name=a", .of_move = of_move}, clock.now() + within);
  }
  Result<ApiAnswer> write(Duration within = 4s) {
    ApiRequest request{.method = "PATCH", .target = "/z", .body = R"({"a":1})"};
    request.writes = request.of_move = true;
    return caller().call(request, clock.now() + within);
  }
};

void expect(const Result<ApiAnswer>& got, ErrorCode code, std::string_view part) {
  REQUIRE_FALSE(got.ok());
  CHECK_EQ(got.error().code, code);
  CHECK_MESSAGE(got.error().message.find(part) != std::string::npos, got.error().message);
  CHECK_EQ(got.error().message.find("sesame"), std::string::npos);
}

}  // namespace

TEST_CASE("a call carries what it should and gives back what was said") {
  Scene scene;
  scene.script = {said(200, R"({"result":[1]})", {{"X-Left", "7"}})};
  const auto got = scene.write();
  REQUIRE(got.ok());
  CHECK(got->well());
  CHECK_EQ(got->body.dump(), R"({"result":[1]})");
  REQUIRE_EQ(scene.heard.size(), 1U);
  CHECK_EQ(scene.heard[0].method, "PATCH");
  CHECK_EQ(scene.heard[0].target, "/v4/z");
  CHECK_EQ(scene.heard[0].body, R"({"a":1})");
  CHECK_EQ(scene.heard[0].header("authorization"), "Bearer sesame-sesame");
  CHECK_EQ(scene.heard[0].header("content-type"), "application/json");
  CHECK_EQ(scene.heard[0].header("accept"), "application/json");
}

TEST_CASE("the far side's own judgement in JSON is an answer, not a failure") {
  Scene scene;
  for (const int status : {400, 401, 403, 404, 409, 422}) {
    scene.script = {said(status, R"({"success":false})")};
    const auto got = scene.read();
    REQUIRE(got.ok());
    CHECK_EQ(got->status, status);
    CHECK_FALSE(got->well());
  }
  CHECK(scene.pauses.empty());
}

TEST_CASE("a write whose answer is lost may have been acted on and is not sent again") {
  const std::string html = "<html>oh</html>";
  const std::vector<FakeReply> lost = {
      {.way = Way::kSilent},
      {.way = Way::kReset},
      {.body = R"({"ok":true})", .way = Way::kHalf},
      said(500, R"({"errors":[]})"),
      said(502, html),
      said(504, ""),
      said(520, html),
      said(200, html),
      said(200, ""),
      said(200, R"({"a":1,"a":2})"),
      said(200, "{\"a\":\"" + std::string(2'000'000, 'x') + "\"}"),
      {.raw = "garbage\r\n\r\n"},
  };
  for (const FakeReply& reply : lost) {
    Scene scene;
    scene.script = {reply};
    expect(scene.write(), ErrorCode::kTimeout, "may have been acted on");
    CHECK_EQ(scene.server.requests(), 1);
    CHECK(scene.pauses.empty());
  }
}

TEST_CASE("a read that met the same is tried again, few times, with growing pauses and jitter") {
  Scene scene;
  scene.script = {said(502, "<html>"), said(200, ""), said(200, "[")};
  scene.chance = 100;  // The most.
  REQUIRE(scene.read().ok());
  CHECK_EQ(scene.server.requests(), 4);
  CHECK_EQ(scene.pauses, std::vector<Duration>{250ms, 500ms, 1s});
  scene.script = {said(500, "{}"), said(500, "{}"), said(500, "{}"), said(503, "<html>")};
  expect(scene.read(60s), ErrorCode::kUnavailable, "HTTP 503");
  CHECK_EQ(scene.server.requests(), 8);
  // A deadline that the next pause would pass ends it.
  scene.script = {said(500, "{}"), said(500, "{}"), said(500, "{}")};
  const Instant before = scene.clock.now();
  expect(scene.read(1s), ErrorCode::kUnavailable, "HTTP 500");
  CHECK_LE(scene.clock.now() - before, 1s);
}

TEST_CASE("a huge body is cut short whatever asked for it") {
  Scene scene;
  for (int k = 0; k < 4; ++k) scene.script.push_back(said(200, std::string(20'000'000, ' ')));
  expect(scene.read(), ErrorCode::kUnavailable, "more than 1048576 bytes");
}

TEST_CASE("nobody listening: surely not sent, tried again, then said so") {
  Scene scene;
  scene.server.end();
  expect(scene.write(), ErrorCode::kUnavailable, "provider cf at 127.0.0.1:");
  CHECK_EQ(scene.pauses.size(), 3U);
}

TEST_CASE("429: Retry-After in seconds or as a date is obeyed within the deadline") {
  Scene scene;
  scene.script = {said(429, "{}", {{"Retry-After", "2"}}),
                  said(429, "<html>",
                       {{"Retry-After", "Sun, 06 Nov 1994 08:49:38 GMT"},
                        {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}})};
  REQUIRE(scene.write(6s).ok());  // A throttled write was not acted on: it is sent again.
  REQUIRE_GE(scene.pauses.size(), 2U);
  CHECK_EQ(scene.pauses[0], 2s);
  CHECK_EQ(scene.pauses[1], 1s);
  CHECK_EQ(scene.server.requests(), 3);

  // Longer than the deadline: at once, and nobody asks before it is over.
  scene.script = {said(429, "{}", {{"Retry-After", "90"}})};
  const Instant before = scene.clock.now();
  expect(scene.write(), ErrorCode::kUnavailable, "come back in 90s");
  CHECK_EQ(scene.clock.now(), before);
  expect(scene.write(), ErrorCode::kUnavailable, "not asked");
  expect(scene.read(), ErrorCode::kUnavailable, "not asked");
  CHECK_EQ(scene.server.requests(), 4);
  scene.clock.slept += 90s;
  CHECK(scene.read().ok());
}

TEST_CASE("429 without Retry-After: the pauses grow; a read outside a move does not wait") {
  Scene scene;
  scene.script = {said(429, "{}"), said(429, "{}")};
  REQUIRE(scene.write().ok());
  CHECK_EQ(scene.pauses, std::vector<Duration>{200ms, 400ms});
  scene.script = {said(429, "{}")};
  expect(scene.read(), ErrorCode::kUnavailable, "too many requests");
  CHECK_EQ(scene.pauses.size(), 2U);
  scene.script = {said(429, "{}")};
  CHECK(scene.read(4s, true).ok());
}

TEST_CASE("an absurd Retry-After does not shut us out for ever") {
  Scene scene;
  for (const char* absurd : {"99999999999999999999", "86400", "Fri, 01 Jan 2199 00:00:00 GMT"}) {
    scene.script = {said(429, "{}", {{"Retry-After", absurd}})};
    expect(scene.read(), ErrorCode::kUnavailable, "come back in 5m");
    scene.clock.slept += 5min;
    CHECK(scene.read().ok());
  }
  for (const char* unread : {"soon", "-3", "1.5", "Sun, 06 Nov 1994", ""}) {
    CHECK_FALSE(retry_after({{"retry-after", unread}}, {0}).has_value());
  }
}

TEST_CASE("a vendor's own word for too many requests counts as 429") {
  Scene scene;
  scene.hooks.throttled = [](const ApiAnswer& answer) {
    return answer.body.string_or("Code") == "Throttling.User";
  };
  scene.script = {said(400, R"({"Code":"Throttling.User"})")};
  CHECK(scene.write().ok());
  CHECK_EQ(scene.server.requests(), 2);
}

TEST_CASE("the budget: reads are refused first, a move still has calls, and no more than allowed") {
  Scene scene;
  scene.limit = {10, 5min, 4};
  for (int k = 0; k < 6; ++k) CHECK(scene.read().ok());
  expect(scene.read(), ErrorCode::kUnavailable, "10 calls in 5m, 4 of them kept for moves");
  for (int k = 0; k < 4; ++k) CHECK(scene.write().ok());
  expect(scene.write(), ErrorCode::kUnavailable, "not asked");
  CHECK_EQ(scene.server.requests(), 10);
  scene.clock.slept += 5min;
  CHECK(scene.read().ok());
}

TEST_CASE("a redirect is neither followed nor taken for an answer") {
  Scene other;
  Scene scene;
  for (const int status : {301, 302, 307, 308}) {
    scene.script = {said(status, "{}", {{"Location", other.server.url() + "/v4/z"}})};
    expect(scene.write(), ErrorCode::kRefused, "a redirect, which is not followed");
  }
  CHECK_EQ(other.server.requests(), 0);
}

TEST_CASE("proxies of the environment are not used") {
  Scene proxy;
  Scene scene;
  setenv("http_proxy", proxy.server.url().c_str(), 1);
  setenv("ALL_PROXY", proxy.server.url().c_str(), 1);
  CHECK(scene.read().ok());
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  CHECK_EQ(proxy.server.requests(), 0);
  CHECK_EQ(scene.server.requests(), 1);
}

TEST_CASE("refusals without JSON are told apart by their status") {
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {400, ErrorCode::kInvalid},  {401, ErrorCode::kRefused},  {403, ErrorCode::kRefused},
      {404, ErrorCode::kNotFound}, {409, ErrorCode::kConflict}, {413, ErrorCode::kInvalid}};
  for (const auto& [status, code] : cases) {
    Scene scene;
    scene.script = {{.status = status, .body = "<html>", .content_type = "text/html"}};
    expect(scene.write(), code, "text/html, which is not the JSON asked for");
    CHECK_EQ(scene.server.requests(), 1);
  }
}

TEST_CASE("an empty answer is a success only where it may be") {
  Scene scene;
  scene.script = {said(204, ""), said(204, "")};
  ApiRequest request{.method = "POST", .target = "/records", .body = "{}"};
  request.writes = request.may_be_empty = true;
  CHECK(scene.caller().call(request, scene.clock.now() + 1s).ok());
  expect(scene.write(), ErrorCode::kTimeout, "an empty body");
}

TEST_CASE("the clock's skew is measured by the Date of an answer") {
  Scene scene;
  scene.script = {said(200, "{}", {{"Date", "Sun, 06 Nov 1994 08:50:37 GMT"}})};
  CHECK_FALSE(scene.caller().server_ahead().has_value());
  REQUIRE(scene.read().ok());
  REQUIRE(scene.caller().server_ahead().has_value());
  CHECK_GE(*scene.caller().server_ahead(), 60s);
  CHECK_LE(*scene.caller().server_ahead(), 61s);
  CHECK_NE(scene.caller().skew_text().find(" s behind the server's"), std::string::npos);
  scene.script = {said(200, "{}", {{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}})};
  REQUIRE(scene.read().ok());
  CHECK_EQ(scene.caller().skew_text(), "");
  for (const char* wrong : {"Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nux 1994 08:49:37 GMT",
                            "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 25:49:37 GMT", ""}) {
    CHECK_FALSE(parse_http_date(wrong).has_value());
  }
}

TEST_CASE("secrets are masked in rendered requests and in what the far side echoes") {
  Scene scene;
  const std::string text =
      scene.caller().render({.method = "PATCH", .target = "/z", .body = R"({"a":1})"});
  CHECK_EQ(text, "PATCH " + scene.server.url() +
                     "/v4/z\nAccept: application/json\nContent-Type: application/json\n"
                     "Authorization: Bearer ***\n\n{\"a\":1}\n");
  scene.script = {said(500, R"({"seen":"Bearer sesame-sesame"})")};
  expect(scene.write(), ErrorCode::kTimeout, "Bearer ***");
  CHECK_EQ(scene.caller().status_error(403, "no: sesame-sesame").message.find("sesame"),
           std::string::npos);
}

TEST_CASE("TLS is verified: an unknown authority, a wrong name") {
  testing::Folder folder;
  testing::Authority authority(folder, "ca");
  testing::Authority other(folder, "other");
  authority.issue("good", "IP:127.0.0.1");
  authority.issue("wrong", "DNS:elsewhere.test");
  const auto ask = [&](const std::string& file, const std::string& ca) {
    HttpServer server;
    server.route("GET", "/v4/x", [](const HttpCall&) { return HttpReply{.body = "{}"}; });
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    options.cert_file = folder / (file + ".pem");
    options.key_file = folder / (file + ".key");
    REQUIRE(server.start(options).ok());
    ApiSettings settings{.provider = "cf",
                         .endpoint = "https://127.0.0.1:" + std::to_string(server.port()) + "/v4"};
    settings.ca_file = ca;
    ApiCaller caller(settings, {}, ApiOutside::real(system_clock()));
    return caller.call({.target = "/x"}, system_clock().now() + 5s);
  };
  CHECK(ask("good", authority.ca_file()).ok());
  CHECK_EQ(ask("good", other.ca_file()).error().code, ErrorCode::kRefused);
  CHECK_EQ(ask("wrong", authority.ca_file()).error().code, ErrorCode::kRefused);
}

TEST_CASE("settings: https anywhere, http only to this host itself") {
  const auto complaint = [](std::map<std::string, std::string> options) {
    ProviderSettings settings{"cf", "cloudflare", std::move(options), {}};
    SettingsReader reader(settings);
    const ApiSettings read = read_api_settings(reader, settings, {"https://api.example.net/v4/"});
    CHECK_FALSE(read.endpoint.ends_with('/'));
    const auto result = reader.finish();
    return result.ok() ? std::string() : result.error().message;
  };
  CHECK_EQ(complaint({}), "");
  for (const char* good : {"https://192.0.2.1:8443/x", "http://127.0.0.1:8888", "http://[::1]:1/",
                           "http://localhost:4010"}) {
    CHECK_EQ(complaint({{"endpoint", good}}), "");
  }
  for (const char* bad :
       {"http://192.0.2.1/", "http://127.example.net", "ftp://127.0.0.1", "",
        "https://user:word@api.example.net", "https://api.example.net/?a=b", "api.example.net"}) {
    CHECK_NE(complaint({{"endpoint", bad}}).find("endpoint: found"), std::string::npos);
  }
  CHECK_NE(complaint({{"timeout", "9h"}}).find("timeout: found"), std::string::npos);
}

TEST_CASE("percent-encoding leaves only what is plain everywhere") {
  CHECK_EQ(percent_encoded("a-b_c.~9 */:\xC3\xA9"), "a-b_c.~9%20%2A%2F%3A%C3%A9");
}
