#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "providers/provider.h"
#include "test/lab/dns_servers.h"

#include <doctest/doctest.h>

// What the tests of the rfc2136 provider against real name servers share.

namespace pointsman {

constexpr Duration kWithin = 5s;

// Runs the rest of the test case once for each kind.
inline ServerKind each_kind() {
  ServerKind kind = ServerKind::kBind;
  SUBCASE("BIND") { kind = ServerKind::kBind; }
  SUBCASE("Knot") { kind = ServerKind::kKnot; }
  SUBCASE("PowerDNS") { kind = ServerKind::kPowerDns; }
  return kind;
}

class SkewedClock : public Clock {
 public:
  explicit SkewedClock(std::chrono::seconds by) : by_(by) {}
  Instant now() const override { return system_clock().now(); }
  WallTime wall() const override { return {system_clock().wall().ns + Duration(by_).count()}; }

 private:
  std::chrono::seconds by_;
};

inline std::unique_ptr<Provider> provider_at(const DnsEndpoint& at,
                                             const std::string& key = "pm-key",
                                             const Clock& clock = system_clock(),
                                             const std::string& secret = "") {
  ProviderSettings settings{"corp",
                            "rfc2136",
                            {{"server", at.text()}},
                            {{"key", key},
                             {"algorithm", DnsServer::algorithm(key)},
                             {"secret", secret.empty() ? DnsServer::secret(key) : secret}}};
  auto made = make_provider(settings, clock);
  if (!made.ok()) FAIL(made.error().message);
  return std::move(*made);
}

inline RecordKey api() { return {"example.test", "api.example.test", "A"}; }

inline Change move_to(const std::string& value, const std::string& mark) {
  return {api(),
          {value},
          std::chrono::seconds(60),
          mark,
          {"192.0.2.10", "198.51.100.20"},
          {"", "im-api 1 hz", "im-api 2 sh", "im-api 3 hz"}};
}

template <typename T>
void expect_error(const Result<T>& result, ErrorCode code, const std::string& words) {
  REQUIRE_FALSE(result.ok());
  CAPTURE(result.error().message);
  CHECK_EQ(result.error().code, code);
  CHECK(result.error().message.find(words) != std::string::npos);
  CHECK(result.error().message.find(DnsServer::secret("pm-key")) == std::string::npos);
}

}  // namespace pointsman
