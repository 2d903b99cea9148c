#include <algorithm>

#include <fmt/format.h>

#include "orchestrator/core/turn.h"

// Records that are not as they were left. What a person did is told and never fought; what an older
// plan of ours did, applied late by a provider, is undone.

namespace pointsman {
namespace {

// More of it is no late write but something that writes again and again.
constexpr int kRewritesMost = 3;

std::string what_stands(const Turn& turn, int site, const std::string& values) {
  return fmt::format("{} ({})", values, site < 0 ? "no site of it" : turn.name(site));
}

constexpr std::string_view kRestore = "restore-";

// A value of ours under a number of ours that is over, where our present ones had stood. An old
// mark alone says nothing: adoptions write none, and not every provider can renew one.
bool is_older_write(const Turn& turn, const RecordView& view) {
  return view.read && view.readable && view.site >= 0 && view.site != turn.s.primary &&
         view.mark != 0 && view.mark < turn.s.reign.epoch && view.ours == turn.s.reign;
}

}  // namespace

void tell_drift(Turn& turn, const RecordRead& read) {
  const auto index = static_cast<std::size_t>(read.record);
  const RecordView& view = turn.s.records[index];
  const bool ours = !turn.s.publish || turn.s.publish->records.at(index).accepted;
  const bool resting = turn.s.phase == Phase::kSteady || turn.s.phase == Phase::kPublishing;
  const int named = turn.s.publish ? turn.s.publish->to : turn.s.primary;
  if (!view.read || view.site == read.site || !resting || !ours || read.site == named) return;
  const std::string text =
      fmt::format("{}: record {} held {} and now holds {}, {}; pointsman did not write that now",
                  turn.policy.name, index + 1, what_stands(turn, view.site, view.values),
                  what_stands(turn, read.site, read.values),
                  read.mark == 0 ? std::string("without our mark")
                                 : fmt::format("under our mark of reign {}", read.mark));
  turn.write("decision", "record-drift", "seen", text);
  turn.tell(NoticeLevel::kWarning, "record-drift", text);
}

bool end_restore(Turn& turn) {
  if (!turn.s.publish || !turn.s.publish->move.starts_with(kRestore)) return false;
  turn.s.publish.reset();
  turn.save();
  return true;
}

// The only write to DNS outside a move.
void restore_record(Turn& turn) {
  if (turn.s.phase != Phase::kSteady || turn.s.move || turn.s.publish || turn.s.restored) return;
  if (turn.policy.mode != Mode::kAuto || turn.s.hold.on || turn.policy.dry) return;
  if (!turn.s.around.store_problem.empty() || turn.s.published != turn.s.primary) return;
  if (turn.s.rewritten != turn.s.reign) turn.s.rewrites = 0;
  if (turn.s.rewrites >= kRewritesMost) return;
  const auto found =
      std::find_if(turn.s.records.begin(), turn.s.records.end(),
                   [&](const RecordView& view) { return is_older_write(turn, view); });
  if (found == turn.s.records.end()) return;
  turn.s.rewritten = turn.s.reign;
  ++turn.s.rewrites;
  PublishJob job;
  job.to = turn.s.primary;
  job.reign = turn.s.reign;
  job.move = fmt::format("{}{}-{}", kRestore, turn.s.reign.id.text(), turn.s.rewrites);
  job.since = turn.now;
  job.records.resize(turn.s.records.size());
  for (std::size_t k = 0; k < job.records.size(); ++k) {
    const bool older = is_older_write(turn, turn.s.records[k]);
    job.records[k].accepted = job.records[k].agreed = !older;  // The others are left alone.
    job.records[k].next = turn.now;
  }
  turn.s.publish = std::move(job);
  const std::string text = fmt::format(
      "{}: the record holds {} under our mark of reign {}: an older write came late; {} "
      "is written again",
      turn.policy.name, what_stands(turn, found->site, found->values), found->mark,
      turn.name(turn.s.primary));
  turn.write("decision", "record-restored", "started", text);
  turn.tell(NoticeLevel::kUrgent, "record-restored", text);
}

}  // namespace pointsman
