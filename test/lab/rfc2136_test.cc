#include "providers/rfc2136.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/crypto.h"
#include "base/dns_wire.h"
#include "providers/rfc2136_update.h"
#include "test/conformance/provider_suite.h"
#include "test/lab/dns_relay.h"
#include "test/lab/rfc2136_lab.h"

#include <doctest/doctest.h>

// The rfc2136 provider against real name servers on loopback.

using namespace pointsman;

namespace {

const std::string kMark = "im-api 41 hz";

// The name server and a mark beside each set, by nsupdate and plain queries.
class ServerBench : public ProviderBench {
 public:
  ServerBench(ServerKind kind, const std::string& key)
      : server_(kind), provider_(provider_at(relay_.endpoint(), key)) {}

  DnsServer& server() { return server_; }
  Provider& provider() override { return *provider_; }
  RecordKey fresh_key(const std::string& type) override {
    return {"example.test", fmt::format("n{}.example.test", ++names_), type};
  }
  void put(const RecordSet& set) override {
    const auto type = dns_type(set.key.type).value();
    std::string script = "zone example.test.\n";
    script += fmt::format("update delete {}. {}\n", set.key.name, set.key.type);
    for (const std::string& value : set.values) {
      script += fmt::format("update add {}. {} {} {}{}\n", set.key.name, set.ttl.count(),
                            set.key.type, value, type == kDnsCname ? "." : "");
    }
    script += fmt::format("update delete _pointsman.{}. TXT\n", set.key.name);
    if (!set.mark.empty()) {
      script += fmt::format("update add _pointsman.{}. 60 TXT \"{}\"\n", set.key.name, set.mark);
    }
    server_.nsupdate(script);
  }
  RecordSet get(const RecordKey& key) override {
    RecordSet out{key, {}, std::chrono::seconds(0), ""};
    const auto type = dns_type(key.type).value();
    for (const DnsRecord& r : server_.ask(key.name, type).answer) {
      out.values.push_back(rdata_to_text(type, r.rdata).value());
      out.ttl = std::chrono::seconds(r.ttl);
    }
    std::sort(out.values.begin(), out.values.end());
    for (const DnsRecord& r : server_.ask("_pointsman." + key.name, kDnsTxt).answer) {
      out.mark += rdata_to_text(kDnsTxt, r.rdata).value();
    }
    return out;
  }
  long changes() override { return server_.serial(); }
  long writes() override { return relay_.updates(); }

 private:
  DnsServer server_;
  DnsRelay relay_{server_.endpoint()};
  std::unique_ptr<Provider> provider_;
  int names_ = 0;
};

// A server that takes one message, keeps it, and never answers.
class Swallower {
 public:
  Swallower() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 4) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = {"127.0.0.1", ntohs(address.sin_port)};
  }
  ~Swallower() { close(listener_); }
  const DnsEndpoint& endpoint() const { return endpoint_; }

  // The whole message of the connection that comes within 5 s, without its length.
  std::string swallow() {
    pollfd entry{listener_, POLLIN, 0};
    REQUIRE(poll(&entry, 1, 5000) == 1);
    const int fd = accept(listener_, nullptr, nullptr);
    std::string got(70000, '\0');
    std::size_t have = 0;
    while (have < 2 || have < read_u16(got, 0) + 2u) {
      const ssize_t n = recv(fd, got.data() + have, got.size() - have, 0);
      REQUIRE(n > 0);
      have += static_cast<std::size_t>(n);
    }
    close(fd);
    return got.substr(2, have - 2);
  }

 private:
  int listener_ = -1;
  DnsEndpoint endpoint_;
};

Rcode send_raw(const DnsServer& server, const std::string& bytes) {
  const auto answer =
      dns_exchange(server.endpoint(), bytes, DnsTransport::kTcp, system_clock().now() + 5s);
  if (!answer.ok()) FAIL(answer.error().message);
  return static_cast<Rcode>(read_u16(*answer, 2) & 0xf);
}

}  // namespace

TEST_CASE("the contract under hmac-sha256") {
  ServerBench bench(each_kind(), "pm-key");
  run_provider_suite(bench);
}

TEST_CASE("the contract under hmac-sha512") {
  ServerBench bench(each_kind(), "pm-512");
  run_provider_suite(bench);
}

TEST_CASE("the traps that answer NOERROR: a CNAME, other data, a wildcard") {
  DnsServer server(each_kind());
  auto provider = provider_at(server.endpoint());
  const long before = server.serial();
  Change change = move_to("198.51.100.20", "im-api 2 sh");
  change.key.name = "alias.example.test";
  expect_error(provider->replace(change, kWithin), ErrorCode::kConflict, "a CNAME to site-a");

  change.key.name = "x.wild.example.test";
  expect_error(provider->replace(change, kWithin), ErrorCode::kConflict, "wildcard");

  change.key = {"example.test", "mixed.example.test", "CNAME"};
  change.desired = {"site-b.example.net"};
  change.expected = {"site-a.example.net"};
  expect_error(provider->replace(change, kWithin), ErrorCode::kConflict, "YXDOMAIN");
  CHECK_EQ(server.serial(), before);
}

