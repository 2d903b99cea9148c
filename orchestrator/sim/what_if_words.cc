#include <fmt/format.h>

#include <charconv>

#include "orchestrator/sim/what_if.h"

namespace pointsman {
namespace {

std::string blow_problem(const std::string& option, const std::string& value) {
  const char* shapes = option == "--kill" ? "SITE, SITE/app, SITE/store, SITE/agent, monitor or dns"
                       : option == "--freeze" ? "SITE/store, SITE/agent or monitor"
                                              : "PLACE or PLACE:PLACE, a place being a site, "
                                                "monitor, dns, references or clients";
  return fmt::format(
      "{} \"{}\" is not understood: {}, each with @WHEN or @WHEN+LASTING, such as site-a@5s+20s; "
      "WHEN at most 1h",
      option, value, shapes);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

// "" when `value` was taken; else what is wrong with it.
std::string take_number(const std::string& option, const std::string& value, Question& question) {
  const auto n = number_of(value);
  if (!n) return fmt::format("{} \"{}\" is no number", option, value);
  if (option == "--seed") {
    question.seed = *n;
  } else if (*n < 1 || *n > 10'000) {
    return fmt::format("--runs {} is not from 1 to 10000", value);
  } else {
    question.runs = static_cast<int>(*n);
  }
  return "";
}

std::string take_duration(const std::string& option, const std::string& value, Question& question) {
  const auto d = parse_duration(value);
  const bool delay = option == "--delay";
  if (!d || *d < (delay ? Duration(1ms) : Duration(1s)) ||
      *d > (delay ? Duration(2s) : Duration(2h))) {
    return fmt::format("{} \"{}\" is no duration from {}", option, value,
                       delay ? "1ms to 2s" : "1s to 2h");
  }
  (delay ? question.delay : question.length) = *d;
  return "";
}

std::string take(const std::string& option, const std::string& value, Question& question) {
  if (option == "--kill" || option == "--freeze" || option == "--cut") {
    const auto verb = option == "--kill"     ? Blow::Verb::kKill
                      : option == "--freeze" ? Blow::Verb::kFreeze
                                             : Blow::Verb::kCut;
    auto blow = read_blow(verb, value);
    if (!blow) return blow_problem(option, value);
    question.blows.push_back(std::move(*blow));
    return "";
  }
  if (option == "--seed" || option == "--runs") return take_number(option, value, question);
  if (option == "--delay" || option == "--length") return take_duration(option, value, question);
  if (option == "--config") {
    question.config = value;
  } else if (option == "--service") {
    question.service = value;
  } else if (option == "--primary") {
    question.primary = value;
  } else {
    return fmt::format("there is no option {}", option);
  }
  return "";
}

std::string read_question(const std::vector<std::string>& words, Question& question) {
  for (std::size_t k = 0; k < words.size(); ++k) {
    if (words[k] == "--json") {
      question.json = true;
    } else if (words[k] == "--no-deadman") {
      question.deadman = false;
    } else if (k + 1 < words.size()) {
      std::string problem = take(words[k], words[k + 1], question);
      if (!problem.empty()) return problem;
      ++k;
    } else {
      return fmt::format("{} needs a value, or is no option", words[k]);
    }
  }
  for (const Blow& blow : question.blows) {
    if (blow.at >= question.length) {
      return fmt::format("--length {} ends before {}", format_duration(question.length),
                         to_string(blow));
    }
  }
  return "";
}

}  // namespace

int ask_what_if(const std::vector<std::string>& words) {
  Question question;
  if (const std::string problem = read_question(words, question); !problem.empty()) {
    fmt::print(stderr, "pointsman simulate: {}\n  try: pointsman simulate --help\n", problem);
    return 2;
  }
  const auto config = read_monitor_config(question.config, false);
  if (!config.config) {
    for (const ConfigError& error : config.errors) fmt::print(stderr, "{}\n", error.text());
    return 2;
  }
  return answer(*config.config, question);
}

}  // namespace pointsman
