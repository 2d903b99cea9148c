#include "test/unit/probes/tls_site.h"

#include <doctest/doctest.h>
#include <signal.h>

using namespace pointsman;

namespace {

ProbeSpec tls_spec(const Site& site, const TlsIdentityOfSite& identity) {
  ProbeSpec spec = http_spec("https://127.0.0.1:" + std::to_string(site.port()) + "/health");
  spec.host = "api.example.test";
  spec.ca_file = identity.ca_file();
  spec.timeout = 3s;
  spec.suspect_interval = 1s;
  return spec;
}

std::string see(const ProbeSpec& spec, Outcome outcome, std::size_t count = 2) {
  signal(SIGPIPE, SIG_IGN);
  const ShiftClock clock;
  Notes notes;
  ProbeEngine engine(clock, notes.sink());
  REQUIRE(engine.watch({spec}).ok());
  CHECK(notes.until_count(outcome, count));
  return notes.last_detail();
}

}  // namespace

TEST_CASE("https: name, authority and age of the certificate are part of the question") {
  TlsIdentityOfSite identity("DNS:api.example.test", 30);
  std::mutex mutex;
  std::string sni;
  Site site(identity.serve([&](const char* name) {
    const std::lock_guard lock(mutex);
    sni = name == nullptr ? "" : name;
  }));
  ProbeSpec spec = tls_spec(site, identity);
  SUBCASE("all well") {
    spec.expect_body = "ok";
    see(spec, Outcome::kPass);
    const std::lock_guard lock(mutex);
    CHECK_EQ(sni, "api.example.test");
  }
  SUBCASE("the certificate is old enough to worry, or is not") {
    spec.cert_days = 29;
    see(spec, Outcome::kPass);
    spec.cert_days = 31;
    CHECK_NE(see(spec, Outcome::kFail).find("ends in 30 days"), std::string::npos);
  }
  SUBCASE("its age stays known on a kept connection") {
    spec.cert_days = 29;
    spec.keep_alive = true;
    see(spec, Outcome::kPass, 8);
    CHECK_LE(site.accepted(), 4);  // A slow first handshake lets a second attempt begin beside it.
  }
  SUBCASE("another name") {
    spec.host = "www.example.test";
    CHECK_NE(see(spec, Outcome::kFail).find("127.0.0.1"), std::string::npos);
  }
  SUBCASE("by address, which the certificate does not name") {
    spec.host = "";
    see(spec, Outcome::kFail);
  }
  SUBCASE("an authority that we do not know") {
    spec.ca_file = "";
    see(spec, Outcome::kFail);
  }
  SUBCASE("no authority file: we cannot ask") {
    spec.ca_file = "/nonexistent/ca.pem";
    see(spec, Outcome::kUnknown);
  }
}

TEST_CASE("https: an address may be in the certificate") {
  TlsIdentityOfSite identity("IP:127.0.0.1", 30);
  Site site(identity.serve());
  ProbeSpec spec = tls_spec(site, identity);
  spec.host = "";
  see(spec, Outcome::kPass);
}

TEST_CASE("https: a certificate that has ended fails") {
  TlsIdentityOfSite identity("DNS:api.example.test", -1);
  Site site(identity.serve());
  CHECK_NE(see(tls_spec(site, identity), Outcome::kFail).find("expired"), std::string::npos);
}

TEST_CASE("https: plain HTTP behind the port fails") {
  TlsIdentityOfSite identity("DNS:api.example.test", 30);
  Site site(answering("200 OK", ""));
  ProbeSpec spec = tls_spec(site, identity);
  spec.timeout = 300ms;
  see(spec, Outcome::kFail, 1);
}
