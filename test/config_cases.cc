#include "test/config_cases.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace pointsman {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

bool is_secret(const fs::path& path) {
  return path.extension() == ".key" || path.extension() == ".password" ||
         path.filename().string().rfind("credentials", 0) == 0;
}

}  // namespace

std::vector<std::string> config_lines(const std::vector<ConfigError>& errors,
                                      const std::vector<std::string>& warnings,
                                      const std::string& folder) {
  std::vector<std::string> lines;
  for (const ConfigError& error : errors) lines.push_back(error.text());
  for (const std::string& warning : warnings) lines.push_back("warning: " + warning);
  for (std::string& line : lines) {
    for (auto at = line.find(folder); at != std::string::npos; at = line.find(folder, at)) {
      line.erase(at, folder.size());
    }
  }
  return lines;
}

ConfigFolder::ConfigFolder(const std::string& from) {
  path_ = (fs::temp_directory_path() / "pointsman-config-XXXXXX").string();
  CHECK(mkdtemp(path_.data()) != nullptr);
  path_ += "/";
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path copy = path_ + entry.path().filename().string();
    fs::copy_file(entry.path(), copy);
    fs::permissions(copy, static_cast<fs::perms>(is_secret(copy) ? 0600 : 0644));
  }
}

ConfigFolder::~ConfigFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> failing_config_cases(
    const std::string& from, std::size_t least,
    const std::function<std::vector<std::string>(const std::string&, const std::string&)>& read) {
  const ConfigFolder folder(from);
  std::vector<std::string> failing;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path path = entry.path();
    if (path.extension() != ".toml" || is_secret(path)) continue;
    std::string said;
    bool wrong = false;
    for (const std::string& line : read(folder.path() + path.filename().string(), folder.path())) {
      said += line + "\n";
      wrong = wrong || !line.starts_with("warning: ");
    }
    if (wrong) ++count;
    const fs::path expected = fs::path(path).replace_extension(".expected");
    if (std::getenv("PM_REWRITE") != nullptr) {
      std::ofstream(expected) << said;
    } else if (said != content_of(expected)) {
      failing.push_back(path.filename().string() + " says:\n" + said + "expected:\n" +
                        content_of(expected));
    }
  }
  if (count < least) failing.push_back("too few wrong configurations in " + from);
  return failing;
}

}  // namespace pointsman
