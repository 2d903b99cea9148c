#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "providers/provider.h"
#include "test/conformance/provider_suite.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

constexpr Duration kWithin = 10s;
const std::string kToken = "canary-b64f0c";

// The program of the manual, as it stands there.
std::string sample_program() {
  const auto page = read_file(PM_TEST_DATA "/../../docs/providers/exec.md");
  REQUIRE(page.ok());
  const std::string fence = "```python\n";
  const auto begin = page->find(fence) + fence.size();
  return page->substr(begin, page->find("```", begin) - begin);
}

// A folder with an account (a JSON file) and programs that work on it.
class Account {
 public:
  Account() {
    char pattern[] = "/tmp/pm-exec-XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    folder_ = pattern;
    save(Json::object({{"serial", 0}, {"token", kToken}, {"sets", Json::object()}}));
    add_program("own", sample_program());
  }
  ~Account() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  std::string path(const std::string& name) const { return folder_ + '/' + name; }
  void add_program(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    REQUIRE(chmod(path(name).c_str(), 0755) == 0);
  }
  // A program that does `script` when asked for `verb` (the question is in $q; `own` hands it to
  // the sound program), and is sound else.
  std::string fault(const std::string& verb, const std::string& script) const {
    const std::string own =
        fmt::format("own() {{ printf '%s' \"$q\" | {} {}; }}\n", path("own"), path("records"));
    add_program("faulty", fmt::format("#!/bin/sh\nq=$(cat)\ncd {}\n{}case $q in\n"
                                      "*'\"verb\":\"{}\"'*) {} ;;\n*) own ;;\nesac\n",
                                      folder_, own, verb, script));
    return path("faulty");
  }

  // The sound program, with a line in `runs` for each question.
  std::string counted() const {
    std::string text = sample_program();
    const std::string start = "    asked, path = json.load(sys.stdin), sys.argv[1]\n";
    const auto at = text.find(start);
    REQUIRE(at != std::string::npos);
    text.insert(at + start.size(),
                fmt::format("    print(asked['verb'], file=open('{}', 'a'))\n", path("runs")));
    add_program("counted", text);
    return path("counted");
  }
  long count(const std::string& verb) const {
    std::ifstream runs(path("runs"));
    long out = 0;
    for (std::string line; std::getline(runs, line);) {
      out += line == verb ? 1 : 0;
    }
    return out;
  }

  Json load() const { return Json::parse(read_file(path("records")).value()).value(); }
  void save(const Json& account) const { std::ofstream(path("records")) << account.dump(); }
  long serial() const { return load().int_or("serial"); }
  void put(const RecordSet& set) const {
    Json account = load();
    Json sets = *account.find("sets");
    Json values = Json::array();
    for (const std::string& value : set.values) values.push(value);
    sets.set(set.key.name + ' ' + set.key.type,
             Json::object({{"values", values}, {"ttl", set.ttl.count()}, {"mark", set.mark}}));
    account.set("sets", sets);
    account.set("serial", account.int_or("serial") + 1);
    save(account);
  }
  RecordSet get(const RecordKey& key) const {
    RecordSet out{key, {}, std::chrono::seconds(0), ""};
    std::string name = key.name;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    const Json account = load();
    const Json* set = account.find("sets")->find(name + ' ' + key.type);
    if (set == nullptr) return out;
    for (const Json& value : set->array_or_empty("values")) out.values.push_back(value.as_string());
    out.ttl = std::chrono::seconds(set->int_or("ttl"));
    out.mark = set->string_or("mark");
    return out;
  }

 private:
  std::string folder_;
};

ProviderSettings settings(const Account& account, const std::string& program) {
  return {"own",
          "exec",
          {{"timeout", "6s"}},
          {{"token", kToken}},
          {{"argv", {program, account.path("records")}}}};
}

std::unique_ptr<Provider> made(const ProviderSettings& from) {
  auto provider = make_provider(from, system_clock());
  if (!provider.ok()) FAIL(provider.error().message);
  return std::move(*provider);
}

std::unique_ptr<Provider> provider_of(const Account& account, const std::string& program) {
  return made(settings(account, program));
}

