#include "orchestrator/offline/preflight.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

ServiceSettings service() {
  ServiceSettings made;
  made.name = "im-api";
  made.sites = {{"hz", "192.0.2.10", "", "", "https://192.0.2.10:7443", true},
                {"sh", "198.51.100.20", "", "", "https://198.51.100.20:7443", false}};
  return made;
}

RecordSettings record() {
  RecordSettings made;
  made.provider = "corp";
  made.zone = "example.test";
  made.name = "api.example.test";
  made.type = "A";
  made.values = {{"hz", {"192.0.2.10"}}, {"sh", {"198.51.100.20"}}};
  return made;
}

RecordSet live(std::vector<std::string> values, int ttl = 60) {
  return {
      {"example.test", "api.example.test", "A"}, std::move(values), std::chrono::seconds(ttl), ""};
}

bool has(const PreflightItem& item, const char* words) {
  return item.text.find(words) != std::string::npos;
}

Result<HttpAnswer> answer(int status, std::string body) {
  HttpAnswer made;
  made.status = status;
  made.body = std::move(body);
  return made;
}

}  // namespace

TEST_CASE("a record is judged by whose value it holds") {
  const auto sound = judge_record(service(), record(), live({"198.51.100.20"}), {});
  CHECK(sound.ok);
  CHECK_FALSE(sound.warning);
  CHECK(has(sound, "names sh"));
  const auto foreign = judge_record(service(), record(), live({"203.0.113.5"}), {});
  CHECK_FALSE(foreign.ok);
  CHECK(has(foreign, "203.0.113.5"));
  CHECK_FALSE(judge_record(service(), record(), live({"192.0.2.10", "198.51.100.20"}), {}).ok);
  CHECK(has(judge_record(service(), record(), live({}), {}), "does not exist"));
  RecordSet marked = live({"192.0.2.10"});
  marked.mark = "pointsman service=" + service().name + " epoch=1 reign=0000000000000001 site=hz";
  CHECK(judge_record(service(), record(), marked, {}).ok);
  marked.mark += "\nconfig";
  const auto other = judge_record(service(), record(), marked, {});
  CHECK_FALSE(other.ok);
  CHECK(has(other, "carries the mark of another, \"config\""));
}

TEST_CASE("a higher floor of the TTL is told with the true seconds") {
  ProviderLimits limits;
  limits.ttl_min = std::chrono::seconds(600);
  const auto item = judge_record(service(), record(), live({"192.0.2.10"}, 600), limits);
  CHECK(item.ok);
  CHECK(item.warning);
  CHECK(has(item, "606.5 s"));
  CHECK(judge_record(service(), record(), live({"192.0.2.10"}, 3600), {}).warning);
}

TEST_CASE("every authoritative server must agree") {
  AuthorityAnswer one;
  one.server = "192.0.2.53:53";
  one.answered = true;
  one.values = {"192.0.2.10"};
  one.took = 3ms;
  AuthorityAnswer other = one;
  other.server = "192.0.2.54:53";
  CHECK(judge_authorities(live({"192.0.2.10"}), {one, other}).ok);
  other.values = {"198.51.100.20"};
  const auto split = judge_authorities(live({"192.0.2.10"}), {one, other});
  CHECK_FALSE(split.ok);
  CHECK(has(split, "192.0.2.54:53 says 198.51.100.20"));
  other.answered = false;
  other.problem = "no answer within 5s\x1b[31m";
  const auto silent = judge_authorities(live({"192.0.2.10"}), {one, other});
  CHECK_FALSE(silent.ok);
  CHECK(silent.text.find('\x1b') == std::string::npos);
  CHECK_FALSE(judge_authorities(live({"192.0.2.10"}), {}).ok);
}

TEST_CASE("the servers that the world is sent to must serve what the account holds") {
  const RecordKey key{"example.test", "api.example.test", "A"};
  AuthorityAnswer one;
  one.server = "ns1.example.net:53";
  one.answered = true;
  one.values = {"192.0.2.10"};
  AuthorityAnswer other = one;
  other.server = "ns2.example.net:53";
  const auto judged = [&](const AuthorityAnswer& second) {
    return judge_zone(key, live({"192.0.2.10"}), std::vector<AuthorityAnswer>{one, second});
  };
  CHECK(judged(other).ok);
  CHECK(has(judged(other), "ns1.example.net:53, ns2.example.net:53, which say the same"));
  other.values = {"203.0.113.7"};
  CHECK_FALSE(judged(other).ok);
  CHECK(has(judged(other), "ns2.example.net:53 says 203.0.113.7"));
  other.values.clear();
  other.answered = false;
  other.problem = "it answered REFUSED";
  other.lame = true;
  CHECK_FALSE(judged(other).ok);
  CHECK(has(judged(other), "ns2.example.net:53: it answered REFUSED"));
  other.problem = "no answer within 1s";
  other.lame = false;
  CHECK(judged(other).ok);  // It is told, and by the authoritative answers too.
  CHECK(has(judged(other), "ns1.example.net:53, which say the same; no answer of ns2.example.net"));
  one = other;
  CHECK_FALSE(judged(other).ok);
  CHECK(has(judged(other), "none of the servers that the world is sent to answers"));
  const auto internal = judge_zone(key, live({"192.0.2.10"}), Error{ErrorCode::kNotFound, "none"});
  CHECK(internal.ok);
  CHECK_FALSE(internal.warning);
  CHECK(judge_zone(key, live({"192.0.2.10"}), Error{ErrorCode::kTimeout, "no answer"}).warning);
}

TEST_CASE("an agent is judged by who it says it is and what it serves") {
  const SiteSettings site = service().sites[0];
  const auto ask = [&](const Result<HttpAnswer>& got) {
    return judge_agent(site, {"im-api"}, got);
  };
  CHECK(ask(answer(200, R"({"site":"hz","version":"0.1.0","services":["im-api","x"]})")).ok);
  CHECK(has(ask(answer(200, R"({"site":"sh","services":["im-api"]})")), "agent of \"sh\""));
  CHECK(has(ask(answer(200, R"({"site":"hz","services":["x"]})")), "no service im-api"));
  CHECK(has(ask(answer(403, "")), "monitors"));
  CHECK(has(ask(answer(404, "")), "404"));
  for (const char* body : {"", "[]", "{}", "no json", R"({"site":7})"}) {
    CHECK_FALSE(ask(answer(200, body)).ok);
  }
}

TEST_CASE("failures of TLS are told in plain words") {
  const SiteSettings site = service().sites[0];
  const auto told = [&](ErrorCode code, const char* message) {
    return judge_agent(site, {"im-api"}, Result<HttpAnswer>(code, message)).text;
  };
  const auto says = [](const std::string& text, const char* words) {
    return text.find(words) != std::string::npos;
  };
  CHECK(says(told(ErrorCode::kRefused, "SSL certificate problem: hostname mismatch"), "exchanged"));
  CHECK(says(told(ErrorCode::kRefused, "unable to get local issuer certificate"), "authority"));
  CHECK(says(told(ErrorCode::kRefused, "certificate has expired"), "expired"));
  CHECK(says(told(ErrorCode::kRefused,
                  "the far side refuses us without a certificate: certificate required"),
             "refused our"));
  CHECK(says(told(ErrorCode::kRefused, "wrong version number"), "does not speak TLS"));
  CHECK(says(told(ErrorCode::kTimeout, "getpeername() failed"), "refused our certificate"));
  CHECK(says(told(ErrorCode::kTimeout, "timed out after 5000 ms"), "firewall"));
  CHECK(says(told(ErrorCode::kUnavailable, "Failed to connect"), "does not run"));
}