TEST_CASE("what render shows is what nsupdate would do, and what replace does") {
  DnsServer server(each_kind());
  auto provider = provider_at(server.endpoint());
  const Change change = move_to("198.51.100.20", "im-api 2 sh");
  const long before = server.serial();
  const auto rendered = provider->render(change, kWithin);
  REQUIRE(rendered.ok());
  REQUIRE_EQ(rendered->size(), 1);
  CHECK_EQ(server.serial(), before);
  CHECK(rendered->front().find(DnsServer::secret("pm-key")) == std::string::npos);
  std::string script = rendered->front();
  script.resize(script.rfind("send"));
  server.nsupdate(script, "pm-key");
  CHECK_GT(server.serial(), before);
  const auto done = provider->replace(change, kWithin);
  REQUIRE(done.ok());
  CHECK_EQ(server.serial(), before + 1);
}

TEST_CASE("a stopped server: unknown outcome, no late change, and the next call completes") {
  DnsServer server(each_kind());
  auto provider = provider_at(server.endpoint());
  const long before = server.serial();
  server.signal(SIGSTOP);
  const auto stopped = provider->replace(move_to("198.51.100.20", "im-api 2 sh"), 1s);
  REQUIRE_FALSE(stopped.ok());
  CHECK_EQ(stopped.error().code, ErrorCode::kTimeout);
  server.signal(SIGCONT);
  const auto done = provider->replace(move_to("198.51.100.20", "im-api 2 sh"), kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
  CHECK_EQ(server.serial(), before + 1);

  server.stop();
  const auto gone = provider->replace(move_to("192.0.2.10", "im-api 3 hz"), 2s);
  REQUIRE_FALSE(gone.ok());
  CHECK_EQ(gone.error().code, ErrorCode::kUnavailable);
  server.start();
  CHECK(provider->replace(move_to("192.0.2.10", "im-api 3 hz"), kWithin).ok());
}

TEST_CASE("row 42: an UPDATE that was not sent, and one whose answer was lost") {
  DnsServer server(each_kind());
  DnsRelay relay(server.endpoint());
  auto provider = provider_at(relay.endpoint());
  const long before = server.serial();
  const Change there = move_to("198.51.100.20", "im-api 2 sh");
  relay.befall(DnsRelay::Fault::kNotSent);
  expect_error(provider->replace(there, kWithin), ErrorCode::kTimeout, "not done so far");
  CHECK_EQ(relay.updates(), 1);  // Not sent again blindly.
  CHECK_EQ(server.serial(), before);
  REQUIRE(provider->replace(there, kWithin).ok());
  CHECK_EQ(relay.updates(), 2);

  relay.befall(DnsRelay::Fault::kAnswered);
  const auto done = provider->replace(move_to("192.0.2.10", "im-api 3 hz"), kWithin);
  if (!done.ok()) FAIL_CHECK(done.error().message);
  CHECK_EQ(relay.updates(), 3);
  CHECK_EQ(server.serial(), before + 2);
}

TEST_CASE("row 45: NOERROR at one server, and another that answers queries") {
  const ServerKind kind = each_kind();
  DnsServer primary(kind), other(kind);
  DnsRelay relay(other.endpoint(), primary.endpoint());
  const auto done =
      provider_at(relay.endpoint())->replace(move_to("198.51.100.20", "im-api 2 sh"), kWithin);
  expect_error(done, ErrorCode::kConflict, "NOERROR, yet api.example.test A is still 192.0.2.10");
  CHECK_EQ(relay.updates(), 1);
}

namespace {

// The bytes of an UPDATE from 192.0.2.10 to 198.51.100.20 that never reached a server. Valid for
// 5 s: the 3 s that were left, and the edges of the seconds of two clocks.
std::string swallowed_update() {
  Swallower hole;
  Rfc2136Settings settings;
  settings.provider = "corp";
  settings.key = {DnsName::parse("pm-key").value(), TsigAlgorithm::kHmacSha256,
                  from_base64(DnsServer::secret("pm-key")).value()};
  LiveSet live;
  live.value_rdata = {rdata_from_text(kDnsA, "192.0.2.10").value()};
  live.mark_rdata = {rdata_from_text(kDnsTxt, "im-api 1 hz").value()};
  const auto update =
      make_update(check_key(api()).value(), move_to("198.51.100.20", "im-api 2 sh"), live).value();
  std::string late;
  std::thread server([&] { late = hole.swallow(); });
  const Instant until = system_clock().now() + 3s;
  const auto lost =
      Rfc2136Session(settings, hole.endpoint(), system_clock(), until).update(update, until);
  server.join();
  REQUIRE_FALSE(lost.ok());
  CHECK_EQ(lost.error().code, ErrorCode::kTimeout);
  return late;
}

}  // namespace

TEST_CASE("a swallowed UPDATE that arrives late does nothing: by its marks, and by its fudge") {
  DnsServer bind(ServerKind::kBind), knot(ServerKind::kKnot), powerdns(ServerKind::kPowerDns);
  std::vector<std::string> late;
  for (DnsServer* server : {&bind, &knot, &powerdns}) {
    CAPTURE(static_cast<int>(server->kind()));
    auto provider = provider_at(server->endpoint());
    REQUIRE(provider->replace(move_to("192.0.2.10", "im-api 1 hz"), kWithin).ok());
    late.push_back(swallowed_update());
    // A newer plan goes first, back and forth, so that even the value is the old one again.
    REQUIRE(provider->replace(move_to("198.51.100.20", "im-api 2 sh"), kWithin).ok());
    REQUIRE(provider->replace(move_to("192.0.2.10", "im-api 3 hz"), kWithin).ok());
    const long before = server->serial();
    CHECK_EQ(send_raw(*server, late.back()), Rcode::kNxRrset);
    CHECK_EQ(server->serial(), before);
    // With nothing newer in its way only the clock stops it.
    REQUIRE(provider->replace(move_to("192.0.2.10", "im-api 1 hz"), kWithin).ok());
  }
  std::this_thread::sleep_for(6500ms);
  for (const DnsServer* server : {&bind, &knot, &powerdns}) {
    CAPTURE(static_cast<int>(server->kind()));
    CHECK_EQ(send_raw(*server, late.front()),
             server->kind() == ServerKind::kPowerDns ? Rcode::kRefused : Rcode::kNotAuth);
    late.erase(late.begin());
    CHECK_EQ(provider_at(server->endpoint())->read(api(), kWithin)->values,
             std::vector<std::string>{"192.0.2.10"});
  }
}

TEST_CASE("two writers of the same change both succeed, of two changes one") {
  DnsServer server(each_kind());
  for (int round = 0; round < 5; ++round) {
    server.nsupdate(
        "zone example.test.\nupdate delete api.example.test. A\n"
        "update add api.example.test. 60 A 192.0.2.10\n"
        "update delete _pointsman.api.example.test. TXT\n");
    Change first = move_to("198.51.100.20", "im-api 2 sh");
    Change second = move_to("192.0.2.10", "im-api 3 hz");
    first.expected_marks = second.expected_marks = {""};
    Result<void> a, b, c;
    std::thread one([&] { a = provider_at(server.endpoint())->replace(first, kWithin); });
    std::thread two([&] { b = provider_at(server.endpoint())->replace(second, kWithin); });
    std::thread copy([&] { c = provider_at(server.endpoint())->replace(first, kWithin); });
    one.join();
    two.join();
    copy.join();
    CHECK_EQ(a.ok(), c.ok());
    CHECK_NE(a.ok(), b.ok());
    CHECK_EQ((a.ok() ? b : a).error().code, ErrorCode::kConflict);
  }
}

TEST_CASE("authorities come from the zone; each is asked directly") {
  DnsServer server(each_kind());
  auto provider = provider_at(server.endpoint());
  const auto servers = provider->authorities(api(), kWithin);
  REQUIRE(servers.ok());
  // The server's own address keeps its port, the other one has the usual port.
  CHECK_EQ(*servers, std::vector<std::string>{server.endpoint().text(), "127.0.0.99:53"});
  const auto answer = ask_authority(servers->front(), api(), 2s);
  CHECK(answer.answered);
  CHECK_EQ(answer.values, std::vector<std::string>{"192.0.2.10"});
  CHECK_EQ(answer.ttl.count(), 60);
  CHECK(answer.took > 0ns);
  const auto foreign =
      ask_authority(servers->front(), {"other.invalid", "a.other.invalid", "A"}, 2s);
  CHECK_FALSE(foreign.answered);
  CHECK(foreign.problem.find("REFUSED") != std::string::npos);
}

TEST_CASE("an answer too large for UDP comes over TCP") {
  ServerBench bench(each_kind(), "pm-key");
  RecordSet large{bench.fresh_key("A"), {}, std::chrono::seconds(60), kMark};
  for (int i = 1; i <= 60; ++i) large.values.push_back(fmt::format("192.0.2.{}", i));
  std::sort(large.values.begin(), large.values.end());
  bench.put(large);
  const auto read = provider_at(bench.server().endpoint())->read(large.key, kWithin);
  REQUIRE(read.ok());
  CHECK_EQ(read->values, large.values);
  CHECK_EQ(ask_authority(bench.server().endpoint().text(), large.key, 2s).values, large.values);
}
