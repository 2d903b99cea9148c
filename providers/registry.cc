#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "providers/provider.h"
#include "providers/settings.h"

namespace pointsman {

// Each in the file of its type.
using Maker = Result<std::unique_ptr<Provider>>(const ProviderSettings&, const Clock&);
Maker make_aliyun;
Maker make_aliyun_slb;
Maker make_cloudflare;
Maker make_exec;
Maker make_rfc2136;
Maker make_webhook;

namespace {

struct Registered {
  const char* type;
  const char* records;  // Types of record, with commas.
  Maker* make;
};

// Sorted. A new provider is one line here, its own files, and the conformance suite.
constexpr const char* kDns = "A, AAAA, CNAME";
constexpr Registered kRegistry[] = {
    {"aliyun", kDns, make_aliyun},         {"aliyun-slb", "SLB", make_aliyun_slb},
    {"cloudflare", kDns, make_cloudflare}, {"exec", kDns, make_exec},
    {"rfc2136", kDns, make_rfc2136},       {"webhook", kDns, make_webhook},
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
