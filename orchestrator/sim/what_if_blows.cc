#include <fmt/format.h>

#include "orchestrator/sim/what_if.h"

namespace pointsman {

// kill    SITE[/app|/store|/agent] | monitor | dns
// freeze  SITE/store | SITE/agent | monitor
// cut     PLACE[:PLACE], a place being a site, monitor, dns, references or clients
// and of each: @WHEN[+LASTING]
std::optional<Blow> read_blow(Blow::Verb verb, const std::string& text) {
  Blow blow;
  blow.verb = verb;
  const auto at = text.rfind('@');
  if (at == std::string::npos) return std::nullopt;
  const std::string when = text.substr(at + 1);
  const auto plus = when.find('+');
  const auto begin = parse_duration(when.substr(0, plus));
  if (!begin || *begin > 1h) return std::nullopt;
  blow.at = *begin;
  if (plus != std::string::npos) {
    const auto lasting = parse_duration(when.substr(plus + 1));
    if (!lasting || *lasting <= Duration::zero()) return std::nullopt;
    blow.lasting = *lasting;
  }
  blow.target = text.substr(0, at);
  if (const auto colon = blow.target.find(':'); colon != std::string::npos) {
    blow.other = blow.target.substr(colon + 1);
    blow.target.resize(colon);
    if (blow.other.empty() || blow.other == blow.target) return std::nullopt;
  }
  if (const auto slash = blow.target.find('/'); slash != std::string::npos) {
    blow.part = blow.target.substr(slash + 1);
    blow.target.resize(slash);
    if (blow.part != "app" && blow.part != "store" && blow.part != "agent") return std::nullopt;
  }
  if (blow.target.empty()) return std::nullopt;
  const bool cut = verb == Blow::Verb::kCut;
  if (cut ? !blow.part.empty() : !blow.other.empty()) return std::nullopt;
  const bool place = blow.target == "references" || blow.target == "clients";
  if (!cut && place) return std::nullopt;
  if (verb == Blow::Verb::kFreeze && blow.part == "app") return std::nullopt;
  if (verb == Blow::Verb::kFreeze && blow.part.empty() && blow.target != "monitor") {
    return std::nullopt;
  }
  return blow;
}

std::string to_string(const Blow& blow) {
  std::string text = blow.target;
  if (!blow.part.empty()) {
    text = fmt::format("the {} of {}", blow.part, blow.target);
  } else if (blow.target == "dns") {
    text = "the DNS provider";
  } else if (blow.target == "monitor" || blow.target == "references" || blow.target == "clients") {
    text = "the " + blow.target;
  }
  switch (blow.verb) {
    case Blow::Verb::kKill: text += blow.target == "dns" ? " falls silent" : " dies"; break;
    case Blow::Verb::kFreeze: text += " freezes"; break;
    case Blow::Verb::kCut:
      text += " is cut off from " + (blow.other.empty() ? "everything" : blow.other);
      break;
  }
  if (blow.lasting > Duration::zero()) text += ", for " + format_duration(blow.lasting);
  return text;
}

}  // namespace pointsman
