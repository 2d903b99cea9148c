#include <fmt/format.h>

#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

// A value that a gate looked at; "" for none.
std::string value_text(const Json& gate) {
  const Json* value = gate.find("value");
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return value->as_string();
  return value->dump();
}

std::vector<Cell> gate_row(const Json& gate) {
  const bool open = gate.bool_or("open");
  const std::string reason = gate.string_or("reason");
  std::string seen = value_text(gate);
  if (reason.find(seen) != std::string::npos) seen.clear();  // Said already.
  const Json* age = gate.find("age_s");
  if (age != nullptr && age->is_number()) {
    seen += fmt::format("{}{} ago", seen.empty() ? "" : ", ", shown_seconds(age->as_number()));
  }
  if (!reason.empty() && !seen.empty()) seen = " (" + seen + ")";
  return {{gate.string_or("name"), Tone::kPlain},
          {open ? "open" : "SHUT", open ? Tone::kGood : Tone::kBad},
          {reason + seen, open ? Tone::kDim : Tone::kPlain}};
}

std::vector<std::string> shut_gates(const Json& answer) {
  std::vector<std::string> shut;
  for (const Json& gate : answer.array_or_empty("gates")) {
    if (!gate.bool_or("open")) shut.push_back(gate.string_or("name"));
  }
  return shut;
}

}  // namespace

std::string explain_text(const Json& answer, const Paint& paint) {
  const std::string service = answer.string_or("service");
  const std::string to = answer.string_or("to");
  const std::string kind = answer.string_or("kind", "failover");
  const Json* expected = answer.find("expected_s");
  std::string text = paint(Tone::kStrong, service) + "  ";
  const auto shut = shut_gates(answer);
  if (answer.bool_or("would_move")) {
    text += paint(Tone::kGood, "would move if the primary failed now") +
            paint(Tone::kPlain, fmt::format(": {} to {}", kind, to));
    if (expected != nullptr && expected->is_number()) {
      text += paint(Tone::kPlain, ", in about " + shown_seconds(expected->as_number()));
    }
  } else {
    text += paint(Tone::kDoubt, "would not move now");
    if (shut.empty()) {
      text += paint(Tone::kPlain, ": the primary is not held to be down");
    } else {
      text += paint(Tone::kPlain, fmt::format(": the gate{} {} {} shut", shut.size() > 1 ? "s" : "",
                                              listed(shut), shut.size() > 1 ? "are" : "is"));
    }
  }
  std::vector<std::vector<Cell>> rows = {
      {{"GATE", Tone::kDim}, {"STATE", Tone::kDim}, {"WHY", Tone::kDim}}};
  for (const Json& gate : answer.array_or_empty("gates")) rows.push_back(gate_row(gate));
  return text + "\n" + laid_out(rows, paint, 2);
}

}  // namespace pointsman
