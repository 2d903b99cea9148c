#include "base/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include "base/config_text.h"
#include "base/file.h"
#include "base/log.h"

// The parser of toml++ 3.3.0 asserts what hostile text can break ("[[[" for one), and without
// asserts goes on regardless. Here it throws, and parse() catches. Where toml++ says noexcept the
// throw ends the program, as the assert would have.
#define TOML_ASSERT(expr) \
  (static_cast<bool>(expr) ? void() : throw std::logic_error("a form that is not allowed"))
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wexceptions"
#else
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace pointsman {
namespace {

constexpr std::size_t kFileMost = 1 << 20;
constexpr std::size_t kListMost = 1000;
constexpr std::size_t kShownMost = 60;

struct Place {
  int line = 0;
  int column = 0;
};

Place place_of(const toml::source_region& region, Place otherwise) {
  if (region.begin.line == 0) return otherwise;
  return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string: return "a text";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a number";
    case toml::node_type::boolean: return "a boolean";
    case toml::node_type::array: return "a list";
    case toml::node_type::table: return "a table";
    default: return "a date or time";
  }
}

std::string cut(std::string text) {
  if (text.size() <= kShownMost) return text;
  std::size_t end = kShownMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

// A URL may hold a name and a password where none is allowed: they must not be told either.
std::string without_user(std::string text) {
  constexpr std::string_view kMark = "://";
  for (auto at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    at += kMark.size();
    const auto user = text.substr(at, text.find_first_of("/?# \"", at) - at).rfind('@');
    if (user != std::string::npos) text.replace(at, user, "***");
  }
  return text;
}

std::string shown(const toml::node& node, Secrecy secrecy);

std::string shown_list(const toml::array& list) {
  std::string all;
  for (const toml::node& element : list) {
    if (all.size() > kShownMost) return "[" + all + ", ...]";
    all += (all.empty() ? "" : ", ") + shown(element, Secrecy::kOpen);
  }
  return "[" + all + "]";
}

std::string shown(const toml::node& node, Secrecy secrecy) {
  if (secrecy == Secrecy::kSecret) return kind_of(node) + " (not shown)";
  if (const auto* text = node.as_string()) {
    return fmt::format("\"{}\"", printable(cut(without_user(**text))));
  }
  if (const auto* number = node.as_integer()) return fmt::format("{}", **number);
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", **number);
  if (const auto* truth = node.as_boolean()) return **truth ? "true" : "false";
  const auto* list = node.as_array();
  if (list != nullptr && list->empty()) return "[]";
  if (list != nullptr && list->is_homogeneous<toml::table>()) {
    return fmt::format("{} table{}", list->size(), list->size() == 1 ? "" : "s");
  }
  if (list != nullptr && list->is_homogeneous<std::string>()) return shown_list(*list);
  if (list != nullptr && list->is_homogeneous<std::int64_t>()) return shown_list(*list);
  return kind_of(node);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " | ") + word;
  return all;
}

std::string kept_range(std::int64_t least, std::int64_t most) {
  return fmt::format("a whole number from {} to {}", least, most);
}

}  // namespace

struct ConfigTable::Impl {
  ConfigFile::Impl* file = nullptr;
  const toml::table* table = nullptr;  // Null: not in the file.
  std::string path;                    // "service", "" at the root.
  Place place;
  std::vector<std::string> known;
  std::map<std::string, std::vector<ConfigTable>, std::less<>> parts;

  std::string dotted(std::string_view key) const;
  const toml::node* find(std::string_view key) const;
  bool knows(std::string_view key) const {
    return std::find(known.begin(), known.end(), key) != known.end();
  }
  const toml::node* take(std::string_view key);  // find(), and the key is known from now on.
  Place place_of_key(std::string_view key) const;
  void complain(std::string_view key, const toml::node* node, std::string_view allowed,
                std::string_view message) const;
  bool sound_text(std::string_view key, const toml::node& node);
};

