#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace pointsman {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kTimeout: return "timeout";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kRefused: return "refused";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kNotFound: return "not-found";
    case ErrorCode::kInvalid: return "invalid";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace pointsman
