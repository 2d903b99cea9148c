#include "orchestrator/sim/sim_vip.h"

#include <algorithm>

#include "orchestrator/sim/world.h"

namespace pointsman {
namespace {

// As the rendered configuration has it: priorities, tries, and the silence of three adverts.
constexpr std::array kPriorities{100, 90};
constexpr int kInPower = 15;
constexpr int kUnfit = 50;
constexpr int kTries = 3;
constexpr Duration kRemembered = 20s;

}  // namespace

SimVip::SimVip(World& world) : world_(world), instances_(world.setting.services.size()) {}

void SimVip::start() {
  if (world_.policy(0).vip_silent > Duration::zero() && world_.policy(0).agents) round();
}

void SimVip::heal() {
  away_until_ = {};
  parted_until_ = Instant{0};
}

bool SimVip::runs(int site) const {
  return world_.is_awake(end_of(site)) &&
         world_.line.now() >= away_until_.at(static_cast<std::size_t>(site));
}

void SimVip::stop(int site, Duration lasting) {
  const bool ran = runs(site);
  for (int service = 0; ran && service < static_cast<int>(instances_.size()); ++service) {
    set(service, site, false);
  }
  kill(site, lasting);
}

void SimVip::kill(int site, Duration lasting) {
  begins_anew_.at(static_cast<std::size_t>(site)) = true;
  hang(site, lasting);
}

void SimVip::hang(int site, Duration lasting) {
  Instant& until = away_until_.at(static_cast<std::size_t>(site));
  until = std::max(until, world_.line.now() + lasting);
}

void SimVip::part(Duration lasting) {
  parted_until_ = std::max(parted_until_, world_.line.now() + lasting);
}

bool SimVip::has_left(int service, int site) {
  const Instant now = world_.line.now();
  return now - of(service, site).lacked < kRemembered &&
         now - of(service, 1 - site).held < kRemembered;
}

void SimVip::round() {
  world_.line.in(world_.dice.between(800ms, 1200ms), [this] { round(); });
  for (int site = 0; site < kSites; ++site) {
    bool& begins = begins_anew_.at(static_cast<std::size_t>(site));
    if (!world_.site_host(site).up) begins = true;
    const bool anew = runs(site) && std::exchange(begins, false);
    for (int service = 0; service < static_cast<int>(instances_.size()); ++service) {
      if (anew) set(service, site, false);
      if (runs(site)) ask_agent(service, site);
    }
  }
  for (int service = 0; service < static_cast<int>(instances_.size()); ++service) elect(service);
}

// The check script brings the word of the last transition again.
void SimVip::ask_agent(int service, int site) {
  Instance& own = of(service, site);
  const bool fit = world_.sites.at(static_cast<std::size_t>(site)).ask_vip(service, own.word);
  own.unfit = fit ? 0 : own.unfit + 1;
}

int SimVip::priority(int service, int site) {
  const Instance& own = of(service, site);
  if (own.worth < 0) return 0;
  return kPriorities.at(static_cast<std::size_t>(site)) + (own.worth > 0 ? kInPower : 0) -
         (own.unfit >= kTries ? kUnfit : 0);
}

void SimVip::elect(int service) {
  const Instant now = world_.line.now();
  const bool joined = now >= parted_until_ && world_.net.passes(end_of(0), end_of(1)) &&
                      world_.net.passes(end_of(1), end_of(0));
  std::array<bool, kSites> holds{};
  for (int site = 0; site < kSites; ++site) {
    Instance& own = of(service, site);
    const int worth = priority(service, site);
    const bool hears = joined && runs(1 - site) && of(service, 1 - site).holds;
    const bool better = hears && priority(service, 1 - site) > worth;
    own.silent = better || own.holds ? 0 : own.silent + 1;
    holds.at(static_cast<std::size_t>(site)) =
        worth > 0 && (own.holds ? !better : own.silent >= kTries);
  }
  for (int site = 0; site < kSites; ++site) {
    Instance& own = of(service, site);
    if (runs(site)) set(service, site, holds.at(static_cast<std::size_t>(site)));
    (own.holds && runs(site) ? own.held : own.lacked) = now;
  }
}

void SimVip::set(int service, int site, bool holds) {
  Instance& own = of(service, site);
  if (own.holds == holds && own.word == holds) return;
  own.holds = holds;
  own.word = holds;
  own.silent = 0;
  (holds ? own.held : own.lacked) = world_.line.now();
  world_.note("vip " + std::to_string(service) + "/" + std::to_string(site) +
              (holds ? " taken" : " given up"));
  world_.sites.at(static_cast<std::size_t>(site)).ask_vip(service, own.word);
}

}  // namespace pointsman
