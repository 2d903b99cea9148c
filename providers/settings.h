#pragma once

#include <initializer_list>
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
  // "192.0.2.53:53, 198.51.100.53:53"; none when the key is missing.
  std::vector<DnsEndpoint> endpoints(const std::string& key);
  // The list, or {} with a complaint when it is missing, empty, or one text instead.
  std::vector<std::string> required_list(const std::string& key, std::string_view allowed);

  void complain_option(const std::string& key, std::string_view allowed);  // Or a list.
  void complain_credential(const std::string& key, std::string_view allowed);

  // Complains of every key not in these lists, and of a list where one value is wanted.
  void only(std::initializer_list<std::string_view> options,
            std::initializer_list<std::string_view> credentials);
  // The same for a type whose credentials may have any name; `lists` are the keys of lists.
  void only_options(std::initializer_list<std::string_view> options,
                    std::initializer_list<std::string_view> lists = {});

  // All complaints as one kInvalid; success when there are none.
  Result<void> finish() const;

 private:
  const ProviderSettings& settings_;
  std::vector<std::string> complaints_;
};

// "a, b c" -> {"a", "b", "c"}.
std::vector<std::string> split_list(std::string_view text);

}  // namespace pointsman
