#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// GTID positions of MariaDB, "domain-server-sequence" per domain, as sets: position n of a domain
// stands for everything in it up to n. Pure.

namespace pointsman {

struct Gtid {
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;

  bool operator==(const Gtid&) const = default;
};

using GtidPosition = std::map<std::uint32_t, Gtid>;  // By domain.

// nullopt when `text` is no such position (one of MySQL, say). "" is the empty position. Of several
// entries of a domain, as @@gtid_binlog_state has them, the highest sequence stands.
// A position as reports carry it: never empty, for an empty one means that nothing is known. A
// server that never wrote has "-".
std::string position_text(const GtidPosition& position);

std::optional<GtidPosition> parse_gtid(const std::string& text);

std::string to_text(const GtidPosition& position);  // "0-1-100,1-2-7", by domain.

// How many transactions it stands for.
std::uint64_t transactions_of(const GtidPosition& position);

// Per domain the further one.
GtidPosition join(const GtidPosition& a, const GtidPosition& b);

// Whether `whole` holds all of `part`. An equal sequence written by another server is another
// transaction: not held.
bool holds(const GtidPosition& whole, const GtidPosition& part);

// What server `own` wrote here (`binlog_state`: last entry per domain and server) beyond what it
// was given by its source or was set to start from (`given`).
GtidPosition errant_of(const std::string& binlog_state, std::uint32_t own,
                       const GtidPosition& given);

// Where two servers parted in one domain: `shared` is the last that both have (sequence 0: none is
// known to be), `last` the last of the first server.
struct Fork {
  std::uint32_t domain = 0;
  Gtid shared;
  Gtid last;

  std::string text() const;  // "0-101-481..500"
};

// What a server says of itself.
struct GtidStanding {
  std::string written;    // @@gtid_binlog_state: last entry per domain and server.
  GtidPosition position;  // All that is executed there.
};

// What a server holds that its source does not, by domain. `first` is the lowest sequence of each
// domain in the source's binary log, where that reaches back to the log's beginning: what a server
// that the source's log does not know wrote before that may be in the copy that the source was made
// from; anything else that cannot be shown to be there counts as not being there.
std::vector<Fork> forks_of(const GtidStanding& own, const GtidStanding& source,
                           const std::map<std::uint32_t, std::uint64_t>& first);

}  // namespace pointsman
