#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "providers/aliyun.h"
#include "providers/aliyun_slb.h"
#include "providers/cloudflare.h"
#include "providers/provider.h"
#include "providers/rfc2136.h"
#include "providers/settings.h"

namespace pointsman {
namespace {

struct Registered {
  const char* type;
  const char* records;  // Types of record, with commas.
  Result<std::unique_ptr<Provider>> (*make)(const ProviderSettings&, const Clock&);
};

// Sorted. A new provider is one line here, its own files, and the conformance suite.
constexpr const char* kDns = "A, AAAA, CNAME";
constexpr Registered kRegistry[] = {
    {"aliyun", kDns, make_aliyun},
    {"aliyun-slb", "SLB", make_aliyun_slb},
    {"cloudflare", kDns, make_cloudflare},
    {"rfc2136", kDns, make_rfc2136},
};

}  // namespace

std::vector<std::string> provider_types() {
  std::vector<std::string> out;
  for (const Registered& entry : kRegistry) out.emplace_back(entry.type);
  return out;
}

std::vector<std::string> record_types(const std::string& provider_type) {
  for (const Registered& entry : kRegistry) {
    if (provider_type == entry.type) return split_list(entry.records);
  }
  return {};
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
