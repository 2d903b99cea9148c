#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/dns.h"
#include "base/result.h"
#include "base/time.h"

// Questions to one DNS server, over UDP and TCP, each with a deadline. An answer counts only when
// it comes from the address that was asked and carries the id, opcode and question of the request.

namespace pointsman {

struct DnsEndpoint {
  std::string ip;
  std::uint16_t port = 53;

  std::string text() const;  // "192.0.2.53:53", "[2001:db8::53]:53"
  bool operator==(const DnsEndpoint&) const = default;
};

// "192.0.2.53:53", "[2001:db8::53]:53", "2001:db8::53", "ns1.example.test:53": host and port.
struct DnsHost {
  std::string host;
  std::uint16_t port = 53;
};
Result<DnsHost> parse_host_port(std::string_view text, std::uint16_t default_port);
// The same where the host must be an address.
Result<DnsEndpoint> parse_endpoint(std::string_view text, std::uint16_t default_port = 53);

// How to send. A query may be sent again and again; an UPDATE goes once, over TCP.
enum class DnsTransport { kUdpThenTcp, kTcp };

// Sends a whole message and returns the matching answer, as bytes.
//
// kUnavailable: nothing was sent that the server could act on. kTimeout: the request may have
// reached it; also for a connection reset, or an answer that is not one. No packet is sent after
// `deadline` (of system_clock()).
Result<std::string> dns_exchange(const DnsEndpoint& server, std::string_view request,
                                 DnsTransport transport, Instant deadline);

// Whether `answer` belongs to `request`: id, opcode, QR and question.
bool dns_answers(std::string_view request, std::string_view answer);

// A request for one record set, without recursion, with a random id.
DnsMessage dns_query(const DnsName& name, std::uint16_t type);

}  // namespace pointsman
