#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "orchestrator/core/turn.h"

// A standby that does not accept `prepare`: it sees the site in power up, its stores fail the
// replication gate, or it must not say. Each attempt burns a number, so attempts grow rare; its
// reports tell when the reason is gone, and then nothing is waited for.

namespace pointsman {
namespace {

constexpr Duration kFirstPause = 2s;
constexpr Duration kLongestPause = 60s;
constexpr Duration kAlarmAfter = 60s;
constexpr std::size_t kToldMost = 16;

// Equal for "3.2 s behind" and "3.3 s behind".
std::string without_numbers(const std::string& reason) {
  std::string plain;
  for (const char c : reason) {
    const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!digit) {
      plain += c;
    } else if (plain.empty() || plain.back() != '#') {
      plain += '#';
    }
  }
  return plain;
}

Duration pause_after(int attempts, std::uint32_t jitter) {
  Duration pause =
      std::min<Duration>(kFirstPause * (1 << std::min(attempts - 1, 5)), kLongestPause);
  pause += pause / 4 * (jitter % 100) / 100;
  return std::min<Duration>(pause, kLongestPause);
}

void alarm(Turn& turn, const std::string& standby) {
  Unprepared& known = turn.s.unprepared;
  if (turn.policy.dry || known.alarmed || turn.now - known.since < kAlarmAfter) return;
  known.alarmed = true;
  const std::string text = fmt::format(
      "{}: {} is down, and {} has not let itself be prepared for {} ({} attempts): {}; "
      "`pointsman explain {}` tells when it is asked again",
      turn.policy.name, turn.name(turn.s.primary), standby, say(turn.now - known.since),
      known.attempts, known.reason, turn.policy.name);
  turn.write("decision", "prepare-refused-long", "refused", text);
  turn.tell(NoticeLevel::kUrgent, "prepare-refused-long", text);
}

}  // namespace

// What was told stays told.
void forget_attempts(Unprepared& known) {
  Unprepared fresh;
  fresh.told = std::move(known.told);
  known = std::move(fresh);
}

void give_up_preparing(Turn& turn, const std::string& why) {
  const int to = turn.s.move->to;
  Unprepared& known = turn.s.unprepared;
  const std::string& said = turn.pace(to, OrderKind::kPrepare).problem;
  known.reason = said.empty() ? why : said;
  if (known.attempts == 0) known.since = turn.now;
  known.attempts = std::min(known.attempts + 1, 1'000'000);
  known.last = turn.now;
  known.next = turn.policy.dry ? Instant::never()
                               : turn.now + pause_after(known.attempts, turn.event.fresh.jitter);
  known.reported = turn.agent(to).prepare_refusal;
  const std::string plain = without_numbers(known.reason);
  const bool news = !known.told.contains(plain) && known.told.size() < kToldMost;
  if (news) known.told.insert(plain);
  const bool plain_why = said.empty() || turn.policy.dry;
  end_move(turn, "voided", plain_why ? why : why + ": " + said, news);
  alarm(turn, turn.name(to));
}

void watch_preparing(Turn& turn) {
  if (turn.s.phase != Phase::kPreparing || !turn.s.move->fence_left) return;
  // Attempts begin anew, with numbers of their own; what they began with stays.
  const Instant since = turn.s.move->trigger;
  if (turn.s.waits_told == since || turn.now - since < kAlarmAfter) return;
  turn.s.waits_told = since;
  const std::string& standby = turn.name(turn.s.move->to);
  const std::string& said = turn.pace(turn.s.move->to, OrderKind::kPrepare).problem;
  const std::string text = fmt::format(
      "{}: a fence has left to {}, and {} has not let itself be prepared for {}: {}; nobody may "
      "take writes; `pointsman cancel {}` crowns {} again",
      turn.policy.name, turn.name(turn.s.move->from), standby, say(turn.now - since),
      said.empty() ? "it does not answer" : said, turn.policy.name, turn.name(turn.s.move->from));
  turn.write("decision", "prepare-refused-long", "refused", text);
  turn.tell(NoticeLevel::kUrgent, "prepare-refused-long", text);
}

void look_again_at_standby(Turn& turn) {
  Unprepared& known = turn.s.unprepared;
  if (known.attempts == 0 || known.next <= turn.now || turn.s.move || !turn.s.has_primary()) return;
  const int standby = turn.s.other(turn.s.primary);
  const std::optional<std::string>& reported = turn.agent(standby).prepare_refusal;
  // Heard since it was given up, and for another reason or for none any more.
  if (turn.view(standby).agent_at <= known.last || !reported) return;
  if (known.reported && without_numbers(*reported) == without_numbers(*known.reported)) return;
  known.reported = reported;
  if (reported->empty()) known.next = turn.now;
}

Gate prepare_gate(const ServicePolicy& policy, const ServiceState& state, Instant now) {
  const Unprepared& known = state.unprepared;
  Gate gate;
  gate.name = "prepare";
  if (known.attempts == 0 || !state.has_primary()) {
    gate.reason = "no standby has refused to be prepared";
    return gate;
  }
  const std::string& site =
      policy.sites.at(static_cast<std::size_t>(state.other(state.primary))).name;
  const std::string so_far = fmt::format("{} was asked {} time{} in vain: {}", site, known.attempts,
                                         known.attempts == 1 ? "" : "s", known.reason);
  if (policy.dry) {
    gate.open = false;
    gate.reason = "a dry run: the move was rendered, and is again when something has changed";
    return gate;
  }
  gate.open = known.next <= now;
  gate.value = gate.open ? "now" : say(known.next - now);
  gate.age_s = seconds(now - known.last);
  gate.reason = so_far + (gate.open ? "; it may be asked again" : "; asked again in " + gate.value);
  return gate;
}

}  // namespace pointsman
