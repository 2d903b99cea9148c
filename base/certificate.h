#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace pointsman {

struct CertificateFacts {
  std::vector<std::string> names;  // DNS subject alternative names.
  WallTime not_after;
};

// Of the first certificate in a PEM file. kNotFound, kInvalid.
Result<CertificateFacts> read_certificate(const std::string& path);

}  // namespace pointsman
