#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/config_reader.h"

// Configurations as files, each with what reading it shall say.

namespace pointsman {

// The lines of errors and warnings, the folder's name taken out.
std::vector<std::string> config_lines(const std::vector<ConfigError>& errors,
                                      const std::vector<std::string>& warnings,
                                      const std::string& folder);

// A private copy of a folder of configurations: *.key, *.password and credentials*.toml are closed
// to others, all else is open, whatever a checkout made of the modes. Removed at the end.
class ConfigFolder {
 public:
  explicit ConfigFolder(const std::string& from);
  ~ConfigFolder();
  ConfigFolder(const ConfigFolder&) = delete;
  ConfigFolder& operator=(const ConfigFolder&) = delete;
  const std::string& path() const { return path_; }  // With a slash at its end.

 private:
  std::string path_;
};

// Reads each *.toml of `from` (credentials*.toml left out) with `read` (path, folder -> lines) and
// compares with the *.expected beside it. With PM_REWRITE set, writes the *.expected instead.
// Returns what differs, a text each, and a complaint when fewer than `least` hold a mistake.
std::vector<std::string> failing_config_cases(
    const std::string& from, std::size_t least,
    const std::function<std::vector<std::string>(const std::string& path,
                                                 const std::string& folder)>& read);

}  // namespace pointsman
