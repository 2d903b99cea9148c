#include "orchestrator/shell/references.h"

#include <algorithm>

#include "base/address.h"
#include "base/log.h"
#include "orchestrator/shell/rounds.h"

namespace pointsman {
namespace {

constexpr Duration kAgainFirst = 1s;
constexpr Duration kAgainMost = 1min;
constexpr Duration kAfresh = 10min;
constexpr Duration kProbed = 500ms;

}  // namespace

References::References(Resolve resolve, std::function<std::uint64_t()> chance)
    : resolve_(std::move(resolve)), chance_(std::move(chance)) {}

void References::set(const std::vector<std::string>& references) {
  const std::lock_guard lock(mutex_);
  std::vector<Place> places;
  for (const std::string& text : references) {
    const auto same = std::find_if(places_.begin(), places_.end(),
                                   [&](const Place& place) { return place.text == text; });
    if (same != places_.end()) {
      places.push_back(*same);
      continue;
    }
    Place place;
    place.text = text;
    if (const auto url = url_parts_from(text)) {
      place.host = url->host;
      place.port = url->port != 0 ? url->port : url->scheme == "https" ? 443 : 80;
    }
    if (is_ip(place.host)) place.address = place.host;
    if (is_ip(place.host) || place.host.empty()) place.next = Instant::never();
    if (place.host.empty()) log(LogLevel::kError, "reference-unusable", {{"reference", text}});
    places.push_back(std::move(place));
  }
  places_ = std::move(places);
}

std::vector<ProbeSpec> References::specs() const {
  const std::lock_guard lock(mutex_);
  std::vector<ProbeSpec> specs;
  for (std::size_t k = 0; k < places_.size(); ++k) {
    if (places_[k].address.empty()) continue;
    ProbeSpec spec;
    spec.name = name(k);
    spec.type = "tcp";
    spec.address = places_[k].address;
    spec.port = places_[k].port;
    spec.interval = kProbed;
    specs.push_back(std::move(spec));
  }
  return specs;
}

std::size_t References::count() const {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

Instant References::due() const {
  const std::lock_guard lock(mutex_);
  Instant due = Instant::never();
  for (const Place& place : places_) due = std::min(due, place.next);
  return due;
}

// The address changed.
bool References::note(Place& place, const Result<std::vector<std::string>>& found, Instant now) {
  const bool any = found.ok() && !found->empty();
  if (!any) {
    if (place.failures++ == 0) {
      log(LogLevel::kWarning, "reference-unresolved",
          {{"reference", place.text},
           {"problem", found.ok() ? "no address" : found.error().message},
           {"address_kept", place.address}});
    }
    const Duration wait = kAgainFirst * (1 << std::min(place.failures - 1, 6));
    place.next = now + jittered(std::min<Duration>(wait, kAgainMost), chance_());
    return false;
  }
  place.next = now + jittered(kAfresh, chance_());
  place.failures = 0;
  if (std::find(found->begin(), found->end(), place.address) != found->end()) return false;
  place.address = found->front();
  log(LogLevel::kInfo, "reference-found", {{"reference", place.text}, {"address", place.address}});
  return true;
}

bool References::look_up(Instant now) {
  std::string text;
  std::string host;
  {
    const std::lock_guard lock(mutex_);
    const auto due = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& place) { return place.next <= now; });
    if (due == places_.end()) return false;
    text = due->text;
    host = due->host;
  }
  const auto found = resolve_(host, kWithin);
  const std::lock_guard lock(mutex_);
  bool changed = false;
  for (Place& place : places_) {  // The list may have changed meanwhile.
    if (place.text == text) changed = note(place, found, now) || changed;
  }
  return changed;
}

}  // namespace pointsman
