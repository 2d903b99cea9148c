#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/protocol.h"
#include "base/lease.h"
#include "orchestrator/core/machine.h"

// The monitor's tokens and promises. Pure: `now` is an argument, nothing is sent from here. The
// voucher holds it under its one lock, so that a stop is in force the moment stop() returns: every
// promise is noted before its vouch can leave.

namespace pointsman {

// What the book must know of a service.
struct VouchTerms {
  std::array<std::string, kSites> sites;
  Duration lease = 3s;
  Duration lone_lease = 24h;
  Duration prepare_ttl = 10s;
  std::array<Json, kSites> witness;  // What the agent of each site shall probe.
  std::uint64_t witness_version = 0;
};

// A reply of the agent of `site` to the request numbered `sequence`.
struct SiteReply {
  const std::string& service;
  int site = 0;
  ServiceReport report;
  std::uint64_t sequence = 0;
};

class VouchBook {
 public:
  // `run` is this run's random id.
  explicit VouchBook(std::string run) : run_(std::move(run)) {}

  const std::string& run() const { return run_; }

  // Adds or changes a service. `widest` is the largest lease any vouch of any run may have carried,
  // as kept durably (zero: none): a run that begins behaves as if it had just vouched with it, or
  // with the lease of the terms if that is longer, for both sites.
  void set_service(const std::string& service, VouchTerms terms, Duration widest, Instant now);

  // What the agents shall probe from now on.
  void set_witness(const std::string& service, std::array<Json, kSites> witness,
                   std::uint64_t version);

  // For nobody from now on.
  void stop(const std::string& service);

  // For whom to vouch. No vouch goes out with a lease above the widest that is durable.
  void wish(const std::string& service, const VouchWish& wish);
  void set_widest(const std::string& service, Duration widest);
  void set_renewal(const std::string& service, int site, std::optional<PrepareRenewal> renewal);
  void set_hurry(const std::string& service, std::vector<std::string> sites);
  // Never lower: services are told apart of what became durable, in no order.
  void set_counter(std::uint64_t counter) { counter_ = std::max(counter_, counter); }

  // The next request to one agent, for these (service, site) pairs of it. Promises are made here.
  PollRequest request(const std::string& sender,
                      const std::vector<std::pair<std::string, int>>& services);

  // Numbers an order and fills in its token; an adopt order to the site it crowns is a vouch, and
  // its promise is made here.
  void address(Order& order, int site, Instant now);

  // A reply to a request of this run. False when it is older than one already noted.
  bool heard(SiteReply reply, Instant now);

  Instant promise_end(const std::string& service, int site) const;
  bool knows_token(const std::string& service, int site) const;
  // Nothing but ordinary vouches may be held any more: the durable widest lease may be lowered.
  bool only_ordinary(const std::string& service, Instant now) const;
  bool hurried() const;

 private:
  struct SiteBook {
    std::optional<Token> token;
    Instant received{0};
    std::optional<ServiceReport> report;
    std::uint64_t last_sequence = 0;
    std::uint64_t number = 0;  // Of vouches to this site.
    Promise promise;
    std::uint64_t vouched_epoch = 0;
    std::optional<PrepareRenewal> renewal;
  };
  struct ServiceBook {
    VouchTerms terms;
    Duration widest{0};  // Durable.
    VouchWish wish;
    std::vector<std::string> hurry;
    std::array<SiteBook, kSites> sites;
  };

  std::optional<Vouch> vouch_for(ServiceBook& book, int site);
  bool restored(const ServiceBook& book) const;

  std::string run_;
  std::uint64_t sequence_ = 0;
  std::uint64_t counter_ = 0;
  std::map<std::string, ServiceBook> services_;
};

}  // namespace pointsman
