#include "orchestrator/core/machine.h"

// The words of the contract, in one place: state files, JSON and metrics use these.

namespace pointsman {
namespace {

template <typename T, std::size_t N>
const char* word(const std::array<const char*, N>& words, T value) {
  return words.at(static_cast<std::size_t>(value));
}

template <typename T, std::size_t N>
std::optional<T> value_of(const std::array<const char*, N>& words, std::string_view text) {
  for (std::size_t k = 0; k < N; ++k) {
    if (text == words[k]) return static_cast<T>(k);
  }
  return std::nullopt;
}

constexpr std::array<const char*, kPhases> kPhaseWords{
    "unadopted",  "steady",      "suspect",   "preparing", "fencing",
    "publishing", "catching-up", "promoting", "verifying", "stuck"};
constexpr std::array<const char*, 3> kModeWords{"auto", "propose", "observe"};
constexpr std::array<const char*, 4> kVerdictWords{"unknown", "up", "suspect", "down"};
constexpr std::array<const char*, 4> kRoleWords{"none", "standby", "primary", "fenced"};
constexpr std::array<const char*, 5> kStepWords{"waiting", "running", "done", "failed", "skipped"};
constexpr std::array<const char*, 5> kMoveWords{"failover", "adopt", "recrown", "switchover",
                                                "rejoin"};
constexpr std::array<const char*, kOrderKinds> kOrderWords{"adopt",  "prepare", "fence",  "promote",
                                                           "follow", "void",    "survey", "reseed"};
constexpr std::array<const char*, kRejoinStages> kStageWords{
    "surveying", "exporting", "surveyed", "copying", "loading", "seeded", "refused", "failed"};
constexpr std::array<const char*, kTriggers> kTriggerWords{"adoptable",
                                                           "primary-doubted",
                                                           "primary-up",
                                                           "primary-down",
                                                           "found-fenced",
                                                           "prepare-accepted",
                                                           "prepare-late",
                                                           "rehearsed",
                                                           "standby-voided",
                                                           "cancelled",
                                                           "power-free",
                                                           "promoted",
                                                           "promotion-late",
                                                           "serves",
                                                           "agreed",
                                                           "verify-late",
                                                           "voided-after-fence",
                                                           "cancelled-after-fence",
                                                           "primary-back",
                                                           "restored",
                                                           "undone-reigns",
                                                           "number-taken",
                                                           "appointed",
                                                           "positions-told",
                                                           "caught-up",
                                                           "budget-spent",
                                                           "plan-voided",
                                                           "promotion-sure",
                                                           "vip-left",
                                                           "disowned",
                                                           "crown-lost",
                                                           "new-site-down"};

}  // namespace

const char* to_string(Phase phase) { return word(kPhaseWords, phase); }
const char* to_string(Mode mode) { return word(kModeWords, mode); }
const char* to_string(SiteVerdict verdict) { return word(kVerdictWords, verdict); }
const char* to_string(SiteRole role) { return word(kRoleWords, role); }
const char* to_string(StepState state) { return word(kStepWords, state); }
const char* to_string(MoveKind kind) { return word(kMoveWords, kind); }
const char* to_string(OrderKind kind) { return word(kOrderWords, kind); }
const char* to_string(RejoinStage stage) { return word(kStageWords, stage); }
std::optional<RejoinStage> rejoin_stage_from(std::string_view text) {
  return value_of<RejoinStage>(kStageWords, text);
}
const char* to_string(Trigger trigger) { return word(kTriggerWords, trigger); }
std::optional<Phase> phase_from(std::string_view text) {
  return value_of<Phase>(kPhaseWords, text);
}
std::optional<MoveKind> move_kind_from(std::string_view text) {
  return value_of<MoveKind>(kMoveWords, text);
}

}  // namespace pointsman
