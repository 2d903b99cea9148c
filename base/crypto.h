#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Digests, MACs, encodings and randomness, all by OpenSSL's EVP.

namespace pointsman {

enum class Hash { kSha1, kSha256, kSha384, kSha512 };

std::string digest(Hash hash, std::string_view bytes);                      // Raw bytes.
std::string hmac(Hash hash, std::string_view key, std::string_view bytes);  // Raw bytes.

std::string hex(std::string_view bytes);  // Lower case.
Result<std::string> from_hex(std::string_view text);
std::string base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);  // Padding required, no white space.

// In time that does not depend on where they differ.
bool equal_secret(std::string_view a, std::string_view b);

// From the kernel; CHECK failure when it has none.
std::string random_bytes(std::size_t count);
std::uint64_t random_u64();  // Never 0.
std::string random_id();     // 16 lower-case hex digits.

}  // namespace pointsman
