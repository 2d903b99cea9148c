#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/address.h"
#include "base/text.h"
#include "orchestrator/cli/init.h"

namespace pointsman {
namespace {

constexpr const char* kPlain =
    "1 to 63 letters, digits, \"-\", \"_\", \".\", the first a letter or digit";

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + ",") {
    if (c != ',') {
      part += c;
      continue;
    }
    if (const auto one = trimmed(part); !one.empty()) parts.emplace_back(one);
    part.clear();
  }
  return parts;
}

bool always(const FirstSetup&) { return true; }
bool with_agents(const FirstSetup& setup) { return setup.agents; }
std::string none(const FirstSetup&) { return ""; }

// "API.Example.Test." is the same name as "api.example.test".
std::string plain_dns(const std::string& text) {
  std::string name = lowered(text);
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

std::string take_record(FirstSetup& setup, const std::string& answer) {
  setup.record = plain_dns(answer);
  if (is_host_name(setup.record) && setup.record.find('.') != std::string::npos) return "";
  return "a full DNS name such as api.example.com";
}

std::string usual_zone(const FirstSetup& setup) {
  const auto dot = setup.record.find('.');
  return dot == std::string::npos ? "" : setup.record.substr(dot + 1);
}

std::string take_zone(FirstSetup& setup, const std::string& answer) {
  setup.zone = plain_dns(answer);
  const bool within = setup.record == setup.zone || setup.record.ends_with("." + setup.zone);
  if (is_host_name(setup.zone) && within) return "";
  return fmt::format("the zone that {} is in, such as {}", setup.record, usual_zone(setup));
}

std::string usual_service(const FirstSetup& setup) {
  return setup.record.substr(0, setup.record.find('.'));
}

std::string take_service(FirstSetup& setup, const std::string& answer) {
  setup.service = answer;
  return is_plain_name(answer) ? "" : kPlain;
}

std::string take_sites(FirstSetup& setup, const std::string& answer) {
  constexpr const char* kWanted =
      "two sites as NAME=ADDRESS, with different names and addresses of one family, the main one "
      "first: hz=192.0.2.10,sh=198.51.100.20";
  setup.sites.clear();
  for (const std::string& part : parts_of(answer)) {
    const auto sign = part.find('=');
    if (sign == std::string::npos) return kWanted;
    FirstSite site{std::string(trimmed(part.substr(0, sign))),
                   std::string(trimmed(part.substr(sign + 1)))};
    if (!is_plain_name(site.name) || !is_host_name(site.name)) {
      return fmt::format("a site's name: {}", kPlain);
    }
    if (site.name == "monitor" || site.name == "ca") {
      return fmt::format("another name than \"{}\", which is taken", site.name);
    }
    if (!is_ip(site.address)) return fmt::format("an IP address for site {}", site.name);
    setup.sites.push_back(std::move(site));
  }
  if (setup.sites.size() != 2) return kWanted;
  const auto& [a, b] = std::pair(setup.sites[0], setup.sites[1]);
  const bool differ =
      lowered(a.name) != lowered(b.name) && canonical_host(a.address) != canonical_host(b.address);
  return differ && is_ipv6(a.address) == is_ipv6(b.address) ? "" : kWanted;
}

std::string take_probe(FirstSetup& setup, const std::string& answer) {
  setup.probe = answer;
  const auto place = answer.find("://{address}");
  const auto scheme = answer.substr(0, place);
  if (place != std::string::npos && (scheme == "http" || scheme == "https")) return "";
  return "an http or https URL whose host is {address}, as http://{address}:8080/health";
}

std::string take_stores(FirstSetup& setup, const std::string& answer) {
  setup.mysql = setup.redis = false;
  for (const std::string& part : parts_of(answer)) {
    if (part != "mysql" && part != "redis") return "mysql, redis, both with a comma, or nothing";
    (part == "mysql" ? setup.mysql : setup.redis) = true;
  }
  return "";
}

std::string take_units(FirstSetup& setup, const std::string& answer) {
  setup.units = parts_of(answer);
  for (const std::string& unit : setup.units) {
    const bool plain = std::all_of(unit.begin(), unit.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("@._:-\\").find(c) != std::string_view::npos;
    });
    if (!plain || !unit.ends_with(".service")) return "names of systemd units, as im-api.service";
  }
  return "";
}

std::string take_ports(FirstSetup& setup, const std::string& answer) {
  setup.ports.clear();
  for (const std::string& part : parts_of(answer)) {
    int port = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), port);
    if (error != std::errc() || end != part.data() + part.size() || port < 1 || port > 65535) {
      return "ports from 1 to 65535, with commas";
    }
    if (port == 22 || port == 7443) return fmt::format("no {}: you and the agent need it", port);
    setup.ports.push_back(port);
  }
  return "";
}

