#pragma once

#include <string>

#include "base/result.h"

// What a file that may be larger than memory is known by.

namespace pointsman {

struct FileDigest {
  std::uint64_t bytes = 0;
  std::string sha256;  // Hex.
};

// Reads the file whole, and makes sure that what was read is on disk.
Result<FileDigest> digest_on_disk(const std::string& path);

// Makes what a folder lists durable.
Result<void> sync_folder(const std::string& path);

}  // namespace pointsman
