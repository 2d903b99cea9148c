#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "orchestrator/shell/executor.h"

// Whether credentials and rights at the providers look sound: the gate `provider`. And whether the
// world is sent to servers that serve what the account holds, which is told and shuts nothing.
// Asked at start, each day, each minute while they do not, and when a reload seats another
// provider.

namespace pointsman {

class Preflights {
 public:
  struct Parts {
    const Clock& clock;
    std::map<std::string, ServiceOutside>& outside;  // Outlives this, and so do its lanes.
    std::function<void(const std::string& service, ProviderJudged judged)> judged;
    std::function<std::uint64_t()> chance = random_u64;
    // How the servers are asked that the world is sent to; a test asks its own.
    std::function<Result<std::vector<AuthorityAnswer>>(const RecordKey& key, Duration within)>
        ask_delegated = pointsman::ask_delegated;
  };
  explicit Preflights(Parts parts);

  // Asks for the records that are due, on the lanes of their providers. Returns when to come again.
  // Thread-safe, as is all of this class.
  Instant turn(Instant now);
  // Every record is due.
  void afresh();
  // A publication was accepted: nothing is wrong with credentials or rights.
  void published(const std::string& service, int record);

  // Of each record that was asked for already.
  struct Last {
    std::string service;
    std::size_t record = 0;
    bool passed = false;
    Instant at;
  };
  std::vector<Last> last() const;

 private:
  struct Record {
    Instant next{0};
    bool under_way = false;
    bool shut = false;  // What was told last.
    bool passed = false;
    Instant at{0};  // When that was known; Instant{0}: it was never asked for.
    std::string said;
    std::string delegation;  // What was said of it last.
  };
  using Key = std::pair<std::string, std::size_t>;
  void ask(const Key& key);
  void note(const Key& key, const Result<std::string>& result);
  void compare_delegation(const Key& key);

  Parts parts_;
  mutable std::mutex mutex_;
  std::map<Key, Record> records_;
  Lane lookups_{"delegation"};  // No publication waits for a resolver.
};

}  // namespace pointsman
