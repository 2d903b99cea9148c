#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/clock.h"
#include "test/support/fake_dns.h"

// Stands before a real name server, hands everything on, and counts UPDATEs. What a test tells it
// becomes of the next ones.

namespace pointsman {

class DnsRelay {
 public:
  enum class Fault {
    kNone,
    kNotSent,   // The server never gets it; the connection is closed.
    kAnswered,  // The server answers, and the answer is lost.
  };

  // Questions go to `queries`, UPDATEs to `updates`.
  DnsRelay(DnsEndpoint queries, DnsEndpoint updates)
      : queries_(std::move(queries)), updates_(std::move(updates)) {}
  explicit DnsRelay(const DnsEndpoint& server) : DnsRelay(server, server) {}

  DnsEndpoint endpoint() const { return fake_.endpoint(); }
  // The next UPDATE, and no other, is treated so.
  void befall(Fault fault) { fault_ = fault; }
  // That came, whatever became of them.
  long updates() const { return updates_heard_; }

 private:
  using Answers = std::vector<std::string>;
  static constexpr unsigned kOpcodes = 0x78;

  Answers relay(const std::string& request, bool tcp) {
    const unsigned opcode = (static_cast<unsigned char>(request.at(2)) & kOpcodes) >> 3;
    Fault fault = Fault::kNone;
    if (opcode == kDnsUpdate) {
      ++updates_heard_;
      fault = fault_.exchange(Fault::kNone);
    }
    if (fault == Fault::kNotSent) return {};
    const auto answer = dns_exchange(opcode == kDnsUpdate ? updates_ : queries_, request,
                                     DnsTransport::kTcp, system_clock().now() + 5s);
    if (!answer.ok() || fault == Fault::kAnswered) return {};
    return {tcp ? FakeDns::framed(*answer) : *answer};
  }

  const DnsEndpoint queries_, updates_;
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<long> updates_heard_{0};
  FakeDns fake_{[this](const std::string& request, bool tcp) { return relay(request, tcp); }};
};

}  // namespace pointsman
