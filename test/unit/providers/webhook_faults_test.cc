#include <cstdlib>

#include "base/clock.h"
#include "test/support/scripted_webhook.h"

#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::webhook;

TEST_CASE("webhook: failures of the write, before and after it was applied") {
  ScriptedProvider scripted;
  struct Lost {
    FakeReply reply;
    const char* words;
  };
  const Lost cases[] = {
      {{.status = 500, .body = "oops", .content_type = "text/plain"}, "HTTP 500"},
      {{.status = 503, .body = "{}"}, "HTTP 503"},
      {{.body = "<html>welcome</html>", .content_type = "text/html"}, "not the JSON"},
      {{.body = "[1,"}, "HTTP 200"},
      {{.body = std::string(2 << 20, ' ')}, "may have been acted on"},
      {{.body = "{\"a\":1}", .way = FakeReply::Way::kHalf}, "may have been acted on"},
      {{.way = FakeReply::Way::kReset}, "may have been acted on"},
      {{.way = FakeReply::Way::kSilent}, "may have been acted on"},
  };
  for (const Lost& lost : cases) {
    CAPTURE(lost.words);
    hold_old(scripted);
    scripted.on("POST /records", lost.reply);
    auto provider = provider_at(scripted.url());
    scripted.asked.clear();
    const auto before = provider->replace(move(), 2s);
    expect_error(before, ErrorCode::kTimeout, lost.words);
    CHECK(has(before.error().message, "not done so far"));
    CHECK_EQ(value_in(scripted), "192.0.2.10");
    // Read after it, and not sent again by itself.
    CHECK_EQ(count(scripted, "POST", "/records"), 1);
    CHECK_EQ(scripted.asked.back().method, "GET");

    hold_old(scripted);
    scripted.on("POST /records", after_applying(lost.reply));
    const auto after = provider_at(scripted.url())->replace(move(), 2s);
    if (!after.ok()) FAIL_CHECK(after.error().message);
    CHECK_EQ(value_in(scripted), "198.51.100.20");
  }
}

TEST_CASE("webhook: refusals are told as such and change nothing") {
  ScriptedProvider scripted;
  const auto refused = [&](const FakeReply& reply) {
    hold_old(scripted);
    scripted.on("POST /records", reply);
    auto result = provider_at(scripted.url())->replace(move(), kWithin);
    CHECK_EQ(value_in(scripted), "192.0.2.10");
    return result;
  };
  expect_error(refused({.status = 400, .body = "bad", .content_type = "text/plain"}),
               ErrorCode::kInvalid, "HTTP 400");
  expect_error(refused({.status = 401}), ErrorCode::kRefused, "HTTP 401");
  expect_error(refused({.status = 403, .body = "{\"message\":\"no\"}"}), ErrorCode::kRefused, "no");
  ScriptedProvider elsewhere;
  const auto redirected =
      refused({.status = 307, .headers = {{"Location", elsewhere.url() + "/records"}}});
  expect_error(redirected, ErrorCode::kRefused, "redirect");
  CHECK(elsewhere.asked.empty());
}

TEST_CASE("webhook: too many requests are waited out, and obeyed when that takes too long") {
  ScriptedProvider scripted;
  hold_old(scripted);
  int refusals = 0;
  scripted.on("POST /records", [&](ScriptedProvider& p, const FakeRequest& request) {
    if (++refusals > 1) return p.sound(request);
    return FakeReply{.status = 429, .headers = {{"Retry-After", "1"}}};
  });
  const Instant began = system_clock().now();
  const auto done = provider_at(scripted.url())->replace(move(), 8s);
  if (!done.ok()) FAIL_CHECK(done.error().message);
  CHECK(system_clock().now() - began >= 1s);

  hold_old(scripted);
  scripted.on("POST /records", FakeReply{.status = 429, .headers = {{"Retry-After", "60"}}});
  auto provider = provider_at(scripted.url());
  expect_error(provider->replace(move(), kWithin), ErrorCode::kUnavailable, "too many requests");
  const auto asked = scripted.asked.size();
  expect_error(provider->read(api(), kWithin), ErrorCode::kUnavailable, "not asked");
  CHECK_EQ(scripted.asked.size(), asked);
}

