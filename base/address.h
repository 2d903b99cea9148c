#pragma once

#include <optional>
#include <string>
#include <string_view>

// Addresses, host names and URLs as configuration writes them. Nothing here resolves a name.

namespace pointsman {

bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);  // Without brackets.
bool is_ip(std::string_view text);

// Letters, digits, "-", "_" and "." in labels of 1 to 63 characters, 253 in all; no trailing dot.
bool is_host_name(std::string_view text);

// 1 to 63 of a-z, A-Z, 0-9, "-", "_" and ".", the first a letter or digit: names of ours.
bool is_plain_name(std::string_view text);

// The same address in its one canonical form ("2001:DB8::0" -> "2001:db8::"); other text is
// returned as it is, in lower case.
std::string canonical_host(std::string_view text);

struct HostPort {
  std::string host;  // Without brackets.
  int port = 0;
};
// "192.0.2.1:53", "[2001:db8::1]:53", "db.example:3306". nullopt when malformed, or the port is
// missing or outside 0..65535.
std::optional<HostPort> host_port_from(std::string_view text);

struct UrlParts {
  std::string scheme;  // Lower case.
  std::string host;    // Without brackets.
  int port = 0;        // 0: not written.
  std::string path;    // From the first "/", query included; "" when there is none.
};
// nullopt when there is no scheme or host, or it holds user information, white space or control
// characters.
std::optional<UrlParts> url_parts_from(std::string_view text);

}  // namespace pointsman
