#include "base/json.h"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace pointsman {
namespace {

// Builds the value from RapidJSON's events. A method that returns false ends the parse; `complaint`
// then says why.
class Builder {
 public:
  using Keep = std::function<bool(const Json&)>;
  // With `keep`, as Json::parse_list().
  explicit Builder(int depth_most, const Keep* keep = nullptr)
      : depth_most_(depth_most), keep_(keep) {}

  // RapidJSON's names. NOLINTBEGIN(readability-identifier-naming)
  bool Null() { return add(Json()); }
  bool Bool(bool v) { return add(Json(v)); }
  // RapidJSON 1.1 misreads some numbers even at full precision ("0e100" is undefined behaviour,
  // 0.184467440737095516159 becomes 3.7e-40): it checks their grammar, the library reads them.
  bool RawNumber(const char* text, unsigned size, bool /*copy*/) {
    const char* end = text + size;
    if (std::string_view(text, size).find_first_of(".eE") == std::string_view::npos) {
      std::int64_t whole = 0;
      if (std::from_chars(text, end, whole).ec == std::errc()) return add(Json(whole));
    }
    double number = 0;
    const auto [stop, error] = std::from_chars(text, end, number);
    if (error == std::errc() && stop == end) return add(Json(number));
    complaint_ = "a number that no double can hold";
    return false;
  }
  // Never called: numbers come raw.
  bool Int(int /*v*/) { return false; }
  bool Uint(unsigned /*v*/) { return false; }
  bool Int64(std::int64_t /*v*/) { return false; }
  bool Uint64(std::uint64_t /*v*/) { return false; }
  bool Double(double /*v*/) { return false; }
  bool String(const char* text, unsigned size, bool /*copy*/) {
    return well_formed({text, size}) && add(Json(std::string(text, size)));
  }
  bool Key(const char* text, unsigned size, bool /*copy*/) {
    open_.back().keys.emplace_back(text, size);
    return well_formed({text, size});
  }
  bool StartObject() {
    if (keep_ != nullptr && open_.empty()) complaint_ = "an object where a list is wanted";
    return complaint_.empty() && open();
  }
  bool StartArray() { return open(); }
  bool EndObject(unsigned /*count*/) {
    // Sorted once per object: comparing each key with all others would let a hostile text of 1 MiB
    // cost seconds.
    Level level = std::move(open_.back());
    open_.pop_back();
    std::vector<std::string_view> sorted(level.keys.begin(), level.keys.end());
    std::sort(sorted.begin(), sorted.end());
    const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
    if (twin != sorted.end()) {
      complaint_ = fmt::format("duplicate key \"{}\"", twin->substr(0, 64));
      return false;
    }
    Json::Object members;
    members.reserve(level.keys.size());
    for (std::size_t i = 0; i < level.keys.size(); ++i) {
      members.emplace_back(std::move(level.keys[i]), std::move(level.values[i]));
    }
    return add(Json::from_members(std::move(members)));
  }
  bool EndArray(unsigned /*count*/) {
    Json value(std::move(open_.back().values));
    open_.pop_back();
    return add(std::move(value));
  }
  // NOLINTEND(readability-identifier-naming)

  Json& root() { return root_; }
  const std::string& complaint() const { return complaint_; }

 private:
  struct Level {
    std::vector<std::string> keys;  // Of an object; as many as `values` when it ends.
    Json::Array values;
  };

  // RapidJSON checks the bytes it reads, but turns an escaped lone low surrogate into bad UTF-8.
  bool well_formed(std::string_view text) {
    while (!text.empty()) {
      const std::size_t length = utf8_length(text);
      if (length == 0) {
        complaint_ = "a lone surrogate in a string";
        return false;
      }
      text.remove_prefix(length);
    }
    return true;
  }
  bool open() {
    if (static_cast<int>(open_.size()) >= depth_most_) {
      complaint_ = fmt::format("nested deeper than {}", depth_most_);
      return false;
    }
    open_.emplace_back();
    return true;
  }
  bool add(Json value) {
    if (keep_ != nullptr && ++values_ > kValuesMost) {
      complaint_ = fmt::format("an element of more than {} values", kValuesMost);
      return false;
    }
    if (keep_ != nullptr && open_.size() <= 1) values_ = 0;
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (keep_ == nullptr || open_.size() > 1 || (*keep_)(value)) {
      open_.back().values.push_back(std::move(value));
    }
    return true;
  }

  static constexpr int kValuesMost = 10'000;

