#include "orchestrator/offline/first_write.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file.h"
#include "orchestrator/offline/certs.h"
#include "orchestrator/offline/config.h"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

Error failed(std::string_view doing, const std::string& path, int number) {
  const bool rights = number == EACCES || number == EPERM || number == EROFS;
  return {rights ? ErrorCode::kRefused : ErrorCode::kInternal,
          fmt::format("{} {}: {}", doing, path, std::strerror(number))};
}

Result<void> make_folder(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return failed("making", path, errno);
}

// A folder beside the files to be, gone with everything in it at the end.
class Staging {
 public:
  static Result<Staging> make(const std::string& folder) {
    std::string path = folder + "/.init.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return failed("making a folder in", folder, errno);
    return Staging(std::move(path));
  }
  Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Staging& operator=(Staging&&) = delete;
  ~Staging() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit Staging(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<void> copy(const std::string& from, const std::string& to, int mode) {
  const auto content = read_file(from);
  if (!content) return content.error();
  return write_file_durably(to, *content, mode);
}

// The authority and all identities in certs/, and to each host what it needs.
Result<void> make_identities(const std::string& folder, const FirstSetup& setup) {
  const auto names = first_identities(setup);
  if (names.empty()) return {};
  const std::string certs = folder + "/certs";
  if (const auto made = certs_init(certs); !made) return made.error();
  if (const auto made = certs_issue(certs, names, false); !made) return made.error();
  unlink((certs + "/.lock").c_str());  // It is made anew when it is needed.
  for (const std::string& name : names) {
    const std::string home = name == names.front() ? folder : folder + "/agents/" + name;
    RETURN_IF_ERROR(copy(certs + "/ca.pem", home + "/ca.pem", 0644));
    RETURN_IF_ERROR(copy(certs + "/" + name + ".pem", home + "/" + name + ".pem", 0644));
    RETURN_IF_ERROR(copy(certs + "/" + name + ".key", home + "/" + name + ".key", 0600));
  }
  return {};
}

Result<void> fill(const std::string& folder, const FirstSetup& setup) {
  if (setup.agents) {
    RETURN_IF_ERROR(make_folder(folder + "/agents", 0700));
    for (const FirstSite& site : setup.sites) {
      RETURN_IF_ERROR(make_folder(folder + "/agents/" + site.name, 0700));
    }
  }
  for (const FirstFile& file : first_files(setup)) {
    RETURN_IF_ERROR(write_file_durably(folder + "/" + file.path, file.text, file.mode));
  }
  return make_identities(folder, setup);
}

// What will stand in the folder itself, pointsman.toml last.
std::vector<std::string> entries_of(const FirstSetup& setup) {
  std::vector<std::string> entries{"credentials.toml"};
  for (const FirstFile& file : first_files(setup)) {
    if (file.path == "tsig.key") entries.push_back(file.path);
  }
  if (setup.agents) {
    entries.insert(entries.end(), {"certs", "agents", "ca.pem", "monitor.pem", "monitor.key"});
  }
  entries.emplace_back("pointsman.toml");
  return entries;
}

Result<void> refuse_what_is_there(const std::string& folder,
                                  const std::vector<std::string>& entries) {
  std::vector<std::string> there;
  for (const std::string& entry : entries) {
    struct stat status {};
    if (lstat((folder + "/" + entry).c_str(), &status) == 0) there.push_back(folder + "/" + entry);
  }
  if (there.empty()) return {};
  return {ErrorCode::kConflict,
          fmt::format("there already, and never overwritten: {}", fmt::join(there, ", "))};
}

// All of them, or none: what was moved goes back when a later one cannot.
Result<void> move_all(const std::string& from, const std::string& to,
                      const std::vector<std::string>& entries) {
  for (std::size_t k = 0; k < entries.size(); ++k) {
    const std::string source = from + "/" + entries[k];
    const std::string target = to + "/" + entries[k];
    if (renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
      continue;
    }
    const Error why = failed("moving a file to", target, errno);
    while (k-- > 0) {
      (void)std::rename((to + "/" + entries[k]).c_str(), (from + "/" + entries[k]).c_str());
    }
    return why;
  }
  const int fd = open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  return {};
}

std::vector<std::string> files_below(const std::string& folder,
                                     const std::vector<std::string>& entries) {
  std::vector<std::string> files;
  for (const std::string& entry : entries) {
    const fs::path path = fs::path(folder) / entry;
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      files.push_back(path.string());
      continue;
    }
    for (const auto& below : fs::recursive_directory_iterator(path, ignored)) {
      if (below.is_regular_file(ignored)) files.push_back(below.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<FirstWritten> write_first(const std::string& folder, const FirstSetup& setup) {
  const auto entries = entries_of(setup);
  RETURN_IF_ERROR(refuse_what_is_there(folder, entries));
  RETURN_IF_ERROR(make_folder(folder, 0755));
  const auto staging = Staging::make(folder);
  if (!staging) return staging.error();
  RETURN_IF_ERROR(fill(staging->path(), setup));
  FirstWritten written;
  for (const ConfigError& error :
       read_monitor_config(staging->path() + "/pointsman.toml", true).errors) {
    ConfigError told = error;
    told.file = fs::path(error.file).filename().string();
    written.problems.push_back(told.text());
  }
  if (!written.problems.empty()) return written;
  RETURN_IF_ERROR(move_all(staging->path(), folder, entries));
  written.files = files_below(folder, entries);
  return written;
}

}  // namespace pointsman