struct ConfigFile::Impl {
  std::string name;
  Secrecy secrecy = Secrecy::kOpen;
  std::vector<ConfigError>* errors = nullptr;
  toml::table tree;
  std::deque<ConfigTable::Impl> tables;  // Addresses stay.

  ConfigTable add(const ConfigTable::Impl& parent, std::string_view key, const toml::table* table);
};

ConfigTable ConfigFile::Impl::add(const ConfigTable::Impl& parent, std::string_view key,
                                  const toml::table* table) {
  ConfigTable::Impl& impl = tables.emplace_back();
  impl.file = this;
  impl.table = table;
  impl.path = parent.dotted(key);
  impl.place = table == nullptr ? parent.place : place_of(table->source(), parent.place);
  return ConfigTable(&impl);
}

std::string ConfigTable::Impl::dotted(std::string_view key) const {
  if (key.empty()) return path;
  const std::string name = printable(key);
  return path.empty() ? name : path + "." + name;
}

const toml::node* ConfigTable::Impl::find(std::string_view key) const {
  return table == nullptr ? nullptr : table->get(key);
}

const toml::node* ConfigTable::Impl::take(std::string_view key) {
  if (!knows(key)) known.emplace_back(key);
  return find(key);
}

Place ConfigTable::Impl::place_of_key(std::string_view key) const {
  const toml::node* node = find(key);
  return node == nullptr ? place : place_of(node->source(), place);
}

void ConfigTable::Impl::complain(std::string_view key, const toml::node* node,
                                 std::string_view allowed, std::string_view message) const {
  const Place at = node == nullptr ? place_of_key(key) : place_of(node->source(), place);
  ConfigError error;
  error.file = file->name;
  error.line = at.line;
  error.column = at.column;
  error.key = dotted(key);
  if (node != nullptr) error.found = shown(*node, file->secrecy);
  error.allowed = allowed;
  error.message = without_user(std::string(message));
  file->errors->push_back(std::move(error));
}

bool ConfigTable::Impl::sound_text(std::string_view key, const toml::node& node) {
  const auto* value = node.as_string();
  if (value != nullptr && !has_control(**value)) return true;
  complain(key, &node, "a text in quotes, without control characters", "");
  return false;
}

std::unique_ptr<ConfigFile> ConfigFile::load(const std::string& path,
                                             std::vector<ConfigError>& errors, Secrecy secrecy) {
  const auto content = read_file(path, kFileMost);
  if (!content) {
    ConfigError error;
    error.file = path;
    error.message = content.error().message;
    errors.push_back(std::move(error));
    return nullptr;
  }
  return parse(path, *content, errors, secrecy);
}

std::unique_ptr<ConfigFile> ConfigFile::parse(const std::string& name, std::string_view text,
                                              std::vector<ConfigError>& errors, Secrecy secrecy) {
  auto impl = std::make_unique<Impl>();
  impl->name = name;
  impl->secrecy = secrecy;
  impl->errors = &errors;
  ConfigError error;
  error.file = name;
  if (const auto bare = bare_non_ascii(text)) {
    error.line = bare->line;
    error.column = bare->column;
    error.message = "no TOML: a character that is not ASCII, outside quotes";
    errors.push_back(std::move(error));
    return nullptr;
  }
  try {
    impl->tree = toml::parse(text, name);
    return std::unique_ptr<ConfigFile>(new ConfigFile(std::move(impl)));
  } catch (const toml::parse_error& e) {
    const Place at = place_of(e.source(), {1, 1});
    error.line = at.line;
    error.column = at.column;
    // The parser's words may quote the text around the mistake.
    error.message = secrecy == Secrecy::kSecret ? "no TOML (text not shown)"
                                                : fmt::format("no TOML: {}", printable(e.what()));
  } catch (const std::exception& e) {
    error.message = "cannot be read as TOML";
  }
  errors.push_back(std::move(error));
  return nullptr;
}

ConfigFile::ConfigFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConfigFile::~ConfigFile() = default;

