#include <algorithm>

#include <fmt/format.h>

#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

Tone tone_of_state(const std::string& state) {
  if (state == "done") return Tone::kGood;
  if (state == "failed") return Tone::kBad;
  if (state == "running") return Tone::kStrong;
  return Tone::kDim;
}

Cell took_cell(const Json& step) {
  const Json* took = step.find("took_s");
  if (step.string_or("state") == "waiting" || took == nullptr || !took->is_number())
    return {"", Tone::kPlain};
  return {shown_seconds(took->as_number()), Tone::kPlain};
}

// A rendered UPDATE has many lines.
std::string indented_lines(std::string_view write, const Paint& paint) {
  std::string text;
  while (!write.empty()) {
    const std::size_t end = std::min(write.find('\n'), write.size());
    text += "  " + paint(Tone::kPlain, write.substr(0, end)) + "\n";
    write.remove_prefix(std::min(end + 1, write.size()));
  }
  return text;
}

// {"writes":12,"sentence":"..."} as "writes 12, sentence ...".
std::string members_text(const Json& object) {
  std::string text = object.string_or("text");
  if (!text.empty()) return text;
  for (const auto& [key, value] : object.as_object()) {
    if (value.is_null()) continue;
    if (!text.empty()) text += ", ";
    text += key + " " + (value.is_string() ? value.as_string() : value.dump());
  }
  return text;
}

std::string refusal_text(const Json& move, const std::string& name) {
  std::string text = "It would be refused by the gate " + name;
  for (const Json& gate : move.array_or_empty("gates")) {
    if (gate.string_or("name") == name) text += ": " + gate.string_or("reason");
  }
  return text;
}

std::string lost_text(const Json& move, const Paint& paint) {
  const Json* lost = move.find("lost");
  if (lost == nullptr || lost->is_null()) return "";
  if (const std::string sentence = loss_sentence(move); !sentence.empty()) {
    const Tone tone = lost->bool_or("proved") ? Tone::kGood : Tone::kDoubt;
    return paint(tone, "  lost: " + sentence) + "\n";
  }
  const std::string what = lost->is_object()   ? members_text(*lost)
                           : lost->is_string() ? lost->as_string()
                                               : lost->dump();
  return paint(Tone::kDoubt, "  lost: " + what) + "\n";
}

// "    [#########-----------]  45 %", of what is being copied.
std::string progress_bar(const Json& move, const Paint& paint) {
  constexpr int kWidth = 30;
  const Json* progress = move.find("progress");
  if (progress == nullptr || !progress->is_object()) return "";
  const double total = progress->number_or("total", 0);
  if (total <= 0) return "";
  const double part = std::clamp(progress->number_or("done", 0) / total, 0.0, 1.0);
  const int full = static_cast<int>(part * kWidth);
  return paint(Tone::kStrong, "    [" + std::string(static_cast<std::size_t>(full), '#') +
                                  std::string(static_cast<std::size_t>(kWidth - full), '-') +
                                  fmt::format("] {:3.0f} %", part * 100)) +
         "\n";
}

std::string timeline_text(const Json& move, const Paint& paint) {
  std::vector<std::vector<Cell>> rows;
  for (const Json& event : move.array_or_empty("timeline")) {
    rows.push_back({{fmt::format("{:+.2f} s", event.number_or("at_s", 0)), Tone::kDim},
                    {event.string_or("what"), Tone::kPlain}});
  }
  return laid_out(rows, paint, 2);
}

std::string commands_text(const Json& move, const Paint& paint) {
  const auto commands = texts_of(move, "commands");
  if (commands.empty()) return "";
  std::string text = paint(Tone::kStrong, "Left for you to do, in this order:") + "\n";
  for (const std::string& command : commands) text += "  " + paint(Tone::kPlain, command) + "\n";
  return text;
}

}  // namespace

std::string move_title(const Json& move) {
  // An adoption moves nothing: it says who is in power.
  const std::string from = move.string_or("kind") == "adopt" ? "" : move.string_or("from");
  const std::string to = move.string_or("to");
  return fmt::format("{} of {}: {}{}{}", move.string_or("kind", "move"), move.string_or("service"),
                     from, from.empty() || to.empty() ? "" : " -> ", to);
}

std::string move_text(const Json& move, double expected_s, const Paint& paint) {
  std::vector<std::vector<Cell>> rows;
  for (const Json& step : move.array_or_empty("steps")) {
    const std::string state = step.string_or("state", "waiting");
    rows.push_back({{step.string_or("name"), Tone::kPlain},
                    {state, tone_of_state(state)},
                    took_cell(step),
                    {step.string_or("detail"), Tone::kDim}});
  }
  std::string text = laid_out(rows, paint, 4) + progress_bar(move, paint);
  const Json* took = move.find("took_s");
  if (move.string_or("outcome") == "running" && took != nullptr && took->is_number()) {
    text += paint(Tone::kDim, "    elapsed " + shown_seconds(took->as_number()) +
                                  (expected_s > 0 ? " of about " + shown_seconds(expected_s) : ""));
    if (const Json* left = move.find("budget_left_s"); left != nullptr && left->is_number()) {
      text += paint(Tone::kDoubt, "; undone in " + shown_seconds(left->as_number()) +
                                      " unless it can be promoted by then");
    }
    text += "\n";
  }
  return text;
}

