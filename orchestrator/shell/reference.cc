#include "orchestrator/shell/reference.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <memory>

namespace pointsman {

Result<ProbeSpec> reference_spec(const std::string& reference) {
  const auto scheme_end = reference.find("://");
  if (scheme_end == std::string::npos) {
    return {ErrorCode::kInvalid, reference + ": allowed: tcp://ADDRESS:PORT, http(s)://HOST/"};
  }
  const std::string scheme = reference.substr(0, scheme_end);
  std::string place = reference.substr(scheme_end + 3);
  place = place.substr(0, place.find('/'));
  int port = scheme == "https" ? 443 : scheme == "http" ? 80 : 0;
  const auto bracket = place.rfind(']');
  const auto colon = place.rfind(':');
  if (colon != std::string::npos && (bracket == std::string::npos || colon > bracket)) {
    std::from_chars(place.data() + colon + 1, place.data() + place.size(), port);
    place.resize(colon);
  }
  if (place.size() > 2 && place.front() == '[') place = place.substr(1, place.size() - 2);
  if (port <= 0 || port > 65535) return {ErrorCode::kInvalid, reference + ": it names no port"};

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(place.c_str(), nullptr, &hints, &found);
  if (error != 0) return {ErrorCode::kNotFound, place + ": " + gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  char text[NI_MAXHOST] = "";
  if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return {ErrorCode::kInternal, place + ": no address"};
  }
  ProbeSpec spec;
  spec.type = "tcp";
  spec.address = text;
  spec.port = port;
  spec.interval = 500ms;
  return spec;
}

}  // namespace pointsman
