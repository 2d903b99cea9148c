#include "orchestrator/sim/network.h"

#include "orchestrator/sim/world.h"

namespace pointsman {

// The id of a call tells where it lies.
constexpr std::uint64_t kPlaces = 1 << 16;

Network::Open& Network::place(Call call) {
  std::size_t at = 0;
  while (at < calls_.size() && calls_[at].under_way > 0) ++at;
  if (at == calls_.size()) calls_.emplace_back();
  CHECK(at < kPlaces);
  Open& open = calls_[at];
  open.id = ++last_ * kPlaces + at;
  open.run = world_.host_at(call.from).run;
  open.call = std::move(call);
  open.ended = false;
  open.under_way = 1;
  return open;
}

Network::Open* Network::find(std::uint64_t id) {
  Open& open = calls_.at(id % kPlaces);
  return open.id == id && !open.ended ? &open : nullptr;
}

void Network::send(Open& open, Instant when) {
  line_.at(when, [this, message = Message(open)]() mutable {
    const int to = message.open().call.to;
    world_.arrive_at(to, [message = std::move(message)] {
      Open& arrived = message.open();
      arrived.call.arrive(arrived.id);
    });
  });
}

void Network::call(Call call) {
  Open& open = place(std::move(call));
  const int from = open.call.from;
  const int to = open.call.to;
  const auto first = arrival(from, to);
  if (first && dice_.chance(10)) {
    if (const auto again = arrival(from, to)) send(open, *again);
  }
  if (first) send(open, *first);
  open.deadline = line_.in(open.call.within, [this, &open] { end(open, nullptr); });
}

void Network::answer(std::uint64_t id, CallReply reply) {
  Open* const open = find(id);
  if (open == nullptr) return;
  if (const auto when = arrival(open->call.to, open->call.from)) {
    line_.at(*when, [this, id, reply = std::move(reply)]() mutable {
      if (Open* const answered = find(id)) end(*answered, &reply);
    });
  }
}

void Network::end(Open& open, CallReply* reply) {
  line_.drop(open.deadline);
  open.ended = true;
  const int from = open.call.from;
  const std::uint64_t run = open.run;
  auto done = std::move(open.call.done);
  --open.under_way;
  if (world_.host_at(from).run != run) return;
  std::optional<CallReply> kept;
  if (reply != nullptr) kept = std::move(*reply);
  world_.arrive_at(from, [done = std::move(done), kept = std::move(kept)]() mutable {
    done(kept ? &*kept : nullptr);
  });
}

}  // namespace pointsman
