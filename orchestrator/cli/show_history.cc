#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

std::string move_line(const Json& move, const Paint& paint) {
  const std::string outcome = move.string_or("outcome", "running");
  const Tone tone = outcome == "done"     ? Tone::kGood
                    : outcome == "failed" ? Tone::kBad
                                          : Tone::kDoubt;
  std::string text = paint(Tone::kDim, shown_moment(move.string_or("started"))) + "  " +
                     paint(Tone::kStrong, move_title(move)) + paint(Tone::kPlain, ", ") +
                     paint(tone, move_summary(move));
  const std::string reason = move.string_or("reason");
  if (!reason.empty()) text += paint(Tone::kPlain, "; " + reason);
  if (const std::string lost = loss_sentence(move); !lost.empty()) {
    text += paint(Tone::kPlain, "; " + lost);
  }
  const std::string id = move.string_or("id");
  if (!id.empty()) text += paint(Tone::kDim, " (" + id + ")");
  return text + "\n";
}

std::string entry_line(const Json& entry, const Paint& paint) {
  const std::string service = entry.string_or("service");
  std::string text = paint(Tone::kDim, shown_moment(entry.string_or("at"))) + "  " +
                     paint(Tone::kPlain, service.empty() ? "(monitor)" : service) + "  " +
                     paint(Tone::kPlain, entry.string_or("kind") + " " + entry.string_or("rule"));
  const std::string outcome = entry.string_or("outcome");
  if (!outcome.empty()) {
    const bool bad = outcome == "failed" || outcome == "refused";
    text += " " + paint(bad ? Tone::kDoubt : Tone::kPlain, outcome);
  }
  text += paint(Tone::kPlain, ": " + entry.string_or("reason"));
  std::string tail;
  if (entry.int_or("epoch") > 0) tail = fmt::format("epoch {}", entry.int_or("epoch"));
  if (entry.string_or("kind") == "operator") {
    tail += (tail.empty() ? "by " : ", by ") + entry.string_or("actor");
  }
  if (!tail.empty()) text += paint(Tone::kDim, " (" + tail + ")");
  return text + "\n";
}

}  // namespace

// Entries keep the order of their numbers, for wall clocks may be set back; each move goes before
// the first entry that is later than its start.
std::vector<Json> history_in_order(const Json& answer) {
  std::vector<Json> entries;
  std::vector<Json> moves;
  for (const Json& one : answer.array_or_empty("history")) {
    const Json* move = one.find("move");
    (move != nullptr && move->is_object() ? moves : entries).push_back(one);
  }
  const auto by_number = [](const Json& a, const Json& b) {
    return a.int_or("number", 0) < b.int_or("number", 0);
  };
  std::stable_sort(entries.begin(), entries.end(), by_number);
  const auto started = [](const Json& one) { return one.find("move")->string_or("started"); };
  std::stable_sort(moves.begin(), moves.end(),
                   [&](const Json& a, const Json& b) { return started(a) < started(b); });
  std::vector<Json> ordered;
  auto move = moves.begin();
  for (Json& entry : entries) {
    for (; move != moves.end() && started(*move) < entry.string_or("at"); ++move) {
      ordered.push_back(*move);
    }
    ordered.push_back(std::move(entry));
  }
  ordered.insert(ordered.end(), move, moves.end());
  return ordered;
}

std::string history_text(const Json& answer, const Paint& paint) {
  std::string text;
  for (const Json& entry : history_in_order(answer)) {
    const Json* move = entry.find("move");
    text +=
        move != nullptr && move->is_object() ? move_line(*move, paint) : entry_line(entry, paint);
  }
  return text.empty() ? paint(Tone::kDim, "nothing has happened yet") + "\n" : text;
}

}  // namespace pointsman
