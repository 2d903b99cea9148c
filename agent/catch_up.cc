#include "agent/catch_up.h"

namespace pointsman {
namespace {
constexpr std::size_t kOpenMost = 32;
constexpr std::size_t kStoresMost = 32;
}  // namespace

void CatchUp::primary_told(const std::string& store, const std::string& executed, Instant at) {
  if (executed.empty() || (!stores_.contains(store) && stores_.size() >= kStoresMost)) return;
  Store& state = stores_[store];
  if (state.told && at <= *state.told) return;
  state.told = at;
  if (!state.open.empty() && state.open.back().executed == executed) {
    state.open.back().at = at;
    return;
  }
  state.open.push_back({at, executed});
  // The one before the newest goes, so that the oldest has its chance under a steady stream.
  if (state.open.size() > kOpenMost) state.open.erase(state.open.end() - 2);
}

void CatchUp::standby_read(const std::string& store, const std::string& received,
                           const Contains& contains) {
  const auto found = stores_.find(store);
  if (found == stores_.end() || received.empty()) return;
  Store& state = found->second;
  for (std::size_t k = state.open.size(); k-- > 0;) {
    if (!contains(received, state.open[k].executed).value_or(false)) continue;
    state.caught_up = state.open[k].at;
    state.open.erase(state.open.begin(), state.open.begin() + static_cast<std::ptrdiff_t>(k) + 1);
    return;
  }
}

std::optional<Instant> CatchUp::caught_up(const std::string& store) const {
  const auto found = stores_.find(store);
  return found == stores_.end() ? std::nullopt : found->second.caught_up;
}

std::optional<Instant> CatchUp::told(const std::string& store) const {
  const auto found = stores_.find(store);
  return found == stores_.end() ? std::nullopt : found->second.told;
}

}  // namespace pointsman
