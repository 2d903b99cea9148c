#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/http.h"
#include "orchestrator/shell/shared_book.h"

// The voucher: polls every agent and, with each poll, vouches. It runs beside the loop, so that
// neither a slow disk nor a busy loop stops leases.

namespace pointsman {

// One agent, which may serve several services.
struct AgentAddress {
  std::string url;
  std::string site;                                   // The certificate's name.
  std::vector<std::pair<std::string, int>> services;  // (service, site index)
  Duration poll_interval = 500ms;
  Duration hurry_interval = 250ms;
};

class Voucher {
 public:
  struct Heard {
    std::string service;
    int site = 0;
    ServiceReport report;
    Instant asked;
  };
  using OnHeard = std::function<void(Heard)>;
  using OnSilent = std::function<void(const std::string& service, int site, std::string why)>;

  struct Parts {
    const Clock& clock;
    std::string sender;  // The monitor's certificate name.
    TlsIdentity tls;
    OnHeard heard;  // Both come on poller threads and must not block.
    OnSilent silent;
  };
  explicit Voucher(Parts parts);
  ~Voucher();
  Voucher(const Voucher&) = delete;
  Voucher& operator=(const Voucher&) = delete;

  // Starts polling; call after the book knows the services.
  void watch(std::vector<AgentAddress> agents);
  void end();

  SharedBook& book() { return book_; }

  // From now on agents are only asked: `counter` is what was loaded, and never grows for them.
  void run_dry(std::uint64_t counter) { dry_counter_ = counter; }

 private:
  struct Poller;
  void poll_for_ever(Poller& poller);
  void poll_once(Poller& poller, HttpClient& client);

  const Clock& clock_;
  const std::string sender_;
  const TlsIdentity tls_;
  const OnHeard heard_;
  const OnSilent silent_;
  std::optional<std::uint64_t> dry_counter_;
  SharedBook book_;
  std::vector<std::unique_ptr<Poller>> pollers_;
};

// The same poll from a daemon that runs dry: nothing in it asks an agent to keep or do anything.
PollRequest only_asking(PollRequest request, std::uint64_t counter);

}  // namespace pointsman
