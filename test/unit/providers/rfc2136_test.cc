#include "providers/rfc2136.h"

#include "base/crypto.h"
#include "providers/rfc2136_update.h"
#include "test/support/fake_dns.h"

#include <doctest/doctest.h>

using namespace pointsman;

namespace {

using Answers = std::vector<std::string>;
const std::string kSecret = "cG9pbnRzbWFuLXRzaWctdGVzdC1rZXktMzItYnl0ZXM=";

ProviderSettings settings(const std::string& server = "192.0.2.53") {
  return {"corp",
          "rfc2136",
          {{"server", server}},
          {{"key", "pm-key"}, {"algorithm", "hmac-sha256"}, {"secret", kSecret}}};
}

std::string complaint(const ProviderSettings& s) {
  const auto made = make_provider(s, system_clock());
  if (made.ok()) return "";
  CHECK_EQ(made.error().code, ErrorCode::kInvalid);
  return made.error().message;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

RecordKey api() { return {"example.test", "api.example.test", "A"}; }

Change move() {
  return {api(), {"198.51.100.20"}, std::chrono::seconds(60), "im-api 2 sh", {"192.0.2.10"}, {""}};
}

LiveSet live(const std::string& value, const std::string& mark) {
  LiveSet out;
  out.set = {api(), {value}, std::chrono::seconds(60), mark};
  out.value_rdata = {rdata_from_text(kDnsA, value).value()};
  if (!mark.empty()) out.mark_rdata = {rdata_from_text(kDnsTxt, mark).value()};
  return out;
}

const TsigKey kKey{DnsName::parse("pm-key").value(), TsigAlgorithm::kHmacSha256,
                   "0123456789abcdef"};

Result<Rcode> update_at(const FakeDns& server) {
  Rfc2136Settings s;
  s.provider = "corp";
  s.key = kKey;
  const Instant until = system_clock().now() + 2s;
  Rfc2136Session session(s, server.endpoint(), system_clock(), until);
  const auto update = make_update(check_key(api()).value(), move(), live("192.0.2.10", "")).value();
  return session.update(update, until);
}

}  // namespace

TEST_CASE("settings: every mistake at once, no credential shown") {
  CHECK_EQ(complaint(settings()), "");
  ProviderSettings bad = settings("no:such:server");
  bad.options["tiemout"] = "5s";
  bad.options["timeout"] = "5 parsecs";
  bad.options["authorities"] = "ns1.example.test";
  bad.credentials = {{"key", "pm..key"}, {"algorithm", "hmac-md5"}, {"secret", "shortish"}};
  const std::string text = complaint(bad);
  for (const char* part : {"provider corp", "no:such:server", "tiemout: unknown key", "5 parsecs",
                           "authorities", "credential key", "hmac-sha512", "credential secret"}) {
    CHECK_MESSAGE(has(text, part), text);
  }
  for (const char* secret : {"shortish", "pm..key", "hmac-md5"}) CHECK_FALSE(has(text, secret));
  CHECK(has(complaint({"corp", "rfc2136", {}, {}}), "server: found nothing"));
  const std::string types = complaint({"corp", "rfc2163", {}, {}});
  for (const std::string& type : provider_types()) CHECK(has(types, type));
}

TEST_CASE("the first change asks that the mark be absent") {
  const auto update = make_update(check_key(api()).value(), move(), live("192.0.2.10", "")).value();
  CHECK_EQ(update_text(update, {"192.0.2.53", 53}, kKey),
           R"(; signed with key pm-key (hmac-sha256), secret not shown
server 192.0.2.53 53
zone example.test.
prereq yxrrset api.example.test. A 192.0.2.10
prereq nxrrset _pointsman.api.example.test. TXT
prereq nxrrset api.example.test. CNAME
update delete api.example.test. A
update add api.example.test. 60 A 198.51.100.20
update delete _pointsman.api.example.test. TXT
update add _pointsman.api.example.test. 60 TXT "im-api 2 sh"
send)");
}

TEST_CASE("later changes ask for the very mark that was read") {
  const auto update =
      make_update(check_key(api()).value(), move(), live("192.0.2.10", "im-api \"1\" hz")).value();
  const std::string text = update_text(update, {"2001:db8::53", 53}, kKey);
  CHECK(has(text, R"(prereq yxrrset _pointsman.api.example.test. TXT "im-api \"1\" hz")"));
  CHECK(has(text, "server 2001:db8::53 53\n"));
}

TEST_CASE("a first CNAME asks that the name be unused") {
  Change change = move();
  change.key.type = "CNAME";
  change.desired = {"site-b.example.net"};
  LiveSet none;
  const auto update = make_update(check_key(change.key).value(), change, none).value();
  const std::string text = update_text(update, {"192.0.2.53", 53}, kKey);
  CHECK(has(text, "prereq nxrrset api.example.test. CNAME\n"));
  CHECK(has(text, "prereq nxdomain api.example.test.\n"));
  CHECK(has(text, "update add api.example.test. 60 CNAME site-b.example.net.\n"));
}

TEST_CASE("a trial cannot change anything") {
  const auto trial = make_trial(check_key(api()).value(), live("192.0.2.10", "im-api 1 hz"));
  const std::string text = update_text(*trial, {"192.0.2.53", 53}, kKey);
  CHECK(has(text, "prereq yxrrset _pointsman-trial-"));
  CHECK(has(text, "update add api.example.test. 60 A 192.0.2.10\n"));
  CHECK(has(text, "update add _pointsman.api.example.test. 60 TXT \"im-api 1 hz\"\n"));
}

TEST_CASE("the fudge lasts until the deadline, by the server's clock, and no longer") {
  CHECK_EQ(update_fudge(1s, 0), 3);
  CHECK_EQ(update_fudge(2500ms, 0), 5);
  CHECK_EQ(update_fudge(2s, 20), 24);   // We are behind: its time runs from +20 to +22.
  CHECK_EQ(update_fudge(2s, -20), 22);  // We are ahead: from -20 to -18.
  CHECK_EQ(update_fudge(30s, -5), 27);
  CHECK_EQ(update_fudge(1h, 0), 300);
  CHECK_EQ(update_fudge(-1s, 0), 2);
}

TEST_CASE("an answer without a signature is never a success") {
  FakeDns yes([](const std::string& q, bool) {
    return Answers{FakeDns::framed(FakeDns::answer_to(q, Rcode::kNoError))};
  });
  const auto done = update_at(yes);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kTimeout);  // It may have acted.
  CHECK(has(done.error().message, "without a signature"));

  FakeDns no([](const std::string& q, bool) {
    return Answers{FakeDns::framed(FakeDns::answer_to(q, Rcode::kRefused))};
  });
  const auto refused = update_at(no);
  REQUIRE_FALSE(refused.ok());
  CHECK_EQ(refused.error().code, ErrorCode::kRefused);
  CHECK(has(refused.error().message, "REFUSED"));
  CHECK_EQ(no.requests(), 1);
}

TEST_CASE("a read is believed only under a signature, too") {
  FakeDns server(
      [](const std::string& q, bool) { return Answers{FakeDns::answer_to(q, Rcode::kNxDomain)}; });
  auto provider = make_provider(settings(server.endpoint().text()), system_clock());
  REQUIRE(provider.ok());
  const auto read = (*provider)->read(api(), 2s);
  REQUIRE_FALSE(read.ok());
  CHECK_EQ(read.error().code, ErrorCode::kRefused);
  CHECK_FALSE(has(read.error().message, kSecret));
}

TEST_CASE("the signature of another message fits no answer") {
  FakeDns server([](const std::string& q, bool) {
    std::string answer = FakeDns::answer_to(q, Rcode::kNoError);
    return Answers{FakeDns::framed(
        tsig_sign(kKey, answer, {system_clock().wall().ns / 1000000000, 300}).bytes)};
  });
  const auto done = update_at(server);
  REQUIRE_FALSE(done.ok());
  CHECK_EQ(done.error().code, ErrorCode::kTimeout);
  CHECK(has(done.error().message, "does not fit"));
}

TEST_CASE("asking an authority: what it cannot say") {
  FakeDns lame([](const std::string& q, bool) {
    std::string answer = FakeDns::answer_to(q, Rcode::kNoError);
    answer[2] = static_cast<char>(answer[2] & ~0x04);
    return Answers{answer};
  });
  const auto answer = ask_authority(lame.endpoint().text(), api(), 2s);
  CHECK_FALSE(answer.answered);
  CHECK(has(answer.problem, "not authoritative"));

  FakeDns absent(
      [](const std::string& q, bool) { return Answers{FakeDns::answer_to(q, Rcode::kNxDomain)}; });
  CHECK(ask_authority(absent.endpoint().text(), api(), 2s).answered);

  FakeDns silent([](const std::string&, bool) { return Answers{}; });
  const auto nothing = ask_authority(silent.endpoint().text(), api(), 200ms);
  CHECK_FALSE(nothing.answered);
  CHECK_GE(nothing.took, 200ms);
  CHECK_FALSE(ask_authority("what is this", api(), 1s).problem.empty());
}
