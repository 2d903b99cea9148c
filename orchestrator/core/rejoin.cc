#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/core/turn.h"

// The way back of a site that lost power. It moves no power and no record: the site stays fenced
// while its agent compares and, by a person's word, replaces its stores; then it is made to follow
// as after a planned move. Whatever is due is asked for again until the site's reports show it, so
// that it goes on after any restart.

namespace pointsman {
namespace {

constexpr Duration kSurveyTold = 60s;  // What keeps a survey from beginning is told by then.

OperatorAnswer refused(std::string gate, std::string text) {
  return {false, std::move(gate), std::move(text), ""};
}

Step* step_named(RejoinJob& job, std::string_view name) {
  const auto found = std::find_if(job.move.steps.begin(), job.move.steps.end(),
                                  [&](const Step& step) { return step.name == name; });
  return found == job.move.steps.end() ? nullptr : &*found;
}

bool is_in(RejoinJob& job, std::string_view name, StepState state) {
  const Step* step = step_named(job, name);
  return step != nullptr && step->state == state;
}

void run_step(Turn& turn, std::string_view name) {
  Step* step = step_named(*turn.s.rejoin, name);
  if (step == nullptr || step->state != StepState::kWaiting) return;
  step->state = StepState::kRunning;
  step->started = turn.now;
  turn.save();
}

void end_step(Turn& turn, std::string_view name, std::string detail) {
  RejoinJob& job = *turn.s.rejoin;
  Step* step = step_named(job, name);
  if (step == nullptr || step->state == StepState::kDone) return;
  if (step->state == StepState::kWaiting) step->started = turn.now;
  step->state = StepState::kDone;
  step->ended = turn.now;
  step->detail = std::move(detail);
  job.move.timeline.push_back(
      {turn.now, step->name + (step->detail.empty() ? "" : ": " + step->detail)});
  std::string rule = "rejoin-" + step->name;
  std::replace(rule.begin(), rule.end(), ' ', '-');
  turn.write("step", std::move(rule), "done", step->detail);
  job.done = job.total = 0;
}

void skip_step(RejoinJob& job, std::string_view name) {
  Step* step = step_named(job, name);
  if (step != nullptr && step->state == StepState::kWaiting) step->state = StepState::kSkipped;
}

// Not saved for its own sake.
void note(Turn& turn, std::string_view name, std::string detail) {
  Step* step = step_named(*turn.s.rejoin, name);
  if (step != nullptr && step->state == StepState::kRunning) step->detail = std::move(detail);
}

std::string progress_text(const RejoinView& view) {
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  if (view.total == 0) return fmt::format("{}: {:.1f} MiB", view.store, mib(view.done));
  const double part = 100.0 * static_cast<double>(view.done) / static_cast<double>(view.total);
  return fmt::format("{}: {:.1f} of {:.1f} MiB, {:.0f} %", view.store, mib(view.done),
                     mib(view.total), std::min(part, 100.0));
}

// What that site's agent says of this very rejoin.
const RejoinView* told(Turn& turn) {
  const RejoinJob& job = *turn.s.rejoin;
  const AgentView& agent = turn.agent(job.move.to);
  if (!turn.view(job.move.to).agent_heard || !agent.rejoin) return nullptr;
  return agent.rejoin->move == job.move.id ? &*agent.rejoin : nullptr;
}

std::string place(Turn& turn, int site) {
  const std::string& host = turn.agent(site).host;
  return host.empty() ? turn.name(site) : turn.name(site) + " (host " + host + ")";
}

std::string bundle_text(Turn& turn, const RejoinView& view) {
  if (view.bundle.empty()) return "";
  return (view.holds.empty() ? std::string("nothing") : view.holds) + ", in " + view.bundle +
         " at " + place(turn, turn.s.rejoin->move.to);
}

void begin_following(Turn& turn) {
  RejoinJob& job = *turn.s.rejoin;
  for (const char* name : {"export", "copy", "load"}) {
    // One whose agent died just after its stores were whole has nothing more to tell of it.
    if (is_in(job, name, StepState::kRunning)) end_step(turn, name, "");
    skip_step(job, name);
  }
  turn.s.follow = FollowJob{job.move.to, turn.s.reign, job.move.id, turn.now, false, false};
  turn.pace(job.move.to, OrderKind::kFollow) = {};
  run_step(turn, "follow");
}

void refuse_divergence(Turn& turn, const RejoinView& view) {
  const RejoinJob& job = *turn.s.rejoin;
  const std::string kept = bundle_text(turn, view);
  end_rejoin(turn, "refused",
             fmt::format("{} holds what {} never had: {}{}; `pointsman rejoin {} {} "
                         "--discard-divergent` gives that up and copies the stores of {} there",
                         turn.name(job.move.to), turn.name(turn.s.primary), view.what,
                         kept.empty() ? "" : "; written down first: " + kept, turn.policy.name,
                         turn.name(job.move.to), turn.name(turn.s.primary)));
}

// All that was compared, and what that leads to.
void surveyed(Turn& turn, const RejoinView& view) {
  RejoinJob& job = *turn.s.rejoin;
  end_step(
      turn, "survey",
      view.diverged ? view.what : "nothing that " + turn.name(turn.s.primary) + " does not have");
  if (!view.diverged) return begin_following(turn);
  end_step(turn, "export", bundle_text(turn, view));
  if (!job.discard) return refuse_divergence(turn, view);
  if (!job.reseeding) {
    job.reseeding = true;
    turn.s.follow.reset();  // Once its stores are whole again it is aimed anew.
    turn.pace(job.move.to, OrderKind::kReseed) = {};
    turn.save();
  }
  run_step(turn, "copy");
}

void note_stage(Turn& turn, const RejoinView& view) {
  RejoinJob& job = *turn.s.rejoin;
  job.done = view.done;
  job.total = view.total;
  switch (view.stage) {
    case RejoinStage::kSurveying:
      run_step(turn, "survey");
      note(turn, "survey", view.store.empty() ? "" : view.store + " is compared");
      break;
    case RejoinStage::kExporting:
      end_step(turn, "survey", view.what);
      run_step(turn, "export");
      note(turn, "export", progress_text(view));
      break;
    case RejoinStage::kSurveyed: surveyed(turn, view); break;
    case RejoinStage::kCopying:
      run_step(turn, "copy");
      note(turn, "copy", progress_text(view));
      break;
    case RejoinStage::kLoading:
      end_step(turn, "copy", "a copy of " + turn.name(turn.s.primary) + "'s stores is there");
      run_step(turn, "load");
      note(turn, "load", progress_text(view));
      break;
    case RejoinStage::kSeeded:
      end_step(turn, "load", "its stores are those of " + turn.name(turn.s.primary));
      begin_following(turn);
      break;
    case RejoinStage::kRefused:
      end_rejoin(turn, "refused",
                 view.problem + (view.what.empty() ? "" : "; only it holds " + view.what));
      break;
    case RejoinStage::kFailed:
      for (const char* name : {"survey", "export", "copy", "load"}) {
        note(turn, name, view.problem + "; tried again");
      }
      break;
  }
}

// It follows; it has caught up when it holds what the site in power had a moment ago, and it is
// ready when that one no longer counts on being alone.
void note_following(Turn& turn) {
  RejoinJob& job = *turn.s.rejoin;
  const AgentView& standby = turn.agent(job.move.to);
  if (!turn.s.follow || turn.s.follow->site != job.move.to) {
    return end_rejoin(turn, "failed", turn.name(job.move.to) + " is no longer asked to follow");
  }
  if (!turn.s.follow->reached) return note(turn, "follow", why_not_followed(turn));
  end_step(turn, "follow", turn.name(job.move.to) + " follows " + turn.name(turn.s.primary));
  run_step(turn, "catch up");
  if (!standby.has_stores) {
    end_step(turn, "catch up", "");
  } else if (standby.caught_up_age && turn.fresh_agent(job.move.to)) {
    const Duration behind =
        behind_at_contact(turn.policy, *standby.caught_up_age, standby.told_age);
    note(turn, "catch up", say(behind) + " behind");
    if (behind <= turn.policy.max_lag && standby.errant.empty()) {
      end_step(turn, "catch up", "it holds what " + turn.name(turn.s.primary) + " has");
    }
  }
  if (!is_in(job, "catch up", StepState::kDone)) return;
  run_step(turn, "ready");
  const Refusal unfit = target_problem(turn.policy, turn.s, job.move.to, turn.now);
  if (unfit) return note(turn, "ready", *unfit);
  if (!turn.fresh_agent(turn.s.primary) || turn.agent(turn.s.primary).lone) {
    return note(turn, "ready", turn.name(turn.s.primary) + " still holds a lone lease");
  }
  end_step(turn, "ready", turn.name(turn.s.primary) + " counts on it again");
  end_rejoin(turn, "done", turn.name(job.move.to) + " is a standby that has caught up");
}

Refusal not_now(Turn& turn, int site) {
  const std::string& name = turn.name(site);
  if (!turn.policy.agents) return "the service has no stores that could rejoin";
  if (!turn.fresh_agent(site)) return "the agent of " + name + " does not answer";
  if (!turn.fresh_agent(turn.s.primary)) {
    return "the agent of " + turn.name(turn.s.primary) + ", which is in power, does not answer";
  }
  const AgentView& agent = turn.agent(site);
  if (agent.role == SiteRole::kPrimary) return name + " says that it is in power itself";
  if (agent.role == SiteRole::kNone)
    return "the agent of " + name + " was not told who is in power";
  return std::nullopt;
}

}  // namespace

OperatorAnswer begin_rejoin(Turn& turn, const OperatorAsked& asked) {
  if (turn.s.move) return refused("state", "a move is on already: " + turn.s.move->id);
  if (!turn.s.has_primary() || turn.s.restored || turn.s.phase == Phase::kUnadopted) {
    return refused("adopted", adoption(turn.policy, turn.s, turn.now).refusal);
  }
  const int site = asked.to < 0 ? turn.s.other(turn.s.primary) : asked.to;
  if (site == turn.s.primary) {
    return refused("target", turn.name(site) + " is in power: its stores are what others rejoin");
  }
  if (turn.s.rejoin && turn.s.rejoin->is_on()) {
    const RejoinJob& on = *turn.s.rejoin;
    if (on.move.to == site && on.discard == asked.discard) {
      return {true, "", "the rejoin of " + turn.name(site) + " is on already", on.move.id};
    }
    return refused("state",
                   "a rejoin of " + turn.name(on.move.to) + " is on already: " + on.move.id);
  }
  if (turn.s.phase != Phase::kSteady) {
    return refused("state", turn.name(turn.s.primary) + ", which is in power, is in doubt");
  }
  if (const Refusal why = not_now(turn, site)) return refused("target", *why);
  RejoinJob job;
  job.discard = asked.discard;
  Move& move = job.move;
  move.id = turn.event.fresh.move;
  move.kind = MoveKind::kRejoin;
  move.actor = asked.actor;
  move.from = turn.s.primary;
  move.to = site;
  move.reign = turn.s.reign;
  move.former = turn.s.reign;
  move.trigger = move.begun = job.since = turn.now;
  move.reason = asked.reason.empty() ? "ordered by " + asked.actor : asked.reason;
  for (const char* name : {"survey", "export", "copy", "load", "follow", "catch up", "ready"}) {
    const bool replaces = std::string_view(name) == "copy" || std::string_view(name) == "load";
    if (asked.discard || !replaces) move.steps.push_back({name, StepState::kWaiting, {}, {}, ""});
  }
  for (const OrderKind kind : {OrderKind::kSurvey, OrderKind::kReseed}) turn.pace(site, kind) = {};
  turn.s.rejoin = std::move(job);
  turn.write("decision", "begin-rejoin", "started",
             turn.name(site) + (asked.discard ? ", giving up what only it holds" : ""));
  run_step(turn, "survey");
  return {true, "", "the rejoin of " + turn.name(site) + " has begun", turn.s.rejoin->move.id};
}

Refusal cancel_rejoin(Turn& turn, const std::string& actor) {
  if (turn.s.rejoin->reseeding && is_in(*turn.s.rejoin, "follow", StepState::kWaiting)) {
    return "the stores of " + turn.name(turn.s.rejoin->move.to) +
           " are being replaced: that goes forward, or is asked for again";
  }
  end_rejoin(turn, "voided", "cancelled by " + actor);
  return std::nullopt;
}

void end_rejoin(Turn& turn, std::string outcome, std::string reason) {
  if (!turn.s.rejoin || !turn.s.rejoin->is_on()) return;
  Move& move = turn.s.rejoin->move;
  for (Step& step : move.steps) {
    if (step.state == StepState::kWaiting) step.state = StepState::kSkipped;
    if (step.state != StepState::kRunning) continue;
    step.state = StepState::kFailed;
    step.ended = turn.now;
  }
  move.outcome = std::move(outcome);
  move.reason = std::move(reason);
  move.ended = turn.now;
  turn.write("decision", "end-rejoin", move.outcome, move.reason);
  turn.tell(move.outcome == "done" ? NoticeLevel::kNote : NoticeLevel::kUrgent, "rejoin-ended",
            fmt::format("{}: rejoin of {} {}: {}", turn.policy.name, turn.name(move.to),
                        move.outcome, move.reason));
}

std::optional<OrderKind> rejoin_due(Turn& turn) {
  if (!turn.s.rejoin || !turn.s.rejoin->is_on() || turn.policy.dry || turn.s.move) {
    return std::nullopt;
  }
  RejoinJob& job = *turn.s.rejoin;
  if (!is_in(job, "follow", StepState::kWaiting)) return std::nullopt;
  const RejoinView* view = told(turn);
  // One that was restarted knows nothing of it any more; what it has written down it finds again.
  if (view == nullptr) return OrderKind::kSurvey;
  const bool written = job.reseeding && !view->bundle.empty();
  if (view->stage == RejoinStage::kFailed && !written) return OrderKind::kSurvey;
  const bool idle = view->stage == RejoinStage::kSurveyed || view->stage == RejoinStage::kFailed;
  if (job.reseeding && idle) return OrderKind::kReseed;
  return std::nullopt;
}

// Asked to follow as well, its stores would be changed from two sides.
bool rejoin_comes_first(Turn& turn, int site) {
  if (!turn.s.rejoin || !turn.s.rejoin->is_on() || turn.s.rejoin->move.to != site) return false;
  return is_in(*turn.s.rejoin, "follow", StepState::kWaiting);
}

void watch_rejoin(Turn& turn) {
  if (!turn.s.rejoin || !turn.s.rejoin->is_on()) return;
  RejoinJob& job = *turn.s.rejoin;
  if (turn.s.phase == Phase::kUnadopted || job.move.reign != turn.s.reign) {
    return end_rejoin(turn, "failed", "it is no longer known who is in power by that reign");
  }
  if (!is_in(job, "follow", StepState::kWaiting)) return note_following(turn);
  const RejoinView* view = told(turn);
  if (view != nullptr) return note_stage(turn, *view);
  const int site = job.move.to;
  const std::string said = turn.pace(site, OrderKind::kSurvey).problem;
  const std::string why = !said.empty()            ? said
                          : turn.fresh_agent(site) ? "its agent has not begun"
                                                   : "its agent does not answer";
  for (const char* name : {"survey", "copy", "load"}) note(turn, name, why);
  // Until an order to reseed has left nothing was changed there, and nothing is lost by giving up.
  if (!job.reseeding && turn.now - job.since > kSurveyTold) {
    end_rejoin(turn, "failed", turn.name(site) + " was not surveyed: " + why);
  }
}

}  // namespace pointsman