ConfigTable ConfigFile::root() {
  if (impl_->tables.empty()) {
    ConfigTable::Impl& root = impl_->tables.emplace_back();
    root.file = impl_.get();
    root.table = &impl_->tree;
    root.place = {1, 1};
  }
  return ConfigTable(&impl_->tables.front());
}

bool ConfigTable::has(std::string_view key) const { return impl_->find(key) != nullptr; }
bool ConfigTable::is_list(std::string_view key) const {
  const toml::node* node = impl_->find(key);
  return node != nullptr && node->is_array();
}
bool ConfigTable::present() const { return impl_->table != nullptr; }

std::string ConfigTable::text(std::string_view key, std::string_view fallback) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr || !impl_->sound_text(key, *node)) return std::string(fallback);
  return **node->as_string();
}

std::string ConfigTable::required_text(std::string_view key) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr) {
    if (present()) impl_->complain(key, nullptr, "a text in quotes", "is missing");
    return "";
  }
  std::string value = text(key);
  if (node->is_string() && (**node->as_string()).empty()) {
    impl_->complain(key, node, "a text in quotes", "must not be empty");
  }
  return value;
}

std::string ConfigTable::one_of(std::string_view key, const std::vector<std::string>& allowed,
                                std::string_view fallback) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr) return std::string(fallback);
  const auto* value = node->as_string();
  if (value != nullptr && std::find(allowed.begin(), allowed.end(), **value) != allowed.end()) {
    return **value;
  }
  const std::string near = value == nullptr || impl_->file->secrecy == Secrecy::kSecret
                               ? ""
                               : nearest_word(**value, allowed);
  impl_->complain(key, node, joined(allowed),
                  near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
  return std::string(fallback);
}

std::int64_t ConfigTable::number(std::string_view key, std::int64_t fallback, std::int64_t least,
                                 std::int64_t most) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr) return fallback;
  const auto* value = node->as_integer();
  if (value != nullptr && **value >= least && **value <= most) return **value;
  impl_->complain(key, node, kept_range(least, most), "");
  return fallback;
}

bool ConfigTable::boolean(std::string_view key, bool fallback) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr) return fallback;
  if (const auto* value = node->as_boolean()) return **value;
  impl_->complain(key, node, "true or false, without quotes", "");
  return fallback;
}

Duration ConfigTable::duration(std::string_view key, Duration fallback, Duration least,
                               Duration most) {
  const toml::node* node = impl_->take(key);
  if (node == nullptr) return fallback;
  if (const auto* value = node->as_string()) {
    const auto duration = parse_duration(**value);
    if (duration && *duration >= least && *duration <= most) return *duration;
  }
  const Duration sample = fallback > 0s ? fallback : least;
  impl_->complain(key, node,
                  fmt::format("a duration such as \"{}\", {} to {}", format_duration(sample),
                              format_duration(least), format_duration(most)),
                  node->is_number() ? "a duration is written in quotes and with its unit" : "");
  return fallback;
}

std::vector<std::string> ConfigTable::texts(std::string_view key) {
  const toml::node* node = impl_->take(key);
  std::vector<std::string> all;
  if (node == nullptr) return all;
  const auto* list = node->as_array();
  if (list == nullptr || list->size() > kListMost) {
    impl_->complain(key, node, "a list of texts, as [\"one\", \"two\"]", "");
    return all;
  }
  for (const toml::node& element : *list) {
    if (impl_->sound_text(key, element)) all.push_back(**element.as_string());
  }
  return all;
}

std::vector<std::int64_t> ConfigTable::numbers(std::string_view key, std::int64_t least,
                                               std::int64_t most) {
  const toml::node* node = impl_->take(key);
  std::vector<std::int64_t> all;
  if (node == nullptr) return all;
  const auto* list = node->as_array();
  if (list == nullptr || list->size() > kListMost) {
    impl_->complain(key, node, "a list of whole numbers, as [80, 443]", "");
    return all;
  }
  for (const toml::node& element : *list) {
    const auto* value = element.as_integer();
    if (value != nullptr && **value >= least && **value <= most) {
      all.push_back(**value);
    } else {
      impl_->complain(key, &element, kept_range(least, most), "");
    }
  }
  return all;
}

