#include <fmt/format.h>
#include <nftables/libnftables.h>

#include <algorithm>
#include <map>

#include "agent/deadman.h"
#include "agent/drivers/nft_rules.h"
#include "base/check.h"

namespace pointsman {
namespace {

// An arming that took longer is looked at again.
constexpr Duration kPrompt = 50ms;

struct FreeContext {
  void operator()(nft_ctx* context) const { nft_ctx_free(context); }
};

class NftDeadman : public Deadman {
 public:
  explicit NftDeadman(const Clock& clock) : clock_(clock) {}

  Result<void> set_up(const std::vector<DeadmanPorts>& services) override;
  Result<void> set_mode(const std::string& service, DeadmanMode mode) override;
  Result<void> arm(const std::string& service, Instant until) override;
  Result<void> renew(const std::string& service, Instant until) override;
  Result<void> close(const std::string& service) override;
  Result<Duration> rest(const std::string& service) override;
  Result<void> verify(const std::string& service) override;
  Result<DeadmanMode> mode(const std::string& service) override;

 private:
  struct Watched {
    DeadmanPorts ports;
    DeadmanMode mode = DeadmanMode::kUntouched;
    std::string rules;  // As the kernel lists them, when they were as they must be.
  };

  Result<Watched*> find(const std::string& service);
  // `flags` are those of libnftables for what is printed.
  Result<std::string> run(const std::string& commands, unsigned flags = 0);
  Result<std::string> list(const std::string& what, unsigned flags = 0) {
    return run("list " + what + "\n", flags);
  }
  // `lease` is what becomes of the lease's elements in the same transaction.
  Result<void> apply(Watched& watched, DeadmanMode mode, const std::string& lease);
  Result<void> remove(Watched& watched);
  Result<void> remember_rules();
  Result<std::string> list_rules(const Watched& watched);
  std::vector<DeadmanPorts> touched() const;

