#include "base/http.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/http_server.h"
#include "test/support/certs.h"

namespace pointsman {
namespace {

using testing::Authority;
using testing::Folder;

// A server with the routes that these tests ask for.
struct Site {
  HttpServer server;
  HttpServerOptions options;
  std::atomic<int> posts{0};

  explicit Site(HttpServerOptions wanted = {}) : options(std::move(wanted)) {
    if (options.listen.empty()) options.listen = "127.0.0.1:0";
    server.route("GET", "/hello", [](const HttpCall&) {
      return HttpReply{.content_type = "text/plain", .body = "hello", .headers = {{"X-A", "b"}}};
    });
    server.route("POST", "/echo", [this](const HttpCall& call) {
      ++posts;
      return HttpReply{.content_type = "text/plain", .body = call.body};
    });
    server.route("GET", "/who/{name}/x", [](const HttpCall& call) {
      std::string names = call.peer_address + " " + call.parameter("name") + " " +
                          call.parameter("q") + " " + call.header("x-mine");
      for (const std::string& name : call.peer_names) names += " " + name;
      return HttpReply{.content_type = "text/plain", .body = names};
    });
    server.route("GET", "/slow", [](const HttpCall&) {
      std::this_thread::sleep_for(700ms);
      return HttpReply{};
    });
    server.route("GET", "/throws",
                 [](const HttpCall&) -> HttpReply { throw std::runtime_error("secret"); });
    server.route("GET", "/big", [](const HttpCall&) {
      return HttpReply{.content_type = "text/plain", .body = std::string(300'000, 'x')};
    });
    const Result<void> started = server.start(options);
    REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().message));
  }
  std::string url(const std::string& path) const {
    return (options.cert_file.empty() ? "http" : "https") + std::string("://127.0.0.1:") +
           std::to_string(server.port()) + path;
  }
};

TEST_CASE("http: one request, one answer") {
  Site site;
  HttpClient client;
  const auto hello = client.exchange({.url = site.url("/hello")}, 5s);
  REQUIRE(hello.ok());
  CHECK(hello->status == 200);
  CHECK(hello->body == "hello");
  CHECK(hello->header("x-a") == "b");
  CHECK(hello->header("content-type") == "text/plain");
  CHECK(hello->header("x-content-type-options") == "nosniff");
  CHECK(hello->took > Duration::zero());

  const auto echo = client.exchange(
      {.method = "POST", .url = site.url("/echo"), .body = std::string("b\0dy", 4)}, 5s);
  CHECK(echo->body == std::string("b\0dy", 4));
  CHECK(client.exchange({.method = "POST", .url = site.url("/echo")}, 5s)->body.empty());
  const auto who = client.exchange(
      {.url = site.url("/who/%C3%A9/x?q=a+b%26c&name=evil"), .headers = {{"X-Mine", "m"}}}, 5s);
  CHECK(who->body == "127.0.0.1 \u00e9 a b&c m");
  const auto head = client.exchange({.method = "HEAD", .url = site.url("/hello")}, 5s);
  CHECK(head->status == 200);
  CHECK(head->body.empty());
  CHECK(head->header("content-length") == "5");
}

TEST_CASE("http: what is not there, not allowed, or broken") {
  Site site;
  HttpClient client;
  const auto none = client.exchange({.url = site.url("/none")}, 5s);
  CHECK(none->status == 404);
  CHECK(none->header("content-type") == "application/problem+json");
  const auto not_so = client.exchange({.method = "DELETE", .url = site.url("/echo")}, 5s);
  CHECK(not_so->status == 405);
  CHECK(not_so->header("allow") == "POST");
  const auto thrown = client.exchange({.url = site.url("/throws")}, 5s);
  CHECK(thrown->status == 500);
  CHECK(thrown->body.find("secret") == std::string::npos);
  CHECK(client.exchange({.url = site.url("/who//x")}, 5s)->status == 404);
  CHECK(client.exchange({.url = site.url("/a/../hello")}, 5s)->status == 400);
  CHECK(client.exchange({.url = site.url("/who/a%2fb/x")}, 5s)->status == 400);
}

TEST_CASE("http: failures tell whether the far side may have acted") {
  Site site;
  HttpClient client;
  CHECK(client.exchange({.url = "http://127.0.0.1:1/"}, 5s).error().code ==
        ErrorCode::kUnavailable);
  CHECK(client.exchange({.url = site.url("/slow")}, 200ms).error().code == ErrorCode::kTimeout);
  CHECK(client.exchange({.url = site.url("/hello")}, 0s).error().code == ErrorCode::kUnavailable);
  const auto big = client.exchange({.url = site.url("/big"), .answer_most = 1000}, 5s);
  CHECK(big.error().code == ErrorCode::kInvalid);
  CHECK(client.exchange({.url = site.url("/big")}, 5s)->body.size() == 300'000);
  CHECK(client.exchange({.url = "ftp://127.0.0.1/"}, 5s).error().code == ErrorCode::kInvalid);
  CHECK(client.exchange({.url = "file:///etc/passwd"}, 5s).error().code == ErrorCode::kInvalid);
  CHECK(client.exchange({.url = site.url("/hello"), .headers = {{"A", "b\r\nC: d"}}}, 5s)
            .error()
            .code == ErrorCode::kInvalid);
  CHECK(client.exchange({.method = "GET /", .url = site.url("/hello")}, 5s).error().code ==
        ErrorCode::kInvalid);
  // What a query holds stays out of messages.
  const auto hidden = client.exchange({.url = "http://127.0.0.1:1/x?Signature=s3cret"}, 5s);
  CHECK(hidden.error().message.find("s3cret") == std::string::npos);
}

TEST_CASE("http: proxies of the environment are not used") {
  Site site;
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  HttpClient client;
  CHECK(client.exchange({.url = site.url("/hello")}, 5s).ok());
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

TEST_CASE("http: a Unix socket") {
  const Folder folder;
  HttpServerOptions options;
  options.listen = "unix:" + (folder / "control.sock");
  HttpClient client;
  const HttpRequest request{.url = "http://localhost/who/me/x?q=1",
                            .unix_socket = folder / "control.sock"};
  {
    Site site(options);
    CHECK(site.server.port() == 0);
    CHECK(std::filesystem::status(folder / "control.sock").permissions() ==
          static_cast<std::filesystem::perms>(0660));
    CHECK(client.exchange(request, 5s)->body == "unix me 1 ");
    // A second daemon does not take the socket of one that lives.
    HttpServer second;
    CHECK(second.start(options).error().code == ErrorCode::kUnavailable);
    CHECK(client.exchange(request, 5s).ok());
  }
  CHECK(!std::filesystem::exists(folder / "control.sock"));
  CHECK(client.exchange(request, 5s).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("http: mutual TLS by name") {
  const Folder folder;
  const Authority ours(folder, "ours");
  const Authority other(folder, "other");
  ours.issue("hz", "DNS:hz");
  ours.issue("monitor", "DNS:Monitor,DNS:second");
  other.issue("stranger", "DNS:monitor");
  other.issue("fake", "DNS:hz");
  HttpServerOptions options;
  options.cert_file = folder / "hz.pem";
  options.key_file = folder / "hz.key";
  options.client_ca_file = ours.ca_file();
  Site site(options);
  const HttpRequest request{.url = site.url("/who/a/x?q=1")};

  TlsIdentity good{ours.ca_file(), folder / "monitor.pem", folder / "monitor.key", "hz"};
  HttpClient client(good);
  const auto who = client.exchange(request, 5s);
  REQUIRE_MESSAGE(who.ok(), (who.ok() ? "" : who.error().message));
  CHECK(who->body == "127.0.0.1 a 1  monitor second");

  const auto code_with = [&](const TlsIdentity& identity) {
    const auto answer = HttpClient(identity).exchange(request, 5s);
    REQUIRE(!answer.ok());
    return answer.error().code;
  };
  TlsIdentity wrong_name = good;
  wrong_name.peer_name = "nbg";
  CHECK(code_with(wrong_name) == ErrorCode::kRefused);
  TlsIdentity no_name = good;
  no_name.peer_name = "";  // Then the URL's host must match.
  CHECK(code_with(no_name) == ErrorCode::kRefused);
  TlsIdentity wrong_ca = good;
  wrong_ca.ca_file = other.ca_file();
  CHECK(code_with(wrong_ca) == ErrorCode::kRefused);
  TlsIdentity no_ca = good;
  no_ca.ca_file = "";
  CHECK(code_with(no_ca) == ErrorCode::kRefused);
  TlsIdentity missing = good;
  missing.cert_file = folder / "none.pem";
  CHECK(code_with(missing) == ErrorCode::kRefused);
  // The server's refusal comes after our part of a TLS 1.3 handshake; only a host that stands still
  // for longer than the server lingers loses it with the connection.
  const auto refusal_with = [&](const TlsIdentity& identity) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      const auto answer = HttpClient(identity).exchange(request, 5s);
      REQUIRE(!answer.ok());
      if (answer.error().code == ErrorCode::kRefused) return answer.error().message;
      CHECK(answer.error().code == ErrorCode::kTimeout);
    }
    return std::string("never told");
  };
  TlsIdentity stranger = good;
  stranger.cert_file = folder / "stranger.pem";
  stranger.key_file = folder / "stranger.key";
  CHECK(refusal_with(stranger).ends_with("the far side refuses our certificate " +
                                         stranger.cert_file + ": unknown ca"));
  TlsIdentity anonymous = good;
  anonymous.cert_file = anonymous.key_file = "";
  CHECK(refusal_with(anonymous).ends_with(
      "the far side refuses us without a certificate: certificate required"));
  // Plain HTTP cannot prove a name.
  HttpRequest plain = request;
  plain.url.replace(0, 5, "http");
  CHECK(client.exchange(plain, 5s).error().code == ErrorCode::kInvalid);
}

TEST_CASE("http: TLS files are loaded again for new connections") {
  const Folder folder;
  const Authority ours(folder, "ours");
  ours.issue("hz", "DNS:hz");
  HttpServerOptions options;
  options.cert_file = folder / "hz.pem";
  options.key_file = folder / "hz.key";
  Site site(options);
  const HttpRequest request{.url = site.url("/hello")};
  HttpClient kept({ours.ca_file(), "", "", "hz"});
  CHECK(kept.exchange(request, 5s).ok());
  ours.issue("hz", "DNS:hz2");
  CHECK(site.server.reload_tls().ok());
  CHECK(kept.exchange(request, 5s).ok());
  CHECK(HttpClient({ours.ca_file(), "", "", "hz2"}).exchange(request, 5s).ok());
  std::filesystem::remove(folder / "hz.key");
  CHECK(site.server.reload_tls().error().message.find("hz.key") != std::string::npos);
  CHECK(HttpClient({ours.ca_file(), "", "", "hz2"}).exchange(request, 5s).ok());
}

TEST_CASE("http: a restarted server is reached again on a kept client") {
  HttpServerOptions options;
  HttpClient client;
  {
    Site site;
    options.listen = "127.0.0.1:" + std::to_string(site.server.port());
    CHECK(client.exchange({.method = "POST", .url = site.url("/echo")}, 5s).ok());
  }
  Site again(options);
  CHECK(client.exchange({.method = "POST", .url = again.url("/echo")}, 5s).ok());
  CHECK(again.posts == 1);
}

}  // namespace
}  // namespace pointsman