TEST_CASE("webhook: the reads and questions of a move are waited for as its write is") {
  ScriptedProvider scripted;
  for (const char* call : {"GET /records", "GET /", "POST /adjustendpoints"}) {
    CAPTURE(call);
    hold_old(scripted);
    int refusals = 0;
    scripted.on(call, [&](ScriptedProvider& p, const FakeRequest& request) {
      if (++refusals > 1) return p.sound(request);
      return FakeReply{.status = 429, .headers = {{"Retry-After", "1"}}};
    });
    const auto done = provider_at(scripted.url())->replace(move(), 8s);
    if (!done.ok()) FAIL_CHECK(done.error().message);
  }
  hold_old(scripted);
  int refusals = 0;
  scripted.on("GET /records", [&](ScriptedProvider& p, const FakeRequest& request) {
    if (++refusals != 2) return p.sound(request);
    return FakeReply{.status = 429, .headers = {{"Retry-After", "1"}}};
  });
  auto provider = provider_at(scripted.url());
  CHECK(provider->read_for_move(api(), 8s).ok());
  // A mere look is not, nor is one that follows upon a move.
  expect_error(provider->read(api(), 8s), ErrorCode::kUnavailable, "too many requests");
}

TEST_CASE("webhook: when looks have used up their share of the calls, a move still passes") {
  ScriptedProvider scripted;
  hold_old(scripted);
  auto provider = provider_at(scripted.url());
  int looks = 0;
  while (looks < 2000 && provider->read(api(), kWithin).ok()) ++looks;
  CHECK_EQ(looks, 900);
  expect_error(provider->read(api(), kWithin), ErrorCode::kUnavailable, "the budget");
  const auto done = provider->replace(move(), kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
  CHECK(provider->read_for_move(api(), kWithin).ok());
  expect_error(provider->read(api(), kWithin), ErrorCode::kUnavailable, "the budget");
}

TEST_CASE("webhook: accepted and not applied, or in part, is told; the next call completes it") {
  ScriptedProvider scripted;
  hold_old(scripted);
  scripted.on("POST /records", FakeReply{.status = 204});
  expect_error(provider_at(scripted.url())->replace(move(), 1s), ErrorCode::kTimeout,
               "accepted, not effective");
  for (const char* half : {"A", "TXT"}) {
    CAPTURE(half);
    hold_old(scripted);
    scripted.on("POST /records", [half](ScriptedProvider& p, const FakeRequest& request) {
      p.apply(Json::parse(request.body).value(), half);
      return FakeReply{.status = 204};
    });
    expect_error(provider_at(scripted.url())->replace(move(), 1s), ErrorCode::kTimeout,
                 "accepted, not effective");
    scripted.heal();
    const auto done = provider_at(scripted.url())->replace(move(), kWithin);
    if (!done.ok()) FAIL_CHECK(done.error().message);
    CHECK_EQ(value_in(scripted), "198.51.100.20");
    CHECK_EQ(scripted.records.as_array().size(), 2);
  }
  // Applied late, after some reads.
  hold_old(scripted);
  Json changes;
  int reads = 0;
  scripted.on("POST /records", [&](ScriptedProvider&, const FakeRequest& request) {
    changes = Json::parse(request.body).value();
    return FakeReply{.status = 204};
  });
  scripted.on("GET /records", [&](ScriptedProvider& p, const FakeRequest& request) {
    if (!changes.is_null() && ++reads == 3) p.apply(changes);
    return p.sound(request);
  });
  const auto late = provider_at(scripted.url())->replace(move(), kWithin);
  if (!late.ok()) FAIL_CHECK(late.error().message);
}

TEST_CASE("webhook: something else at the endpoint is never taken for a provider") {
  ScriptedProvider scripted;
  const auto all_fail = [&](ErrorCode code, const std::string& words) {
    auto provider = provider_at(scripted.url());
    // Long enough for all tries: the last one must not be cut short by the deadline.
    expect_error(provider->replace(move(), 6s), code, words);
    if (code == ErrorCode::kRefused) {
      expect_error(provider->preflight(api(), 6s), code, words);
      expect_error(provider->render(move(), 6s), code, words);
    }
    CHECK_EQ(count(scripted, "POST", "/records"), 0);
    hold_old(scripted);
  };
  hold_old(scripted);
  scripted.on("GET /", FakeReply{.body = "{}"});
  all_fail(ErrorCode::kRefused, "no webhook provider of version 1");
  scripted.on(
      "GET /",
      FakeReply{.body = "{}", .content_type = "application/external.dns.webhook+json;version=2"});
  all_fail(ErrorCode::kRefused, "version=2");
  scripted.on("GET /", FakeReply{.body = "<html>", .content_type = "text/html"});
  all_fail(ErrorCode::kUnavailable, "not the JSON");
  scripted.on("GET /", FakeReply{.status = 500});
  all_fail(ErrorCode::kUnavailable, "HTTP 500");
  scripted.on("GET /", FakeReply{.way = FakeReply::Way::kSilent});
  expect_error(provider_at(scripted.url())->preflight(api(), 500ms), ErrorCode::kTimeout, "");
  hold_old(scripted);
  scripted.on("GET /", FakeReply{.status = 401});
  all_fail(ErrorCode::kRefused, "HTTP 401");
  scripted.on("GET /records", FakeReply{.status = 403, .body = "{\"message\":\"rights\"}"});
  all_fail(ErrorCode::kRefused, "rights");
  scripted.on("GET /records", FakeReply{.body = ""});
  all_fail(ErrorCode::kUnavailable, "an empty body");
  scripted.on("GET /", FakeReply{.status = 302, .headers = {{"Location", "http://127.0.0.1/"}}});
  all_fail(ErrorCode::kRefused, "redirect");
  scripted.on("GET /records", FakeReply{.body = "{\"records\":[]}", .content_type = kMedia});
  all_fail(ErrorCode::kUnavailable, "where a list is wanted");
  scripted.on("GET /records", FakeReply{.body = "[[]]", .content_type = kMedia});
  all_fail(ErrorCode::kUnavailable, "no endpoint");
  scripted.on("GET /records",
              FakeReply{.body = "[{\"dnsName\":\"a\",\"recordType\":\"A\",\"targets\":[1]}]"});
  all_fail(ErrorCode::kUnavailable, "no endpoint");
  scripted.on("GET /records", FakeReply{.body = std::string(33 << 20, ' ')});
  expect_error(provider_at(scripted.url())->read(api(), 30s), ErrorCode::kUnavailable, "");
  hold_old(scripted);
  // Spelling of the media type is not ours to judge.
  scripted.on(
      "GET /",
      FakeReply{.body = "{}", .content_type = "Application/external.dns.webhook+JSON; version=1"});
  CHECK(provider_at(scripted.url())->preflight(api(), kWithin).ok());
  scripted.end();
  expect_error(provider_at(scripted.url())->replace(move(), 1s), ErrorCode::kUnavailable, "");
}

TEST_CASE("webhook: a set of very many values is told by their number and left alone") {
  ScriptedProvider scripted;
  hold_old(scripted);
  Json targets = Json::array();
  for (int k = 0; k < 700; ++k) {
    targets.push("10.1." + std::to_string(k / 256 % 256) + '.' + std::to_string(k % 256));
  }
  Json vast = endpoint("api.example.test", "A", "");
  vast.set("targets", targets);
  scripted.records = Json::array();
  scripted.records.push(vast);
  auto provider = provider_at(scripted.url());
  expect_error(provider->read(api(), kWithin), ErrorCode::kConflict, "holds 700 values");
  const auto done = provider->replace(move(), kWithin);
  expect_error(done, ErrorCode::kConflict, "holds 700 values");
  CHECK_LT(done.error().message.size(), 1100U);
}

TEST_CASE("webhook: a TTL below ttl_min is raised") {
  ScriptedProvider scripted;
  hold_old(scripted);
  auto provider = make_provider(
      {"edge", "webhook", {{"endpoint", scripted.url()}, {"ttl_min", "300s"}}, {}}, system_clock());
  REQUIRE(provider.ok());
  for (int run = 0; run < 2; ++run) {
    const auto done = (*provider)->replace(move(), kWithin);
    if (!done.ok()) FAIL_CHECK(done.error().message);
  }
  CHECK_EQ((*provider)->read(api(), kWithin)->ttl.count(), 300);
  CHECK_EQ(count(scripted, "POST", "/records"), 1);
}

TEST_CASE("webhook: records that are not plain ones are named and left alone") {
  ScriptedProvider scripted;
  const auto conflict = [&](const Json& beside, const std::string& words) {
    hold_old(scripted);
    scripted.records.push(beside);
    auto provider = provider_at(scripted.url());
    expect_error(provider->replace(move(), kWithin), ErrorCode::kConflict, words);
    expect_error(provider->preflight(api(), kWithin), ErrorCode::kConflict, words);
    CHECK_EQ(count(scripted, "POST", "/records"), 0);
  };
  conflict(endpoint("api.example.test", "A", "203.0.113.1"), "listed twice");
  conflict(endpoint("Api.Example.test", "CNAME", "other.example.test"), "CNAME stands where");
  Json weighted = endpoint("api.example.test", "A", "203.0.113.1");
  weighted.set("setIdentifier", "eu");
  conflict(weighted, "setIdentifier eu");
  hold_old(scripted);
  scripted.records.push(endpoint("api.example.test", "AAAA", "2001:db8::1"));
  scripted.records.push(endpoint("api.example.test", "TXT", "\"other data\""));
  const auto done = provider_at(scripted.url())->replace(move(), kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
}

TEST_CASE("webhook: domain filters, and what the provider makes of a wish") {
  ScriptedProvider scripted;
  const auto filtered = [&](const std::string& filter) {
    hold_old(scripted);
    scripted.on("GET /", FakeReply{.body = filter, .content_type = kMedia});
    return provider_at(scripted.url())->preflight(api(), kWithin);
  };
  for (const char* open : {"{}", "null", R"({"include":["example.test"]})",
                           R"({"filters":["other.test","EXAMPLE.test."]})",
                           R"({"include":[".example.test"],"exclude":["www.example.test"]})",
                           R"({"regexInclude":"x"})"}) {
    const auto passed = filtered(open);
    if (!passed.ok()) FAIL_CHECK(open << ": " << passed.error().message);
  }
  expect_error(filtered(R"({"include":["xample.test","other.test"]})"), ErrorCode::kRefused,
               "outside its domain filter");
  expect_error(filtered(R"({"exclude":["example.test"]})"), ErrorCode::kRefused, "excluded");

  const auto adjusted = [&](const std::function<Json(Json::Array)>& by) {
    hold_old(scripted);
    scripted.on("POST /adjustendpoints", [by](ScriptedProvider& p, const FakeRequest& request) {
      return p.told(by(Json::parse(request.body).value().as_array()).dump());
    });
    return provider_at(scripted.url());
  };
  auto drops_all = adjusted([](Json::Array) { return Json(); });
  expect_error(drops_all->replace(move(), kWithin), ErrorCode::kRefused, "does not take A");
  auto drops_txt = adjusted([](Json::Array all) { return Json(Json::Array{all[0]}); });
  expect_error(drops_txt->replace(move(), kWithin), ErrorCode::kRefused, "does not take TXT");
  expect_error(drops_txt->preflight(api(), kWithin), ErrorCode::kRefused, "does not take TXT");
  auto rewrites = adjusted([](Json::Array all) {
    all[0].set("targets", Json(Json::Array{"203.0.113.9"}));
    return Json(std::move(all));
  });
  expect_error(rewrites->replace(move(), kWithin), ErrorCode::kRefused, "change the content");
  CHECK_EQ(value_in(scripted), "192.0.2.10");
  auto endless = adjusted([](Json::Array all) {
    all[0].set("recordTTL", std::int64_t{INT64_MAX});
    return Json(std::move(all));
  });
  expect_error(endless->replace(move(), kWithin), ErrorCode::kRefused, "above a day");
  // A floor of TTLs is used rather than the move refused; then it is already so.
  auto floor = adjusted([](Json::Array all) {
    for (Json& one : all) one.set("recordTTL", std::int64_t{600});
    return Json(std::move(all));
  });
  for (int run = 0; run < 2; ++run) {
    const auto done = floor->replace(move(), kWithin);
    if (!done.ok()) FAIL_CHECK(done.error().message);
  }
  CHECK_EQ(count(scripted, "POST", "/records"), 1);
  CHECK_EQ(floor->read(api(), kWithin)->ttl.count(), 600);
}

TEST_CASE("webhook: a proxy of the environment is not used") {
  ScriptedProvider scripted, proxy;
  hold_old(scripted);
  for (const char* name : {"http_proxy", "HTTP_PROXY", "ALL_PROXY"}) {
    setenv(name, proxy.url().c_str(), 1);
  }
  CHECK(provider_at(scripted.url())->read(api(), kWithin).ok());
  for (const char* name : {"http_proxy", "HTTP_PROXY", "ALL_PROXY"}) unsetenv(name);
  CHECK(proxy.asked.empty());
}
