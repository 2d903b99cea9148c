#pragma once

#include <string>
#include <string_view>

// Letters of ASCII, whatever the locale says.

namespace pointsman {

char lower(char c);
std::string lowered(std::string_view text);

// Without spaces, tabs and line breaks at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace pointsman
