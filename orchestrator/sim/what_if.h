#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "orchestrator/offline/config.h"
#include "orchestrator/sim/world.h"

// What would happen: an operator's own configuration, the real monitor and agents on virtual time,
// and faults at given seconds. `pointsman simulate` starts this.

namespace pointsman {

// One fault of a question: "--kill site-a@5s+20s" and its like.
struct Blow {
  enum class Verb { kKill, kFreeze, kCut };
  Verb verb = Verb::kKill;
  std::string target;  // A site, "monitor", "dns", "references" or "clients".
  std::string part;    // Of a site: "app", "store", "agent"; "": all of it.
  std::string other;   // What it is cut from; "": everything.
  Duration at{0};
  Duration lasting{0};  // 0: for good.
};
// Nullopt: not understood.
std::optional<Blow> read_blow(Blow::Verb verb, const std::string& text);
std::string to_string(const Blow& blow);

struct Question {
  std::string config = "/etc/pointsman/pointsman.toml";
  std::string service;  // "": all of them.
  std::string primary;  // The site in power at first; "": the preferred one, else the first.
  std::vector<Blow> blows;
  std::uint64_t seed = 1;
  int runs = 100;
  Duration length = 60s;
  Duration delay = 10ms;  // One way, at the most, between any two hosts.
  bool deadman = true;
  bool json = false;
};

// Services that share both sites, and so a world.
struct Estate {
  std::array<std::string, kSites> sites;  // That in power first.
  bool agents = true;
  std::vector<const ServiceSettings*> services;
};
// The estates that a question is about; an error names what does not fit the configuration.
Result<std::vector<Estate>> estates_of(const MonitorConfig& config, const Question& question);

// What one run showed of one service; seconds from the first blow, nullopt: never.
struct Course {
  std::optional<double> answer;  // Each authoritative server answered the other site,
  std::optional<double> served;  // and the other site served and took writes.
  std::optional<double> closed;  // The site in power took no more writes.
  bool back = false;             // The site that was in power serves in the end.
  std::uint64_t lost = 0;        // Acknowledged writes that the site in power has not.
  std::vector<Gate> shut;        // In the end, for an automatic move.
};

struct Moment {
  double at = 0;  // Seconds from the start of the question.
  std::string service, text;
};

struct Run {
  std::uint64_t seed = 0;
  std::vector<Course> courses;  // Of each service of the estate.
  std::vector<Moment> story;
  std::string violation;  // Never, unless pointsman has a fault.
};
Run run_once(const MonitorConfig& config, const Estate& estate, const Question& question,
             std::uint64_t seed);

// Prints; the exit code of the program: 0; 1 when something that must never be was seen; 2 for a
// question that does not fit the configuration.
int answer(const MonitorConfig& config, const Question& question);

// Reads a command line and the configuration, and answers. 2 for what is not understood.
int ask_what_if(const std::vector<std::string>& words);

}  // namespace pointsman