class ExecBench : public ProviderBench {
 public:
  Provider& provider() override { return *provider_; }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", fmt::format("n{}.example.test", ++names_), type};
  }
  void put(const RecordSet& set) override { account_.put(set); }
  RecordSet get(const RecordKey& key) override { return account_.get(key); }
  long changes() override { return account_.serial(); }
  long writes() override { return account_.count("replace"); }
  bool knows_cname() override { return false; }

 private:
  Account account_;
  std::unique_ptr<Provider> provider_ = provider_of(account_, account_.counted());
  int names_ = 0;
};

RecordKey api() { return {"example.test", "api.example.test", "A"}; }

Change move() {
  return {api(), {"198.51.100.20"}, std::chrono::seconds(60), "im-api 2 sh", {"192.0.2.10"}, {""}};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <typename T>
void expect_error(const Result<T>& result, ErrorCode code, const std::string& words) {
  REQUIRE_FALSE(result.ok());
  CAPTURE(result.error().message);
  CHECK_EQ(result.error().code, code);
  CHECK(has(result.error().message, words));
  CHECK(has(result.error().message, "provider own"));
  CHECK_FALSE(has(result.error().message, kToken));
}

void expect_values(const Account& account, const std::string& value) {
  CHECK_EQ(account.get(api()).values, std::vector<std::string>{value});
}

// Moves by a program that does `script` instead of, or around, the write.
Result<void> move_by(const Account& account, const std::string& script, Duration within = kWithin) {
  account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
  return provider_of(account, account.fault("replace", script))->replace(move(), within);
}

}  // namespace

TEST_CASE("exec: the program of the manual keeps the contract") {
  ExecBench bench;
  run_provider_suite(bench);
}

TEST_CASE("exec: settings, every mistake at once") {
  const Account account;
  const auto complaint = [](const ProviderSettings& from) {
    const auto provider = make_provider(from, system_clock());
    return provider.ok() ? std::string() : provider.error().message;
  };
  ProviderSettings bad = settings(account, account.path("own"));
  CHECK_EQ(complaint(bad), "");
  bad.options = {{"argv", "/bin/sh -c own"}, {"tiemout", "5s"}, {"ttl_min", "0s"}};
  bad.lists = {{"authorities", {"x"}}};
  const std::string text = complaint(bad);
  for (const char* part : {"argv: found \"/bin/sh -c own\"", "tiemout: unknown key", "ttl_min",
                           "authorities: found a list"}) {
    CHECK_MESSAGE(has(text, part), text);
  }
  CHECK_FALSE(has(text, kToken));
  for (const char* program : {"own", "/no/such/program", "/etc/passwd", "/tmp"}) {
    CHECK(has(complaint(settings(account, program)), "argv: found [\""));
  }
  REQUIRE(chmod(account.path("own").c_str(), 0777) == 0);
  CHECK(has(complaint(settings(account, account.path("own"))), "writable by its owner alone"));
}

TEST_CASE("exec: a run that hangs is killed with its children, and writes nothing later") {
  const Account account;
  const Instant began = system_clock().now();
  const auto hung = move_by(account, "(sleep 2; own) & sleep 2; own", 1200ms);
  expect_error(hung, ErrorCode::kTimeout, "not done so far");
  CHECK(has(hung.error().message, "did not end within"));
  CHECK(system_clock().now() - began < 5s);
  std::this_thread::sleep_for(2s);
  expect_values(account, "192.0.2.10");
}

TEST_CASE("exec: two children that outlive an answer are killed with it") {
  const Account account;
  const auto done = move_by(account, "(sleep 1; touch late1) & (sleep 1; touch late2) & own");
  if (!done.ok()) FAIL_CHECK(done.error().message);
  std::this_thread::sleep_for(1500ms);
  for (const char* late : {"late1", "late2"}) {
    CHECK_FALSE(std::filesystem::exists(account.path(late)));
  }
}

