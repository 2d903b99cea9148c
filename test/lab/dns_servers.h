#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/dns_transport.h"
#include "base/tsig.h"

// A real name server of our own for one test: private folder, free port on loopback, ended with the
// object. It serves as primary, with updates:
//   example.test   any name: pm-key and pm-512 may change A, AAAA, CNAME and TXT; admin-key all
//   tight.test     only api.tight.test A and its mark, as the manual grants it (BIND and Knot)
//   closed.test    no updates at all (BIND and PowerDNS)

namespace pointsman {

enum class ServerKind { kBind, kKnot, kPowerDns };

class DnsServer {
 public:
  explicit DnsServer(ServerKind kind);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  ServerKind kind() const { return kind_; }
  const DnsEndpoint& endpoint() const { return endpoint_; }
  void signal(int number) const;
  void stop();   // Ends it.
  void start();  // Begins it (again), and waits until it answers.

  // Text for nsupdate, zone example.test unless it says otherwise, signed by the administrator.
  void nsupdate(const std::string& script, const std::string& key = "admin-key") const;
  long serial(const std::string& zone = "example.test") const;
  DnsMessage ask(const std::string& name, std::uint16_t type) const;

  static std::string secret(const std::string& key);     // base64
  static std::string algorithm(const std::string& key);  // "hmac-sha256"

 private:
  void write_bind_files() const;
  void write_knot_files() const;
  void write_powerdns_files() const;
  std::vector<std::string> command() const;

  ServerKind kind_;
  std::string folder_;
  DnsEndpoint endpoint_;
  pid_t pid_ = 0;
};

}  // namespace pointsman