  const int depth_most_;
  const Keep* const keep_;
  int values_ = 0;  // Of the element of the list that is being read.
  std::vector<Level> open_;
  Json root_;
  std::string complaint_;
};

Error bad_text(std::size_t offset, std::string_view what) {
  return {ErrorCode::kInvalid, fmt::format("JSON at byte {}: {}", offset, what)};
}

// How much of its beginning can stand as it is.
std::size_t plain_length(std::string_view text) {
  std::size_t length = 0;
  for (const char c : text) {
    if (c < 0x20 || c == 0x7F || c == '"' || c == '\\') break;  // Above ASCII: below 0.
    ++length;
  }
  return length;
}

void write_text(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const std::size_t plain = plain_length(text);
    out.append(text, 0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      out += "\\ufffd";  // What we write is JSON, whatever we were given.
    } else if (length > 1) {
      out += text.substr(0, length);
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += static_cast<char>(first);
    } else if (first == '\n') {
      out += "\\n";
    } else if (first < 0x20 || first == 0x7F) {
      out += fmt::format("\\u{:04x}", first);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

void write_double(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const std::string text = fmt::format("{}", number);
  out += text;
  // A double stays one when it is read again.
  if (text.find_first_of(".e") == std::string::npos) out += ".0";
}

void write_value(const Json& value, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += fmt::format("{}", value.as_int());
  } else if (value.is_number()) {
    write_double(value.as_number(), out);
  } else if (value.is_string()) {
    write_text(value.as_string(), out);
  } else if (value.is_array()) {
    out += '[';
    const char* comma = "";
    for (const Json& item : value.as_array()) {
      out += std::exchange(comma, ",");
      write_value(item, out);
    }
    out += ']';
  } else {
    out += '{';
    const char* comma = "";
    for (const auto& [key, item] : value.as_object()) {
      out += std::exchange(comma, ",");
      write_text(key, out);
      out += ':';
      write_value(item, out);
    }
    out += '}';
  }
}

Result<Json> read_text(std::string_view text, const JsonLimits& limits, Builder& builder) {
  if (text.size() > limits.bytes) {
    return bad_text(limits.bytes, fmt::format("longer than {} bytes", limits.bytes));
  }
  // RapidJSON's stream takes a NUL for the end of the text.
  const std::size_t nul = text.find('\0');
  if (nul != std::string_view::npos) return bad_text(nul, "a NUL byte");

  constexpr unsigned kStrict = rapidjson::kParseIterativeFlag |
                               rapidjson::kParseNumbersAsStringsFlag |
                               rapidjson::kParseValidateEncodingFlag;
  rapidjson::MemoryStream stream(text.data() == nullptr ? "" : text.data(), text.size());
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed = reader.Parse<kStrict>(stream, builder);
  if (!parsed) {
    const std::string what = parsed.Code() == rapidjson::kParseErrorTermination
                                 ? builder.complaint()
                                 : rapidjson::GetParseError_En(parsed.Code());
    return bad_text(parsed.Offset(), what);
  }
  return std::move(builder.root());
}

Error missing(std::string_view key, std::string_view kind) {
  return {ErrorCode::kInvalid, fmt::format("JSON member \"{}\" is missing or no {}", key, kind)};
}

}  // namespace

Json::Json(std::uint64_t v) {
  if (v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(v);
  } else {
    value_ = static_cast<double>(v);
  }
}

Json Json::object(std::initializer_list<Piece> members) {
  Object taken;
  taken.reserve(members.size());
  Json made = from_members(std::move(taken));
  for (const Piece& piece : members) made.set(std::move(piece.key), std::move(piece.value));
  return made;
}

Json Json::from_members(Object members) {
  Json made;
  made.value_ = std::move(members);
  return made;
}

Result<Json> Json::parse(std::string_view text, JsonLimits limits) {
  Builder builder(limits.depth);
  return read_text(text, limits, builder);
}

Result<Json> Json::parse_list(std::string_view text, JsonLimits limits,
                              const std::function<bool(const Json&)>& keep) {
  Builder builder(limits.depth, &keep);
  auto list = read_text(text, limits, builder);
  if (list.ok() && !list->is_array() && !list->is_null()) return bad_text(0, "no list");
  return list;
}

std::string Json::dump() const {
  std::string out;
  write_value(*this, out);
  return out;
}

bool Json::as_bool() const {
  CHECK(is_bool());
  return std::get<bool>(value_);
}
std::int64_t Json::as_int() const {
  CHECK(is_int());
  return std::get<std::int64_t>(value_);
}
double Json::as_number() const {
  CHECK(is_number());
  return is_int() ? static_cast<double>(as_int()) : std::get<double>(value_);
}
const std::string& Json::as_string() const {
  CHECK(is_string());
  return std::get<std::string>(value_);
}
const Json::Array& Json::as_array() const {
  CHECK(is_array());
  return std::get<Array>(value_);
}
Json::Array& Json::as_array() {
  CHECK(is_array());
  return std::get<Array>(value_);
}
const Json::Object& Json::as_object() const {
  CHECK(is_object());
  return std::get<Object>(value_);
}

const Json* Json::find(std::string_view key) const {
  const auto* members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Result<std::string> Json::string_at(std::string_view key) const {
  const Json* member = find(key);
  if (member == nullptr || !member->is_string()) return missing(key, "string");
  return member->as_string();
}
Result<std::int64_t> Json::int_at(std::string_view key) const {
  const Json* member = find(key);
  if (member == nullptr || !member->is_int()) return missing(key, "integer");
  return member->as_int();
}
Result<bool> Json::bool_at(std::string_view key) const {
  const Json* member = find(key);
  if (member == nullptr || !member->is_bool()) return missing(key, "boolean");
  return member->as_bool();
}

std::string Json::string_or(std::string_view key, std::string_view otherwise) const {
  const Json* member = find(key);
  return member != nullptr && member->is_string() ? member->as_string() : std::string(otherwise);
}
std::int64_t Json::int_or(std::string_view key, std::int64_t otherwise) const {
  const Json* member = find(key);
  return member != nullptr && member->is_int() ? member->as_int() : otherwise;
}
double Json::number_or(std::string_view key, double otherwise) const {
  const Json* member = find(key);
  return member != nullptr && member->is_number() ? member->as_number() : otherwise;
}
bool Json::bool_or(std::string_view key, bool otherwise) const {
  const Json* member = find(key);
  return member != nullptr && member->is_bool() ? member->as_bool() : otherwise;
}
const Json::Array& Json::array_or_empty(std::string_view key) const {
  static const Array kEmpty;
  const Json* member = find(key);
  return member != nullptr && member->is_array() ? member->as_array() : kEmpty;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  CHECK(is_object());
  auto& members = std::get<Object>(value_);
  for (Member& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::move(key), std::move(value));
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(value));
  return *this;
}

}  // namespace pointsman
