#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "providers/provider.h"

namespace pointsman {

// Told of each operation that may ask the far side: how long it took, and why it failed.
using ProviderWatch =
    std::function<void(const char* operation, Duration took, std::optional<ErrorCode> failed)>;

// The place of one [provider.NAME] section: a reload seats another provider in it. Everything, and
// seat() too, is called on the provider's own lane, so one call is over before the next provider
// takes its place.
class ProviderSeat final : public Provider {
 public:
  ProviderSeat(std::unique_ptr<Provider> first, const Clock& clock, ProviderWatch watch)
      : seated_(std::move(first)), clock_(clock), watch_(std::move(watch)) {}

  void seat(std::unique_ptr<Provider> next) { seated_ = std::move(next); }

  ProviderLimits limits() const override { return seated_->limits(); }
  Result<RecordSet> read(const RecordKey& key, Duration within) override {
    return timed("read", [&] { return seated_->read(key, within); });
  }
  Result<RecordSet> read_for_move(const RecordKey& key, Duration within) override {
    return timed("read", [&] { return seated_->read_for_move(key, within); });
  }
  Result<void> replace(const Change& change, Duration within) override {
    return timed("replace", [&] { return seated_->replace(change, within); });
  }
  Result<std::vector<std::string>> render(const Change& change, Duration within) override {
    return seated_->render(change, within);
  }
  Result<std::string> preflight(const RecordKey& key, Duration within) override {
    return timed("preflight", [&] { return seated_->preflight(key, within); });
  }
  Result<std::vector<std::string>> authorities(const RecordKey& key, Duration within) override {
    return timed("authorities", [&] { return seated_->authorities(key, within); });
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> timed(const char* operation, Call call) {
    const Instant began = clock_.now();
    auto result = call();
    const auto failed = result.ok() ? std::nullopt : std::optional(result.error().code);
    watch_(operation, clock_.now() - began, failed);
    return result;
  }

  std::unique_ptr<Provider> seated_;
  const Clock& clock_;
  const ProviderWatch watch_;
};

}  // namespace pointsman