TEST_CASE("exec: broken answers are no success; when the write was done, reading shows it") {
  const Account account;
  struct Broken {
    const char* answer;
    const char* words;
  };
  const Broken cases[] = {
      {"exit 3", "ended with 3"},
      {"echo cannot reach it >&2; exit 1", "cannot reach it"},
      {"kill -9 $$", "ended with 137"},
      {"exec true", "no JSON document"},
      {"echo '<html>Bad Gateway</html>'", "no JSON document"},
      {"echo '{\"version\":1,\"done\":true} trailing'", "no JSON document"},
      {"echo '{\"version\":1,\"version\":1,\"done\":true}'", "no JSON document"},
      {"echo '[]'", "no object of version 1"},
      {"echo '{\"version\":2,\"done\":true}'", "no object of version 1"},
      {"echo '{\"done\":true}'", "no object of version 1"},
      {"echo '{\"version\":1,\"done\":true}'; exit 1", "ended with 1"},
      {"echo '{\"version\":1,\"done\":\"true\"}'", "answers with done"},
      {"echo '{\"version\":1,\"done\":false}'", "answers with done"},
      {"echo '{\"version\":1,\"done\":true,\"more\":1}'", "answers with done"},
      {"echo '{\"version\":1,\"error\":\"sad\",\"message\":\"x\"}'", "without a known word"},
      {"echo '{\"version\":1,\"error\":\"refused\"}'", "without a known word"},
      {"head -c 1000000000 /dev/zero", "more than 64 KiB"},
      {"yes '[' | head -c 60000", "no JSON document"},
  };
  for (const Broken& broken : cases) {
    CAPTURE(broken.answer);
    const auto before = move_by(account, broken.answer, 20s);
    expect_error(before, ErrorCode::kTimeout, broken.words);
    CHECK(has(before.error().message, "not done so far"));
    expect_values(account, "192.0.2.10");
    // The same after it was applied: the answer is lost, the work is not.
    const auto after = move_by(account, fmt::format("own > /dev/null; {}", broken.answer), 20s);
    if (!after.ok()) FAIL_CHECK(after.error().message);
    expect_values(account, "198.51.100.20");
  }
}

TEST_CASE("exec: a mark without end is told in a kilobyte, a set without end is none") {
  const Account account;
  const auto read = [&](const std::string& members) {
    account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
    return provider_of(account, account.fault("read", "echo '{\"version\":1," + members + "}'"))
        ->replace(move(), kWithin);
  };
  const auto marked =
      read(R"("values":["192.0.2.10"],"ttl":60,"mark":")" + std::string(50'000, 'm') + '"');
  expect_error(marked, ErrorCode::kConflict, "carries the mark");
  CHECK_LT(marked.error().message.size(), 1100U);
  std::string many = R"("192.0.2.10")";
  for (int k = 0; k < 64; ++k) many += R"(,"192.0.2.10")";
  expect_error(read("\"values\":[" + many + R"(],"ttl":60,"mark":"")"), ErrorCode::kUnavailable,
               "a read answers with values");
}

TEST_CASE("exec: a TTL below the lowest that the program can set is raised") {
  const Account account;
  account.put({api(), {"192.0.2.10"}, std::chrono::seconds(600), ""});
  ProviderSettings from = settings(account, account.path("own"));
  from.options["ttl_min"] = "600s";
  const auto provider = made(from);
  for (int run = 0; run < 2; ++run) {
    const auto done = provider->replace(move(), kWithin);
    if (!done.ok()) FAIL_CHECK(done.error().message);
  }
  CHECK_EQ(account.get(api()).ttl.count(), 600);
  CHECK_EQ(account.serial(), 2);
}

TEST_CASE("exec: the words of a failure") {
  const Account account;
  const auto word = [&](const std::string& w) {
    return move_by(account, fmt::format("echo '{{\"version\":1,\"error\":\"{}\",\"message\":\"so "
                                        "it is\"}}'",
                                        w));
  };
  expect_error(word("refused"), ErrorCode::kRefused, "so it is");
  expect_error(word("unavailable"), ErrorCode::kUnavailable, "so it is");
  expect_error(word("not-found"), ErrorCode::kNotFound, "so it is");
  expect_error(word("invalid"), ErrorCode::kInvalid, "so it is");
  expect_error(word("conflict"), ErrorCode::kConflict, "not done so far");
  expect_error(word("timeout"), ErrorCode::kTimeout, "not done so far");
  expect_error(word("internal"), ErrorCode::kInternal, "not done so far");
}

