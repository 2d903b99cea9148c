#pragma once

#include <array>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/guard.h"
#include "orchestrator/core/machine.h"
#include "providers/provider.h"

// What must never be false, asked at each step; names are those of the invariants in
// docs/safety.md.

namespace pointsman {

class World;

class Oracles {
 public:
  Oracles(World& world, std::size_t services);

  // S1: at no instant do two sites acknowledge writes. S5: none does for longer than a vouch that
  // was sent lasts, and the bound on its fence.
  void check_one_writer(int service);

  void on_record(int service, int site, const GuardRecord& record);  // S2
  void on_open(int service, int site);                               // S3, S14, S22
  // A write leaves the monitor; it may take effect at any time later, or never.
  void on_publish(const Change& change);                           // S6, S8, S17
  void on_dns_write(const RecordSet& live, const Change& change);  // S6, S7, S16
  void on_decision(int service, const ServiceState& next,
                   const Consequence& decision);           // S9 - S13, S19, L6
  void on_durable(int service, const std::string& state);  // S17
  void on_order(int service, const SendOrder& order);      // S17
  // A vouch leaves, from whomever.
  void on_vouch(int service, int site, const Vouch& vouch);
  void on_boot(int site);  // Its clock begins anew.
  void on_probe(int service, int site, bool pass);
  void on_reference_pass() { reference_pass_at_ = now(); }
  void on_ack(int service);
  void on_monitor_start(bool memory_lost);
  void on_follow(int service, int site);  // S22
  void on_human_edit(int service) { services_.at(static_cast<std::size_t>(service)).marks.clear(); }

  std::uint64_t orders() const { return orders_; }
  // Whether the site may hold a longer lease than an ordinary one, by any vouch that was sent.
  bool may_hold_long(int service, int site) const;

 private:
  struct Named {
    ReignId id;
    int power = -1;
  };
  struct Service {
    VouchWish vouch;                        // As last decided; for the trace.
    std::map<std::uint64_t, Named> epochs;  // Whose reign each number is.
    // Up to when each site has been vouched for since it booted: promises are owed to sites.
    std::array<Instant, 2> vouched{};
    std::array<std::uint64_t, 2> highest{};
    std::array<std::uint64_t, 2> epoch{};
    std::set<std::uint64_t> consented;  // Numbers that a standby accepted.
    std::set<std::string> marks;        // Ever written.
    std::uint64_t durable = 0;          // Highest number that the monitor's disk knows.
    std::array<int, 2> fails{};         // In a row, as this monitor's probes saw them,
    std::array<int, 2> passes{};        // and these.
    std::array<bool, 2> fell{};         // `fall` fails in a row, and not `rise` passes since.
    std::array<Instant, 2> fell_at{};
    std::array<Instant, 2> first_fail{};
    std::deque<Instant> automatic;     // Begun, and not taken back.
    MoveKind kind = MoveKind::kAdopt;  // Of the move that is on, or was last.
    // The latest planned move: its number, and where it leads.
    std::uint64_t planned = 0;
    std::uint64_t failover = 0;       // Number of the latest.
    std::uint64_t losses_judged = 0;  // Of this number: one that opens again loses no more.
    int planned_to = -1;
    Instant trigger{0};
    Phase phase = Phase::kUnadopted;
    std::uint64_t automatic_number = 0;  // Of the latest automatic move.
  };

  Instant now() const;
  const Service& of(int service) const { return services_.at(static_cast<std::size_t>(service)); }
  Service& of(int service) { return services_.at(static_cast<std::size_t>(service)); }
  void count(const JournalLine& line);
  void note_vouch(int service, const VouchWish& wish);
  void on_automatic(int service, bool by_vip, const ServiceState& next);
  void check_sight(int service, int from);
  void check_pace(int service, const ServiceState& next);
  void on_row(int service, const std::string& rule, const ServiceState& next);
  void forget_in_breaker(int service);
  void check_losses(int service, int site);
  void check_planned(int service, int site);
  void check_vouched(int service, int site);
  void check_waited(int service, int site);
  void check_dry(const char* what);

  World& world_;
  std::vector<Service> services_;
  std::deque<std::pair<Instant, int>> breaker_;
  Instant reference_pass_at_{0};
  Instant monitor_start_{0};
  std::uint64_t orders_ = 0;
};

}  // namespace pointsman
