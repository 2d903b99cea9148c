#include "agent/driver.h"

namespace pointsman {

const char* to_string(Liveness liveness) {
  switch (liveness) {
    case Liveness::kUnknown: return "unknown";
    case Liveness::kUp: return "up";
    case Liveness::kHung: return "hung";
    case Liveness::kStopped: return "stopped";
  }
  return "unknown";
}

StoreReport unread(const std::string& store, const Error& why) {
  StoreReport report;
  report.name = store;
  if (why.code == ErrorCode::kNotFound) report.liveness = Liveness::kStopped;
  if (why.code == ErrorCode::kTimeout) report.liveness = Liveness::kHung;
  report.detail = why.message;
  return report;
}

}  // namespace pointsman