std::string dry_run_text(const Json& move, const Paint& paint) {
  std::string text = paint(Tone::kStrong, "Dry run: " + move_title(move)) +
                     paint(Tone::kPlain, ". Every read was real; nothing was written.") + "\n";
  for (const Json& step : move.array_or_empty("steps")) {
    text += "\n" + paint(Tone::kStrong, step.string_or("name"));
    const std::string detail = step.string_or("detail");
    const bool failed = step.string_or("state") == "failed";
    if (failed) text += paint(Tone::kBad, " would fail");
    if (!detail.empty()) text += paint(failed ? Tone::kBad : Tone::kPlain, ": " + detail);
    const Json* took = step.find("took_s");
    if (took != nullptr && took->is_number()) {
      text += paint(Tone::kDim, " (" + shown_seconds(took->as_number()) + ")");
    }
    text += "\n";
    for (const Json& write : step.array_or_empty("writes")) {
      text += indented_lines(write.is_string() ? write.as_string() : write.dump(), paint);
    }
  }
  text += "\n";
  const double expected = move.number_or("expected_s", 0);
  if (expected > 0) text += paint(Tone::kPlain, "About " + shown_seconds(expected) + ".") + "\n";
  const std::string gate = move.string_or("refused_by");
  if (!gate.empty()) text += paint(Tone::kBad, refusal_text(move, gate)) + "\n";
  return text + lost_text(move, paint) + commands_text(move, paint);
}

Exit exit_of_dry_run(const Json& move) {
  if (!move.string_or("refused_by").empty()) return kExitRefused;
  if (move.string_or("outcome") == "failed") return kExitFailed;
  for (const Json& step : move.array_or_empty("steps")) {
    if (step.string_or("state") == "failed") return kExitFailed;
  }
  return kExitDone;
}

std::string outcome_text(const Json& move, const Paint& paint) {
  const std::string outcome = move.string_or("outcome", "running");
  const std::string to = move.string_or("to");
  const std::string service = move.string_or("service");
  const std::string took = shown_seconds(move.number_or("took_s", 0));
  const std::string reason = move.string_or("reason");
  std::string text;
  if (outcome == "done" && move.string_or("kind") == "rejoin") {
    text = paint(Tone::kGood, fmt::format("Done in {}: {}.", took, reason));
  } else if (outcome == "refused") {
    text = paint(Tone::kBad, fmt::format("Refused after {}: {}", took, reason));
  } else if (outcome == "done") {
    text =
        paint(Tone::kGood, fmt::format("Done in {}: {} is the primary of {}.", took, to, service));
  } else if (outcome == "partial") {
    text = paint(Tone::kDoubt, fmt::format("Partly done after {}: {}", took, reason));
  } else if (outcome == "failed") {
    text = paint(Tone::kBad, fmt::format("Failed after {}: {}", took, reason));
  } else if (outcome == "voided") {
    text =
        paint(Tone::kDoubt, fmt::format("Voided after {}, nothing was promoted: {}", took, reason));
  } else {
    return "";
  }
  return text + "\n" + lost_text(move, paint) + timeline_text(move, paint) +
         commands_text(move, paint);
}

Exit exit_of(const Json& move) {
  const std::string outcome = move.string_or("outcome", "running");
  if (outcome == "done") return kExitDone;
  if (outcome == "refused") return kExitRefused;
  if (outcome == "partial" || outcome == "running") return kExitPartial;
  return kExitFailed;
}

std::string move_summary(const Json& move) {
  const std::string outcome = move.string_or("outcome", "running");
  std::string text = outcome == "running" ? "running for " : outcome + " in ";
  text += shown_seconds(move.number_or("took_s", 0));
  std::string parts;
  for (const Json& step : move.array_or_empty("steps")) {
    const Json* took = step.find("took_s");
    if (took == nullptr || !took->is_number() || step.string_or("state") == "skipped") continue;
    parts += fmt::format("{}{} {}", parts.empty() ? ": " : ", ", step.string_or("name"),
                         shown_seconds(took->as_number()));
    if (step.string_or("state") == "failed") parts += " (failed)";
  }
  return text + parts;
}

std::string loss_sentence(const Json& move) {
  const Json* told = move.find("lost");
  if (told == nullptr || !told->is_object() || told->find("proved") == nullptr) return "";
  const Json& lost = *told;
  const std::string reason = lost.string_or("reason");
  const std::string why = reason.empty() ? "" : " (" + reason + ")";
  if (lost.bool_or("proved")) return "nothing acknowledged is missing" + why;
  const Json* count = lost.find("transactions");
  const Json* span = lost.find("seconds");
  std::string most;
  if (count != nullptr && count->is_int()) {
    most = counted(count->as_int(), "transaction", "transactions");
  }
  if (span != nullptr && span->is_number()) {
    most += (most.empty() ? "" : " / ") + shown_seconds(span->as_number()) + " of writes";
  }
  if (most.empty()) return "what may be missing is not known" + why;
  return "at most " + most + " may be missing" + why;
}

}  // namespace pointsman
