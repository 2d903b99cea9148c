// Orders as they come over HTTP: read strictly, told to every service.

#include "orchestrator/shell/api.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "base/crypto.h"
#include "orchestrator/shell/api_order.h"
#include "orchestrator/shell/web_assets.h"
#include "test/support/captured.h"
#include "test/unit/shell/moody_store.h"

using namespace pointsman;

namespace {

ServicePolicy two_sites(const std::string& name) {
  ServicePolicy policy;
  policy.name = name;
  policy.agents = false;
  policy.records = 0;
  policy.sites = {SitePolicy{"hz", true}, SitePolicy{"sh", false}};
  return policy;
}

Result<ApiOrder> read(const std::string& word, const std::string& body) {
  HttpCall call;
  call.path = "/api/v1/services/im-api/" + word;
  call.body = body;
  call.peer_address = "unix";
  return read_order(call, two_sites("im-api"));
}

std::string refusal(const char* word, const std::string& body) {
  const auto order = read(word, body);
  return order.ok() ? "accepted" : order.error().message;
}

// The API of a daemon with three services, on a socket of its own.
struct Scene {
  std::string folder =
      (std::filesystem::temp_directory_path() / ("pm-api-" + random_id())).string();
  MoodyStore store;
  std::map<std::string, ServiceOutside> outside;
  SharedBook book{"run"};
  Saver saver{system_clock(), store};
  RealExecutor executor;
  Loop loop;
  Api api;
  HttpServer server;

  static std::map<std::string, ServiceOutside> three() {
    std::map<std::string, ServiceOutside> outside;
    for (const char* name : {"a", "b", "c"}) outside[name].policy = two_sites(name);
    return outside;
  }
  explicit Scene(bool dry_run = false)
      : outside(three()),
        executor({system_clock(), outside, book, {}, "monitor", [](const auto&, auto) {}}),
        loop({system_clock(), executor, book, saver, 0, 3, 1min, "monitor"}),
        api({system_clock(), loop, saver, executor, outside, "monitor", dry_run, {}, true, [] {
               return std::string("pointsman_test 1\n");
             }}) {
    std::filesystem::create_directory(folder);
    for (const char* name : {"a", "b", "c"}) loop.add(two_sites(name), std::nullopt);
    loop.start();
    api.serve(server);
    HttpServerOptions options;
    options.listen = "unix:" + folder + "/control";
    REQUIRE(server.start(options).ok());
  }
  ~Scene() {
    server.stop();
    loop.end();
    std::filesystem::remove_all(folder);
  }
  HttpAnswer post(const std::string& path, const std::string& body) {
    HttpRequest request;
    request.method = "POST";
    request.url = "http://localhost" + path;
    request.unix_socket = folder + "/control";
    request.body = body;
    HttpClient client;
    auto answer = client.exchange(request, 20s);
    REQUIRE(answer.ok());
    return *answer;
  }
  int held() {
    int count = 0;
    for (const auto& [name, shot] : loop.snapshot()) count += shot.state.hold.on ? 1 : 0;
    return count;
  }
};

std::string all_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Every route that the source registers.
std::set<std::string> routes_in(const std::string& source) {
  std::set<std::string> routes;
  const std::regex made("route\\(server, \"(GET|POST|DELETE)\", \"(/[^\"]*)\"");
  for (std::sregex_iterator at(source.begin(), source.end(), made), end; at != end; ++at) {
    routes.insert((*at)[1].str() + " " + (*at)[2].str());
  }
  // The orders are made in a loop.
  std::smatch loop;
  REQUIRE(std::regex_search(source, loop, std::regex("const char\\* word : \\{([^}]*)\\}")));
  const std::string words = loop[1].str();
  const std::regex quoted("\"([^\"]+)\"");
  for (std::sregex_iterator at(words.begin(), words.end(), quoted), end; at != end; ++at) {
    routes.insert("POST /api/v1/services/{service}/" + (*at)[1].str());
  }
  return routes;
}

}  // namespace

TEST_CASE("an order of the right shape is read whole") {
  const auto order = read("failover", R"({"to":"sh","dry_run":true,"force":["record","breaker"],
                                          "assert_off":"hz","reason":"power cut"})");
  REQUIRE(order.ok());
  CHECK(order->dry_run);
  CHECK_EQ(order->asked.kind, AskKind::kFailover);
  CHECK_EQ(order->asked.to, 1);
  CHECK_EQ(order->asked.asserted_off, 0);
  CHECK_EQ(order->asked.forced, std::set<std::string>{"breaker", "record"});
  CHECK_EQ(order->asked.reason, "power cut");
  CHECK_EQ(read("adopt", R"({"primary":"hz"})")->asked.to, 0);
  CHECK_EQ(read("pause", R"({"for":"30m"})")->asked.lasting, Duration(30min));
  CHECK_EQ(read("cancel", R"({"assert_off":"sh","reason":"off"})")->asked.asserted_off, 1);
  CHECK(read("ack", "").ok());
}

TEST_CASE("what is not understood is refused, and said by name") {
  CHECK_EQ(refusal("failover", R"({"dry_run":"true"})"),
           R"(dry_run: found "true", allowed: true, false)");
  CHECK_EQ(refusal("failover", R"({"dryrun":true})"),
           R"(failover: found "dryrun", allowed: to, force, assert_off, reason, dry_run)");
  CHECK_EQ(refusal("pause", R"({"for":1800})"), "for: found 1800, allowed: a text");
  CHECK_EQ(refusal("pause", R"({"for":"0s"})"),
           R"(for: found "0s", allowed: a duration such as "30m")");
  CHECK_EQ(refusal("failover", R"({"to":"elsewhere"})"),
           R"(to: found "elsewhere", allowed: hz, sh)");
  for (const char* body : {R"({"force":"record"})", R"({"force":[1]})", R"({"force":["leader"]})",
                           R"({"reason":7})", R"({"assert_off":"hz"})", "[]", "{", "7"}) {
    CHECK_NE(refusal("failover", body), "accepted");
  }
  // What one order knows is not what another does.
  for (const char* word : {"pause", "resume", "ack", "cancel", "adopt"}) {
    CHECK_NE(refusal(word, R"({"dry_run":true})"), "accepted");
  }
}

