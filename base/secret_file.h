#pragma once

#include <string>

#include "base/result.h"

// Secret files that a configuration names.

namespace pointsman {

// Where the secret `name` is: $CREDENTIALS_DIRECTORY/<last part of name> when systemd laid it there
// with more in it than an empty line, else `name` beside `base_file`.
std::string secret_path(const std::string& base_file, const std::string& name);

// kRefused, with the command that mends it, when others may read the file at secret_path(). A file
// in $CREDENTIALS_DIRECTORY is guarded by that directory.
Result<void> check_secret(const std::string& base_file, const std::string& name);

// Its content without the line end; checked as above. kInvalid when it is empty.
Result<std::string> read_secret(const std::string& base_file, const std::string& name);

}  // namespace pointsman
