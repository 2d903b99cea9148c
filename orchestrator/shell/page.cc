#include "orchestrator/shell/page.h"

#include "base/text.h"
#include "orchestrator/shell/web_assets.h"

namespace pointsman {
namespace {

// Scripts, styles and calls of our own and nothing else; in nobody's frame; and no text can become
// markup or a script, for no policy that would allow it exists.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

HttpReply asset_reply(const WebAsset& asset, const HttpCall& call) {
  HttpReply reply;
  reply.content_type = asset.type;
  reply.headers = {{"content-security-policy", kPolicy},
                   {"x-frame-options", "DENY"},
                   {"referrer-policy", "same-origin"},
                   {"cross-origin-opener-policy", "same-origin"},
                   {"cross-origin-resource-policy", "same-origin"},
                   {"cache-control", "no-cache"},  // Kept, and asked for anew: never an old page.
                   {"etag", std::string(asset.etag)}};
  if (tag_matches(call.header("if-none-match"), asset.etag)) {
    reply.status = 304;
  } else {
    reply.body = asset.bytes;
  }
  return reply;
}

}  // namespace

bool tag_matches(std::string_view if_none_match, std::string_view etag) {
  for (std::string_view rest = if_none_match; !rest.empty();) {
    const std::size_t end = rest.find(',');
    std::string_view one = trimmed(rest.substr(0, end));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag || one == "*") return true;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return false;
}

void serve_page(HttpServer& server) {
  for (const WebAsset& asset : web_assets()) {
    server.route("GET", std::string(asset.path),
                 [&asset](const HttpCall& call) { return asset_reply(asset, call); });
  }
}

}  // namespace pointsman
