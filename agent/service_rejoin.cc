#include <unistd.h>

#include <array>

#include "agent/service_runner.h"
#include "base/log.h"

// The way back of this site: what the guard allows and the rejoiner does.

namespace pointsman {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

bool is_of_rejoin(Verb verb) { return verb == Verb::kSurvey || verb == Verb::kReseed; }

}  // namespace

// Under the lock, like all that follows.
RejoinTask ServiceRunner::rejoin_task(const Order& order) const {
  RejoinTask task;
  task.move = order.move;
  task.reign = order.reign;
  task.power = order.power;
  task.sources = sources_;
  if (const auto& job = guard_.record().reseed; job && job->spoiled) {
    task.spoiled = true;
    task.bundle = job->bundle;
  }
  return task;
}

void ServiceRunner::begin_rejoin(const Order& order, Verdict& verdict) {
  if (!verdict.accepted) return;
  if (!is_of_rejoin(order.verb)) {
    // A fence told again, or a follow that stands, changes nothing.
    if (verdict.save) stop_rejoin(std::string("an order to ") + to_string(order.verb) + " came");
    return;
  }
  // What its drivers were told of following would meet a store that is being replaced.
  if (order.verb == Verb::kReseed) follow_ = false;
  if (!parts_.rejoiner) {
    verdict.accepted = false;
    verdict.reason = "this agent brings no store back";
    return;
  }
  RejoinTask task = rejoin_task(order);
  task.reseed = order.verb == Verb::kReseed;
  task.may_spoil = [this, move = order.move](const std::string& bundle) -> Result<void> {
    const std::lock_guard lock(mutex_);
    const Verdict told = change([&](Guard& guard) { return guard.on_spoil(move, bundle); });
    if (told.accepted) return {};
    return {ErrorCode::kConflict, told.reason};
  };
  task.replaced = [this, move = order.move]() -> Result<void> {
    const std::lock_guard lock(mutex_);
    const Verdict told = change([&](Guard& guard) { return guard.on_reseeded(move); });
    if (told.accepted) return {};
    return {ErrorCode::kConflict, told.reason};
  };
  const std::string refusal = parts_.rejoiner->begin(std::move(task));
  if (refusal.empty()) return;
  verdict.accepted = false;
  verdict.reason = refusal;
}

void ServiceRunner::stop_rejoin(const std::string& why) {
  if (parts_.rejoiner) parts_.rejoiner->cancel(why);
}

void ServiceRunner::fill_rejoin(ServiceReport& report) {
  static const std::string kHost = host_name();
  report.host = kHost;
  if (parts_.rejoiner) report.rejoin = parts_.rejoiner->report();
}

// Stores that are not whole, and nobody at work on them.
std::string ServiceRunner::rejoin_trouble() {
  const auto& job = guard_.record().reseed;
  if (!job || !job->spoiled || !parts_.rejoiner) return "";
  const auto told = parts_.rejoiner->report();
  if (told && told->stage == "loading") return "";
  return "the stores here are not whole: `pointsman rejoin " + name() + " " + parts_.site +
         " --discard-divergent` goes on with them";
}

// A survey changes nothing, so a dry run makes a real one, and is asked again until it has ended.
OrderReply ServiceRunner::rehearse_survey(const Order& order, Verdict verdict) {
  OrderReply reply;
  reply.accepted = verdict.accepted;
  reply.reason = verdict.reason;
  reply.report = report_locked(parts_.clock->now());
  if (!verdict.accepted) return reply;
  reply.accepted = false;
  if (!parts_.rejoiner) {
    reply.reason = "this agent brings no store back";
    return reply;
  }
  const auto& known = reply.report.rejoin;
  if (!known || known->move != order.move) {
    RejoinTask task = rejoin_task(order);
    task.dry = true;
    const std::string refusal = parts_.rejoiner->begin(std::move(task));
    reply.reason = refusal.empty() ? "surveying" : refusal;
    return reply;
  }
  if (known->stage == "surveying") {
    reply.reason = "surveying";
  } else if (known->stage == "surveyed") {
    reply.accepted = true;
    reply.rendered.push_back(known->diverged
                                 ? "diverged: " + known->what
                                 : "nothing here that " + order.power + " does not have");
  } else {
    reply.reason = known->problem;
  }
  return reply;
}

}  // namespace pointsman
