#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "providers/provider.h"

namespace pointsman {

// Each in the file of its type.
using Maker = Result<std::unique_ptr<Provider>>(const ProviderSettings&, const Clock&);
Maker make_exec;
Maker make_rfc2136;
Maker make_webhook;

namespace {

struct Registered {
  const char* type;
  Maker* make;
};

// Sorted. A new provider is one line here, its own file, and the conformance suite.
constexpr Registered kRegistry[] = {
    {"exec", make_exec},
    {"rfc2136", make_rfc2136},
    {"webhook", make_webhook},
};

}  // namespace

std::vector<std::string> provider_types() {
  std::vector<std::string> out;
  for (const Registered& entry : kRegistry) out.emplace_back(entry.type);
  return out;
}

Result<std::unique_ptr<Provider>> make_provider(const ProviderSettings& settings,
                                                const Clock& clock) {
  for (const Registered& entry : kRegistry) {
    if (settings.type == entry.type) return entry.make(settings, clock);
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("provider {}: found type \"{}\", allowed: {}", settings.name,
                           printable(settings.type), fmt::join(provider_types(), ", "))};
}

}  // namespace pointsman
