#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

// Tokens, leases and promises: the arithmetic that keeps two sites from both taking writes. Pure
// and shared by the monitor and the agents, so that both ends mean the same. The proof and its
// terms are in docs/safety.md.

namespace pointsman {

// A reign's id: 16 lower-case hex digits; empty: none. Lies where it is, for it is copied and
// compared with every message. A longer text is nobody's id, and stays unlike every id.
class ReignId {
 public:
  static constexpr std::size_t kLength = 16;

  constexpr ReignId() = default;
  constexpr ReignId(std::string_view text) {  // NOLINT: an id is written as its text.
    if (text.size() > kLength) text = "?";
    for (std::size_t k = 0; k < text.size(); ++k) text_[k] = text[k];
  }
  ReignId(const std::string& text) : ReignId(std::string_view(text)) {}     // NOLINT
  constexpr ReignId(const char* text) : ReignId(std::string_view(text)) {}  // NOLINT

  bool operator==(const ReignId&) const = default;
  constexpr bool empty() const { return text_[0] == '\0'; }
  constexpr std::string_view text() const {
    std::size_t length = 0;
    while (length < kLength && text_[length] != '\0') ++length;
    return {text_.data(), length};
  }

 private:
  std::array<char, kLength> text_{};
};

// A reign: who is in power, by number and by a random id. Epochs only grow and are never reused; an
// equal epoch with another id is somebody else's reign and is refused.
struct Reign {
  std::uint64_t epoch = 0;  // 0: none yet.
  ReignId id;

  bool operator==(const Reign&) const = default;
  bool any() const { return epoch != 0; }
};

// What a site in power hands out with each reply: a reading of its own clock, and which run of the
// agent read it. A voter hands it back; nothing here is ever read on another host's clock.
struct Token {
  std::uint64_t incarnation = 0;  // Random, drawn at each start of the agent; never 0.
  Instant n;                      // The agent's CLOCK_BOOTTIME at the reply.

  bool operator==(const Token&) const = default;
};

// The bounds of the inequality.
struct LeaseTerms {
  Duration lease = 3s;        // L, on the clock of the site in power, from the anchor n.
  Duration fence_bound = 5s;  // F, from expiry until no acknowledgement can leave the site.
};
inline constexpr double kRho = 0.11;                 // Bound on the clock rate error of any host.
inline constexpr Duration kEpsilon = 200ms;          // Timer and polling granularity of the voter.
inline constexpr Duration kFenceBoundArmed = 500ms;  // With the dead-man switch.
inline constexpr Duration kFenceBoundUnarmed = 5s;   // Without it.

// The longest lone lease that a configuration may ask for and an agent accepts: its promise keeps
// every move without a fence acknowledgement waiting for a quarter longer.
inline constexpr Duration kLoneLeaseMost = 7 * 24h;

// W(L, F) = (1+rho)/(1-rho) * L + (1+rho) * F + eps, rounded up to a whole millisecond: how long a
// voter must wait, on its own clock, counted from its receipt of the token it handed back.
Duration promise_length(const LeaseTerms& terms);

// How long a voter must wait, on its own clock, after a word of the site that its lease is over.
Duration closing_length(Duration fence_bound);

// What the site in power holds from one voter.
//
// The latest vouch replaces the one before: the numbering of vouches within a run of their sender
// keeps an older one from replacing a newer.
struct Lease {
  Instant until{0};   // On this agent's clock. In the past: none.
  bool lone = false;  // A long lease, given while the other site is no eligible target.

  bool holds(Instant now) const { return now < until; }
};

// The lease that a vouch grants at `now` to the agent of run `incarnation`: until token.n + lease,
// never more. nullopt when the token is of another run or was read in this run's future.
std::optional<Lease> grant(const Token& token, Duration lease, std::uint64_t incarnation,
                           Instant now);

// What a voter owes: to help no other site to power before the end of every vouch that may still be
// held. Vouches are numbered upwards by the voter.
class Promise {
 public:
  // Notes a vouch about to be sent under `number`: its token was received at `received` and it
  // grants `terms`. Call before the vouch can leave.
  void made(std::uint64_t number, Instant received, const LeaseTerms& terms);

  // The voter (re)started at `now` and may have vouched just before with at most `terms`.
  void assumed(Instant now, const LeaseTerms& terms);

  // The site said that it now holds vouch `number`: no earlier one can come to power again. Where
  // that cut a longer lease short, even to one that has ended, the site may still be closing: it is
  // silent by `silent_by`, and nothing ends before.
  void superseded(std::uint64_t number, Instant silent_by);

  // The site acknowledged its fence in an epoch at least as high: nothing is owed to it any more.
  void released();

  // When the last of them has surely ended; an Instant in the past when none is owed.
  Instant end() const;

 private:
  struct Owed {
    std::uint64_t number;
    Instant end;
  };
  // Bounded: beyond 64 the oldest two become one with the later end.
  std::deque<Owed> owed_;
};

}  // namespace pointsman
