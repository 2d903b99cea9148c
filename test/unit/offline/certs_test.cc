#include "orchestrator/offline/certs.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"

using namespace pointsman;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pm-certs-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("an authority signs identities that hold") {
  const Folder folder;
  const std::string certs = folder.file("certs");
  REQUIRE(certs_init(certs).ok());
  CHECK_EQ(mode_of(certs + "/ca.key"), 0600);
  const auto written = certs_issue(certs, {"monitor", "hz"}, false);
  REQUIRE(written.ok());
  CHECK_EQ(written->size(), 4);
  CHECK_EQ(mode_of(certs + "/hz.key"), 0600);
  CHECK(check_identity(certs + "/ca.pem", certs + "/hz.pem", certs + "/hz.key").ok());

  const auto facts = read_identity(certs + "/hz.pem");
  REQUIRE(facts.ok());
  CHECK_EQ(facts->names, std::vector<std::string>{"hz"});
  CHECK_FALSE(facts->authority);
  CHECK_FALSE(facts->not_yet_valid);
  CHECK(facts->seconds_left > 824 * 86'400);
  CHECK(facts->seconds_left <= 825 * 86'400);
  const auto ca = read_identity(certs + "/ca.pem");
  REQUIRE(ca.ok());
  CHECK(ca->authority);
  CHECK(ca->seconds_left > 3649LL * 86'400);
}

TEST_CASE("an authority is never replaced") {
  const Folder folder;
  REQUIRE(certs_init(folder.path()).ok());
  const auto before = read_file(folder.file("ca.key"));
  CHECK_EQ(certs_init(folder.path()).error().code, ErrorCode::kConflict);
  CHECK_EQ(*read_file(folder.file("ca.key")), *before);
  // Half of one is one too: its identities may be in use.
  std::filesystem::remove(folder.file("ca.key"));
  CHECK_EQ(certs_init(folder.path()).error().code, ErrorCode::kConflict);
}

TEST_CASE("a certificate is renewed on demand only, and keeps its key") {
  const Folder folder;
  REQUIRE(certs_init(folder.path()).ok());
  REQUIRE(certs_issue(folder.path(), {"hz"}, false).ok());
  const auto key = read_file(folder.file("hz.key"));
  const auto cert = read_file(folder.file("hz.pem"));
  const auto refused = certs_issue(folder.path(), {"sh", "hz"}, false);
  CHECK_EQ(refused.error().code, ErrorCode::kConflict);
  CHECK_FALSE(std::filesystem::exists(folder.file("sh.pem")));
  REQUIRE(certs_issue(folder.path(), {"hz"}, true).ok());
  CHECK_EQ(*read_file(folder.file("hz.key")), *key);
  CHECK(*read_file(folder.file("hz.pem")) != *cert);
  CHECK(check_identity(folder.file("ca.pem"), folder.file("hz.pem"), folder.file("hz.key")).ok());
}

TEST_CASE("names that are no identity are refused before anything is written") {
  const Folder folder;
  CHECK_EQ(certs_issue(folder.path(), {"hz"}, false).error().code, ErrorCode::kNotFound);
  REQUIRE(certs_init(folder.path()).ok());
  for (const char* bad : {"", "ca", "../hz", "a b", "hz,DNS:monitor", ".hz", "a..b", "hz\n"}) {
    CAPTURE(bad);
    const auto refused = certs_issue(folder.path(), {"good", bad}, false);
    REQUIRE_FALSE(refused.ok());
    CHECK_EQ(refused.error().code, ErrorCode::kInvalid);
  }
  CHECK_EQ(certs_issue(folder.path(), {}, false).error().code, ErrorCode::kInvalid);
  CHECK_EQ(certs_issue(folder.path(), {"hz", "hz"}, false).error().code, ErrorCode::kInvalid);
  CHECK_FALSE(std::filesystem::exists(folder.file("good.key")));
}

TEST_CASE("an authority's key that others may read signs nothing") {
  const Folder folder;
  REQUIRE(certs_init(folder.path()).ok());
  REQUIRE_EQ(chmod(folder.file("ca.key").c_str(), 0644), 0);
  const auto refused = certs_issue(folder.path(), {"hz"}, false);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("chmod") != std::string::npos);
}

TEST_CASE("identities of another authority, or with another's key, do not hold") {
  const Folder one;
  const Folder other;
  for (const Folder* folder : {&one, &other}) {
    REQUIRE(certs_init(folder->path()).ok());
    REQUIRE(certs_issue(folder->path(), {"hz", "sh"}, false).ok());
  }
  CHECK_EQ(
      check_identity(other.file("ca.pem"), one.file("hz.pem"), one.file("hz.key")).error().code,
      ErrorCode::kRefused);
  CHECK_EQ(check_identity(one.file("ca.pem"), one.file("hz.pem"), one.file("sh.key")).error().code,
           ErrorCode::kRefused);
  std::ofstream(one.file("ca.key")) << *read_file(other.file("ca.key"));
  CHECK_EQ(certs_issue(one.path(), {"bj"}, false).error().code, ErrorCode::kInvalid);
  std::ofstream(one.file("hz.pem")) << "no certificate";
  CHECK_EQ(read_identity(one.file("hz.pem")).error().code, ErrorCode::kInvalid);
}
