#include "orchestrator/shell/doorkeeper.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"

namespace pointsman {
namespace {

constexpr Duration kEach = 6s;  // A wrong token costs this much time,
constexpr int kAhead = 10;      // of which so many may be owed.
constexpr std::size_t kSourcesMost = 1024;

}  // namespace

void Doorkeeper::set_tokens(const std::map<std::string, std::string>& tokens) {
  const std::lock_guard lock(mutex_);
  known_.clear();
  sources_.clear();  // Who came in with a former token has to show a new one.
  for (const auto& [role, token] : tokens) {
    if (token.empty()) continue;
    known_.push_back(
        {role == "operator" ? Entry::kOperator : Entry::kViewer, digest(Hash::kSha256, token)});
  }
}

Entry Doorkeeper::role_of(const std::string& authorization) const {
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = lowered(authorization.substr(0, kScheme.size())) == kScheme;
  const std::string given =
      digest(Hash::kSha256, bearer ? authorization.substr(kScheme.size()) : "");
  Entry entry = Entry::kStranger;
  for (const Known& one : known_) {
    if (equal_secret(given, one.digest)) entry = one.entry;
  }
  return entry;
}

Doorkeeper::Source& Doorkeeper::find(const std::string& name) {
  const auto found = std::find_if(sources_.begin(), sources_.end(),
                                  [&](const Source& one) { return one.name == name; });
  if (found != sources_.end()) {
    sources_.splice(sources_.begin(), sources_, found);
    return sources_.front();
  }
  if (sources_.size() >= kSourcesMost) sources_.pop_back();
  sources_.emplace_front().name = name;
  return sources_.front();
}

Entry Doorkeeper::judge(const std::string& authorization, const std::string& source, Instant now) {
  if (authorization.empty()) return Entry::kStranger;  // No guess.
  const std::lock_guard lock(mutex_);
  const Entry entry = role_of(authorization);
  Source& from = find(source);
  const Instant owes = std::max(from.paid_until, now);
  const bool too_many = owes - now > kEach * (kAhead - 1);
  if (entry == Entry::kStranger) {
    if (too_many) return Entry::kTooMany;
    from.paid_until = owes + kEach;
    if (from.paid_until - now > kEach * (kAhead - 1)) {
      log(LogLevel::kWarning, "tokens-guessed", {{"from", source}});
    }
    return Entry::kStranger;
  }
  bool& in_before = entry == Entry::kOperator ? from.let_operator_in : from.let_viewer_in;
  if (too_many && !in_before) return Entry::kTooMany;
  in_before = true;
  return entry;
}

}  // namespace pointsman
