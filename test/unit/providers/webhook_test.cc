#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "test/conformance/provider_suite.h"
#include "test/support/scripted_webhook.h"

#include <doctest/doctest.h>

using namespace pointsman;
using namespace pointsman::webhook;

namespace {

// The provider of the manual, as it stands there, as a process of its own.
class SampleProvider {
 public:
  SampleProvider() {
    char pattern[] = "/tmp/pm-webhook-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    folder_ = pattern;
    const auto page = read_file(PM_TEST_DATA "/../../docs/providers/webhook.md");
    REQUIRE(page.ok());
    const std::string fence = "```python\n";
    const auto begin = page->find(fence) + fence.size();
    std::ofstream(path("provider")) << page->substr(begin, page->find("```", begin) - begin);
    save(Json::object({{"serial", 0}, {"records", Json::array()}}));
    start();
  }
  ~SampleProvider() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SampleProvider(const SampleProvider&) = delete;
  SampleProvider& operator=(const SampleProvider&) = delete;

  const std::string& url() const { return url_; }
  Json load() const { return Json::parse(read_file(path("records")).value()).value(); }
  void save(const Json& account) const {
    REQUIRE(write_file_durably(path("records"), account.dump()).ok());
  }

 private:
  std::string path(const std::string& name) const { return folder_ + '/' + name; }
  void start() {
    int ends[2] = {-1, -1};
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const std::string program = path("provider"), records = path("records");
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // It must not outlive a test that crashed.
      dup2(ends[1], STDOUT_FILENO);
      execl("/usr/bin/python3", "python3", "-I", program.c_str(), records.c_str(), "0", nullptr);
      _exit(127);
    }
    close(ends[1]);
    pollfd wait{ends[0], POLLIN, 0};
    REQUIRE(poll(&wait, 1, 20'000) == 1);
    char port[16] = {};
    REQUIRE(read(ends[0], port, sizeof port - 1) > 0);
    close(ends[0]);
    url_ = "http://127.0.0.1:" + std::to_string(std::atoi(port));
  }

  std::string folder_;
  std::string url_;
  pid_t pid_ = 0;
};

class WebhookBench : public ProviderBench {
 public:
  Provider& provider() override { return *provider_; }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", fmt::format("n{}.example.test", ++names_), type};
  }
  void put(const RecordSet& set) override {
    Json records = Json::array();
    const Json account = sample_.load();
    for (const Json& one : account.array_or_empty("records")) {
      const std::string name = one.string_or("dnsName"), type = one.string_or("recordType");
      if (name == set.key.name && type == set.key.type) continue;
      if (name != "_pointsman." + set.key.name) records.push(one);
    }
    if (!set.values.empty()) {
      Json value = endpoint(set.key.name, set.key.type, "", static_cast<int>(set.ttl.count()));
      Json targets = Json::array();
      for (const std::string& one : set.values) targets.push(one);
      value.set("targets", targets);
      records.push(value);
    }
    // As other tools write a TXT: without quotes.
    if (!set.mark.empty()) records.push(endpoint("_pointsman." + set.key.name, "TXT", set.mark));
    sample_.save(
        Json::object({{"serial", account.int_or("serial") + 1}, {"records", std::move(records)}}));
  }
  RecordSet get(const RecordKey& key) override {
    RecordSet out{key, {}, std::chrono::seconds(0), ""};
    std::string name = lowered(key.name);
    const Json account = sample_.load();
    for (const Json& one : account.array_or_empty("records")) {
      if (one.string_or("dnsName") == name && one.string_or("recordType") == key.type) {
        for (const Json& target : one.array_or_empty("targets")) {
          out.values.push_back(target.as_string());
        }
        out.ttl = std::chrono::seconds(one.int_or("recordTTL"));
      }
      if (one.string_or("dnsName") == "_pointsman." + name) out.mark = unquoted(one);
    }
    return out;
  }
  long changes() override { return sample_.load().int_or("serial"); }
  // It takes every POST /records for a change, and counts it.
  long writes() override { return changes(); }

 private:
  static std::string unquoted(const Json& txt) {
    const std::string target = txt.array_or_empty("targets").at(0).as_string();
    if (!target.starts_with('"')) return target;
    std::string out;
    for (std::size_t at = 1; at + 1 < target.size(); ++at) {
      if (target[at] == '\\') ++at;
      out.push_back(target[at]);
    }
    return out;
  }

  SampleProvider sample_;
  std::unique_ptr<Provider> provider_ = provider_at(sample_.url());
  int names_ = 0;
};

}  // namespace

TEST_CASE("webhook: the provider of the manual keeps the contract") {
  WebhookBench bench;
  run_provider_suite(bench);
}

TEST_CASE("webhook: settings, every mistake at once") {
  const auto complaint = [](const ProviderSettings& from) {
    const auto provider = make_provider(from, system_clock());
    return provider.ok() ? std::string() : provider.error().message;
  };
  CHECK_EQ(complaint({"edge", "webhook", {}, {}}), "");
  const std::string text = complaint({"edge",
                                      "webhook",
                                      {{"endpoint", "http://192.0.2.1:8888"}, {"tiemout", "1s"}},
                                      {{"token", kToken}, {"tokn", kToken}}});
  for (const char* part : {"endpoint: found", "tiemout: unknown key", "credential tokn"}) {
    CHECK_MESSAGE(has(text, part), text);
  }
  CHECK_FALSE(has(text, kToken));
}

TEST_CASE("webhook: it sends what external-dns would, in place, and keeps what was there") {
  ScriptedProvider scripted;
  Json old = endpoint("API.example.test.", "A", "192.0.2.10", 300);
  old.set("labels", Json::object({{"owner", "x"}}));
  Json property = Json::array();
  property.push(Json::object({{"name", "weight"}, {"value", "5"}}));
  old.set("providerSpecific", property);
  const Json mark = endpoint("_pointsman.api.example.test", "TXT", "\"im-api 1 hz\"");
  const Json other = endpoint("other.example.test", "A", "192.0.2.30");
  for (const Json& one : {other, old, mark}) scripted.records.push(one);
  Change change = move();
  change.expected_marks = {"im-api 1 hz"};
  auto provider = provider_at(scripted.url(), kToken);
  const auto done = provider->replace(change, kWithin);
  if (!done.ok()) FAIL(done.error().message);

  CHECK_EQ(count(scripted, "POST", "/records"), 1);
  for (const FakeRequest& request : scripted.asked) {
    CHECK_EQ(request.header("accept"), kMedia);
    CHECK_EQ(request.header("authorization"), "Bearer " + kToken);
    if (request.method == "POST") CHECK_EQ(request.header("content-type"), kMedia);
    if (request.method != "POST" || request.target != "/records") continue;
    const Json body = Json::parse(request.body).value();
    CHECK(body.array_or_empty("create").empty());
    CHECK(body.array_or_empty("delete").empty());
    CHECK_EQ(body.array_or_empty("updateOld"), Json::Array{old, mark});
    Json value = endpoint("api.example.test", "A", "198.51.100.20");
    value.set("labels", *old.find("labels")).set("providerSpecific", property);
    const Json next = endpoint("_pointsman.api.example.test", "TXT", "\"im-api 2 sh\"");
    REQUIRE_EQ(body.array_or_empty("updateNew").size(), 2);
    const Json& sent = body.array_or_empty("updateNew")[0];
    for (const auto& [key, member] : value.as_object()) CHECK_EQ(*sent.find(key), member);
    CHECK_EQ(body.array_or_empty("updateNew")[1], next);
  }
  CHECK_EQ(scripted.records.as_array().front(), other);
}
