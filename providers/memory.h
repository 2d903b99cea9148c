#pragma once

#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "providers/provider.h"

// The reference provider: the contract with nothing in the way. For tests and for tools that must
// not reach a real account. It is not in the registry: no operator should be able to configure a
// provider that changes nothing.

namespace pointsman {

// Record sets shared by any number of MemoryProviders. Thread-safe; must outlive them.
class MemoryZone {
 public:
  // As a person at another console would do it: no mark is asked for.
  void put(const RecordSet& set);
  RecordSet get(const RecordKey& key) const;
  // How many writes by providers changed something.
  int writes() const;

 private:
  friend class MemoryProvider;
  using Id = std::tuple<std::string, std::string, std::string>;
  static Id id_of(const RecordKey& key);
  RecordSet get_locked(const RecordKey& key) const;

  mutable std::mutex mutex_;  // Several providers' workers share the zone.
  std::map<Id, RecordSet> sets_;
  int writes_ = 0;
};

class MemoryProvider : public Provider {
 public:
  explicit MemoryProvider(MemoryZone& zone) : zone_(zone) {}

  ProviderLimits limits() const override { return {std::chrono::seconds(1), true}; }
  Result<RecordSet> read(const RecordKey& key, Duration within) override;
  Result<void> replace(const Change& change, Duration within) override;
  Result<std::vector<std::string>> render(const Change& change, Duration within) override;
  Result<std::string> preflight(const RecordKey& key, Duration within) override;
  // None: there is no server to ask.
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override;

 private:
  MemoryZone& zone_;
};

}  // namespace pointsman