std::map<std::string, std::string> ConfigTable::all_texts() {
  std::map<std::string, std::string> all;
  if (!present()) return all;
  for (const auto& [key, node] : *impl_->table) {
    const std::string name(key.str());
    if (impl_->knows(name)) continue;
    impl_->take(name);
    if (const auto* number = node.as_integer()) {
      all[name] = fmt::format("{}", **number);
    } else if (const auto* real = node.as_floating_point()) {
      all[name] = fmt::format("{}", **real);
    } else if (const auto* truth = node.as_boolean()) {
      all[name] = **truth ? "true" : "false";
    } else if (impl_->sound_text(name, node)) {
      all[name] = **node.as_string();
    }
  }
  return all;
}

std::map<std::string, std::vector<std::string>> ConfigTable::all_lists() {
  std::map<std::string, std::vector<std::string>> all;
  if (!present()) return all;
  for (const auto& [key, node] : *impl_->table) {
    const std::string name(key.str());
    if (node.is_array() && !impl_->knows(name)) all[name] = texts(name);
  }
  return all;
}

ConfigTable ConfigTable::table(std::string_view key) {
  const auto met = impl_->parts.find(key);
  if (met != impl_->parts.end() && !met->second.empty()) return met->second.front();
  const toml::node* node = impl_->take(key);
  if (node != nullptr && !node->is_table()) {
    impl_->complain(key, node, fmt::format("one table, written [{}]", impl_->dotted(key)), "");
  }
  const auto* part = node == nullptr ? nullptr : node->as_table();
  const ConfigTable made = impl_->file->add(*impl_, key, part);
  impl_->parts[std::string(key)] = {made};
  return made;
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
  const auto met = impl_->parts.find(key);
  if (met != impl_->parts.end()) return met->second;
  const toml::node* node = impl_->take(key);
  if (node == nullptr) return {};
  std::vector<ConfigTable> all;
  const std::string allowed = fmt::format("tables, each written [[{}]]", impl_->dotted(key));
  const auto* list = node->as_array();
  if (list == nullptr || list->size() > kListMost) {
    impl_->complain(key, node, allowed, "");
  } else {
    for (const toml::node& element : *list) {
      if (const auto* part = element.as_table()) {
        all.push_back(impl_->file->add(*impl_, key, part));
      } else {
        impl_->complain(key, &element, allowed, "");
      }
    }
  }
  impl_->parts[std::string(key)] = all;
  return all;
}

std::vector<std::string> ConfigTable::subtable_names() const {
  std::vector<std::string> names;
  if (!present()) return names;
  for (const auto& [key, node] : *impl_->table) {
    if (node.is_table()) names.emplace_back(key.str());
  }
  return names;
}

std::string ConfigTable::where(std::string_view key) const {
  const Place at = impl_->place_of_key(key);
  return fmt::format("{}:{}:{}: {}", impl_->file->name, at.line, at.column, impl_->dotted(key));
}

void ConfigTable::complain(std::string_view key, std::string_view allowed,
                           std::string_view message) {
  impl_->complain(key, key.empty() ? nullptr : impl_->find(key), allowed, message);
}

void ConfigTable::finish() {
  if (!present()) return;
  for (const auto& [key, node] : *impl_->table) {
    const std::string name(key.str());
    if (impl_->knows(name)) continue;
    const Place at = place_of(key.source(), impl_->place);
    const std::string near = nearest_word(name, impl_->known);
    ConfigError error;
    error.file = impl_->file->name;
    error.line = at.line;
    error.column = at.column;
    error.key = impl_->dotted(name);
    error.message =
        near.empty() ? "unknown key" : fmt::format("unknown key; did you mean \"{}\"?", near);
    if (near.empty()) error.allowed = joined(impl_->known);
    impl_->file->errors->push_back(std::move(error));
  }
}

}  // namespace pointsman
