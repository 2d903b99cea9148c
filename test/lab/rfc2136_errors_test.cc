#include "base/crypto.h"
#include "providers/rfc2136_session.h"
#include "providers/rfc2136_update.h"
#include "test/lab/rfc2136_lab.h"

#include <doctest/doctest.h>

// What the rfc2136 provider says when keys, clocks or rights are wrong, at each kind of server:
// they answer differently, and an operator shall be told the same as far as the answer allows.

using namespace pointsman;

namespace {

// PowerDNS does not tell what is wrong.
std::string words_for(ServerKind kind, const std::string& words) {
  return kind == ServerKind::kPowerDns ? "NOTAUTH without a signature" : words;
}

// An UPDATE without a query before it, which would have told the same.
Result<Rcode> bare_update(const DnsServer& server, const std::string& secret, const Clock& clock) {
  Rfc2136Settings settings;
  settings.provider = "corp";
  settings.key = {DnsName::parse("pm-key").value(), TsigAlgorithm::kHmacSha256,
                  from_base64(secret).value()};
  LiveSet live;
  live.set.ttl = std::chrono::seconds(60);
  live.value_rdata = {rdata_from_text(kDnsA, "192.0.2.10").value()};
  const auto trial = make_trial(check_key(api()).value(), live).value();
  const Instant until = system_clock().now() + kWithin;
  return Rfc2136Session(settings, server.endpoint(), clock, until).update(trial, until);
}

}  // namespace

TEST_CASE("wrong key, secret, algorithm and clock, by replace and preflight") {
  DnsServer server(each_kind());
  const Change change = move_to("198.51.100.20", "im-api 2 sh");
  const long before = server.serial();
  const auto refused = [&](Provider& provider, const std::string& words) {
    const std::string expected = words_for(server.kind(), words);
    expect_error(provider.replace(change, kWithin), ErrorCode::kRefused, expected);
    expect_error(provider.preflight(api(), kWithin), ErrorCode::kRefused, expected);
    expect_error(provider.read(api(), kWithin), ErrorCode::kRefused, expected);
  };
  refused(*provider_at(server.endpoint(), "no-such-key"), "BADKEY");
  const std::string wrong = DnsServer::secret("another");
  refused(*provider_at(server.endpoint(), "pm-key", system_clock(), wrong), "BADSIG");
  ProviderSettings algorithm{
      "corp",
      "rfc2136",
      {{"server", server.endpoint().text()}},
      {{"key", "pm-key"}, {"algorithm", "hmac-sha384"}, {"secret", DnsServer::secret("pm-key")}}};
  refused(**make_provider(algorithm, system_clock()), "BADKEY");
  const SkewedClock behind(std::chrono::seconds(-600)), ahead(std::chrono::seconds(1000));
  refused(*provider_at(server.endpoint(), "pm-key", behind), "BADTIME");
  const auto late = provider_at(server.endpoint(), "pm-key", ahead)->preflight(api(), kWithin);
  REQUIRE_FALSE(late.ok());
  CAPTURE(late.error().message);
  if (server.kind() == ServerKind::kPowerDns) {
    CHECK(late.error().message.find("key pm-key (hmac-sha256), its secret or the clock is wrong") !=
          std::string::npos);
  } else {
    CHECK((late.error().message.find("1000 s ahead") != std::string::npos ||
           late.error().message.find("999 s ahead") != std::string::npos));
  }
  // An UPDATE is refused in other words than a query.
  const bool mute = server.kind() == ServerKind::kPowerDns;
  expect_error(bare_update(server, wrong, system_clock()), ErrorCode::kRefused,
               mute ? "REFUSED without a signature" : "BADSIG");
  expect_error(bare_update(server, DnsServer::secret("pm-key"), behind), ErrorCode::kRefused,
               mute ? "REFUSED without a signature" : "BADTIME");
  CHECK_EQ(server.serial(), before);
}

TEST_CASE("a key that the server knows and the zone does not let update") {
  DnsServer server(each_kind());
  const long before = server.serial();
  auto denied = provider_at(server.endpoint(), "idle-key");
  const std::string words = server.kind() == ServerKind::kKnot ? "no access rule" : "REFUSED";
  expect_error(denied->replace(move_to("198.51.100.20", "im-api 2 sh"), kWithin),
               ErrorCode::kRefused, words);
  // Found before the night it is needed.
  expect_error(denied->preflight(api(), kWithin), ErrorCode::kRefused, words);
  CHECK_EQ(server.serial(), before);
}

TEST_CASE("a clock some seconds off changes nothing but the fudge, told or not") {
  DnsServer server(each_kind());
  for (const int skew : {-20, 20}) {
    const SkewedClock clock{std::chrono::seconds(skew)};
    auto provider = provider_at(server.endpoint(), "pm-key", clock);
    const auto text = provider->preflight(api(), kWithin);
    if (!text.ok()) FAIL(text.error().message);
    const std::string told = server.kind() == ServerKind::kPowerDns ? " s apart"
                             : skew < 0                             ? "s behind"
                                                                    : "s ahead of";
    CHECK_MESSAGE(text->find(told) != std::string::npos, *text);
    const auto done = provider->replace(
        skew < 0 ? move_to("198.51.100.20", "im-api 2 sh") : move_to("192.0.2.10", "im-api 3 hz"),
        2s);
    if (!done.ok()) FAIL_CHECK(done.error().message);
  }
}

TEST_CASE("rights: least privilege suffices, less is refused, preflight finds it") {
  ServerKind kind = ServerKind::kBind;
  SUBCASE("BIND") { kind = ServerKind::kBind; }
  SUBCASE("Knot") { kind = ServerKind::kKnot; }
  DnsServer server(kind);
  const std::string words = kind == ServerKind::kKnot ? "BADKEY" : "REFUSED";
  Change change = move_to("198.51.100.20", "im-api 2 sh");
  change.key = {"tight.test", "api.tight.test", "A"};
  const long before = server.serial("tight.test");

  // Not for the TXT; not at all.
  for (const char* key : {"pm-512", "idle-key"}) {
    auto denied = provider_at(server.endpoint(), key);
    expect_error(denied->replace(change, kWithin), ErrorCode::kRefused, words);
    expect_error(denied->preflight(change.key, kWithin), ErrorCode::kRefused, words);
  }
  CHECK_EQ(server.serial("tight.test"), before);

  auto allowed = provider_at(server.endpoint());
  const auto preflight = allowed->preflight(change.key, kWithin);
  if (!preflight.ok()) FAIL_CHECK(preflight.error().message);
  CHECK_EQ(server.serial("tight.test"), before);
  const auto done = allowed->replace(change, kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
}

TEST_CASE("zones that take no updates, or are not there") {
  DnsServer server(each_kind());
  auto provider = provider_at(server.endpoint());
  Change change = move_to("198.51.100.20", "im-api 2 sh");
  if (server.kind() != ServerKind::kKnot) {
    change.key = {"closed.test", "api.closed.test", "A"};
    const long before = server.serial("closed.test");
    expect_error(provider->replace(change, kWithin), ErrorCode::kRefused, "REFUSED");
    expect_error(provider->preflight(change.key, kWithin), ErrorCode::kRefused, "REFUSED");
    CHECK_EQ(server.serial("closed.test"), before);
  }
  change.key = {"elsewhere.test", "api.elsewhere.test", "A"};
  expect_error(provider->replace(change, kWithin), ErrorCode::kRefused, "");
  expect_error(provider->preflight({"api.example.test", "api.example.test", "A"}, kWithin),
               ErrorCode::kNotFound, "no zone of its own");
}