TEST_CASE("a mistyped dry run moves nothing") {
  Scene scene;
  const HttpAnswer answer = scene.post("/api/v1/services/a/failover", R"({"dry_run":"true"})");
  CHECK_EQ(answer.status, 400);
  CHECK_NE(answer.body.find("dry_run"), std::string::npos);
  CHECK_EQ(scene.store.saved, 0);
}

TEST_CASE("a pause of everything reaches every service, durable or not") {
  Scene scene;
  scene.store.saves = false;
  const Instant began = system_clock().now();
  const HttpAnswer answer = scene.post("/api/v1/pause", R"({"reason":"works"})");
  CHECK_LT(system_clock().now() - began, 10s);
  CHECK_EQ(answer.status, 503);
  const auto body = Json::parse(answer.body);
  REQUIRE(body.ok());
  CHECK_EQ(body->array_or_empty("services").size(), 3U);
  CHECK_EQ(scene.held(), 3);
  scene.store.saves = true;
  const HttpAnswer resumed = scene.post("/api/v1/resume", "");
  CHECK_EQ(resumed.status, 200);
  CHECK_EQ(scene.held(), 0);
}

TEST_CASE("a daemon that runs dry pauses nothing") {
  Scene scene(true);
  CHECK_EQ(scene.post("/api/v1/pause", "").status, 409);
  CHECK_EQ(scene.held(), 0);
}

TEST_CASE("events that found the queue full are told, and settings among them are not taken") {
  MoodyStore store;
  std::map<std::string, ServiceOutside> outside;
  outside["a"].policy = two_sites("a");
  Saver saver(system_clock(), store);
  SharedBook shared("run");
  RealExecutor executor({system_clock(), outside, shared, {}, "monitor", [](const auto&, auto) {}});
  Loop loop({system_clock(), executor, shared, saver, 10, 3, 1min, "monitor"}, 2);
  loop.add(two_sites("a"), std::nullopt);
  CHECK(loop.set_policy(two_sites("a"), false));
  CHECK(loop.post({"a", Tick{}, nullptr}));
  CHECK_FALSE(loop.post({"a", Tick{}, nullptr}));
  CHECK_FALSE(loop.set_policy(two_sites("a"), false));
  const Captured captured;
  loop.start();
  std::string told;
  const Instant until = system_clock().now() + 5s;
  while (told.find("events-lost lost=2 in_all=2") == std::string::npos) {
    REQUIRE_LT(system_clock().now(), until);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    told += captured.text();
  }
  loop.end();
}

TEST_CASE("the manual names every route, and no other") {
  const std::string root = PM_TEST_DATA "/../../";
  std::set<std::string> documented;
  const std::string manual = all_of(root + "docs/api.md");
  const std::regex call("`(GET|POST|DELETE) (/[^`]*)`");
  for (std::sregex_iterator at(manual.begin(), manual.end(), call), end; at != end; ++at) {
    documented.insert((*at)[1].str() + " " + (*at)[2].str());
  }
  Scene scene;
  for (const std::string& route : documented) {
    if (route == "GET /api/v1/events") continue;  // It never ends.
    std::string path = route.substr(route.find(' ') + 1);
    path = std::regex_replace(path, std::regex("\\{service\\}"), "a");
    path = std::regex_replace(path, std::regex("\\{id\\}"), "m-0");
    HttpRequest request;
    request.method = route.substr(0, route.find(' '));
    request.url = "http://localhost" + path;
    request.unix_socket = scene.folder + "/control";
    request.body = request.method == "POST" ? R"({"no":"member"})" : "";
    HttpClient client;
    const auto answer = client.exchange(request, 20s);
    REQUIRE(answer.ok());
    INFO(route);
    CHECK_NE(answer->status, 405);
    CHECK_EQ(answer->body.find("no such resource"), std::string::npos);
    if (request.method == "POST") CHECK_EQ(answer->status, 400);
  }
  const std::set<std::string> routes = routes_in(all_of(root + "orchestrator/shell/api.cc"));
  CHECK_GE(routes.size(), 20U);
  CHECK_EQ(documented, routes);
}

TEST_CASE("the OpenAPI file names every route, and no other") {
  const auto found = std::find_if(web_assets().begin(), web_assets().end(), [](const auto& asset) {
    return asset.path == "/api/v1/openapi.json";
  });
  REQUIRE(found != web_assets().end());
  const auto file = Json::parse(found->bytes);
  REQUIRE(file.ok());
  CHECK(file->string_or("openapi").starts_with("3.1."));
  std::set<std::string> described;
  std::set<std::string> names;
  for (const auto& [path, methods] : file->find("paths")->as_object()) {
    for (const auto& [method, operation] : methods.as_object()) {
      std::string word = method;
      for (char& c : word) c = static_cast<char>(std::toupper(c));
      described.insert(word + " " + path);
      CHECK(names.insert(operation.string_or("operationId")).second);
      CHECK(operation.find("responses")->is_object());
    }
  }
  std::set<std::string> routes = routes_in(all_of(PM_TEST_DATA "/../../orchestrator/shell/api.cc"));
  routes.insert({"GET /", "GET /api/v1/openapi.json"});  // Of the page.
  CHECK_EQ(described, routes);
}
