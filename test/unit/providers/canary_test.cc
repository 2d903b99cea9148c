#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "providers/api_call.h"
#include "providers/settings.h"
#include "test/support/captured.h"
#include "test/support/fake_dns.h"
#include "test/support/scripted_webhook.h"

#include <doctest/doctest.h>

// No secret of any registered type reaches an error, a render, a pre-flight or the log, whatever
// the far side does; the worst one repeats all that it was sent. A new type is covered as it is
// registered: what it can be told is learnt from its own complaints.

using namespace pointsman;

namespace {

// Also base64, as a TSIG secret must be. No part of it stands anywhere by chance.
const std::string kCanary = "Kq7Zt3Wv9Xb5Hd1Lm8Pf2Rj6Yc4Ns0Ug";
constexpr std::size_t kPart = 8;

// A canary, a part of it as a cut would leave it, or its bytes.
bool leaks(const std::string& text) {
  for (const std::string& secret : {kCanary, from_base64(kCanary).value()}) {
    for (std::size_t at = 0; at + kPart <= secret.size(); ++at) {
      if (text.find(secret.substr(at, kPart)) != std::string::npos) return true;
    }
  }
  return false;
}

std::string complaint(const ProviderSettings& settings) {
  const auto made = make_provider(settings, system_clock());
  return made.ok() ? "" : made.error().message;
}

// "zzz: unknown key, allowed: a, b; ..." -> {"a", "b"}
std::vector<std::string> allowed_in(const std::string& text, const std::string& what) {
  const std::string before = what + "zzz: unknown key, allowed: ";
  const auto at = text.find(before);
  if (at == std::string::npos) return {};
  const auto begin = at + before.size();
  return split_list(text.substr(begin, text.find(';', begin) - begin));
}

// Where a provider of any type may be sent.
struct FarSide {
  std::string url;
  std::string dns;
  std::string program;
};

ProviderSettings settings_for(const std::string& type, const FarSide& far) {
  const std::string told = complaint({"own", type, {{"zzz", "x"}}, {{"zzz", "x"}}});
  const auto options = allowed_in(told, " "), credentials = allowed_in(told, "credential ");
  ProviderSettings out{"own", type, {}, {}};
  bool reachable = false;
  const auto place = [&](const char* option, const std::string& value) {
    if (std::find(options.begin(), options.end(), option) == options.end()) return;
    reachable = true;
    if (std::string(option) == "argv") {
      out.lists[option] = {value};
    } else {
      out.options[option] = value;
    }
  };
  place("endpoint", far.url);
  place("server", far.dns);
  place("argv", far.program);
  REQUIRE_MESSAGE(reachable, type << " has none of the options by which this test sends providers "
                                     "to its own servers: "
                                  << told);
  for (const std::string& key : credentials) out.credentials[key] = kCanary;
  if (credentials.empty()) out.credentials["token"] = kCanary;
  // The name of a key is told with every refusal of it, and is no secret.
  if (out.credentials.count("key") != 0) out.credentials["key"] = "pm-key";
  out.credentials.erase("algorithm");
  return out;
}

// All that a caller could show of one round of questions.
std::string words_of(Provider& provider, Duration within) {
  const RecordKey key{"example.test", "api.example.test", "A"};
  const Change change{key,           {"198.51.100.20"}, std::chrono::seconds(60),
                      "im-api 2 sh", {"192.0.2.10"},    {""}};
  std::string out;
  const auto add = [&](const auto& result, const std::string& text) {
    out += (result.ok() ? text : result.error().message) + '\n';
  };
  add(provider.read(key, within), "");
  add(provider.replace(change, within), "");
  const auto rendered = provider.render(change, within);
  add(rendered, rendered.ok() ? fmt::format("{}", fmt::join(*rendered, "\n")) : "");
  const auto preflight = provider.preflight(key, within);
  add(preflight, preflight.ok() ? *preflight : "");
  const auto servers = provider.authorities(key, within);
  add(servers, servers.ok() ? fmt::format("{}", fmt::join(*servers, "\n")) : "");
  return out;
}

// Asks a new provider of `type` and looks through its words and the log.
void expect_silence(const std::string& type, const FarSide& far, Duration within) {
  const auto made = make_provider(settings_for(type, far), system_clock());
  if (!made.ok()) FAIL(made.error().message);
  std::string logged;
  std::string words;
  {
    const Captured captured;
    words = words_of(**made, within);
    logged = captured.text();
  }
  CHECK_FALSE(words.empty());
  CHECK_MESSAGE(!leaks(words), words);
  CHECK_MESSAGE(!leaks(logged), logged);
}

std::string everything(const FakeRequest& request) {
  std::string all = request.method + ' ' + request.target;
  for (const auto& [name, value] : request.headers) all += ' ' + name + ": " + value;
  return all + ' ' + request.body;
}

// The same in each member that an API might use for its words.
std::string as_json(const std::string& text) {
  Json errors = Json::array();
  errors.push(Json::object({{"code", 1001}, {"message", text}}));
  Json out = Json::object({{"success", false}, {"errors", std::move(errors)}});
  for (const char* key : {"message", "Message", "error", "detail", "Code", "RequestId", "title"}) {
    out.set(key, text);
  }
  return out.dump();
}

class Verbose {
 public:
  Verbose() { set_log_level(LogLevel::kDebug); }
  ~Verbose() { set_log_level(LogLevel::kInfo); }
};

// A program that says `script`, with all that it was told in $q, with quotes made harmless in $w.
class Program {
 public:
  explicit Program(const std::string& script) {
    char pattern[] = "/tmp/pm-canary-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    folder_ = pattern;
    std::ofstream(path()) << "#!/bin/sh\nq=$(cat)\nw=$(printf '%s' \"$q\" | tr -d '\"{}')\n"
                          << script << '\n';
    REQUIRE(chmod(path().c_str(), 0755) == 0);
  }
  ~Program() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  std::string path() const { return folder_ + "/program"; }

