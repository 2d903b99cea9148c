#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/protocol.h"
#include "orchestrator/sim/dice.h"
#include "orchestrator/sim/sim_host.h"
#include "orchestrator/sim/timeline.h"

// The network: delay, loss, duplicates, cuts in one direction or both. Calls have a deadline on the
// caller's clock, as the HTTP client's do; an answer that comes later is nobody's.

namespace pointsman {

struct CallReply {
  std::vector<ServiceReport> reports;
  std::optional<OrderReply> order;
};

class Network {
 public:
  Network(Timeline& line, Dice& dice) : line_(line), dice_(dice) {}

  Duration least{1'000'000}, most{20'000'000};
  int loss = 0;           // Per mille of messages.
  Duration slow_most{0};  // What a third of the messages may take more.

  // No cut, no loss, no slowness from here on.
  void heal() {
    cuts_ = {};
    loss = 0;
    slow_most = Duration{0};
  }

  void cut(int from, int to, int by) { cuts_.at(from).at(to) += by; }
  bool passes(int from, int to) const { return cuts_.at(from).at(to) == 0; }

  // When a message sent now arrives; nullopt: never.
  std::optional<Instant> arrival(int from, int to) {
    if (!passes(from, to) || (loss > 0 && dice_.chance(loss))) return std::nullopt;
    Duration d = dice_.between(least, most);
    if (slow_most > Duration::zero() && dice_.chance(330)) d += dice_.between(0s, slow_most);
    return line_.now() + d;
  }

  struct Call {
    int from = 0;
    int to = 0;
    Duration within{0};                              // True time.
    std::function<void(std::uint64_t call)> arrive;  // Runs at the callee; a duplicate is a copy.
    // Runs at the caller once; nullptr: no answer. It may take what it is given.
    std::function<void(CallReply* reply)> done;
  };
  void call(Call call) {
    const std::uint64_t id = ++last_;
    auto arrive = std::move(call.arrive);
    const auto first = arrival(call.from, call.to);
    if (first && dice_.chance(10)) {
      if (const auto again = arrival(call.from, call.to)) {
        line_.at(*again, [arrive, id]() mutable { arrive(id); });
      }
    }
    open_.emplace(id, Open{call.from, call.to, std::move(call.done)});
    if (first) line_.at(*first, [arrive = std::move(arrive), id]() mutable { arrive(id); });
    line_.in(call.within, [this, id] { end(id, nullptr); });
  }

  // The callee's answer to a call; the first one that arrives in time counts.
  void answer(std::uint64_t id, CallReply reply) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    if (const auto when = arrival(found->second.to, found->second.from)) {
      line_.at(*when, [this, id, reply = std::move(reply)]() mutable { end(id, &reply); });
    }
  }

 private:
  struct Open {
    int from;
    int to;
    std::function<void(CallReply*)> done;
  };
  void end(std::uint64_t id, CallReply* reply) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    auto done = std::move(found->second.done);
    open_.erase(found);
    done(reply);
  }

  Timeline& line_;
  Dice& dice_;
  std::array<std::array<int, kEnds>, kEnds> cuts_{};
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Open> open_;
};

}  // namespace pointsman
