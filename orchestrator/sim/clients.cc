#include "orchestrator/sim/clients.h"

#include "orchestrator/sim/world.h"

namespace pointsman {

Clients::Clients(World& world)
    : world_(world), acks_(world.setting.services.size()), caches_(world.setting.services.size()) {}

void Clients::start() {
  for (std::size_t k = 0; k < caches_.size(); ++k) write(k);
}

std::size_t Clients::new_origin(int service) {
  auto& origins = acks_.at(static_cast<std::size_t>(service));
  origins.emplace_back();
  return origins.size() - 1;
}

ProbeSeenThere Clients::probe(int from, int service, int site) {
  const int to = end_of(site);
  if (!world_.net.arrival(from, to) || !world_.net.arrival(to, from)) {
    return ProbeSeenThere::kSilent;
  }
  if (!world_.is_awake(to) || !world_.ports_pass(service, site)) {
    return ProbeSeenThere::kSilent;
  }
  const bool up =
      world_.app_up.at(static_cast<std::size_t>(service)).at(static_cast<std::size_t>(site));
  return up ? ProbeSeenThere::kPass : ProbeSeenThere::kRefused;
}

// One write by one of the clients, where its cached address leads.
void Clients::write(std::size_t service) {
  const Duration every = world_.setting.write_every;
  world_.line.in(world_.dice.between(every / 2, every * 3 / 2),
                 [this, service] { write(service); });
  Cache& cache = caches_[service][world_.dice.below(3)];
  const Instant now = world_.line.now();
  const int index = static_cast<int>(service);
  if (now >= cache.until) {
    cache.site = world_.zone.shown(index, world_.dice.next());
    const Duration ttl =
        world_.setting.ttl_factor == 0 ? Duration(10h) : 60s * world_.setting.ttl_factor;
    cache.until = now + ttl;
  }
  if (cache.site < 0 || !world_.net.passes(kClientEnd, end_of(cache.site))) return;
  const bool app = world_.app_up[service].at(static_cast<std::size_t>(cache.site));
  if (!app || !world_.takes_writes(index, cache.site)) return;
  SimStore& store = world_.store(index, cache.site);
  if (store.executed.size() <= store.origin) store.executed.resize(store.origin + 1);
  ++store.executed[store.origin];
  acks_[service][store.origin].push_back(now);
  ++world_.figures.acknowledged;
  world_.oracles.check_one_writer(index);
}

}  // namespace pointsman
