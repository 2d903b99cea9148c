#include "orchestrator/shell/sessions.h"

#include <algorithm>

#include "base/crypto.h"

namespace pointsman {
namespace {

constexpr std::size_t kSecretBytes = 32;

}  // namespace

void Sessions::drop_ended(Instant now) {
  sessions_.remove_if([&](const Session& one) {
    return now - one.opened >= kLifetime || now - one.used >= kIdleMost;
  });
}

Sessions::Opened Sessions::open(Entry role, Instant now) {
  drop_ended(now);
  const auto of_role = [&](const Session& one) { return one.role == role; };
  if (static_cast<std::size_t>(std::count_if(sessions_.begin(), sessions_.end(), of_role)) >=
      kMostOfRole) {
    auto oldest = sessions_.end();
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
      if (of_role(*at) && (oldest == sessions_.end() || at->used < oldest->used)) oldest = at;
    }
    sessions_.erase(oldest);
  }
  const Opened opened{hex(random_bytes(kSecretBytes)), hex(random_bytes(kSecretBytes))};
  sessions_.push_back({random_id(), digest(Hash::kSha256, opened.id), opened.csrf, role, now, now});
  return opened;
}

const Sessions::Session* Sessions::find(std::string_view id, Instant now) {
  drop_ended(now);
  const std::string wanted = digest(Hash::kSha256, id);
  Session* found = nullptr;
  for (Session& one : sessions_) {
    if (equal_secret(one.digest, wanted)) found = &one;
  }
  if (found != nullptr) found->used = now;
  return found;
}

const Sessions::Session* Sessions::find_key(std::string_view key, Instant now) {
  drop_ended(now);
  for (Session& one : sessions_) {
    if (one.key != key) continue;
    one.used = now;
    return &one;
  }
  return nullptr;
}

void Sessions::close(std::string_view key) {
  sessions_.remove_if([&](const Session& one) { return one.key == key; });
}

void Sessions::close_role(Entry role) {
  sessions_.remove_if([&](const Session& one) { return one.role == role; });
}

}  // namespace pointsman
