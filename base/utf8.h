#pragma once

#include <cstddef>
#include <string_view>

namespace pointsman {

// Bytes of the well-formed UTF-8 sequence (RFC 3629) that `text` begins with; 0 when it begins with
// none, or is empty.
std::size_t utf8_length(std::string_view text);

}  // namespace pointsman
