#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/http_server.h"

// What a browser says of where a call comes from; pure. A page of others can make a browser send
// our cookie or fill in a form, but cannot forge Origin and Sec-Fetch-Site.

namespace pointsman {

// The value of a cookie, or "".
std::string cookie_of(const HttpCall& call, std::string_view name);

// Why a call that a browser makes in somebody's name is not our own page's; nullopt when it is.
// One that `writes` must say where it comes from.
std::optional<std::string> foreign(const HttpCall& call, bool writes);

// Whether the browser reached us by TLS, be it that of a proxy before us.
bool came_by_tls(const HttpCall& call);

}  // namespace pointsman
