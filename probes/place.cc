#include "probes/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace pointsman {
namespace {

Error invalid(const ProbeSpec& spec, std::string_view field, std::string_view allowed) {
  return {ErrorCode::kInvalid, fmt::format("probe {}: {}: {}", spec.name, field, allowed)};
}

bool plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

// False when `text` is no IP address.
bool set_address(Place& place, std::string text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  place.address = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&place.address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&place.address);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    place.address_length = sizeof *v4;
    place.ip = text;
    return true;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    place.address_length = sizeof *v6;
    place.ip = "[" + text + "]";
    return true;
  }
  return false;
}

void set_port(Place& place, int port) {
  place.port = port;
  const auto wire = htons(static_cast<std::uint16_t>(port));
  if (place.address.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&place.address)->sin_port = wire;
  } else {
    reinterpret_cast<sockaddr_in6*>(&place.address)->sin6_port = wire;
  }
  place.where = fmt::format("{}:{}", place.ip, port);
}

bool family_fits(const ProbeSpec& spec, const Place& place) {
  if (spec.family == "4") return place.address.ss_family == AF_INET;
  if (spec.family == "6") return place.address.ss_family == AF_INET6;
  return spec.family.empty();
}

struct UrlParts {
  std::string host;
  int port = 0;  // 0: the scheme's own.
};

bool split_authority(std::string_view authority, UrlParts& parts) {
  const auto bracket = authority.find(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  parts.host = authority.substr(0, colon);
  if (colon == std::string_view::npos) return !parts.host.empty();
  const auto digits = authority.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parts.port);
  return error == std::errc() && end == digits.data() + digits.size() && parts.port > 0 &&
         parts.port <= 65535 && !parts.host.empty();
}

Result<UrlParts> split_url(const ProbeSpec& spec, Place& place) {
  std::string_view rest = spec.url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    place.tls = true;
  } else {
    return invalid(spec, "url", "must begin with http:// or https://");
  }
  if (spec.url.size() > 2048 || !plain_text(rest) || rest.find('#') != std::string_view::npos) {
    return invalid(spec, "url", "at most 2048 printable ASCII characters, without blanks and '#'");
  }
  const auto slash = rest.find_first_of("/?");
  const auto authority = rest.substr(0, slash);
  place.path = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  if (place.path.front() == '?') place.path.insert(0, "/");
  UrlParts parts;
  if (authority.find('@') != std::string_view::npos || !split_authority(authority, parts)) {
    return invalid(spec, "url", "needs host, or host:port with a port of 1 to 65535; no user");
  }
  return parts;
}

Result<Place> http_place(const ProbeSpec& spec) {
  Place place;
  place.http = true;
  auto parts = split_url(spec, place);
  if (!parts) return parts.error();
  const bool url_has_address = set_address(place, parts->host);
  if (!url_has_address && !host_name(parts->host)) {
    return invalid(spec, "url", "the host must be an IP address or a host name");
  }
  if (!spec.address.empty() && !set_address(place, spec.address)) {
    return invalid(spec, "address", "must be an IP address; names are never resolved");
  }
  if (!url_has_address && spec.address.empty()) {
    return invalid(spec, "address", "is needed, for the host in the url is never resolved");
  }
  if (!spec.host.empty() && !host_name(spec.host)) {
    return invalid(spec, "host", "must be a host name");
  }
  const int usual = place.tls ? 443 : 80;
  set_port(place, spec.port != 0 ? spec.port : parts->port != 0 ? parts->port : usual);
  const bool named = !url_has_address || !spec.host.empty();
  if (named) place.name = spec.host.empty() ? parts->host : spec.host;
  const int shown = parts->port != 0 ? parts->port : usual;
  if (!spec.host.empty()) {
    place.host_field = spec.host;
  } else {
    place.host_field = shown == usual ? parts->host : fmt::format("{}:{}", parts->host, shown);
  }
  return place;
}

Result<Place> tcp_place(const ProbeSpec& spec) {
  Place place;
  if (!set_address(place, spec.address)) {
    return invalid(spec, "address", "must be an IP address; names are never resolved");
  }
  if (spec.port == 0) return invalid(spec, "port", "is needed for type tcp: 1 to 65535");
  set_port(place, spec.port);
  return place;
}

}  // namespace

Result<Place> place_of(const ProbeSpec& spec) {
  if (spec.port < 0 || spec.port > 65535) return invalid(spec, "port", "1 to 65535");
  if (spec.type != "http" && spec.type != "tcp") {
    return invalid(spec, "type", "\"http\" or \"tcp\"");
  }
  auto place = spec.type == "tcp" ? tcp_place(spec) : http_place(spec);
  if (place && !family_fits(spec, *place)) {
    return invalid(spec, "family", "\"4\", \"6\" or \"\", and of the same family as the address");
  }
  return place;
}

}  // namespace pointsman
