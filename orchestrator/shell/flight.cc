#include "orchestrator/shell/flight.h"

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr Duration kKept = 10min;
constexpr std::size_t kMost = 8000;

const char* word_of(Sighting sighting) {
  switch (sighting) {
    case Sighting::kPass: return "pass";
    case Sighting::kFail: return "fail";
    case Sighting::kUnknown: return "unknown";
  }
  return "unknown";
}

// What a person would want to read of it afterwards; "" for what says nothing.
struct Describe {
  const ServicePolicy& policy;

  const std::string& name(int site) const {
    return policy.sites.at(static_cast<std::size_t>(site)).name;
  }
  std::string operator()(const ProbeSeen& seen) const {
    return fmt::format("probe {}/{} {}: {}", name(seen.site), seen.probe, word_of(seen.sighting),
                       seen.detail);
  }
  std::string operator()(const ProbeDoubted& seen) const {
    return fmt::format("probe {}/{} unanswered", name(seen.site), seen.probe);
  }
  std::string operator()(const AgentHeard& heard) const {
    const AgentView& view = heard.view;
    return fmt::format(
        "agent {} {} reign {} fenced {} lease {} ms writable {} applier {} behind {}",
        name(heard.site), to_string(view.role), view.reign.epoch, view.fenced,
        whole_ms(view.lease_rest), view.writable, view.applier_running,
        view.caught_up_age ? fmt::format("{} ms", whole_ms(*view.caught_up_age)) : "?");
  }
  std::string operator()(const AgentSilent& silent) const {
    return fmt::format("agent {} silent: {}", name(silent.site), silent.problem);
  }
  std::string operator()(const OrderAnswered& answered) const {
    return fmt::format("order {} to {} {}: {}", to_string(answered.kind), name(answered.site),
                       answered.accepted ? "accepted" : "not accepted", answered.reason);
  }
  std::string operator()(const RecordRead& read) const {
    return fmt::format("record {} {}", read.record, read.readable ? read.values : read.problem);
  }
  std::string operator()(const PublishAnswered& answered) const {
    return fmt::format("publish {} {}: {}", answered.record,
                       answered.accepted ? "accepted" : "not accepted", answered.detail);
  }
  std::string operator()(const AuthoritiesAnswered& answered) const { return answered.detail; }
  std::string operator()(const ProviderJudged& judged) const {
    return judged.well ? "" : "provider: " + judged.problem;
  }
  std::string operator()(const OperatorAsked& asked) const { return "order of " + asked.actor; }
  std::string operator()(const PolicyChanged&) const { return "settings changed"; }
  std::string operator()(const Tick&) const { return ""; }
};

}  // namespace

void Flight::note(const ServicePolicy& policy, const Event& event, Instant now, WallTime wall) {
  std::string text = std::visit(Describe{policy}, event.what);
  if (text.empty()) return;
  if (text.size() > 500) text.resize(500);
  seen_.push_back({now, wall, std::move(text)});
  while (seen_.size() > kMost || now - seen_.front().at > kKept) seen_.pop_front();
}

std::vector<FlightRow> Flight::take(const std::string& service, Instant now) {
  std::vector<FlightRow> rows;
  for (Seen& seen : seen_) {
    if (now - seen.at <= kKept) rows.push_back({seen.wall, service, std::move(seen.text)});
  }
  seen_.clear();
  return rows;
}

}  // namespace pointsman
