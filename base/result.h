#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

// A failure that happens in the ordinary course of things, as a value. Impossible things are
// CHECKs (base/check.h), refusals by rule are values of their own type; neither is an Error.

namespace pointsman {

enum class ErrorCode {
  kTimeout,      // No answer before the deadline. The far side may or may not have acted.
  kUnavailable,  // Not reached, or it said that it cannot now. It has not acted.
  kRefused,      // Reached and understood; it will not (rights, rule, credentials).
  kConflict,     // The live state is not what the caller believed.
  kNotFound,
  kInvalid,   // The input is malformed; calling again with it cannot help.
  kInternal,  // Our own resources or code.
};

// "timeout", "unavailable", ... for logs and JSON.
const char* to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // Who, what, where. Never a secret.
};

// Either a value or an Error. Reading the wrong one is a CHECK failure.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result(ErrorCode code, std::string message) : Result(Error{code, std::move(message)}) {}

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& {
    CHECK(ok());
    return std::get<0>(held_);
  }
  T& value() & {
    CHECK(ok());
    return std::get<0>(held_);
  }
  T&& value() && {
    CHECK(ok());
    return std::get<0>(std::move(held_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  const Error& error() const {
    CHECK(!ok());
    return std::get<1>(held_);
  }

 private:
  std::variant<T, Error> held_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  Result(ErrorCode code, std::string message) : error_(Error{code, std::move(message)}) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

// Returns from the calling function with the error of `expr`, if it has one.
#define RETURN_IF_ERROR(expr)                                                  \
  do {                                                                         \
    if (auto pm_result_ = (expr); !pm_result_.ok()) return pm_result_.error(); \
  } while (false)

}  // namespace pointsman
