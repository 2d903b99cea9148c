#include "orchestrator/shell/page.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/crypto.h"
#include "orchestrator/shell/web_assets.h"

using namespace pointsman;

namespace {

struct Scene {
  std::string socket =
      (std::filesystem::temp_directory_path() / ("pm-page-" + random_id())).string();
  HttpServer server;

  Scene() {
    serve_page(server);
    HttpServerOptions options;
    options.listen = "unix:" + socket;
    REQUIRE(server.start(options).ok());
  }
  HttpAnswer get(const std::string& path, HttpHeaders headers = {}) {
    HttpRequest request;
    request.url = "http://localhost" + path;
    request.unix_socket = socket;
    request.headers = std::move(headers);
    HttpClient client;
    auto answer = client.exchange(request, 10s);
    REQUIRE(answer.ok());
    return *answer;
  }
};

std::string header_of(const HttpAnswer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("what is compiled in is what stands in the tree, byte by byte") {
  for (const WebAsset& asset : web_assets()) {
    std::string name(asset.path.substr(asset.path.rfind('/') + 1));
    if (name.empty()) name = "page.html";
    std::ifstream file(std::string(PM_TEST_DATA "/../../orchestrator/web/") + name);
    REQUIRE_MESSAGE(file, name);
    std::stringstream text;
    text << file.rdbuf();
    CHECK_MESSAGE(text.str() == asset.bytes, name);
  }
  CHECK_GE(web_assets().size(), 10U);
}

TEST_CASE("the page allows nothing but itself, and is never shown old") {
  Scene scene;
  for (const WebAsset& asset : web_assets()) {
    const HttpAnswer answer = scene.get(std::string(asset.path));
    CHECK_EQ(answer.status, 200);
    CHECK(answer.body == asset.bytes);
    CHECK_EQ(header_of(answer, "content-type"), asset.type);
    const std::string policy = header_of(answer, "content-security-policy");
    for (const char* part : {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'",
                             "script-src 'self';", "form-action 'none'"}) {
      CHECK_NE(policy.find(part), std::string::npos);
    }
    CHECK_EQ(policy.find("unsafe"), std::string::npos);
    CHECK_EQ(header_of(answer, "cache-control"), "no-cache");
    CHECK_EQ(header_of(answer, "x-content-type-options"), "nosniff");
    const HttpAnswer kept =
        scene.get(std::string(asset.path), {{"If-None-Match", std::string(asset.etag)}});
    CHECK_EQ(kept.status, 304);
    CHECK(kept.body.empty());
  }
}

TEST_CASE("tags are matched as a list, weak ones too") {
  CHECK(tag_matches("\"a\"", "\"a\""));
  CHECK(tag_matches("\"b\", W/\"a\"", "\"a\""));
  CHECK(tag_matches("*", "\"a\""));
  CHECK_FALSE(tag_matches("", "\"a\""));
  CHECK_FALSE(tag_matches("\"ab\"", "\"a\""));
  CHECK_FALSE(tag_matches("a", "\"a\""));
}

TEST_CASE("nothing but the assets is served, however it is asked for") {
  Scene scene;
  for (const char* path :
       {"/page.html", "/index.html", "/embed.cmake", "/orchestrator/web/page.css", "//page.css",
        "/page.css/", "/../page.css", "/%2e%2e/etc/passwd", "/%252e%252e/etc/passwd",
        "/..%2fetc%2fpasswd", "/page.css%00", "/./page.css", "/page.css/..%5c..%5cetc"}) {
    const HttpAnswer answer = scene.get(path);
    CHECK_MESSAGE((answer.status == 400 || answer.status == 404), path);
  }
}
