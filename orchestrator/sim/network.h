#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/protocol.h"
#include "orchestrator/sim/dice.h"
#include "orchestrator/sim/sim_host.h"
#include "orchestrator/sim/timeline.h"

// The network: delay, loss, duplicates, cuts in one direction or both. Calls have a deadline on the
// caller's clock, as the HTTP client's do; an answer that comes later is nobody's.

namespace pointsman {

class World;

struct CallReply {
  std::vector<ServiceReport> reports;
  std::unique_ptr<OrderReply> order;
};

class Network {
 public:
  Network(World& world, Timeline& line, Dice& dice) : world_(world), line_(line), dice_(dice) {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

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
    Duration within{0};            // True time.
    TaskOf<std::uint64_t> arrive;  // Runs at the callee's process; twice when the message doubles.
    // Runs at the process that called, once; nullptr: no answer. It may take what it is given.
    TaskOf<CallReply*> done;
  };
  void call(Call call);

  // The callee's answer to a call; the first one that arrives in time counts.
  void answer(std::uint64_t id, CallReply reply);

 private:
  struct Open {
    std::uint64_t id = 0;
    std::uint64_t run = 0;  // Of the caller.
    Call call;
    Timeline::Ticket deadline;
    bool ended = false;
    int under_way = 0;  // Copies of its message that have not arrived, and itself until it ends.
  };
  // One copy of a call's message. Wherever it is dropped, its call knows.
  class Message {
   public:
    explicit Message(Open& open) : open_(&open) { ++open.under_way; }
    Message(Message&& other) noexcept : open_(std::exchange(other.open_, nullptr)) {}
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    Message& operator=(Message&&) = delete;
    ~Message() {
      if (open_ != nullptr) --open_->under_way;
    }
    Open& open() const { return *open_; }

   private:
    Open* open_;
  };

  Open& place(Call call);
  void send(Open& open, Instant when);
  Open* find(std::uint64_t id);
  void end(Open& open, CallReply* reply);

  World& world_;
  Timeline& line_;
  Dice& dice_;
  std::array<std::array<int, kEnds>, kEnds> cuts_{};
  std::uint64_t last_ = 0;
  std::deque<Open> calls_;  // Those that are over are used again.
};

}  // namespace pointsman
