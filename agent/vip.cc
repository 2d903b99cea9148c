#include "agent/vip.h"

#include <algorithm>

#include "base/file.h"

namespace pointsman {
namespace {

constexpr Duration kSeenMost = 15s;  // An older observation of our own says nothing.

// Below every priority: keepalived gives the address up and sends that it does.
constexpr int kWorthNothing = -254;

std::string store_unfit(const ServiceReport& report) {
  for (const StoreReport& store : report.stores) {
    if (store.liveness != Liveness::kUp) return store.name + " is " + to_string(store.liveness);
    if (report.role == Role::kPrimary && !store.writable) return store.name + " takes no writes";
    if (report.role == Role::kStandby && store.replica && !store.applier_running) {
      return store.name + " does not apply what it receives";
    }
  }
  return "";
}

std::string unit_unfit(const ServiceReport& report) {
  for (const UnitReport& unit : report.units) {
    const bool wanted = !unit.only_primary || report.role == Role::kPrimary;
    if (wanted && !unit.active) return unit.name + " does not run";
  }
  return "";
}

// Raw, as the probes saw it last: keepalived counts how often.
std::string probe_unfit(const ServiceReport& report) {
  for (const WitnessCount& count : report.witness) {
    if (count.site != report.site || count.age > kSeenMost) continue;
    if (count.last == "fail") return "its own probe fails: " + count.detail;
  }
  return "";
}

}  // namespace

VipWatch::VipWatch(std::optional<bool> holds, Instant now)
    : holds_(holds), since_(now), heard_(now) {}

bool VipWatch::heard(std::optional<bool> holds, Instant now) {
  heard_ = now;
  if (holds) told_ = true;
  if (!holds || holds == holds_) return false;
  holds_ = holds;
  since_ = now;
  return true;
}

std::optional<VipReport> VipWatch::report(Instant now) const {
  if (!holds_) return std::nullopt;
  return VipReport{*holds_, std::max(now - since_, Duration::zero()),
                   std::max(now - heard_, Duration::zero()), told_};
}

std::string vip_unfit(const ServiceReport& report) {
  if (report.role == Role::kFenced) return "fenced: another site took over from it";
  if (report.role == Role::kPrimary && report.lease_rest <= Duration::zero()) {
    return "closed: nobody vouches for it";
  }
  for (const std::string& why : {store_unfit(report), unit_unfit(report)}) {
    if (!why.empty()) return why;
  }
  return report.role == Role::kPrimary ? probe_unfit(report) : "";
}

int VipWorth::now(Role role, Instant at, bool holds) {
  if (role_ != role) {
    since_ = role_ ? at : at - kVipWorthAfter;  // A restarted agent goes on.
    role_ = role;
  }
  if (role == Role::kPrimary && holds) since_ = std::min(since_, at - kVipWorthAfter);
  switch (role) {
    case Role::kPrimary: return at - since_ >= kVipWorthAfter ? 1 : 0;
    case Role::kFenced: return kWorthNothing;
    case Role::kNone:
    case Role::kStandby: break;
  }
  return 0;
}

Result<void> write_vip_worth(const std::string& path, int worth) {
  return write_file_durably(path, std::to_string(worth) + "\n");
}

std::string vip_worth_path(const std::string& state_dir, const std::string& service) {
  return state_dir + "/" + service + ".vrrp";
}

std::string vip_word_path(const std::string& state_dir, const std::string& service) {
  return state_dir + "/" + service + ".vip";
}

std::optional<bool> vip_word_from(const std::string& state_dir, const std::string& service) {
  const auto word = read_file(vip_word_path(state_dir, service), 64);
  if (!word) return std::nullopt;
  if (*word == "holds\n") return true;
  if (*word == "yields\n") return false;
  return std::nullopt;
}

}  // namespace pointsman
