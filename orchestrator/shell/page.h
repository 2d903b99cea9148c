#pragma once

#include <string_view>

#include "base/http_server.h"

// GET /, and what the page there is made of. Open to all: nothing in it is of this estate.

namespace pointsman {

void serve_page(HttpServer& server);

// Whether one of the tags of an If-None-Match header is `etag`.
bool tag_matches(std::string_view if_none_match, std::string_view etag);

}  // namespace pointsman
