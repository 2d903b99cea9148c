#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "providers/provider.h"
#include "test/support/fake_http.h"

#include <doctest/doctest.h>

// An external-dns webhook provider that follows a script, and the change that it is asked for.

namespace pointsman::webhook {

inline constexpr Duration kWithin = 5s;
inline const std::string kMedia = "application/external.dns.webhook+json;version=1";
inline const std::string kToken = "canary-77aa01";

inline std::unique_ptr<Provider> provider_at(const std::string& endpoint,
                                             const std::string& token = "") {
  ProviderSettings settings{"edge", "webhook", {{"endpoint", endpoint}}, {}};
  if (!token.empty()) settings.credentials["token"] = token;
  auto provider = make_provider(settings, system_clock());
  if (!provider.ok()) FAIL(provider.error().message);
  return std::move(*provider);
}

inline RecordKey api() { return {"example.test", "api.example.test", "A"}; }

inline Change move() {
  return {api(), {"198.51.100.20"}, std::chrono::seconds(60), "im-api 2 sh", {"192.0.2.10"}, {""}};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <typename T>
void expect_error(const Result<T>& result, ErrorCode code, const std::string& words) {
  REQUIRE_FALSE(result.ok());
  CAPTURE(result.error().message);
  CHECK_EQ(result.error().code, code);
  CHECK(has(result.error().message, words));
  CHECK(has(result.error().message, "provider edge at 127.0.0.1"));
  CHECK_FALSE(has(result.error().message, kToken));
}

inline Json endpoint(const std::string& name, const std::string& type, const std::string& target,
                     int ttl = 60) {
  Json targets = Json::array();
  targets.push(target);
  return Json::object(
      {{"dnsName", name}, {"targets", targets}, {"recordType", type}, {"recordTTL", ttl}});
}

// A provider with a script: sound, until a test says otherwise for one call.
class ScriptedProvider {
 public:
  using Fault = std::function<FakeReply(ScriptedProvider&, const FakeRequest&)>;

  ScriptedProvider() : server_([this](const FakeRequest& request) { return answer(request); }) {}

  std::string url() const { return server_.url(); }
  void end() { server_.end(); }
  // `call` is "POST /records" and the like. Set before the provider is asked.
  void on(const std::string& call, Fault fault) {
    const auto still = stand_still();
    faults_[call] = std::move(fault);
  }
  void on(const std::string& call, const FakeReply& reply) {
    on(call, [reply](ScriptedProvider&, const FakeRequest&) { return reply; });
  }
  void heal() {
    const auto still = stand_still();
    faults_.clear();
  }
  // While it is held no request is being answered: one that was given up may still be under way.
  [[nodiscard]] std::unique_lock<std::recursive_mutex> stand_still() {
    return std::unique_lock(answering_);
  }

  FakeReply sound(const FakeRequest& request) {
    const std::string call = request.method + ' ' + request.target;
    if (call == "GET /") return told("{}");
    if (call == "GET /records") return told(records.dump());
    if (call == "POST /adjustendpoints") return told(request.body);
    if (call != "POST /records") return {.status = 404};
    apply(Json::parse(request.body).value());
    return {.status = 204};
  }
  static FakeReply told(const std::string& body) { return {.body = body, .content_type = kMedia}; }
  void apply(const Json& changes, const std::string& only = "") {
    Json next = Json::array();
    for (const Json& one : records.as_array()) {
      bool replaced = false;
      for (const Json& old : changes.array_or_empty("updateOld")) replaced |= old == one;
      if (!replaced || (!only.empty() && one.string_or("recordType") != only)) next.push(one);
    }
    for (const char* list : {"create", "updateNew"}) {
      for (const Json& one : changes.array_or_empty(list)) {
        if (only.empty() || one.string_or("recordType") == only) next.push(one);
      }
    }
    records = next;
  }

  Json records = Json::array();
  std::vector<FakeRequest> asked;

 private:
  FakeReply answer(const FakeRequest& request) {
    const auto still = stand_still();
    asked.push_back(request);
    const auto fault = faults_.find(request.method + ' ' + request.target);
    return fault == faults_.end() ? sound(request) : fault->second(*this, request);
  }

  std::recursive_mutex answering_;  // A fault may ask what is sound.
  std::map<std::string, Fault> faults_;
  FakeHttp server_;
};

inline ScriptedProvider::Fault after_applying(const FakeReply& reply) {
  return [reply](ScriptedProvider& p, const FakeRequest& request) {
    p.sound(request);
    return reply;
  };
}

inline void hold_old(ScriptedProvider& scripted) {
  const auto still = scripted.stand_still();
  scripted.heal();
  scripted.records = Json::array();
  scripted.records.push(endpoint("api.example.test", "A", "192.0.2.10"));
}

inline std::string value_in(const ScriptedProvider& scripted) {
  for (const Json& one : scripted.records.as_array()) {
    if (one.string_or("recordType") == "A") return one.array_or_empty("targets").at(0).as_string();
  }
  return "";
}

inline long count(const ScriptedProvider& scripted, const std::string& method,
                  const std::string& target) {
  return std::count_if(scripted.asked.begin(), scripted.asked.end(), [&](const FakeRequest& r) {
    return r.method == method && r.target == target;
  });
}

}  // namespace pointsman::webhook
