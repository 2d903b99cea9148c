#include "orchestrator/shell/loss_codec.h"

#include <algorithm>

namespace pointsman {
namespace {

Json count_json(const std::optional<std::uint64_t>& count) {
  return count ? Json(static_cast<std::int64_t>(*count)) : Json();
}

std::optional<std::uint64_t> count_from(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  if (found == nullptr || !found->is_int() || found->as_int() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(found->as_int());
}

// Of all stores that count them; unset when one of these does not know, or none counts so.
std::optional<std::uint64_t> transactions(const Loss& lost) {
  std::optional<std::uint64_t> sum;
  for (const StoreLoss& store : lost.stores) {
    if (store.unit != "transactions") continue;
    if (!store.missing) return std::nullopt;
    sum = sum.value_or(0) + *store.missing;
  }
  return sum;
}

std::string reason_of(const Loss& lost) {
  const auto doubtful = std::find_if(lost.stores.begin(), lost.stores.end(),
                                     [](const StoreLoss& store) { return !store.proved; });
  if (doubtful != lost.stores.end()) return doubtful->name + ": " + doubtful->reason;
  return lost.stores.empty() ? "" : lost.stores.front().reason;
}

}  // namespace

Json loss_json(const std::optional<Loss>& lost) {
  if (!lost) return Json();
  Json stores = Json::array();
  for (const StoreLoss& store : lost->stores) {
    stores.push(Json::object({{"name", store.name},
                              {"unit", store.unit},
                              {"missing", count_json(store.missing)},
                              {"taken_over", count_json(store.taken_over)},
                              {"proved", store.proved},
                              {"reason", store.reason}}));
  }
  return Json::object({{"seconds", lost->span ? Json(seconds(*lost->span)) : Json()},
                       {"transactions", count_json(transactions(*lost))},
                       {"proved", lost->proved},
                       {"reason", reason_of(*lost)},
                       {"stores", std::move(stores)}});
}

std::optional<Loss> loss_from(const Json* json) {
  if (json == nullptr || !json->is_object()) return std::nullopt;
  Loss lost;
  lost.proved = json->bool_or("proved");
  if (const Json* span = json->find("seconds"); span != nullptr && span->is_number()) {
    lost.span = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::clamp(span->as_number(), 0.0, 1e9)));
  }
  for (const Json& store : json->array_or_empty("stores")) {
    lost.stores.push_back({store.string_or("name"), store.string_or("unit"),
                           count_from(store, "missing"), count_from(store, "taken_over"),
                           store.bool_or("proved"), store.string_or("reason")});
  }
  return lost;
}

}  // namespace pointsman