TEST_CASE("exec: accepted and not applied, or in part, is told; the next call completes it") {
  const Account account;
  const auto lied = move_by(account, "echo '{\"version\":1,\"done\":true}'", 2s);
  expect_error(lied, ErrorCode::kTimeout, "accepted, not effective");
  expect_values(account, "192.0.2.10");

  // The value without the mark.
  const std::string half =
      "q=$(printf '%s' \"$q\" | sed 's/\"mark\":\"im-api 2 sh\"/\"mark\":\"\"/'); own";
  const auto partial = move_by(account, half, 2s);
  expect_error(partial, ErrorCode::kTimeout, "accepted, not effective");
  expect_values(account, "198.51.100.20");
  const auto done = provider_of(account, account.path("own"))->replace(move(), kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
  CHECK_EQ(account.get(api()).mark, "im-api 2 sh");

  // Written by someone else while it was being written by us.
  const auto foreign = move_by(account, "sed -i s/192.0.2.10/203.0.113.99/ records; own");
  expect_error(foreign, ErrorCode::kConflict, "203.0.113.99");
  expect_values(account, "203.0.113.99");
}

TEST_CASE("exec: a TTL that the service raises by itself is used; a lower one is not effective") {
  const auto with_ttl = [](int ttl, const std::string& end) {
    return fmt::format(
        "q=$(printf '%s' \"$q\" | sed 's/\"ttl\":60,\"mark\":\"im/\"ttl\":{},"
        "\"mark\":\"im/'); own; {}",
        ttl, end);
  };
  const Account account;
  const auto raised = move_by(account, with_ttl(600, ":"));
  if (!raised.ok()) FAIL_CHECK(raised.error().message);
  expect_values(account, "198.51.100.20");
  CHECK_EQ(account.get(api()).ttl.count(), 600);
  // Done, and then no proper answer.
  const auto unclear = move_by(account, with_ttl(600, "echo more"));
  if (!unclear.ok()) FAIL_CHECK(unclear.error().message);
  CHECK_EQ(account.get(api()).ttl.count(), 600);
  expect_error(move_by(account, with_ttl(30, ":"), 2s), ErrorCode::kTimeout,
               "accepted, not effective");

  // Only the TTL was to change, and no answer says that it was: it may still be the old one.
  account.put({api(), move().desired, std::chrono::seconds(600), move().mark});
  const auto silent = provider_of(account, account.fault("replace", "exit 1"));
  expect_error(silent->replace(move(), kWithin), ErrorCode::kTimeout, "not done so far");
}

TEST_CASE("exec: bad reads change nothing and may be asked again") {
  const Account account;
  account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
  const long before = account.serial();
  const auto by = [&](const std::string& answer) {
    return provider_of(account, account.fault("read", "echo '" + answer + "'"));
  };
  const std::string tail = R"(,"ttl":60,"mark":""})";
  for (const std::string& answer : {
           std::string("<html>"),
           std::string("{}"),
           R"({"version":1,"values":"x")" + tail,
           R"({"version":1,"values":[1])" + tail,
           R"({"version":1,"values":null)" + tail,
           std::string(R"({"version":1,"values":[],"ttl":"60","mark":""})"),
           std::string(R"({"version":1,"values":[],"ttl":-1,"mark":""})"),
           std::string(R"({"version":1,"values":[],"ttl":60})"),
       }) {
    CAPTURE(answer);
    expect_error(by(answer)->replace(move(), kWithin), ErrorCode::kUnavailable, "");
    expect_error(by(answer)->read(api(), kWithin), ErrorCode::kUnavailable, "");
    expect_error(by(answer)->preflight(api(), kWithin), ErrorCode::kUnavailable, "");
  }
  expect_error(by(R"({"version":1,"values":["2001:db8::1"])" + tail)->replace(move(), kWithin),
               ErrorCode::kConflict, "");
  CHECK_EQ(account.serial(), before);
  auto gone = provider_of(account, account.fault("read", "own"));
  REQUIRE(unlink(account.path("faulty").c_str()) == 0);
  expect_error(gone->replace(move(), kWithin), ErrorCode::kUnavailable, "No such file");
}

TEST_CASE("exec: credentials that no longer hold are found by reads") {
  const Account account;
  account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
  ProviderSettings wrong = settings(account, account.path("own"));
  wrong.credentials["token"] = "revoked-token";
  auto provider = made(wrong);
  const long before = account.serial();
  expect_error(provider->preflight(api(), kWithin), ErrorCode::kRefused, "the token is not");
  expect_error(provider->read(api(), kWithin), ErrorCode::kRefused, "the token is not");
  expect_error(provider->render(move(), kWithin), ErrorCode::kRefused, "the token is not");
  expect_error(provider->replace(move(), kWithin), ErrorCode::kRefused, "the token is not");
  CHECK_EQ(account.serial(), before);
}

TEST_CASE("exec: no shell reads an argument, and secrets are on standard input alone") {
  const Account account;
  account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
  account.add_program(
      "spy",
      "#!/bin/sh\ncd $(dirname $0)\ncat > q\ntr '\\0' '\\n' < /proc/$$/cmdline > a\n"
      "tr '\\0' '\\n' < /proc/$$/environ > e\n" +
          fmt::format("exec {} {} < q\n", account.path("own"), account.path("records")));
  ProviderSettings from = settings(account, account.path("spy"));
  const std::string hostile = "$(touch pwned); `touch pwned` | > pwned & \"'";
  from.lists["argv"] = {account.path("spy"), hostile};
  setenv("PM_SECRET_OF_OURS", "x", 1);
  REQUIRE(made(from)->read(api(), kWithin).ok());
  const std::string question = read_file(account.path("q")).value();
  CHECK(has(question, kToken));
  CHECK(Json::parse(question).value().string_or("verb") == "read");
  const std::string arguments = read_file(account.path("a")).value();
  CHECK(has(arguments, "\n" + hostile + "\n"));
  CHECK_FALSE(has(arguments, kToken));
  const std::string environment = read_file(account.path("e")).value();
  CHECK_FALSE(has(environment, kToken));
  CHECK_FALSE(has(environment, "PM_SECRET_OF_OURS"));
  CHECK_FALSE(std::filesystem::exists(account.path("pwned")));
}

TEST_CASE("exec: of two changes at once one wins, copies of one agree") {
  const Account account;
  for (int round = 0; round < 3; ++round) {
    account.put({api(), {"192.0.2.10"}, std::chrono::seconds(60), ""});
    Change other = move();
    other.desired = {"192.0.2.10"};
    other.mark = "im-api 3 hz";
    other.expected = {"198.51.100.20"};
    Result<void> a, b, c;
    const auto run = [&](const Change& change, Result<void>& into) {
      return std::thread([&account, &into, change] {
        into = provider_of(account, account.path("own"))->replace(change, kWithin);
      });
    };
    std::thread one = run(move(), a), copy = run(move(), b), two = run(other, c);
    one.join();
    copy.join();
    two.join();
    CHECK_EQ(a.ok(), b.ok());
    CHECK_NE(a.ok(), c.ok());
    CHECK_EQ((a.ok() ? c : a).error().code, ErrorCode::kConflict);
  }
}

TEST_CASE("exec: authorities by configuration, else by the program") {
  const Account account;
  const auto asked = [&](const std::string& program) {
    return provider_of(account, program)->authorities(api(), kWithin);
  };
  REQUIRE(asked(account.path("own")).ok());
  CHECK(asked(account.path("own"))->empty());
  const auto say = [&](const std::string& servers) {
    return account.fault("authorities", "echo '{\"version\":1,\"servers\":" + servers + "}'");
  };
  CHECK_EQ(*asked(say("[\"192.0.2.53:53\",\"ns1.example.test\"]")),
           std::vector<std::string>{"192.0.2.53:53", "ns1.example.test"});
  expect_error(asked(say("[\"no:such:server\"]")), ErrorCode::kUnavailable, "no address");
  ProviderSettings given = settings(account, account.path("own"));
  given.options["authorities"] = "192.0.2.1:53, 192.0.2.2:5353";
  CHECK_EQ(*made(given)->authorities(api(), kWithin),
           std::vector<std::string>{"192.0.2.1:53", "192.0.2.2:5353"});
}