std::string take_provider(FirstSetup& setup, const std::string& answer) {
  setup.provider = answer;
  const auto known = first_providers();
  if (std::find(known.begin(), known.end(), answer) != known.end()) return "";
  return fmt::format("{}; others are added by hand, docs/providers", fmt::join(known, ", "));
}

bool by_update(const FirstSetup& setup) { return setup.provider == "rfc2136"; }

std::string take_server(FirstSetup& setup, const std::string& answer) {
  setup.server = is_ipv6(answer) ? "[" + answer + "]:53" : answer;
  if (!host_port_from(setup.server)) setup.server += ":53";
  const auto place = host_port_from(setup.server);
  const bool good = place && place->port != 0 && (is_ip(place->host) || is_host_name(place->host));
  return good ? "" : "the primary server of the zone, as 192.0.2.53 or 192.0.2.53:53";
}

std::string take_references(FirstSetup& setup, const std::string& answer) {
  setup.references = parts_of(answer);
  for (const std::string& one : setup.references) {
    const auto url = url_parts_from(one);
    const bool good = url && (url->scheme == "http" || url->scheme == "https" ||
                              (url->scheme == "tcp" && url->port != 0));
    if (!good) return "tcp://address:port, http:// or https:// URLs, with commas";
  }
  return "";
}

std::string take_mode(FirstSetup& setup, const std::string& answer) {
  setup.mode = answer;
  return answer == "observe" || answer == "propose" || answer == "auto"
             ? ""
             : "observe, propose or auto";
}

}  // namespace

const std::vector<InitQuestion>& init_questions() {
  static const std::vector<InitQuestion> questions{
      {"record", "NAME", "The DNS name that users reach", "The DNS name that users reach", false,
       always, none, false, take_record},
      {"zone", "ZONE", "The zone it is in [the name without its first label]", "The zone it is in",
       false, always, usual_zone, false, take_zone},
      {"service", "NAME", "What the service is called [the first label of the name]",
       "A name for this service", false, always, usual_service, false, take_service},
      {"site", "NAME=ADDRESS", "A site; the main one first, the standby second",
       "The two sites, NAME=ADDRESS,NAME=ADDRESS, the main one first", true, always, none, false,
       take_sites},
      {"probe", "URL", "What a site must answer [http://{address}:80/]",
       "The health URL, with {address} for the site's", false, always,
       [](const FirstSetup&) { return std::string("http://{address}:80/"); }, false, take_probe},
      {"store", "mysql|redis", "A store at both sites; may be given again",
       "Stores at both sites (mysql, redis; empty: none)", true, with_agents, none, true,
       take_stores},
      {"unit", "UNIT", "A systemd unit that runs at the site in power alone; may be given again",
       "systemd units that run at the site in power alone (empty: none)", true, with_agents, none,
       true, take_units},
      {"port", "PORT", "A port of users that the kernel closes with the lease; may be given again",
       "Ports of users besides the probe's, closed with the lease (empty: none)", true, with_agents,
       none, true, take_ports},
      {"provider", "TYPE", "Who holds the record: rfc2136 (BIND, Knot, ...), cloudflare, aliyun",
       "Who holds the record: rfc2136 (BIND, Knot, PowerDNS), cloudflare or aliyun", false, always,
       none, false, take_provider},
      {"server", "ADDRESS[:PORT]", "rfc2136: the zone's primary server",
       "The zone's primary server", false, by_update, none, false, take_server},
      {"reference", "URL", "A neutral place, tcp://address:port; may be given again",
       "Two neutral places to tell whether we are cut off ourselves, tcp://address:port (empty: "
       "none)",
       true, always, none, true, take_references},
      {"mode", "MODE", "observe, propose or auto [observe]",
       "Move by itself (auto), propose, or observe for now", false, always,
       [](const FirstSetup&) { return std::string("observe"); }, false, take_mode},
  };
  return questions;
}

void add_init_options(CLI::App& init, InitAsked& asked) {
  for (const InitQuestion& question : init_questions()) {
    auto* option = init.add_option(std::string("--") + question.flag, asked.given[question.flag],
                                   question.about);
    option->type_name(question.type)->expected(1);
    // Once more is one more, or a mistake; never a silent choice.
    if (question.several) option->expected(1)->allow_extra_args(false);
    if (question.several) option->take_all();
    if (!question.several) option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  }
  init.add_flag("--no-agents", asked.no_agents,
                "No stores and no units: nothing runs at the sites");
  init.add_option("--secrets", asked.secrets,
                  "File of secrets, name = \"text\" a line; - for standard input")
      ->type_name("FILE");
  init.add_flag("--offline", asked.offline, "Do not ask providers and agents afterwards");
}

}  // namespace pointsman
