#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dns_transport.h"
#include "base/time.h"
#include "providers/provider.h"

// Reading a provider's settings so that every mistake names the key, what was found and what is
// allowed; what a credential holds is never told.

namespace pointsman {

class SettingsReader {
 public:
  explicit SettingsReader(const ProviderSettings& settings) : settings_(settings) {}

  // The value, or "" with a complaint when it is missing.
  std::string required_option(const std::string& key, std::string_view allowed);
  std::string required_credential(const std::string& key, std::string_view allowed);
  std::string option(const std::string& key, std::string_view fallback = "") const;
  std::string credential(const std::string& key, std::string_view fallback = "") const;
  Duration duration(const std::string& key, Duration fallback, Duration least, Duration most);
  // Option `timeout`, the longest wait for one answer: 2s, or 100ms to 8s. It bounds how late a
  // move is published, so that more would be no help.
  Duration timeout();
  // Option `ttl_min`, in whole seconds.
  std::chrono::seconds ttl_min(Duration fallback, Duration least, Duration most);
  // "192.0.2.53:53, 198.51.100.53:53"; none when the key is missing.
  std::vector<DnsEndpoint> endpoints(const std::string& key);
  // Option `authorities`: servers to ask after a change instead of those that the zone names, as
  // Provider::authorities() gives them.
  std::vector<std::string> authorities();
  // The list, or {} with a complaint when it is missing, empty, or one text instead.
  std::vector<std::string> required_list(const std::string& key, std::string_view allowed);

  void complain_option(const std::string& key, std::string_view allowed);  // Or a list.
  void complain_credential(const std::string& key, std::string_view allowed);

  using Keys = std::vector<std::string_view>;
  // Complains of every key not in these lists, and of a list where one value is wanted.
  void only(const Keys& options, const Keys& credentials);
  // The same for a type whose credentials may have any name; `lists` are the keys of lists.
  void only_options(const Keys& options, const Keys& lists = {});

  // All complaints as one kInvalid; success when there are none.
  Result<void> finish() const;

 private:
  const ProviderSettings& settings_;
  std::vector<std::string> complaints_;
};

// `limits` with the times of a provider that waits `answer` for each answer, and needs at most so
// many of them. A change is cut at 18 s: then reading begins anew, whatever the provider is doing.
ProviderLimits with_times(ProviderLimits limits, Duration answer, int of_reading, int of_change);

// "a, b c" -> {"a", "b", "c"}.
std::vector<std::string> split_list(std::string_view text);

}  // namespace pointsman
