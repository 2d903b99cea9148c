#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/text.h"

namespace pointsman {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool parses(int family, std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  return text.size() < INET6_ADDRSTRLEN &&
         inet_pton(family, std::string(text).c_str(), bytes.data()) == 1;
}

std::optional<int> port_from(std::string_view text) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535) {
    return std::nullopt;
  }
  return port;
}

// Splits "host", "host:port" and "[v6]:port"; port 0 when there is none and it may be left out.
std::optional<HostPort> split(std::string_view text, bool port_needed) {
  std::string_view host = text;
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return std::nullopt;
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
      host = text.substr(0, colon);
      rest = text.substr(colon);
    }
    if (!is_host_name(host)) return std::nullopt;
  }
  if (rest.empty())
    return port_needed ? std::nullopt : std::optional(HostPort{std::string(host), 0});
  if (rest.front() != ':') return std::nullopt;
  const auto port = port_from(rest.substr(1));
  if (!port) return std::nullopt;
  return HostPort{std::string(host), *port};
}

}  // namespace

bool is_ipv4(std::string_view text) { return parses(AF_INET, text); }
bool is_ipv6(std::string_view text) { return parses(AF_INET6, text); }
bool is_ip(std::string_view text) { return is_ipv4(text) || is_ipv6(text); }

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!(is_word(c) || c == '-' || c == '_') || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_word(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_word(c) || c == '-' || c == '_' || c == '.'; });
}

std::string canonical_host(std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> form{};
  if (is_ipv6(text) && inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) == 1 &&
      inet_ntop(AF_INET6, bytes.data(), form.data(), form.size()) != nullptr) {
    return form.data();
  }
  return lowered(text);
}

std::optional<HostPort> host_port_from(std::string_view text) { return split(text, true); }

std::optional<UrlParts> url_parts_from(std::string_view text) {
  const auto mark = text.find("://");
  if (mark == 0 || mark == std::string_view::npos) return std::nullopt;
  if (std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) == 0x7f;
      })) {
    return std::nullopt;
  }
  UrlParts parts;
  parts.scheme = lowered(text.substr(0, mark));
  std::string_view rest = text.substr(mark + 3);
  const auto end = rest.find_first_of("/?#");
  if (end != std::string_view::npos) {
    parts.path = rest.substr(end);
    rest = rest.substr(0, end);
  }
  const auto place = split(rest, false);
  if (!place || rest.find('@') != std::string_view::npos) return std::nullopt;
  parts.host = place->host;
  parts.port = place->port;
  return parts;
}

}  // namespace pointsman
