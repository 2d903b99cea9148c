#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

// The names by which mutual TLS knows people: DNS subject alternative names of a certificate.

using X509 = struct x509_st;

namespace pointsman {

// In lower case, in the order of the certificate. One with a NUL in it is left out: "hz\0.evil"
// must not read as "hz". `certificate` may be null: no names.
std::vector<std::string> certificate_names(const X509* certificate);

// Of the first certificate of a PEM file. kInvalid when there is none in it.
Result<std::vector<std::string>> certificate_names(const std::string& file);

// Until the first certificate of a PEM file ends, by the wall clock; negative: it has ended.
// kInvalid when there is none in it.
Result<std::int64_t> certificate_seconds_left(const std::string& file);

}  // namespace pointsman
