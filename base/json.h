#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

// JSON values (RFC 8259), parsed by RapidJSON under strict flags: iterative, UTF-8 checked, numbers
// exact, no comments, no trailing text, duplicate keys refused, depth and size bounded.

namespace pointsman {

struct JsonLimits {
  std::size_t bytes = 1 << 20;
  int depth = 32;
};

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // In order of writing; keys are unique.
  struct Piece;

  Json() = default;                                      // null
  Json(std::nullptr_t) {}                                // NOLINT
  Json(bool v) : value_(v) {}                            // NOLINT
  Json(int v) : value_(static_cast<std::int64_t>(v)) {}  // NOLINT
  Json(std::int64_t v) : value_(v) {}                    // NOLINT
  Json(std::uint64_t v);                                 // NOLINT  Above 2^63: a double.
  Json(double v) : value_(v) {}                          // NOLINT
  Json(const char* v) : value_(std::string(v)) {}        // NOLINT
  Json(std::string v) : value_(std::move(v)) {}          // NOLINT
  Json(std::string_view v) : value_(std::string(v)) {}   // NOLINT
  Json(Array v) : value_(std::move(v)) {}                // NOLINT

  // {{"name", "x"}, {"count", 3}}
  static Json object(std::initializer_list<Piece> members = {});
  static Json array() { return Json(Array{}); }
  // REQUIRES: keys are unique. Linear, unlike repeated set().
  static Json from_members(Object members);

  // kInvalid names the byte offset and what is wrong.
  static Result<Json> parse(std::string_view text, JsonLimits limits = {});

  // Of a text that is a list, however long: the elements for which `keep` is true, in order; the
  // others are gone once it was asked, so that a long list costs no more than its text. kInvalid as
  // parse(), and for a text that is neither a list nor null, or an element of more than 10,000
  // values.
  static Result<Json> parse_list(std::string_view text, JsonLimits limits,
                                 const std::function<bool(const Json&)>& keep);

  // Compact, on one line; control characters escaped. NaN and infinities become null.
  std::string dump() const;

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // CHECK failure when it is of another kind.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_number() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;

  // The member, or nullptr when this is no object or has no such member.
  const Json* find(std::string_view key) const;

  // The member, which must be there and of that kind; kInvalid names the key.
  Result<std::string> string_at(std::string_view key) const;
  Result<std::int64_t> int_at(std::string_view key) const;
  Result<bool> bool_at(std::string_view key) const;

  // The member, or `otherwise` when it is absent, null or of another kind.
  std::string string_or(std::string_view key, std::string_view otherwise = "") const;
  std::int64_t int_or(std::string_view key, std::int64_t otherwise = 0) const;
  double number_or(std::string_view key, double otherwise = 0) const;
  bool bool_or(std::string_view key, bool otherwise = false) const;
  const Array& array_or_empty(std::string_view key) const;

  // Adds or replaces a member; makes a null value an object first.
  Json& set(std::string key, Json value);
  // Appends; makes a null value an array first.
  Json& push(Json value);

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// A member on its way into an object(): taken from there, where a list's elements could only be
// copied, and with them all that lies below.
struct Json::Piece {
  Piece(std::string its_key, Json its_value)
      : key(std::move(its_key)), value(std::move(its_value)) {}

  mutable std::string key;
  mutable Json value;
};

}  // namespace pointsman
