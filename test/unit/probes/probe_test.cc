#include "probes/probe.h"

#include <doctest/doctest.h>

#include "probes/place.h"

using namespace pointsman;

namespace {

ProbeSpec spec() {
  ProbeSpec spec;
  spec.name = "app/site-a/0";
  spec.url = "http://192.0.2.10:8080/health";
  return spec;
}

Observation judge(const ProbeSpec& of, ProbeReply reply) {
  return (*make_probe(of))->judge(Result<ProbeReply>(std::move(reply)), 20ms);
}

ProbeReply reply(int status, std::string body = "") {
  ProbeReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::string refusal(const ProbeSpec& of) {
  const auto made = make_probe(of);
  REQUIRE_FALSE(made.ok());
  CHECK_EQ(made.error().code, ErrorCode::kInvalid);
  return made.error().message;
}

}  // namespace

TEST_CASE("a spec survives its JSON") {
  ProbeSpec all = spec();
  all.url = "https://192.0.2.10/health?x=1";
  all.address = "192.0.2.10";
  all.port = 8443;
  all.host = "api.example.test";
  all.expect_status = {200, 204};
  all.expect_body = "ok";
  all.expect_json = "a.b=1";
  all.cert_days = 14;
  all.ca_file = "/etc/ca.pem";
  all.family = "4";
  all.keep_alive = true;
  all.interval = 2s;
  all.timeout = 1500ms;
  all.suspect_interval = 200ms;
  all.fall = 5;
  const auto again = ProbeSpec::from_json(all.to_json());
  REQUIRE(again.ok());
  CHECK(*again == all);
}

TEST_CASE("JSON of the wrong shape is refused") {
  Json json = spec().to_json();
  json.set("interval_ms", "soon");
  CHECK_FALSE(ProbeSpec::from_json(json).ok());
  json.set("interval_ms", 1000).set("expect_status", Json::array().push("200"));
  CHECK_FALSE(ProbeSpec::from_json(json).ok());
  json.set("expect_status", Json::array().push(200)).set("port", -1);
  CHECK_FALSE(ProbeSpec::from_json(json).ok());
  CHECK_FALSE(ProbeSpec::from_json(Json(3)).ok());
}

TEST_CASE("the status decides") {
  CHECK_EQ(judge(spec(), reply(200)).outcome, Outcome::kPass);
  const auto wrong = judge(spec(), reply(503));
  CHECK_EQ(wrong.outcome, Outcome::kFail);
  CHECK_EQ(wrong.detail, "503 from 192.0.2.10:8080");
  CHECK_EQ(wrong.latency, Duration(20ms));
}

TEST_CASE("a body text may be asked for") {
  ProbeSpec wanted = spec();
  wanted.expect_body = "all well";
  CHECK_EQ(judge(wanted, reply(200, "yes, all well.")).outcome, Outcome::kPass);
  CHECK_EQ(judge(wanted, reply(200, "meh")).outcome, Outcome::kFail);
}

TEST_CASE("a JSON field may be asked for") {
  ProbeSpec wanted = spec();
  wanted.expect_json = "checks.0.state=up";
  const auto outcome = [&](const char* body) { return judge(wanted, reply(200, body)).outcome; };
  CHECK_EQ(outcome(R"({"checks":[{"state":"up"}]})"), Outcome::kPass);
  CHECK_EQ(outcome(R"({"checks":[{"state":"down"}]})"), Outcome::kFail);
  CHECK_EQ(outcome(R"({"checks":[]})"), Outcome::kFail);
  CHECK_EQ(outcome("<html>"), Outcome::kFail);
  wanted.expect_json = "lag=0";
  CHECK_EQ(outcome(R"({"lag":0})"), Outcome::kPass);
  wanted.expect_json = "ready=true";
  CHECK_EQ(outcome(R"({"ready":true})"), Outcome::kPass);
  CHECK_EQ(outcome(R"({"ready":false})"), Outcome::kFail);
}

TEST_CASE("details hold no control characters of the site's") {
  ProbeSpec wanted = spec();
  wanted.expect_json = "state=up";
  const auto seen = judge(wanted, reply(200, "{\"state\":\"\\u001b[2Jx\\n\"}"));
  CHECK_EQ(seen.outcome, Outcome::kFail);
  CHECK_EQ(seen.detail.find('\x1b'), std::string::npos);
  CHECK_EQ(seen.detail.find('\n'), std::string::npos);
}

TEST_CASE("a certificate that ends too soon fails") {
  ProbeSpec wanted = spec();
  wanted.url = "https://192.0.2.10/";
  wanted.cert_days = 14;
  ProbeReply answer = reply(200);
  CHECK_EQ(judge(wanted, answer).outcome, Outcome::kFail);
  answer.cert_seconds_left = 15 * 86'400;
  CHECK_EQ(judge(wanted, answer).outcome, Outcome::kPass);
  answer.cert_seconds_left = 13 * 86'400;
  CHECK_EQ(judge(wanted, answer).outcome, Outcome::kFail);
}

TEST_CASE("an error of ours is unknown, others fail") {
  const auto probe = make_probe(spec());
  const auto outcome = [&](ErrorCode code) {
    return (*probe)->judge(Error{code, "x"}, 5ms).outcome;
  };
  CHECK_EQ(outcome(ErrorCode::kInternal), Outcome::kUnknown);
  CHECK_EQ(outcome(ErrorCode::kTimeout), Outcome::kFail);
  CHECK_EQ(outcome(ErrorCode::kUnavailable), Outcome::kFail);
  CHECK_EQ(outcome(ErrorCode::kRefused), Outcome::kFail);
}

TEST_CASE("a spec that cannot be asked is refused, with the field") {
  const auto with = [](auto change) {
    ProbeSpec changed = spec();
    change(changed);
    return refusal(changed);
  };
  using S = ProbeSpec;
  CHECK_NE(with([](S& s) { s.url = "ftp://192.0.2.1/"; }).find("url"), std::string::npos);
  CHECK_NE(with([](S& s) { s.url = "http://api.example.test/"; }).find("address"),
           std::string::npos);
  CHECK_NE(with([](S& s) { s.url = "http://a@192.0.2.1/"; }).find("url"), std::string::npos);
  CHECK_NE(with([](S& s) { s.url = "http://192.0.2.1:99999/"; }).find("url"), std::string::npos);
  CHECK_NE(with([](S& s) { s.url = "http://192.0.2.1/a b"; }).find("url"), std::string::npos);
  CHECK_NE(with([](S& s) { s.host = "a\r\nX: y"; }).find("host"), std::string::npos);
  CHECK_NE(with([](S& s) { s.family = "6"; }).find("family"), std::string::npos);
  CHECK_NE(with([](S& s) { s.type = "icmp"; }).find("type"), std::string::npos);
  CHECK_NE(with([](S& s) { s.interval = 1ms; }).find("interval"), std::string::npos);
  CHECK_NE(with([](S& s) { s.fall = 0; }).find("fall"), std::string::npos);
  CHECK_NE(with([](S& s) { s.cert_days = 5; }).find("cert_days"), std::string::npos);
  CHECK_NE(with([](S& s) { s.expect_json = "x"; }).find("expect_json"), std::string::npos);
  CHECK_NE(with([](S& s) { s.type = "tcp", s.address = "192.0.2.1"; }).find("port"),
           std::string::npos);
}

TEST_CASE("a place is read from url, address and host") {
  ProbeSpec named = spec();
  named.url = "https://api.example.test?deep=1";
  named.address = "2001:db8::1";
  const auto place = place_of(named);
  REQUIRE(place.ok());
  CHECK_EQ(place->where, "[2001:db8::1]:443");
  CHECK_EQ(place->name, "api.example.test");
  CHECK_EQ(place->host_field, "api.example.test");
  CHECK_EQ(place->path, "/?deep=1");

  const auto plain = place_of(spec());
  REQUIRE(plain.ok());
  CHECK_EQ(plain->host_field, "192.0.2.10:8080");
  CHECK_EQ(plain->name, "");
}
