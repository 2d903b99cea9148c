#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/lease.h"
#include "base/result.h"
#include "base/time.h"

// Reading and writing the wire forms of protocol.h: numbers of 64 bits as decimal strings,
// durations as whole milliseconds, a reign as {"epoch","id"}, a token as {"incarnation","n"}.

namespace pointsman {

// What a missing member means. A wrong type is a mistake under both.
enum class Absent {
  kRefused,  // Requests.
  kDefault,  // Reports: an older agent does not know the newest members.
};

// Reads the members of one JSON object. The first mistake is kept, and everything read after it
// gives defaults: read all, then ask error().
class Members {
 public:
  Members(const Json& json, std::string where, Absent absent);

  bool has(std::string_view key) const;
  std::string text(std::string_view key, std::size_t most = 256);
  std::uint64_t number(std::string_view key);
  int count(std::string_view key, int least, int most);
  bool flag(std::string_view key);
  Duration duration(std::string_view key, Duration least, Duration most);
  Reign reign(std::string_view key);
  Token token(std::string_view key);
  // The array; an empty one when it is absent, of another kind, or longer than `most`.
  const Json::Array& list(std::string_view key, std::size_t most);
  // The member as it is, or nullptr.
  const Json* raw(std::string_view key) const { return json_.find(key); }

  void fail(std::string_view key, std::string_view what);
  void adopt_error(const Error& error);
  bool ok() const { return !error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  const Json* member(std::string_view key, std::string_view kind);

  const Json& json_;
  std::string where_;
  Absent absent_;
  std::optional<Error> error_;
};

Json number_json(std::uint64_t number);
Json reign_json(const Reign& reign);
Json token_json(const Token& token);
// What is owed or has passed is never told shorter than it is, a lease never longer.
Json rounded_up(Duration d);
Json rounded_down(Duration d);

// A decimal number without sign or leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text);

inline constexpr Duration kLongest = 24h * 3650;

}  // namespace pointsman
