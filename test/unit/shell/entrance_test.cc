// Who may come in, and what a page of others cannot make a browser do.

#include "orchestrator/shell/entrance.h"

#include <doctest/doctest.h>

#include "base/json.h"
#include "orchestrator/shell/same_origin.h"
#include "test/support/captured.h"

using namespace pointsman;

namespace {

const std::map<std::string, std::string> kTokens{{"operator", "operator-token-0123456789"},
                                                 {"viewer", "viewer-token-0123456789"}};
constexpr const char* kHost = "monitor.example:8780";
constexpr const char* kOrigin = "http://monitor.example:8780";

struct HandClock final : Clock {
  Instant at{1'000'000'000'000};
  Instant now() const override { return at; }
  WallTime wall() const override { return {at.ns}; }
};

HttpCall call_of(const std::string& method, HttpHeaders headers, std::string body = "") {
  HttpCall call;
  call.method = method;
  call.path = "/api/v1/session";
  call.headers = std::move(headers);
  call.headers.emplace_back("host", kHost);
  call.body = std::move(body);
  call.peer_address = call.peer_source = "192.0.2.7";
  return call;
}

HttpCall login_of(const std::string& token, const std::string& origin = kOrigin) {
  return call_of("POST", {{"content-type", "application/json"}, {"origin", origin}},
                 Json::object({{"token", token}}).dump());
}

std::string header_of(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

// What a browser keeps of a login.
struct Kept {
  std::string cookie;  // "pointsman=..."
  std::string csrf;
};

Kept kept_of(const HttpReply& reply) {
  REQUIRE_EQ(reply.status, 200);
  const std::string set = header_of(reply, "set-cookie");
  const auto body = Json::parse(reply.body);
  REQUIRE(body.ok());
  return {set.substr(0, set.find(';')), body->string_or("csrf")};
}

int status_of(const std::variant<Guest, HttpReply>& admitted) {
  const auto* refusal = std::get_if<HttpReply>(&admitted);
  return refusal == nullptr ? 200 : refusal->status;
}

struct Scene {
  HandClock clock;
  Entrance entrance;
  explicit Scene(bool tls = false) : entrance(clock, kTokens, tls) {}

  int ask(const std::string& method, HttpHeaders headers) {
    return status_of(entrance.admit(call_of(method, std::move(headers))));
  }
};

}  // namespace

TEST_CASE("a token comes in by its role, with each call") {
  Scene scene;
  CHECK_EQ(scene.ask("GET", {}), 401);
  CHECK_EQ(scene.ask("GET", {{"authorization", "Bearer viewer-token-0123456789"}}), 200);
  CHECK_EQ(scene.ask("POST", {{"authorization", "Bearer viewer-token-0123456789"}}), 403);
  CHECK_EQ(scene.ask("POST", {{"authorization", "Bearer operator-token-0123456789"}}), 200);
  CHECK_EQ(scene.ask("POST", {{"authorization", "Bearer wrong"}}), 401);
}

TEST_CASE("a login gives a cookie that scripts cannot read and others cannot send") {
  Scene scene;
  const HttpReply reply = scene.entrance.log_in(login_of(kTokens.at("operator")));
  const std::string set = header_of(reply, "set-cookie");
  for (const char* part : {"pointsman=", "; HttpOnly", "; SameSite=Strict", "; Path=/"}) {
    CHECK_NE(set.find(part), std::string::npos);
  }
  CHECK_EQ(set.find("Secure"), std::string::npos);
  CHECK_EQ(reply.body.find(set.substr(10, 64)), std::string::npos);  // No id for a script to read.
  CHECK_EQ(reply.body.find(kTokens.at("operator")), std::string::npos);
}

TEST_CASE("by TLS, ours or a proxy's, the cookie is for TLS alone") {
  Scene plain;
  const HttpReply proxied =
      plain.entrance.log_in(login_of(kTokens.at("viewer"), "https://monitor.example:8780"));
  CHECK(header_of(proxied, "set-cookie").starts_with("__Host-pointsman="));
  CHECK_NE(header_of(proxied, "set-cookie").find("; Secure"), std::string::npos);
  Scene own(true);
  const HttpReply reply =
      own.entrance.log_in(login_of(kTokens.at("viewer"), "https://monitor.example:8780"));
  CHECK(header_of(reply, "set-cookie").starts_with("__Host-pointsman="));
  // A neighbour could set the other name.
  const Kept kept = kept_of(reply);
  CHECK_EQ(own.ask("GET", {{"cookie", kept.cookie}}), 200);
  CHECK_EQ(own.ask("GET", {{"cookie", kept.cookie.substr(7)}}), 401);
}

TEST_CASE("an order by cookie needs our own page and the session's secret") {
  Scene scene;
  const Captured captured;
  const Kept kept = kept_of(scene.entrance.log_in(login_of(kTokens.at("operator"))));
  const auto order = [&](HttpHeaders more) {
    more.emplace_back("cookie", kept.cookie);
    return scene.ask("POST", std::move(more));
  };
  const std::pair<std::string, std::string> secret{"x-pointsman-csrf", kept.csrf};
  CHECK_EQ(order({secret, {"origin", kOrigin}}), 200);
  CHECK_EQ(order({secret, {"origin", kOrigin}, {"sec-fetch-site", "same-origin"}}), 200);
  CHECK_EQ(order({secret, {"sec-fetch-site", "same-origin"}}), 200);
  CHECK_EQ(order({{"origin", kOrigin}}), 403);  // The cookie alone.
  CHECK_EQ(order({{"x-pointsman-csrf", ""}, {"origin", kOrigin}}), 403);
  CHECK_EQ(order({{"x-pointsman-csrf", std::string(64, '0')}, {"origin", kOrigin}}), 403);
  CHECK_EQ(order({secret}), 403);  // Nobody says where it is from.
  for (const char* origin : {"https://evil.example", "null", "http://monitor.example",
                             "http://monitor.example:8780.evil.example", "monitor.example:8780"}) {
    CHECK_EQ(order({secret, {"origin", origin}}), 403);
  }
  for (const char* site : {"cross-site", "same-site", "none"}) {
    CHECK_EQ(order({secret, {"origin", kOrigin}, {"sec-fetch-site", site}}), 403);
  }
  const std::string told = captured.text();
  CHECK_NE(told.find("page-call-refused"), std::string::npos);
  CHECK_EQ(told.find(kept.csrf), std::string::npos);
}

TEST_CASE("another page cannot even look by the cookie") {
  Scene scene;
  const Kept kept = kept_of(scene.entrance.log_in(login_of(kTokens.at("viewer"))));
  const auto look = [&](HttpHeaders more) {
    more.emplace_back("cookie", "other=1; " + kept.cookie + "; last=2");
    return scene.ask("GET", std::move(more));
  };
  CHECK_EQ(look({}), 200);
  CHECK_EQ(look({{"sec-fetch-site", "same-origin"}}), 200);
  CHECK_EQ(look({{"sec-fetch-site", "none"}}), 200);  // The address bar.
  CHECK_EQ(look({{"sec-fetch-site", "cross-site"}}), 403);
  CHECK_EQ(look({{"sec-fetch-site", "same-site"}}), 403);
  CHECK_EQ(look({{"origin", "https://evil.example"}}), 403);
}

TEST_CASE("nobody logs another's browser in, and a form cannot") {
  Scene scene;
  const std::string& token = kTokens.at("viewer");
  CHECK_EQ(scene.entrance.log_in(login_of(token, "https://evil.example")).status, 403);
  CHECK_EQ(scene.entrance.log_in(login_of(token, "null")).status, 403);
  HttpCall form = login_of(token);
  form.headers[0].second = "text/plain";
  CHECK_EQ(scene.entrance.log_in(form).status, 415);
  CHECK_EQ(scene.entrance
               .log_in(call_of("POST", {{"content-type", "application/json"}}, R"({"token":"x"})"))
               .status,
           403);
  for (const char* body : {"", "[]", "{}", R"({"token":1})", R"({"token":""})",
                           R"({"token":"x","role":"operator"})", "{"}) {
    HttpCall bad = login_of(token);
    bad.body = body;
    CHECK_EQ(scene.entrance.log_in(bad).status, 400);
  }
}

TEST_CASE("a viewer's session looks and does not order") {
  Scene scene;
  const Kept kept = kept_of(scene.entrance.log_in(login_of(kTokens.at("viewer"))));
  CHECK_EQ(scene.ask("GET", {{"cookie", kept.cookie}}), 200);
  CHECK_EQ(
      scene.ask("POST",
                {{"cookie", kept.cookie}, {"x-pointsman-csrf", kept.csrf}, {"origin", kOrigin}}),
      403);
}

TEST_CASE("a session ends by logout, by another login, by its time, and with its token") {
  Scene scene;
  const auto log_in = [&] {
    return kept_of(scene.entrance.log_in(login_of(kTokens.at("operator"))));
  };
  const auto asks = [&](const Kept& kept) { return scene.ask("GET", {{"cookie", kept.cookie}}); };
  Kept kept = log_in();
  HttpHeaders headers{{"cookie", kept.cookie}, {"origin", kOrigin}};
  CHECK_EQ(scene.entrance.log_out(call_of("DELETE", headers)).status, 403);  // No secret.
  headers.emplace_back("x-pointsman-csrf", kept.csrf);
  const HttpReply out = scene.entrance.log_out(call_of("DELETE", headers));
  CHECK_EQ(out.status, 200);
  CHECK_NE(header_of(out, "set-cookie").find("Max-Age=0"), std::string::npos);
  CHECK_EQ(asks(kept), 401);

  kept = log_in();
  HttpCall again = login_of(kTokens.at("operator"));
  again.headers.emplace_back("cookie", kept.cookie);
  const Kept second = kept_of(scene.entrance.log_in(again));
  CHECK_EQ(asks(kept), 401);
  CHECK_EQ(asks(second), 200);
  scene.clock.at = scene.clock.at + Sessions::kIdleMost;
  CHECK_EQ(asks(second), 401);

  const Kept third = log_in();
  const auto admitted = scene.entrance.admit(call_of("GET", {{"cookie", third.cookie}}));
  const Guest guest = std::get<Guest>(admitted);
  const Guest bearer = std::get<Guest>(scene.entrance.admit(
      call_of("GET", {{"authorization", "Bearer operator-token-0123456789"}})));
  scene.entrance.set_tokens(kTokens);  // A reload that changes none of them.
  CHECK(scene.entrance.stays(guest));
  CHECK(scene.entrance.stays(bearer));
  scene.entrance.set_tokens({{"operator", "another-token-0123456789"}, {"viewer", "v"}});
  CHECK_EQ(asks(third), 401);
  CHECK_FALSE(scene.entrance.stays(guest));
  CHECK_FALSE(scene.entrance.stays(bearer));
}

TEST_CASE("logins are guesses, and bounded like them") {
  Scene scene;
  int wrong = 0;
  for (int k = 0; k < 12; ++k) {
    wrong += scene.entrance.log_in(login_of("guess " + std::to_string(k))).status == 401 ? 1 : 0;
  }
  CHECK_EQ(wrong, 10);
  CHECK_EQ(scene.entrance.log_in(login_of(kTokens.at("operator"))).status, 429);
  scene.clock.at = scene.clock.at + 2min;
  CHECK_EQ(scene.entrance.log_in(login_of(kTokens.at("operator"))).status, 200);
}

TEST_CASE("a caller is told his role, and a session its secret") {
  Scene scene;
  CHECK_EQ(scene.entrance.tell_session(call_of("GET", {})).status, 401);
  const HttpReply bearer = scene.entrance.tell_session(
      call_of("GET", {{"authorization", "Bearer viewer-token-0123456789"}}));
  CHECK_EQ(Json::parse(bearer.body)->string_or("role"), "viewer");
  CHECK(Json::parse(bearer.body)->find("csrf")->is_null());
  const Kept kept = kept_of(scene.entrance.log_in(login_of(kTokens.at("operator"))));
  const HttpReply told = scene.entrance.tell_session(call_of("GET", {{"cookie", kept.cookie}}));
  CHECK_EQ(Json::parse(told.body)->string_or("csrf"), kept.csrf);
}
