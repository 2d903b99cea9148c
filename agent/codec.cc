#include "agent/codec.h"

#include <charconv>

#include <fmt/format.h>

namespace pointsman {
namespace {

bool is_reign_id(std::string_view id) {
  return id.size() == 16 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const Json::Array& no_items() {
  static const Json::Array kEmpty;
  return kEmpty;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  return number;
}

Members::Members(const Json& json, std::string where, Absent absent)
    : json_(json), where_(std::move(where)), absent_(absent) {
  if (!json.is_object()) error_ = Error{ErrorCode::kInvalid, where_ + ": not a JSON object"};
}

bool Members::has(std::string_view key) const {
  const Json* found = json_.find(key);
  return found != nullptr && !found->is_null();
}

void Members::fail(std::string_view key, std::string_view what) {
  if (error_) return;
  error_ = Error{ErrorCode::kInvalid, fmt::format("{}.{}: {}", where_, key, what)};
}

void Members::adopt_error(const Error& error) {
  if (!error_) error_ = error;
}

// The member when it is there; a missing one is a mistake only where it must not be missing.
const Json* Members::member(std::string_view key, std::string_view kind) {
  const Json* found = json_.find(key);
  if (found != nullptr && !found->is_null()) return found;
  if (absent_ == Absent::kRefused) fail(key, fmt::format("missing; {} is needed", kind));
  return nullptr;
}

std::string Members::text(std::string_view key, std::size_t most) {
  const Json* found = member(key, "a text");
  if (found == nullptr) return "";
  if (!found->is_string()) {
    fail(key, "must be a text");
    return "";
  }
  if (found->as_string().size() > most) {
    fail(key, fmt::format("longer than {} bytes", most));
    return "";
  }
  return found->as_string();
}

std::uint64_t Members::number(std::string_view key) {
  const Json* found = member(key, "a decimal number as text");
  if (found == nullptr) return 0;
  const auto number = found->is_string() ? parse_number(found->as_string()) : std::nullopt;
  if (!number) fail(key, "must be a decimal number of at most 64 bits, as text");
  return number.value_or(0);
}

int Members::count(std::string_view key, int least, int most) {
  const Json* found = member(key, "a number");
  if (found == nullptr) return least;
  if (!found->is_int() || found->as_int() < least || found->as_int() > most) {
    fail(key, fmt::format("must be a whole number, {} to {}", least, most));
    return least;
  }
  return static_cast<int>(found->as_int());
}

bool Members::flag(std::string_view key) {
  const Json* found = member(key, "true or false");
  if (found == nullptr) return false;
  if (!found->is_bool()) {
    fail(key, "must be true or false");
    return false;
  }
  return found->as_bool();
}

Duration Members::duration(std::string_view key, Duration least, Duration most) {
  const Json* found = member(key, "a duration in milliseconds");
  if (found == nullptr) return least;
  if (!found->is_int() || found->as_int() < whole_ms(least) || found->as_int() > whole_ms(most)) {
    fail(key, fmt::format("must be whole milliseconds, {} to {}", whole_ms(least), whole_ms(most)));
    return least;
  }
  return std::chrono::milliseconds(found->as_int());
}

Reign Members::reign(std::string_view key) {
  const Json* found = member(key, "a reign");
  if (found == nullptr) return {};
  Members inner(*found, fmt::format("{}.{}", where_, key), Absent::kRefused);
  Reign reign{inner.number("epoch"), inner.text("id", ReignId::kLength)};
  if (inner.ok() && (reign.any() ? !is_reign_id(reign.id.text()) : !reign.id.empty())) {
    inner.fail("id", "must be 16 lower-case hex digits, or empty with epoch 0");
  }
  if (inner.ok()) return reign;
  adopt_error(inner.error());
  return {};
}

Token Members::token(std::string_view key) {
  const Json* found = member(key, "a token");
  if (found == nullptr) return {};
  Members inner(*found, fmt::format("{}.{}", where_, key), Absent::kRefused);
  const std::uint64_t incarnation = inner.number("incarnation");
  const std::uint64_t n = inner.number("n");
  if (inner.ok() && n >= static_cast<std::uint64_t>(Instant::never().ns)) {
    inner.fail("n", "is beyond every clock");
  }
  if (inner.ok()) return {incarnation, Instant{static_cast<std::int64_t>(n)}};
  adopt_error(inner.error());
  return {};
}

const Json::Array& Members::list(std::string_view key, std::size_t most) {
  const Json* found = member(key, "an array");
  if (found == nullptr) return no_items();
  if (!found->is_array()) {
    fail(key, "must be an array");
    return no_items();
  }
  if (found->as_array().size() > most) {
    fail(key, fmt::format("has more than {} items", most));
    return no_items();
  }
  return found->as_array();
}

Json number_json(std::uint64_t number) { return std::to_string(number); }

Json reign_json(const Reign& reign) {
  return Json::object({{"epoch", number_json(reign.epoch)}, {"id", reign.id.text()}});
}

Json token_json(const Token& token) {
  const auto n = token.n.ns < 0 ? 0 : static_cast<std::uint64_t>(token.n.ns);
  return Json::object({{"incarnation", number_json(token.incarnation)}, {"n", number_json(n)}});
}

Json rounded_up(Duration d) {
  return Json(static_cast<std::int64_t>(
      std::chrono::ceil<std::chrono::milliseconds>(std::min(d, kLongest)).count()));
}

Json rounded_down(Duration d) { return Json(whole_ms(std::min(d, kLongest))); }

}  // namespace pointsman
