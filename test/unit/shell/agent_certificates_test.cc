// When the agents' certificates end, by their own word.

#include "orchestrator/shell/agent_certificates.h"

#include <atomic>

#include "base/certificate.h"
#include "base/http_server.h"
#include "test/support/certs.h"

using namespace pointsman;
using pointsman::testing::Authority;
using pointsman::testing::Folder;

namespace {

// An agent's door with mutual TLS that says of itself what a test wants.
struct Door {
  HttpServer server;
  std::string body;
  std::atomic<int> asked{0};

  Door(const Folder& folder, const Authority& authority, std::string says) : body(std::move(says)) {
    server.route("GET", "/v1/version", [this](const HttpCall&) {
      ++asked;
      HttpReply reply;
      reply.body = body;
      return reply;
    });
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    options.cert_file = folder / "hz.pem";
    options.key_file = folder / "hz.key";
    options.client_ca_file = authority.ca_file();
    REQUIRE(server.start(options).ok());
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(server.port()); }
};

struct Scene {
  Folder folder;
  Authority authority{folder, "ca"};
  TlsIdentity tls;

  Scene() {
    authority.issue("hz", "DNS:hz");
    authority.issue("monitor", "DNS:monitor");
    tls.ca_file = authority.ca_file();
    tls.cert_file = folder / "monitor.pem";
    tls.key_file = folder / "monitor.key";
  }
};

}  // namespace

TEST_CASE("agent certificates: asked once an hour, and counted down meanwhile") {
  Scene scene;
  Door door(scene.folder, scene.authority, R"({"certificate_seconds_left":86400})");
  AgentCertificates certificates(system_clock(), scene.tls, {{"hz", door.url()}});
  CHECK(certificates.left(system_clock().now()).empty());
  const Instant now = system_clock().now();
  const Instant next = certificates.turn(now);
  CHECK(next - now > 59min);
  CHECK(certificates.turn(now + 1min) == next);
  CHECK_EQ(door.asked.load(), 1);
  const auto left = certificates.left(system_clock().now() + 1h);
  REQUIRE(left.contains("hz"));
  CHECK(left.at("hz") > 22h);
  CHECK(left.at("hz") <= 23h);
}

TEST_CASE("agent certificates: who does not say, or says nonsense, or is another, tells nothing") {
  Scene scene;
  const auto asked = [&](const std::string& says, const std::string& site) {
    Door door(scene.folder, scene.authority, says);
    AgentCertificates certificates(system_clock(), scene.tls, {{site, door.url()}});
    const Instant now = system_clock().now();
    CHECK(certificates.turn(now) - now < 2min);
    return certificates.left(now);
  };
  CHECK(asked(R"({"version":"0.0.9"})", "hz").empty());
  CHECK(asked("<html>", "hz").empty());
  CHECK(asked(R"({"certificate_seconds_left":86400})", "sh").empty());
  Door door(scene.folder, scene.authority, R"({"certificate_seconds_left":1e300})");
  AgentCertificates certificates(system_clock(), scene.tls, {{"hz", door.url()}});
  certificates.turn(system_clock().now());
  CHECK(certificates.left(system_clock().now()).at("hz") < 101 * 366 * 24h);
}

TEST_CASE("agent certificates: one is asked at a turn, whoever else is due") {
  Scene scene;
  AgentCertificates certificates(system_clock(), scene.tls,
                                 {{"hz", "https://127.0.0.1:1"}, {"sh", "https://127.0.0.1:1"}});
  const Instant now = system_clock().now();
  CHECK(certificates.turn(now) <= now);
  CHECK(certificates.turn(now) > now);
}

TEST_CASE("agent certificates: a file's certificate says how long it lasts") {
  Scene scene;
  const auto left = certificate_seconds_left(scene.folder / "hz.pem");
  REQUIRE(left.ok());
  CHECK(*left > 3500);
  CHECK(*left <= 3600);
  CHECK_FALSE(certificate_seconds_left(scene.folder / "hz.key").ok());
  CHECK_FALSE(certificate_seconds_left(scene.folder / "none.pem").ok());
}
