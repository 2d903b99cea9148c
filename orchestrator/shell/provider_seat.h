#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "providers/provider.h"

namespace pointsman {

// The place of one [provider.NAME] section: a reload seats another provider in it. Everything, and
// seat() too, is called on the provider's own lane, so one call is over before the next provider
// takes its place.
class ProviderSeat final : public Provider {
 public:
  explicit ProviderSeat(std::unique_ptr<Provider> first) : seated_(std::move(first)) {}

  void seat(std::unique_ptr<Provider> next) { seated_ = std::move(next); }

  ProviderLimits limits() const override { return seated_->limits(); }
  Result<RecordSet> read(const RecordKey& key, Duration within) override {
    return seated_->read(key, within);
  }
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override {
    return seated_->read_for_move(key, within);
  }
  Result<void> replace(const Change& change, Duration within) override {
    return seated_->replace(change, within);
  }
  Result<std::vector<std::string>> render(const Change& change, Duration within) override {
    return seated_->render(change, within);
  }
  Result<std::string> preflight(const RecordKey& key, Duration within) override {
    return seated_->preflight(key, within);
  }
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override {
    return seated_->authorities(key, within);
  }

 private:
  std::unique_ptr<Provider> seated_;
};

}  // namespace pointsman