 private:
  std::string folder_;
};

// A set that stands as the change expects it, and what follows.
std::string program_says(const std::string& members) {
  return "case $q in *'\"read\"'*) echo '{\"version\":1,\"values\":[\"192.0.2.10\"],\"ttl\":60,"
         "\"mark\":\"\"}' ;; *) " +
         members + " ;; esac";
}

}  // namespace

TEST_CASE("canary: the test itself would see a leak") {
  CHECK(leaks("token=" + kCanary));
  CHECK(leaks(kCanary.substr(5, 12)));
  CHECK(leaks("x" + from_base64(kCanary).value()));
  CHECK_FALSE(leaks("provider own: refused"));
  for (const std::string& type : provider_types()) {
    const ProviderSettings s =
        settings_for(type, {"http://127.0.0.1:1", "127.0.0.1:1", "/bin/true"});
    CHECK(std::any_of(s.credentials.begin(), s.credentials.end(),
                      [](const auto& one) { return one.second == kCanary; }));
    CHECK_MESSAGE(complaint(s).empty(), complaint(s));
  }
}

TEST_CASE("canary: mistakes in the configuration show no credential") {
  for (const std::string& type : provider_types()) {
    ProviderSettings s = settings_for(type, {"no url", "no:such:server", "none"});
    s.credentials["zzz"] = kCanary;
    for (auto& [key, value] : s.credentials) value = kCanary + "=broken\n";
    CHECK_MESSAGE(!leaks(complaint(s)), complaint(s));
    s.options["zzz"] = "x";
    CHECK_MESSAGE(!leaks(complaint(s)), complaint(s));
  }
}

TEST_CASE("canary: a far side that repeats all that it is sent, in every way it can answer") {
  const Verbose verbose;
  std::string program_text = "printf '%s' \"$q\"; printf '%s' \"$q\" >&2; exit 1";
  const Program program(program_text);
  const FakeDns dns([](const std::string& request, bool) { return std::vector{request, request}; });
  struct Way {
    int status;
    bool json;
    FakeReply::Way way = FakeReply::Way::kWhole;
  };
  const Way ways[] = {
      {200, true},
      {200, false},
      {400, true},
      {400, false},
      {401, true},
      {403, true},
      {404, true},
      {429, true},
      {500, true},
      {503, false},
      {302, true},
      {200, true, FakeReply::Way::kHalf},
      {200, true, FakeReply::Way::kReset},
      {200, true, FakeReply::Way::kSilent},
  };
  for (const Way& way : ways) {
    const FakeHttp http([&](const FakeRequest& request) {
      const std::string all = everything(request);
      return FakeReply{.status = way.status,
                       .body = way.json ? as_json(all) : "<html>" + all + "</html>",
                       .content_type = way.json ? "application/json" : "text/html",
                       .headers = {{"Location", "http://127.0.0.1/?" + percent_encoded(all)},
                                   {"Retry-After", "1"}},
                       .way = way.way};
    });
    for (const std::string& type : provider_types()) {
      CAPTURE(type);
      CAPTURE(way.status);
      // Who does not speak HTTP meets the same each time.
      const bool by_http = settings_for(type, {"x", "x", "x"}).options.count("endpoint") != 0;
      if (!by_http && &way != ways) continue;
      expect_silence(type, {http.url(), dns.endpoint().text(), program.path()}, 150ms);
    }
  }
}

