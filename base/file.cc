#include "base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/crash_point.h"
#include "base/descriptor.h"

namespace pointsman {
namespace {

Error file_error(std::string_view doing, const std::string& path, int number) {
  ErrorCode code = ErrorCode::kInternal;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::kNotFound;
  if (number == EACCES || number == EPERM || number == EROFS) code = ErrorCode::kRefused;
  return {code, fmt::format("{} {}: {}", doing, path, std::strerror(number))};
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Result<void> write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t done = write(fd, content.data(), content.size());
    if (done < 0 && errno != EINTR) return file_error("writing", path, errno);
    if (done > 0) content.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

// Writes and syncs `fd` with the rights that `path` has, or `mode` when it is new.
Result<void> fill(int fd, const std::string& path, std::string_view content, int mode) {
  struct stat old {};
  const bool exists = stat(path.c_str(), &old) == 0;
  if (exists && (old.st_uid != geteuid() || old.st_gid != getegid())) {
    // Without the right to give it away the file becomes ours, with the same mode.
    if (fchown(fd, old.st_uid, old.st_gid) != 0 && errno != EPERM) {
      return file_error("giving away", path, errno);
    }
  }
  const mode_t rights = exists ? old.st_mode & 07777 : static_cast<mode_t>(mode);
  if (fchmod(fd, rights) != 0) return file_error("setting the mode of", path, errno);
  RETURN_IF_ERROR(write_all(fd, content, path));
  if (fsync(fd) != 0) return file_error("syncing", path, errno);
  return {};
}

std::string owner_of(const struct stat& status) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  getpwuid_r(status.st_uid, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? std::string(found->pw_name) : fmt::format("user {}", status.st_uid);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return file_error("opening", path, errno);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return file_error("examining", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return {ErrorCode::kInvalid, fmt::format("{} is no regular file", path)};
  }
  std::string content;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("reading", path, errno);
    if (got == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(got));
    if (content.size() > most) {
      return {ErrorCode::kInvalid, fmt::format("{} is larger than {} bytes", path, most)};
    }
  }
}

Result<void> write_file_durably(const std::string& path, std::string_view content, int mode) {
  const std::string folder = folder_of(path);
  const std::string name = std::filesystem::path(path).filename().string();
  std::string beside_it = fmt::format("{}/.{}.XXXXXX", folder, name);
  const Descriptor file(mkostemp(beside_it.data(), O_CLOEXEC));
  if (file.get() < 0) return file_error("making a file beside", path, errno);
  Result<void> filled = fill(file.get(), path, content, mode);
  crash_point("before-rename", name);
  if (filled.ok() && rename(beside_it.c_str(), path.c_str()) != 0) {
    filled = file_error("renaming a file to", path, errno);
  }
  if (!filled.ok()) {
    unlink(beside_it.c_str());
    return filled;
  }
  const Descriptor dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0 || fsync(dir.get()) != 0) {
    return file_error("written, but not durably: syncing the folder of", path, errno);
  }
  return {};
}

std::string beside(const std::string& base_file, const std::string& name) {
  if (name.empty()) return name;
  return (std::filesystem::path(base_file).parent_path() / name).string();
}

Result<void> check_secret_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return file_error("examining", path, errno);
  const mode_t shared = status.st_mode & 0077;
  // root:service 0640 is how packages hand a secret to a service without letting it change it.
  if (shared == 0 || (shared == 0040 && status.st_uid == 0)) return {};
  return {ErrorCode::kRefused,
          fmt::format("{} holds a secret and has mode {:04o}, owner {}: others may reach it; "
                      "chmod 600 {}",
                      path, status.st_mode & 07777, owner_of(status), path)};
}

Result<FileLock> FileLock::take(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return file_error("opening the lock", path, errno);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return {ErrorCode::kConflict, fmt::format("{} is locked by another process", path)};
    }
    return file_error("locking", path, errno);
  }
  return FileLock(file.release());
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace pointsman
