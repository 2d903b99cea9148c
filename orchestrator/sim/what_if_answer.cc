#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/what_if.h"

// What is printed: one run as a story, and what many runs with other phases, delays and clocks
// showed.

namespace pointsman {
namespace {

// Of one service, from all runs.
struct Account {
  std::vector<double> answer, served;
  std::vector<std::uint64_t> lost;
  std::uint64_t slowest = 0;   // Seeds: of the run that was served last,
  std::uint64_t hopeless = 0;  // and of the first in which nobody serves in the end.
  int stayed = 0;              // Runs that ended with the site in power serving on.
  int unserved = 0;            // Runs that ended with nobody serving.
};

template <typename T>
T median(const std::vector<T>& sorted) {
  return sorted.empty() ? T{} : sorted[(sorted.size() - 1) / 2];
}
template <typename T>
T worst(const std::vector<T>& all) {
  return all.empty() ? T{} : *std::max_element(all.begin(), all.end());
}

Account account_of(const std::vector<Run>& runs, std::size_t service) {
  Account all;
  for (const Run& run : runs) {
    const Course& course = run.courses.at(service);
    if (course.answer) all.answer.push_back(*course.answer);
    if (course.served) {
      if (*course.served >= worst(all.served)) all.slowest = run.seed;
      all.served.push_back(*course.served);
      all.lost.push_back(course.lost);
    } else if (course.back) {
      ++all.stayed;
    } else if (++all.unserved == 1) {
      all.hopeless = run.seed;
    }
  }
  for (auto* each : {&all.answer, &all.served}) std::sort(each->begin(), each->end());
  std::sort(all.lost.begin(), all.lost.end());
  return all;
}

// What is said of one service.
struct Finding {
  const ServiceSettings& service;
  const Estate& estate;
  Account all;
  std::size_t runs;
  const Course& first;  // Of the run whose story is told.
};

std::string moved_text(const Finding& found) {
  const Account& all = found.all;
  std::string text = fmt::format(
      "moved to {} in {} of {} runs\n"
      "  answer changed at every server   {:6.2f} s after the fault, {:6.2f} s at worst\n"
      "  served again, writes and all     {:6.2f} s                  {:6.2f} s at worst, with "
      "--seed {}\n"
      "  `check` allows {:.1f} s; a resolver that honours the TTL may send users to {} {} s "
      "longer\n",
      found.estate.sites[1], all.served.size(), found.runs, median(all.answer), worst(all.answer),
      median(all.served), worst(all.served), all.slowest, seconds(worst_case(found.service).total),
      found.estate.sites[0], found.service.ttl.count());
  if (found.estate.agents) {
    text += fmt::format(
        "  of 100 writes a second {} that had been acknowledged are missing, {} at worst\n",
        median(all.lost), worst(all.lost));
  }
  return text;
}

std::string finding_text(const Finding& found) {
  const Account& all = found.all;
  std::string text = found.service.name + ": ";
  text += all.served.empty() ? fmt::format("no move in {} runs\n", found.runs) : moved_text(found);
  if (all.stayed > 0) {
    text += fmt::format("  in {} of {} runs {} serves at the end, as before\n", all.stayed,
                        found.runs, found.estate.sites[0]);
  }
  if (all.unserved > 0) {
    text += fmt::format("  in {} of {} runs nobody serves at the end, first with --seed {}\n",
                        all.unserved, found.runs, all.hopeless);
  }
  if (found.first.served) return text;
  for (const Gate& gate : found.first.shut) {
    text += fmt::format("  gate {} is shut: {}\n", gate.name, gate.reason);
  }
  return text;
}

Json finding_json(const Finding& found) {
  Json gates = Json::array();
  for (const Gate& gate : found.first.shut) {
    gates.push(Json::object({{"name", gate.name}, {"reason", gate.reason}}));
  }
  const Account& all = found.all;
  const auto figure = [&](double value) { return all.served.empty() ? Json() : Json(value); };
  return Json::object({{"name", found.service.name},
                       {"from", found.estate.sites[0]},
                       {"to", found.estate.sites[1]},
                       {"runs", static_cast<std::int64_t>(found.runs)},
                       {"moved", static_cast<std::int64_t>(all.served.size())},
                       {"stayed", all.stayed},
                       {"unserved", all.unserved},
                       {"answer_s", figure(median(all.answer))},
                       {"answer_worst_s", figure(worst(all.answer))},
                       {"served_s", figure(median(all.served))},
                       {"served_worst_s", figure(worst(all.served))},
                       {"allowed_s", seconds(worst_case(found.service).total)},
                       {"ttl_s", static_cast<std::int64_t>(found.service.ttl.count())},
                       {"lost", static_cast<std::int64_t>(median(all.lost))},
                       {"lost_worst", static_cast<std::int64_t>(worst(all.lost))},
                       {"gates", std::move(gates)}});
}

void print_story(const Run& run) {
  for (const Moment& moment : run.story) {
    const std::string who = moment.service.empty() ? "" : moment.service + "  ";
    fmt::print("{:9.2f}  {}{}{}\n", moment.at, who, moment.text,
               moment.service.empty() ? "  <--" : "");
  }
}

Json story_json(const Run& run) {
  Json story = Json::array();
  for (const Moment& moment : run.story) {
    story.push(
        Json::object({{"at_s", moment.at}, {"service", moment.service}, {"text", moment.text}}));
  }
  return story;
}

// All runs of one estate; the first is the one whose story is told.
std::vector<Run> all_runs(const MonitorConfig& config, const Estate& estate,
                          const Question& question) {
  std::vector<Run> runs;
  for (int k = 0; k < question.runs; ++k) {
    runs.push_back(
        run_once(config, estate, question, question.seed + static_cast<std::uint64_t>(k)));
    if (!runs.back().violation.empty()) break;
  }
  return runs;
}

}  // namespace

int answer(const MonitorConfig& config, const Question& question) {
  const auto estates = estates_of(config, question);
  if (!estates.ok()) {
    fmt::print(stderr, "pointsman-sim: {}\n", estates.error().message);
    return 2;
  }
  Json services = Json::array();
  Json stories = Json::array();
  for (const Estate& estate : *estates) {
    if (!question.json) {
      fmt::print("{} in power, {} its standby{}; seed {}; seconds from the start\n",
                 estate.sites[0], estate.sites[1], estate.agents ? "" : ", no agents",
                 question.seed);
      std::fflush(stdout);
    }
    const std::vector<Run> runs = all_runs(config, estate, question);
    if (!runs.back().violation.empty()) {
      fmt::print(stderr,
                 "pointsman-sim: seed {} shows what must never be: {}\nThis is a fault of "
                 "pointsman; please report it with the configuration.\n",
                 question.seed + runs.size() - 1, runs.back().violation);
      return 1;
    }
    if (!question.json) print_story(runs.front());
    if (!question.json) fmt::print("\n");
    for (std::size_t k = 0; k < estate.services.size(); ++k) {
      const Finding found{*estate.services[k], estate, account_of(runs, k), runs.size(),
                          runs.front().courses[k]};
      if (question.json) {
        services.push(finding_json(found));
      } else {
        fmt::print("{}", finding_text(found));
      }
    }
    if (question.json) stories.push(story_json(runs.front()));
  }
  if (question.json) {
    fmt::print("{}\n", Json::object({{"seed", static_cast<std::int64_t>(question.seed)},
                                     {"services", std::move(services)},
                                     {"stories", std::move(stories)}})
                           .dump());
  }
  return 0;
}

}  // namespace pointsman
