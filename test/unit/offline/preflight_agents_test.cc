#include "base/http_server.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/preflight.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

using namespace pointsman;

namespace {

// A folder of identities that goes away.
class Identities {
 public:
  Identities() {
    http_global_init();
    path_ = (std::filesystem::temp_directory_path() / "pm-preflight-XXXXXX").string();
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    REQUIRE(certs_init(path_).ok());
    REQUIRE(certs_issue(path_, {"monitor", "hz", "sh"}, false).ok());
  }
  ~Identities() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Identities(const Identities&) = delete;
  Identities& operator=(const Identities&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  TlsIdentity of(const std::string& name) const {
    return {file("ca.pem"), file(name + ".pem"), file(name + ".key"), ""};
  }

 private:
  std::string path_;
};

// The one route of an agent that is asked here, behind real mutual TLS.
void serve(HttpServer& server, const TlsIdentity& tls, const std::string& site) {
  server.route("GET", "/v1/version", [site](const HttpCall&) {
    HttpReply reply;
    reply.body = fmt::format(R"({{"site":"{}","version":"9.9","services":["im-api"]}})", site);
    return reply;
  });
  HttpServerOptions options;
  options.listen = "127.0.0.1:0";
  options.cert_file = tls.cert_file;
  options.key_file = tls.key_file;
  options.client_ca_file = tls.ca_file;
  REQUIRE(server.start(options).ok());
}

MonitorConfig config_for(const TlsIdentity& tls, int hz_port, int sh_port) {
  MonitorConfig config;
  config.tls = tls;
  ServiceSettings service;
  service.name = "im-api";
  const auto url = [](int port) { return fmt::format("https://127.0.0.1:{}", port); };
  service.sites = {{"hz", "127.0.0.1", "", "", url(hz_port), false},
                   {"sh", "127.0.0.2", "", "", url(sh_port), false}};
  config.services.push_back(service);
  return config;
}

const PreflightItem& item_of(const std::vector<PreflightItem>& items, const std::string& name) {
  for (const PreflightItem& item : items) {
    if (item.name.rfind(name, 0) == 0) return item;
  }
  FAIL("no item ", name);
  return items.front();
}

bool has(const PreflightItem& item, const char* words) {
  const bool found = item.text.find(words) != std::string::npos;
  if (!found) MESSAGE(item.text);
  return found;
}

}  // namespace

TEST_CASE("agents and certificates that fit are found sound") {
  const Identities own;
  HttpServer hz;
  HttpServer sh;
  serve(hz, own.of("hz"), "hz");
  serve(sh, own.of("sh"), "sh");
  const auto items = preflight(config_for(own.of("monitor"), hz.port(), sh.port()), system_clock());
  CHECK_EQ(items.size(), 5);
  for (const PreflightItem& item : items) {
    CAPTURE(item.text);
    CHECK_MESSAGE(item.ok, item.name);
    CHECK_FALSE(item.warning);
  }
  CHECK(has(item_of(items, "agent hz"), "version 9.9"));
  CHECK(has(item_of(items, "certificate " + own.file("monitor.pem")), "identity monitor"));
}

TEST_CASE("exchanged, foreign and absent agents are told apart") {
  const Identities own;
  const Identities other;
  HttpServer hz;
  serve(hz, own.of("hz"), "hz");
  HttpServer foreign;
  serve(foreign, other.of("sh"), "sh");
  auto items =
      preflight(config_for(own.of("monitor"), foreign.port(), hz.port()), system_clock(), {3s, 2});
  CHECK(has(item_of(items, "agent hz"), "another authority"));
  CHECK(has(item_of(items, "agent sh"), "another name"));
  const int gone = hz.port();
  hz.stop();
  items = preflight(config_for(own.of("monitor"), gone, gone), system_clock(), {3s, 1});
  CHECK(has(item_of(items, "agent hz"), "not reached"));
}

TEST_CASE("an agent that does not take our certificate is told") {
  const Identities own;
  const Identities other;
  HttpServer hz;
  TlsIdentity tls = own.of("hz");
  tls.ca_file = other.file("ca.pem");
  serve(hz, tls, "hz");
  const auto items =
      preflight(config_for(own.of("monitor"), hz.port(), hz.port()), system_clock(), {3s, 8});
  CHECK_FALSE(item_of(items, "agent hz").ok);
  CHECK(has(item_of(items, "agent hz"), "refused our certificate"));
}

TEST_CASE("references are asked for a connection") {
  const Identities own;
  HttpServer hz;
  serve(hz, own.of("hz"), "hz");
  const int open = hz.port();
  MonitorConfig config;
  config.references = {fmt::format("tcp://127.0.0.1:{}", open),
                       fmt::format("http://localhost:{}/", open)};
  for (const PreflightItem& item : preflight(config, system_clock(), {3s, 2})) {
    CAPTURE(item.text);
    CHECK(item.ok);
  }
  hz.stop();
  for (const PreflightItem& item : preflight(config, system_clock(), {3s, 2})) {
    CHECK_FALSE(item.ok);
    CHECK(has(item, "refused"));
  }
}

TEST_CASE("an identity that does not fit is told") {
  const Identities own;
  const Identities other;
  MonitorConfig config;
  config.tls = own.of("monitor");
  config.tls.ca_file = other.file("ca.pem");
  const auto items = preflight(config, system_clock());
  CHECK_FALSE(item_of(items, "identity towards agents").ok);
}
