#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Small files, whole.

namespace pointsman {

// kNotFound, kRefused (rights), kInvalid (larger than `most`), kInternal.
Result<std::string> read_file(const std::string& path, std::size_t most = 1 << 20);

// Replaces the file durably: written beside it, synced, renamed over it, directory synced. After a
// failure the old content stands; only when syncing the directory failed (the message says "not
// durably") may either be found after a power cut. New files get `mode`, others keep theirs.
Result<void> write_file_durably(const std::string& path, std::string_view content, int mode = 0600);

// The path of `name`, relative to the folder of `base_file` unless absolute.
std::string beside(const std::string& base_file, const std::string& name);

// Refuses a secret file that others may read: the message says mode, owner and the command that
// mends it. Allowed are 0600, 0400 and, when root owns it, 0640.
Result<void> check_secret_file(const std::string& path);

// An exclusive advisory lock on `path` (made when absent), held until destruction. kConflict when
// another process holds it.
class FileLock {
 public:
  static Result<FileLock> take(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace pointsman