TEST_CASE("canary: a secret at the place where a long answer is cut") {
  const Verbose verbose;
  for (const int status : {200, 400, 500}) {
    for (std::size_t pad = 240; pad < 310; pad += 6) {
      const FakeHttp http([&](const FakeRequest&) {
        return FakeReply{.status = status, .body = as_json(std::string(pad, 'x') + kCanary)};
      });
      for (const std::string& type : provider_types()) {
        CAPTURE(type);
        const ProviderSettings settings = settings_for(type, {http.url(), "x", "x"});
        if (settings.options.count("endpoint") == 0) continue;
        const auto read = (*make_provider(settings, system_clock()))
                              ->read({"example.test", "api.example.test", "A"}, 50ms);
        CHECK_MESSAGE((read.ok() || !leaks(read.error().message)), read.error().message);
      }
    }
  }
}

TEST_CASE("canary: nobody answers") {
  const Verbose verbose;
  const FakeDns mute([](const std::string&, bool) { return std::vector<std::string>{}; });
  const Program program("sleep 5");
  for (const std::string& type : provider_types()) {
    CAPTURE(type);
    expect_silence(type, {"http://127.0.0.1:1", "127.0.0.1:1", program.path()}, 200ms);
    expect_silence(type, {"https://127.0.0.1:1", mute.endpoint().text(), program.path()}, 200ms);
  }
}

TEST_CASE("canary: a program that repeats it in sound answers") {
  const Verbose verbose;
  for (const std::string& script : {
           program_says("printf '{\"version\":1,\"text\":\"%s\"}' \"$w\""),
           program_says("printf '{\"version\":1,\"writes\":[\"%s\"]}' \"$w\""),
           program_says("printf '{\"version\":1,\"error\":\"refused\",\"message\":\"%s\"}' \"$w\""),
           program_says("printf '{\"version\":1,\"error\":\"timeout\",\"message\":\"%s\"}' \"$w\""),
           program_says("printf '{\"version\":1,\"servers\":[\"" + kCanary + ".test:53\"]}'"),
           program_says("head -c 65500 /dev/zero | tr '\\0' x >&2; printf '%s' \"$q\" >&2; exit 3"),
           std::string("printf '{\"version\":1,\"values\":[],\"ttl\":60,\"mark\":\"%s\"}' \"$w\""),
           std::string(
               "printf '{\"version\":1,\"values\":[\"%s\"],\"ttl\":60,\"mark\":\"\"}' \"$w\""),
       }) {
    CAPTURE(script);
    const Program program(script);
    expect_silence("exec", {"", "", program.path()}, 3s);
  }
}

TEST_CASE("canary: renders and pre-flights of a sound webhook provider") {
  const Verbose verbose;
  webhook::ScriptedProvider scripted;
  webhook::hold_old(scripted);
  const auto made =
      make_provider(settings_for("webhook", {scripted.url(), "", ""}), system_clock());
  const auto rendered = (*made)->render(webhook::move(), 5s);
  if (!rendered.ok()) FAIL(rendered.error().message);
  CHECK(webhook::has(rendered->at(0), "updateNew"));
  CHECK(webhook::has(rendered->at(0), "Bearer ***"));
  CHECK_EQ(scripted.asked.front().header("authorization"), "Bearer " + kCanary);
  const std::string words = words_of(**made, 5s);
  CHECK_MESSAGE(!leaks(words + rendered->at(0)), words);
}
