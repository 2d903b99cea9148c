#pragma once

#include <span>
#include <string_view>

// The files of the page, compiled in (orchestrator/web/embed.cmake). Nothing is ever read from a
// disk for a client.

namespace pointsman {

struct WebAsset {
  std::string_view path;  // "/page.css"
  std::string_view type;  // Its media type.
  std::string_view etag;  // Quoted; of its bytes.
  std::string_view bytes;
};

std::span<const WebAsset> web_assets();

}  // namespace pointsman
