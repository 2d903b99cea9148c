#include "orchestrator/shell/same_origin.h"

#include "base/text.h"

namespace pointsman {
namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kTls = "https://";

// "https://monitor.example:8443" -> "monitor.example:8443"; "" when it is no such origin ("null").
std::string authority_of(const std::string& origin) {
  for (const std::string_view scheme : {kPlain, kTls}) {
    if (origin.starts_with(scheme)) return lowered(origin.substr(scheme.size()));
  }
  return "";
}

}  // namespace

std::string cookie_of(const HttpCall& call, std::string_view name) {
  const std::string all = call.header("cookie");
  for (std::string_view rest = all; !rest.empty();) {
    const std::size_t end = rest.find(';');
    const std::string_view one = trimmed(rest.substr(0, end));
    const std::size_t equals = one.find('=');
    if (equals != std::string_view::npos && one.substr(0, equals) == name) {
      return std::string(one.substr(equals + 1));
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return "";
}

std::optional<std::string> foreign(const HttpCall& call, bool writes) {
  const std::string site = call.header("sec-fetch-site");
  const std::string origin = call.header("origin");
  // "none": typed into the address bar, or a bookmark.
  if (!site.empty() && site != "same-origin" && (writes || site != "none")) {
    return "another page made the browser send this";
  }
  if (!origin.empty() && authority_of(origin) != lowered(call.header("host"))) {
    return "another page sent this: its origin is not our host";
  }
  if (writes && origin.empty() && site.empty()) {
    return "neither Origin nor Sec-Fetch-Site says that our own page sent this";
  }
  return std::nullopt;
}

bool came_by_tls(const HttpCall& call) { return call.header("origin").starts_with(kTls); }

}  // namespace pointsman
