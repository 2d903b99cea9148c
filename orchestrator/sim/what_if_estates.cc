#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/sim/what_if.h"

namespace pointsman {
namespace {

// The sites of a service, that in power first.
std::array<std::string, kSites> sites_of(const ServiceSettings& service, const Question& question) {
  std::array<std::string, kSites> sites{service.sites[0].name, service.sites[1].name};
  const bool second = question.primary.empty() ? service.sites[1].preferred
                                               : service.sites[1].name == question.primary;
  if (second) std::swap(sites[0], sites[1]);
  return sites;
}

std::string all_sites(const std::vector<Estate>& estates) {
  std::vector<std::string> names;
  for (const Estate& estate : estates) {
    for (const std::string& site : estate.sites) {
      if (std::find(names.begin(), names.end(), site) == names.end()) names.push_back(site);
    }
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool has_site(const std::vector<Estate>& estates, const std::string& name) {
  return std::any_of(estates.begin(), estates.end(), [&](const Estate& estate) {
    return estate.sites[0] == name || estate.sites[1] == name;
  });
}

Result<void> check_places(const std::vector<Estate>& estates, const Question& question) {
  const auto known = [&](const std::string& place, const std::string& part) {
    if (has_site(estates, place)) return true;
    return part.empty() &&
           (place == "monitor" || place == "dns" || place == "references" || place == "clients");
  };
  for (const Blow& blow : question.blows) {
    const std::string& wrong = known(blow.target, blow.part) ? blow.other : blow.target;
    if (wrong.empty() || (&wrong == &blow.other && known(wrong, ""))) continue;
    return Error{ErrorCode::kInvalid,
                 fmt::format("\"{}\" is no site of these services ({}), nor monitor, dns, "
                             "references or clients",
                             wrong, all_sites(estates))};
  }
  if (!question.primary.empty() && !has_site(estates, question.primary)) {
    return Error{ErrorCode::kInvalid, fmt::format("\"{}\" is no site of these services ({})",
                                                  question.primary, all_sites(estates))};
  }
  return {};
}

}  // namespace

Result<std::vector<Estate>> estates_of(const MonitorConfig& config, const Question& question) {
  std::vector<Estate> estates;
  for (const ServiceSettings& service : config.services) {
    if (!question.service.empty() && service.name != question.service) continue;
    const auto sites = sites_of(service, question);
    const auto same = std::find_if(estates.begin(), estates.end(), [&](const Estate& estate) {
      return estate.sites == sites && estate.agents == service.has_agents();
    });
    if (same != estates.end()) {
      same->services.push_back(&service);
    } else {
      estates.push_back({sites, service.has_agents(), {&service}});
    }
  }
  if (estates.empty()) {
    return Error{ErrorCode::kInvalid, question.service.empty()
                                          ? "there is no service in " + question.config
                                          : fmt::format("there is no service \"{}\" in {}",
                                                        question.service, question.config)};
  }
  const auto checked = check_places(estates, question);
  if (!checked.ok()) return checked.error();
  return estates;
}

}  // namespace pointsman
