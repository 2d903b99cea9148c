#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Reading TOML configuration so that every mistake is told at once, each with file, line, column,
// key, what was found and what is allowed. A thin layer over toml++.

namespace pointsman {

struct ConfigError {
  std::string file;
  int line = 0;
  int column = 0;
  std::string key;      // Dotted: "service.interval".
  std::string found;    // As written; "" for a missing key. Never a credential.
  std::string allowed;  // "a duration such as \"1s\", 100ms to 60s"
  std::string message;  // "unknown key; did you mean \"interval\"?"

  // "/etc/pointsman/pointsman.toml:12:3: service.interval: found \"1x\", allowed: a duration ..."
  std::string text() const;
};

template <typename T>
struct ConfigOutcome {
  std::optional<T> config;          // Set exactly when `errors` is empty.
  std::vector<ConfigError> errors;  // Sorted by file, line, column.
  std::vector<std::string> warnings;
};

class ConfigTable;

// Whether values of a file may be shown. In a secret one they never are: `found` only says of what
// kind a value is.
enum class Secrecy { kOpen, kSecret };

// One file. Keep it, and `errors`, alive while its tables are read.
class ConfigFile {
 public:
  // Adds one error when the file is missing, unreadable, over 1 MiB, or no TOML; nullptr then.
  static std::unique_ptr<ConfigFile> load(const std::string& path, std::vector<ConfigError>& errors,
                                          Secrecy secrecy = Secrecy::kOpen);
  static std::unique_ptr<ConfigFile> parse(const std::string& name, std::string_view text,
                                           std::vector<ConfigError>& errors,
                                           Secrecy secrecy = Secrecy::kOpen);
  ~ConfigFile();

  ConfigTable root();

 private:
  friend class ConfigTable;
  struct Impl;
  explicit ConfigFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A table within it. Every getter marks its key as known; finish() reports the others. A getter
// that meets a wrong type or value adds an error and returns the fallback.
class ConfigTable {
 public:
  bool has(std::string_view key) const;
  bool is_list(std::string_view key) const;
  bool present() const;  // False for a table that is not in the file; getters then give fallbacks.

  std::string text(std::string_view key, std::string_view fallback = "");
  std::string required_text(std::string_view key);
  std::string one_of(std::string_view key, const std::vector<std::string>& allowed,
                     std::string_view fallback);
  std::int64_t number(std::string_view key, std::int64_t fallback, std::int64_t least,
                      std::int64_t most);
  bool boolean(std::string_view key, bool fallback);
  Duration duration(std::string_view key, Duration fallback, Duration least, Duration most);
  std::vector<std::string> texts(std::string_view key);
  std::vector<std::int64_t> numbers(std::string_view key, std::int64_t least, std::int64_t most);
  // Every key not read yet, which must be scalars, as text; all are known then.
  std::map<std::string, std::string> all_texts();
  // Every key not read yet that holds a list, which must be of texts; they are known then.
  std::map<std::string, std::vector<std::string>> all_lists();

  ConfigTable table(std::string_view key);                // [key]
  std::vector<ConfigTable> tables(std::string_view key);  // [[key]]
  std::vector<std::string> subtable_names() const;        // [key.NAME]

  // "/etc/pointsman/pointsman.toml:12:3: service.drill", for warnings.
  std::string where(std::string_view key) const;

  // An error at the place of `key` (or of the table when the key is absent).
  void complain(std::string_view key, std::string_view allowed, std::string_view message = "");

  // Reports unknown keys, each with the nearest known one. Call once per table, last.
  void finish();

 private:
  friend class ConfigFile;
  struct Impl;
  explicit ConfigTable(Impl* impl) : impl_(impl) {}
  Impl* impl_;  // Owned by the ConfigFile. Tables are handles; copies share what is known.
};

// Sorted by file, line, column; equal ones once.
void sort_errors(std::vector<ConfigError>& errors);

// Of `known`, the one at an edit distance of at most 2 (1 for words of up to 3 letters, 3 for those
// of more than 8); "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace pointsman
