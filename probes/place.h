#pragma once

#include <sys/socket.h>

#include <string>

#include "base/result.h"
#include "probes/probe.h"

// Where a probe connects and what it asks there, read once from its spec. Nothing is ever resolved:
// an address is an address, or the spec is refused.

namespace pointsman {

struct Place {
  bool http = false;
  bool tls = false;
  sockaddr_storage address{};
  socklen_t address_length = 0;
  std::string where;       // "192.0.2.10:8080", "[2001:db8::1]:443": for people.
  std::string ip;          // As in a URL: IPv6 in brackets.
  std::string name;        // TLS: SNI and name in the certificate; empty: the address.
  std::string host_field;  // Content of the Host header.
  int port = 0;
  std::string path;  // With query; begins with '/'.
};

// kInvalid names the field, what was found and what is allowed.
Result<Place> place_of(const ProbeSpec& spec);

}  // namespace pointsman
