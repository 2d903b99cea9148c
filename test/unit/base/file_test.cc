#include "base/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pointsman {
namespace {

// A folder that goes with the test.
struct Folder {
  std::string path = "/tmp/pm-file-test.XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

TEST_CASE("file: written durably, read whole") {
  const Folder folder;
  const std::string path = folder / "state";
  REQUIRE(write_file_durably(path, "one").ok());
  CHECK(mode_of(path) == 0600);
  CHECK(*read_file(path) == "one");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  REQUIRE(write_file_durably(path, std::string(100'000, 'x')).ok());
  CHECK(mode_of(path) == 0640);
  CHECK(read_file(path)->size() == 100'000);
  CHECK(read_file(path, 99'999).error().code == ErrorCode::kInvalid);
  // Nothing else stays behind.
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("file: failures have their codes and name the file") {
  const Folder folder;
  CHECK(read_file(folder / "none").error().code == ErrorCode::kNotFound);
  CHECK(read_file(folder / "none").error().message.find("/none") != std::string::npos);
  CHECK(read_file(folder.path).error().code == ErrorCode::kInvalid);
  CHECK(write_file_durably(folder / "no/such", "x").error().code == ErrorCode::kNotFound);
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(read_file(folder / "pipe").error().code == ErrorCode::kInvalid);
  // A target that cannot be replaced stays, and so does the folder's content.
  REQUIRE(mkdir((folder / "dir").c_str(), 0700) == 0);
  CHECK(!write_file_durably(folder / "dir", "x").ok());
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
}

TEST_CASE("file: beside") {
  CHECK(beside("/etc/pointsman/agent.toml", "ca.pem") == "/etc/pointsman/ca.pem");
  CHECK(beside("/etc/pointsman/agent.toml", "/ca.pem") == "/ca.pem");
  CHECK(beside("agent.toml", "ca.pem") == "ca.pem");
  CHECK(beside("/etc/x.toml", "").empty());
}

TEST_CASE("file: a secret that others may read is refused") {
  const Folder folder;
  const std::string path = folder / "secret";
  REQUIRE(write_file_durably(path, "s").ok());
  CHECK(check_secret_file(path).ok());
  REQUIRE(chmod(path.c_str(), 0644) == 0);
  const Result<void> refused = check_secret_file(path);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == ErrorCode::kRefused);
  CHECK(refused.error().message.find("mode 0644") != std::string::npos);
  CHECK(refused.error().message.find("chmod 600 " + path) != std::string::npos);
  REQUIRE(chmod(path.c_str(), 0660) == 0);
  CHECK(!check_secret_file(path).ok());
  CHECK(check_secret_file(folder / "none").error().code == ErrorCode::kNotFound);
}

TEST_CASE("file: a lock is held by one") {
  const Folder folder;
  Result<FileLock> first = FileLock::take(folder / "lock");
  REQUIRE(first.ok());
  CHECK(FileLock::take(folder / "lock").error().code == ErrorCode::kConflict);
  { const FileLock moved = std::move(*first); }
  CHECK(FileLock::take(folder / "lock").ok());
}

}  // namespace
}  // namespace pointsman
