#include "orchestrator/shell/api_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/time.h"
#include "base/time_of_day.h"

namespace pointsman {
namespace {

constexpr std::size_t kReasonMost = 500;

struct OrderVerb {
  const char* word;
  AskKind kind;
  std::vector<std::string_view> members;
};

const std::vector<OrderVerb>& verbs() {
  static const std::vector<OrderVerb> kVerbs{
      {"failover", AskKind::kFailover, {"to", "force", "assert_off", "reason", "dry_run"}},
      {"switchover", AskKind::kSwitchover, {"to", "at", "force", "reason", "dry_run"}},
      {"adopt", AskKind::kAdopt, {"primary", "assert_off", "reason"}},
      {"cancel", AskKind::kCancel, {"assert_off", "reason"}},
      {"pause", AskKind::kPause, {"for", "reason"}},
      {"resume", AskKind::kResume, {"reason"}},
      {"ack", AskKind::kAck, {"reason"}},
  };
  return kVerbs;
}

constexpr std::array<std::string_view, 12> kGateNames{
    "mode",  "held",      "connected", "witness", "target", "replication",
    "fence", "hold-down", "ceiling",   "breaker", "record", "provider"};

Error refused(std::string_view member, const std::string& found, const std::string& allowed) {
  return {ErrorCode::kInvalid,
          fmt::format("{}: found {}, allowed: {}", member, found.substr(0, 100), allowed)};
}

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text); }

// The text of a member; "" when it is absent.
Result<std::string> text_of(const Json& body, std::string_view member, std::size_t most = 256) {
  const Json* value = body.find(member);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return refused(member, value->dump(), "a text");
  if (value->as_string().size() > most) {
    return refused(member, "a longer text", fmt::format("at most {} bytes", most));
  }
  return value->as_string();
}

// The number of the site that a member names; -1 when it is absent.
Result<int> site_of(const Json& body, std::string_view member, const ServicePolicy& policy) {
  const auto name = text_of(body, member);
  if (!name.ok()) return name.error();
  if (body.find(member) == nullptr) return -1;
  for (int k = 0; k < kSites; ++k) {
    if (policy.sites.at(static_cast<std::size_t>(k)).name == *name) return k;
  }
  return refused(member, quoted(*name), policy.sites[0].name + ", " + policy.sites[1].name);
}

// For the journal.
std::string actor_of(const HttpCall& call) {
  if (call.peer_address == "unix") return "operator via the control socket";
  const bool by_page = call.header("authorization").empty();
  return (by_page ? "operator on the page, from " : "operator via ") + call.peer_address;
}

Result<void> know_members(const Json& body, const OrderVerb& verb) {
  for (const auto& [name, value] : body.as_object()) {
    if (std::find(verb.members.begin(), verb.members.end(), name) != verb.members.end()) continue;
    return refused(verb.word, quoted(name), fmt::format("{}", fmt::join(verb.members, ", ")));
  }
  return {};
}

Result<void> read_forced(const Json& body, OperatorAsked& asked) {
  const Json* force = body.find("force");
  if (force == nullptr) return {};
  if (!force->is_array()) return refused("force", force->dump(), "a list of gates");
  for (const Json& gate : force->as_array()) {
    const std::string name = gate.is_string() ? gate.as_string() : "";
    if (std::find(kGateNames.begin(), kGateNames.end(), name) == kGateNames.end()) {
      return refused("force", gate.dump(), fmt::format("{}", fmt::join(kGateNames, ", ")));
    }
    asked.forced.insert(name);
  }
  return {};
}

Result<void> read_times(const Json& body, ApiOrder& order) {
  const auto lasting = text_of(body, "for");
  if (!lasting.ok()) return lasting.error();
  if (body.find("for") != nullptr) {
    order.asked.lasting = parse_duration(*lasting);
    if (order.asked.lasting.value_or(Duration::zero()) <= Duration::zero())
      return refused("for", quoted(*lasting), "a duration such as \"30m\"");
  }
  const auto at = text_of(body, "at", 64);
  if (!at.ok()) return at.error();
  if (body.find("at") != nullptr) {
    const auto when = parse_wall(*at);
    if (!when || when->ns <= 0) {
      return refused("at", quoted(*at), "a time such as \"2026-11-28T03:30:00+08:00\"");
    }
    order.asked.at_s = when->ns / 1'000'000'000;
    order.asked.at = *at;
  }
  const Json* dry = body.find("dry_run");
  if (dry != nullptr && !dry->is_bool()) return refused("dry_run", dry->dump(), "true, false");
  order.dry_run = dry != nullptr && dry->as_bool();
  return {};
}

}  // namespace

Result<ApiOrder> read_order(const HttpCall& call, const ServicePolicy& policy) {
  const std::string word = call.path.substr(call.path.rfind('/') + 1);
  const auto verb = std::find_if(verbs().begin(), verbs().end(),
                                 [&](const OrderVerb& one) { return one.word == word; });
  if (verb == verbs().end()) return {ErrorCode::kNotFound, "no such order"};
  const auto body = Json::parse(call.body.empty() ? "{}" : call.body);
  if (!body.ok()) return body.error();
  if (!body->is_object()) return {ErrorCode::kInvalid, "the body must be a JSON object"};
  RETURN_IF_ERROR(know_members(*body, *verb));

  ApiOrder order;
  OperatorAsked& asked = order.asked;
  asked.kind = verb->kind;
  asked.actor = actor_of(call);
  const char* const whom = verb->kind == AskKind::kAdopt ? "primary" : "to";
  const auto to = site_of(*body, whom, policy);
  if (!to.ok()) return to.error();
  asked.to = *to;
  const auto off = site_of(*body, "assert_off", policy);
  if (!off.ok()) return off.error();
  asked.asserted_off = *off;
  const auto reason = text_of(*body, "reason", kReasonMost);
  if (!reason.ok()) return reason.error();
  asked.reason = *reason;
  if (asked.asserted_off >= 0 && asked.reason.empty()) {
    return {ErrorCode::kInvalid, "assert_off needs a reason: who made sure that the site is off?"};
  }
  RETURN_IF_ERROR(read_forced(*body, asked));
  RETURN_IF_ERROR(read_times(*body, order));
  return order;
}

}  // namespace pointsman