  const Clock& clock_;
  std::unique_ptr<nft_ctx, FreeContext> context_;
  std::map<std::string, Watched> services_;
};

std::string set_name(const DeadmanPorts& ports) {
  return fmt::format("set {} lease_{}", kNftTable, ports.service);
}

Result<std::string> NftDeadman::run(const std::string& commands, unsigned flags) {
  if (!context_) {
    context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!context_) return {ErrorCode::kUnavailable, "nftables: no context"};
    nft_ctx_buffer_output(context_.get());
    nft_ctx_buffer_error(context_.get());
    nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
  }
  // Times are not printed as numbers: those are cut to whole seconds.
  nft_ctx_output_set_flags(context_.get(),
                           flags | NFT_CTX_OUTPUT_NUMERIC_PROTO | NFT_CTX_OUTPUT_NUMERIC_SYMBOL);
  const int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  // Both are read in any case: a buffer that is not read goes on growing.
  std::string out = nft_ctx_get_output_buffer(context_.get());
  std::string err = nft_ctx_get_error_buffer(context_.get());
  if (failed == 0) return out;
  err = err.substr(0, err.find('\n'));
  const bool gone = err.find("No such file") != std::string::npos;
  return {gone ? ErrorCode::kNotFound : ErrorCode::kUnavailable, "nftables: " + err};
}

Result<NftDeadman::Watched*> NftDeadman::find(const std::string& service) {
  const auto at = services_.find(service);
  if (at != services_.end()) return &at->second;
  return {ErrorCode::kInvalid, "dead-man switch: service " + service + " was not set up"};
}

std::vector<DeadmanPorts> NftDeadman::touched() const {
  std::vector<DeadmanPorts> ports;
  for (const auto& [name, watched] : services_) {
    if (watched.mode != DeadmanMode::kUntouched) ports.push_back(watched.ports);
  }
  return ports;
}

Result<void> NftDeadman::set_up(const std::vector<DeadmanPorts>& services) {
  for (const auto& service : services) RETURN_IF_ERROR(check_deadman_ports(service));
  if (auto there = list("tables inet"); !there) {
    return {ErrorCode::kUnavailable, there.error().message};
  }
  services_.clear();
  for (const auto& service : services) services_[service.service].ports = service;
  for (auto& [name, watched] : services_) {
    auto found = mode(name);
    if (!found) return found.error();
    watched.mode = *found;
  }
  // Made anew for the mode each is in: ports or addresses may have changed since.
  for (auto& [name, watched] : services_) {
    if (watched.mode != DeadmanMode::kUntouched) {
      RETURN_IF_ERROR(apply(watched, watched.mode, ""));
    }
  }
  return {};
}

Result<void> NftDeadman::set_mode(const std::string& service, DeadmanMode mode) {
  auto found = find(service);
  if (!found) return found.error();
  Watched& watched = **found;
  if (mode == DeadmanMode::kUntouched) return remove(watched);
  auto now_there = this->mode(service);
  if (!now_there) return now_there.error();
  const bool changes = *now_there != mode;
  return apply(watched, mode, changes ? "flush " + set_name(watched.ports) + "\n" : "");
}

Result<void> NftDeadman::arm(const std::string& service, Instant until) {
  auto found = find(service);
  if (!found) return found.error();
  Watched& watched = **found;
  auto now_there = mode(service);
  if (!now_there) return now_there.error();
  const Instant read = clock_.now();
  const Duration rest = until - read;
  // An armed service may hold a dead lease, which only renew() knows not to revive.
  if (*now_there == DeadmanMode::kArmed || rest < 1ms) return Deadman::arm(service, until);
  RETURN_IF_ERROR(apply(watched, DeadmanMode::kArmed, nft_renewal(watched.ports, rest, false)));
  return clock_.now() - read <= kPrompt ? Result<void>{} : renew(service, until);
}

Result<void> NftDeadman::apply(Watched& watched, DeadmanMode mode, const std::string& lease) {
  const DeadmanMode former = watched.mode;
  watched.mode = mode;
  std::string commands = fmt::format("add table {}\n", kNftTable);
  // Chains of every service that is jumped to must be there when the jumps are made anew.
  for (const auto& [name, other] : services_) {
    if (other.mode != DeadmanMode::kUntouched) commands += nft_service(other.ports, other.mode);
  }
  commands += lease;
  commands += nft_base(touched());
  if (auto done = run(commands); !done) {
    watched.mode = former;
    return done.error();
  }
  RETURN_IF_ERROR(remember_rules());
  auto read_back = this->mode(watched.ports.service);
  if (!read_back) return read_back.error();
  if (*read_back == mode) return {};
  return {ErrorCode::kConflict, "nftables: the rules of " + watched.ports.service +
                                    " do not read back as they were written"};
}

Result<void> NftDeadman::remember_rules() {
  for (auto& [name, watched] : services_) {
    if (watched.mode == DeadmanMode::kUntouched) continue;
    auto rules = list_rules(watched);
    if (!rules) return rules.error();
    watched.rules = *rules;
  }
  return {};
}

Result<void> NftDeadman::remove(Watched& watched) {
  auto there = mode(watched.ports.service);
  if (!there) return there.error();
  watched.mode = DeadmanMode::kUntouched;
  watched.rules.clear();
  if (*there == DeadmanMode::kUntouched) return {};
  const auto others = touched();
  const std::string commands = others.empty() ? fmt::format("delete table {}\n", kNftTable)
                                              : nft_base(others) + nft_removal(watched.ports);
  if (auto done = run(commands); !done) return done.error();
  return remember_rules();
}

Result<void> NftDeadman::renew(const std::string& service, Instant until) {
  auto found = find(service);
  if (!found) return found.error();
  const Watched& watched = **found;
  if (watched.mode != DeadmanMode::kArmed) {
    return {ErrorCode::kConflict, "dead-man switch of " + service + " is not armed"};
  }
  const KernelLease kernel{[&](Duration rest, bool present) -> Result<void> {
                             auto done = run(nft_renewal(watched.ports, rest, present));
                             return done ? Result<void>{} : done.error();
                           },
                           [&] { return close(service); }};
  auto done = renew_in_kernel(clock_, until, kernel);
  if (done || done.error().code != ErrorCode::kTimeout) return done;
  return {ErrorCode::kTimeout, "dead-man switch of " + service + ": " + done.error().message};
}

Result<void> NftDeadman::close(const std::string& service) {
  auto found = find(service);
  if (!found) return found.error();
  auto flushed = run(fmt::format("flush {}\n", set_name((*found)->ports)));
  if (!flushed) return flushed.error();
  auto listing = list(set_name((*found)->ports));
  if (!listing) return listing.error();
  if (lease_empty(*listing)) return {};
  return {ErrorCode::kConflict, "nftables: the lease of " + service + " is not empty"};
}

Result<Duration> NftDeadman::rest(const std::string& service) {
  auto found = find(service);
  if (!found) return found.error();
  auto listing = list(set_name((*found)->ports));
  if (!listing && listing.error().code == ErrorCode::kNotFound) return Duration{0};
  if (!listing) return listing.error();
  return lease_rest((*found)->ports, *listing);
}

Result<DeadmanMode> NftDeadman::mode(const std::string& service) {
  auto found = find(service);
  if (!found) return found.error();
  auto listing = list(fmt::format("chain {} in_{}", kNftTable, service));
  if (!listing && listing.error().code == ErrorCode::kNotFound) return DeadmanMode::kUntouched;
  if (!listing) return listing.error();
  // Rules that are not ours any more protect nothing that we know of.
  return mode_of(*listing).value_or(DeadmanMode::kUntouched);
}

Result<std::string> NftDeadman::list_rules(const Watched& watched) {
  const std::string& s = watched.ports.service;
  std::string rules;
  for (const auto& what : {"chain %s prerouting", "chain %s output", "chain %s postrouting",
                           "chain %s in_$", "chain %s out_$", "set %s ports_$", "set %s store_$",
                           "set %s allow4_$", "set %s allow6_$"}) {
    std::string object = what;
    object.replace(object.find("%s"), 2, kNftTable);
    if (object.back() == '$') object = object.substr(0, object.size() - 1) + s;
    auto listing = list(object, NFT_CTX_OUTPUT_STATELESS);
    if (!listing) return Error{listing.error().code, object + ": " + listing.error().message};
    rules += *listing;
  }
  return rules;
}

Result<void> NftDeadman::verify(const std::string& service) {
  auto found = find(service);
  if (!found) return found.error();
  const Watched& watched = **found;
  if (watched.mode == DeadmanMode::kUntouched) return {};
  auto rules = list_rules(watched);
  if (!rules) return rules.error();
  if (*rules == watched.rules) return {};
  return {ErrorCode::kConflict, "nftables: somebody changed the rules of " + service};
}

}  // namespace

std::unique_ptr<Deadman> make_nft_deadman(const Clock& clock) {
  return std::make_unique<NftDeadman>(clock);
}

}  // namespace pointsman
