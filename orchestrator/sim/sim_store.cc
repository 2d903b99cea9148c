#include "orchestrator/sim/sim_store.h"

#include <algorithm>

#include "base/planted.h"
#include "orchestrator/sim/world.h"

namespace pointsman {
namespace {

std::uint32_t next_number(const char*& at, const char* end) {
  std::uint32_t n = 0;
  for (; at != end && *at != ','; ++at) n = n * 10 + static_cast<std::uint32_t>(*at - '0');
  if (at != end) ++at;
  return n;
}

// holds_all() of what to_text() wrote.
bool text_holds_all(const std::string& of, const std::string& all) {
  const char* held = of.data();
  const char* asked = all.data();
  const char* const held_end = held + of.size();
  const char* const asked_end = asked + all.size();
  while (asked != asked_end) {
    if (next_number(asked, asked_end) > next_number(held, held_end)) return false;
  }
  return true;
}

class DriverTwin final : public Driver {
 public:
  DriverTwin(World& world, SimStore& store) : world_(world), store_(store) {}

  std::string name() const override { return "mysql"; }
  bool is_store() const override { return true; }

  StoreReport report(Duration) override {
    StoreReport report;
    report.name = "mysql";
    report.liveness = !store_.up    ? Liveness::kStopped
                      : store_.hung ? Liveness::kHung
                                    : Liveness::kUp;
    if (report.liveness != Liveness::kUp) return report;
    report.writable = store_.writable;
    report.replica = store_.replica;
    report.applier_running = store_.replica && !store_.applier_stopped;
    report.receiver_running = store_.replica;
    report.executed = store_.executed_text.of(store_.executed);
    report.received = store_.received_text.of(store_.received);
    report.errant = store_.errant;
    return report;
  }

  Result<void> fence(FenceDepth, Duration) override {
    RETURN_IF_ERROR(answers());
    world_.set_writable(store_, false);
    return {};
  }
  Result<void> unfence(Duration) override {
    RETURN_IF_ERROR(answers());
    world_.set_writable(store_, true);
    return {};
  }
  Result<void> promote(Duration) override {
    RETURN_IF_ERROR(answers());
    if (store_.replica && store_.applier_stopped && !holds_all(store_.executed, store_.received)) {
      return {ErrorCode::kTimeout, "mysql: what was received is not applied"};
    }
    store_.executed = store_.received;
    store_.replica = false;
    world_.set_writable(store_, true);
    return {};
  }
  Result<void> follow(const FollowTarget&, Duration) override {
    RETURN_IF_ERROR(answers());
    world_.set_writable(store_, false);
    const SimStore& source = world_.store(store_.service, 1 - store_.site);
    if (!world_.net.passes(end_of(store_.site), end_of(source.site)) || !source.up ||
        !world_.is_awake(end_of(source.site))) {
      return {ErrorCode::kUnavailable, "mysql: the source is out of reach"};
    }
    if (!holds_all(source.executed, store_.executed) && !planted(Plant::kFollowErrant)) {
      return {ErrorCode::kConflict, "mysql: holds writes that the source never had"};
    }
    world_.oracles.on_follow(store_.service, store_.site);
    store_.replica = true;
    store_.received = store_.executed;
    store_.errant.clear();
    return {};
  }
  Result<void> keep_standby(Duration) override {
    RETURN_IF_ERROR(answers());
    if (store_.writable) world_.set_writable(store_, false);
    return {};
  }
  std::vector<std::string> render(const std::string&) override { return {}; }
  std::optional<bool> contains(const std::string& received,
                               const std::string& executed) const override {
    return received == executed || text_holds_all(received, executed);
  }

 private:
  Result<void> answers() const {
    if (!store_.up) return {ErrorCode::kUnavailable, "mysql: stopped"};
    if (store_.hung) return {ErrorCode::kTimeout, "mysql: hangs"};
    return {};
  }

  World& world_;
  SimStore& store_;
};

// The kernel set of one site, with what a freeze of its caller does to a renewal.
class DeadmanTwin final : public Deadman {
 public:
  DeadmanTwin(World& world, int site) : world_(world), site_(site) {}

  Result<void> set_up(const std::vector<DeadmanPorts>&) override { return {}; }
  Result<void> set_mode(const std::string& service, DeadmanMode mode) override {
    KernelState state = now(service);
    if (state.mode != mode) state.until = Instant{0};
    state.mode = mode;
    put(service, state);
    return {};
  }
  Result<void> renew(const std::string& service, Instant until) override {
    HostClock& clock = world_.hosts.at(static_cast<std::size_t>(end_of(site_))).clock;
    const KernelLease kernel{[&](Duration rest, bool present) -> Result<void> {
                               clock.ahead += world_.freeze_in_renewal(site_);
                               KernelState state = now(service);
                               if (present && state.until <= clock.now())
                                 return {ErrorCode::kNotFound, "no element"};
                               state.until = clock.now() + rest;
                               put(service, state);
                               return {};
                             },
                             [&] { return close(service); }};
    return renew_in_kernel(clock, until, kernel);
  }
  Result<void> close(const std::string& service) override {
    KernelState state = now(service);
    state.until = Instant{0};
    put(service, state);
    return {};
  }
  Result<Duration> rest(const std::string& service) override {
    const Instant read = clock().now();
    return std::max(now(service).until - read, Duration::zero());
  }
  Result<void> verify(const std::string&) override { return {}; }
  Result<DeadmanMode> mode(const std::string& service) override { return now(service).mode; }

 private:
  const HostClock& clock() const {
    return world_.hosts.at(static_cast<std::size_t>(end_of(site_))).clock;
  }
  Instant truth() const { return world_.line.now() + clock().ahead; }
  KernelState now(const std::string& service) const {
    return world_.kernel(world_.index_of(service), site_).at(truth());
  }
  void put(const std::string& service, const KernelState& state) {
    world_.set_kernel(world_.index_of(service), site_, truth(), state);
  }

  World& world_;
  int site_;
};

}  // namespace

bool holds_all(const Gtids& of, const Gtids& all) {
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (all[k] > (k < of.size() ? of[k] : 0)) return false;
  }
  return true;
}

std::string to_text(const Gtids& gtids) {
  std::string text;
  for (const std::uint32_t n : gtids) {
    text += std::to_string(n);
    text += ',';
  }
  return text;
}

std::unique_ptr<Driver> make_driver_twin(World& world, SimStore& store) {
  return std::make_unique<DriverTwin>(world, store);
}

std::unique_ptr<Deadman> make_deadman_twin(World& world, int site) {
  return std::make_unique<DeadmanTwin>(world, site);
}

}  // namespace pointsman
