#include <algorithm>

#include <fmt/format.h>

#include "orchestrator/cli/views.h"

namespace pointsman {
namespace {

Tone tone_of_verdict(const std::string& verdict) {
  if (verdict == "up") return Tone::kGood;
  if (verdict == "down") return Tone::kBad;
  return Tone::kDoubt;
}

Tone tone_of_phase(const std::string& phase) {
  if (phase == "steady") return Tone::kGood;
  if (phase == "stuck" || phase == "unadopted") return Tone::kBad;
  return Tone::kDoubt;
}

const Json* site_named(const Json& service, std::string_view name) {
  for (const Json& site : service.array_or_empty("sites")) {
    if (site.string_or("name") == name) return &site;
  }
  return nullptr;
}

bool has_agents(const Json& service) {
  for (const Json& site : service.array_or_empty("sites")) {
    if (site.string_or("agent", "none") != "none") return true;
  }
  return false;
}

// Who is writable, by whose vouch, until when.
std::string power_sentence(const Json& service, const Paint& paint) {
  const std::string published = service.string_or("published");
  if (!has_agents(service)) {
    if (published.empty()) return paint(Tone::kBad, "published at no known site");
    return paint(Tone::kStrong, published) + paint(Tone::kPlain, " serves (no agents: DNS alone)");
  }
  const std::string writable = service.string_or("writable");
  if (writable.empty()) {
    return paint(Tone::kBad, "no site is known to be writable");
  }
  std::string text = paint(Tone::kStrong, writable + " is writable");
  const auto vouchers = texts_of(service, "vouched_by");
  const double left = service.number_or("lease_s", 0);
  const Json* site = site_named(service, writable);
  const bool lone = site != nullptr && site->bool_or("lone");
  if (vouchers.empty()) return text + paint(Tone::kDoubt, ", and nobody vouches for it");
  text += paint(Tone::kPlain, ", vouched for by " + listed(vouchers));
  text += paint(Tone::kPlain, fmt::format("; {} {}, renewed", lone ? "lone lease" : "lease",
                                          shown_seconds(left)));
  return text;
}

Cell yes_no(const Json& site, std::string_view key, std::string_view yes, std::string_view no) {
  const Json* value = site.find(key);
  if (value == nullptr || !value->is_bool()) return {"?", Tone::kDoubt};
  return {std::string(value->as_bool() ? yes : no), Tone::kPlain};
}

Cell seconds_cell(const Json& site, std::string_view key) {
  const Json* value = site.find(key);
  if (value == nullptr || !value->is_number()) return {"-", Tone::kDim};
  return {shown_seconds(value->as_number()), Tone::kPlain};
}

Cell agent_cell(const std::string& agent) {
  if (agent == "none") return {"-", Tone::kDim};
  return {agent, agent == "up" ? Tone::kGood : Tone::kBad};
}

std::vector<Cell> site_row(const Json& site) {
  const std::string verdict = site.string_or("verdict", "unknown");
  Cell lease = seconds_cell(site, "lease_s");
  if (site.number_or("lease_s", 0) <= 0) lease = {"-", Tone::kDim};
  if (site.bool_or("lone")) lease.text += " lone";
  return {{site.string_or("name"), Tone::kStrong},
          {verdict, tone_of_verdict(verdict)},
          {site.string_or("role", "none"), Tone::kPlain},
          yes_no(site, "writable", "yes", "no"),
          lease,
          seconds_cell(site, "lag_s"),
          agent_cell(site.string_or("agent", "none")),
          {site.string_or("probe"), Tone::kDim}};
}

std::vector<Cell> store_row(const Json& site, const Json& store) {
  const std::string liveness = store.string_or("liveness", "unknown");
  return {{site.string_or("name"), Tone::kPlain},
          {store.string_or("name"), Tone::kPlain},
          {liveness, liveness == "up" || liveness == "alive" ? Tone::kGood : Tone::kDoubt},
          {store.bool_or("writable") ? "writable" : "read-only", Tone::kPlain},
          {store.bool_or("replica") ? "replica" : "-", Tone::kPlain},
          {store.string_or("detail"), Tone::kDim}};
}

// What a site is trying and failing to do, and what ails its replication.
std::string troubles(const Json& site, const Paint& paint) {
  std::string text;
  const Json* replication = site.find("replication");
  for (const std::string& trouble :
       {site.string_or("trouble"),
        replication != nullptr ? replication->string_or("problem") : std::string()}) {
    if (trouble.empty()) continue;
    text += "  " + paint(Tone::kDoubt, site.string_or("name") + ": " + trouble) + "\n";
  }
  return text;
}

// Where keepalived has the virtual address, when there is one.
std::string vip_line(const Json& service, const Paint& paint) {
  std::vector<std::string> holders;
  bool any = false;
  for (const Json& site : service.array_or_empty("sites")) {
    const std::string vip = site.string_or("vip");
    any = any || !vip.empty();
    if (vip == "holds") holders.push_back(site.string_or("name"));
  }
  if (!any) return "";
  const bool well = holders.size() == 1 && holders.front() == service.string_or("primary");
  return paint(Tone::kDim, "  vip     ") +
         paint(well ? Tone::kGood : Tone::kDoubt,
               holders.empty() ? "held by no site" : "held by " + listed(holders)) +
         "\n";
}

std::string sites_text(const Json& service, bool whole, const Paint& paint) {
  std::vector<std::vector<Cell>> rows = {{{"SITE", Tone::kDim},
                                          {"VERDICT", Tone::kDim},
                                          {"ROLE", Tone::kDim},
                                          {"WRITABLE", Tone::kDim},
                                          {"LEASE", Tone::kDim},
                                          {"LAG", Tone::kDim},
                                          {"AGENT", Tone::kDim},
                                          {"PROBE", Tone::kDim}}};
  std::vector<std::vector<Cell>> stores;
  for (const Json& site : service.array_or_empty("sites")) {
    rows.push_back(site_row(site));
    for (const Json& store : site.array_or_empty("stores"))
      stores.push_back(store_row(site, store));
  }
  std::string text = laid_out(rows, paint, 2);
  for (const Json& site : service.array_or_empty("sites")) text += troubles(site, paint);
  if (whole && !stores.empty())
    text += paint(Tone::kDim, "  stores") + "\n" + laid_out(stores, paint, 4);
  return text;
}

std::string server_line(const Json& server) {
  const auto values = texts_of(server, "values");
  const std::string problem = server.string_or("problem");
  const std::string name = server.string_or("server");
  if (!server.bool_or("answered", true)) {
    return fmt::format("{} does not answer{}{}", name, problem.empty() ? "" : ": ", problem);
  }
  return fmt::format("{} says {}", name, values.empty() ? "nothing" : listed(values));
}

std::string record_line(const Json& record, const Paint& paint) {
  const auto& servers = record.array_or_empty("servers");
  std::int64_t agree = 0;
  double oldest = record.number_or("age_s", 0);
  std::string others;
  const std::string problem = record.string_or("problem");
  if (!problem.empty()) others += "          " + paint(Tone::kDoubt, problem) + "\n";
  for (const Json& server : servers) {
    oldest = std::max(oldest, server.number_or("age_s", 0));
    if (server.bool_or("agrees")) {
      ++agree;
      continue;
    }
    others += "          " + paint(Tone::kDoubt, server_line(server)) + "\n";
  }
  const auto values = texts_of(record, "values");
  std::string text = paint(Tone::kDim, "  record  ") +
                     paint(Tone::kPlain, fmt::format("{} {} {}: ", record.string_or("name"),
                                                     record.string_or("type"),
                                                     values.empty() ? "not read" : listed(values)));
  if (servers.empty()) return text + paint(Tone::kDoubt, "no server asked yet") + "\n" + others;
  const auto total = static_cast<std::int64_t>(servers.size());
  text += paint(agree == total ? Tone::kGood : Tone::kDoubt,
                fmt::format("{} of {} {}", agree, counted(total, "server", "servers"),
                            total == 1 ? "agrees" : "agree"));
  return text + paint(Tone::kDim, fmt::format(", read {} ago", shown_seconds(oldest))) + "\n" +
         others;
}

// The rejoin that is on, or that ended last and is not done, and whether the preferred site may
// come back.
std::string way_back(const Json& service, const Paint& paint) {
  std::string text;
  const Json* rejoin = service.find("rejoin");
  const std::string outcome =
      rejoin != nullptr && rejoin->is_object() ? rejoin->string_or("outcome") : "done";
  if (outcome != "done") {
    const bool on = outcome == "running";
    text += paint(Tone::kDim, "  rejoin  ") +
            paint(on ? Tone::kStrong : Tone::kDoubt,
                  fmt::format("{} {}{}", rejoin->string_or("to"), outcome,
                              on ? "" : ": " + rejoin->string_or("reason"))) +
            "\n";
    if (on) text += move_text(*rejoin, 0, paint);
  }
  const Json* back = service.find("failback");
  if (back != nullptr && back->is_object() && back->bool_or("ready")) {
    text += paint(Tone::kDim, "  back    ") +
            paint(Tone::kPlain, fmt::format("{}, the preferred site, may come back: pointsman "
                                            "failback {}",
                                            back->string_or("to"), service.string_or("name"))) +
            "\n";
  }
  return text;
}

std::string service_text(const Json& service, bool whole, const Paint& paint) {
  const std::string phase = service.string_or("phase", "unknown");
  std::string text = paint(Tone::kStrong, service.string_or("name")) + "  " +
                     paint(tone_of_phase(phase), phase) +
                     paint(Tone::kPlain, fmt::format(", epoch {}, mode {}", service.int_or("epoch"),
                                                     service.string_or("mode", "auto")));
  if (service.bool_or("held")) {
    const std::string why = service.string_or("held_reason");
    text += paint(Tone::kDoubt, why.empty() ? ", held" : ", held: " + why);
  }
  const std::string published = service.string_or("published");
  const std::string primary = service.string_or("primary");
  const bool nothing_to_publish = published.empty() && service.array_or_empty("record").empty() &&
                                  service.find("record") != nullptr;
  if (!primary.empty() && published != primary && !nothing_to_publish) {
    text += paint(Tone::kDoubt, fmt::format(", published at {}",
                                            published.empty() ? "no known site" : published));
  }
  const std::string summary = service.string_or("summary");
  text += "\n";
  if (!summary.empty()) text += "  " + paint(Tone::kPlain, summary) + "\n";
  text += sites_text(service, whole, paint) + vip_line(service, paint);
  for (const Json& record : service.array_or_empty("record")) text += record_line(record, paint);
  if (const Json* due = service.find("appointment"); due != nullptr && due->is_object()) {
    text += paint(Tone::kDim, "  due     ") +
            paint(Tone::kPlain,
                  fmt::format("{} to {} at {}, by {}", due->string_or("kind"), due->string_or("to"),
                              shown_time(due->string_or("at")), due->string_or("actor"))) +
            "\n";
  }
  text += way_back(service, paint);
  const Json* current = service.find("current_move");
  const Json* last = service.find("last_move");
  if (current != nullptr && current->is_object()) {
    text += paint(Tone::kDim, "  now     ") + paint(Tone::kStrong, move_title(*current)) + "\n" +
            move_text(*current, 0, paint);
  } else if (last != nullptr && last->is_object()) {
    text += paint(Tone::kDim, "  last    ") +
            paint(Tone::kPlain, fmt::format("{}, {}, {}", shown_time(last->string_or("started")),
                                            move_title(*last), move_summary(*last))) +
            "\n";
    if (const std::string lost = loss_sentence(*last); !lost.empty()) {
      text += paint(Tone::kDim, "  lost    ") + paint(Tone::kPlain, lost) + "\n";
    }
  }
  return text;
}

std::string monitor_text(const Json& monitor, const Paint& paint) {
  std::string text =
      monitor.bool_or("restart_harmless")
          ? paint(Tone::kGood, "A restart of the monitor is harmless now")
          : paint(Tone::kDoubt, "Do not restart the monitor now: nobody vouches in its place");
  text +=
      paint(Tone::kDim, fmt::format(" ({}, pointsmand {})", monitor.string_or("name", "monitor"),
                                    monitor.string_or("version", "?"))) +
      "\n";
  if (monitor.bool_or("dry_run")) {
    text += paint(Tone::kDoubt, "Dry run: nothing is written anywhere") + "\n";
  }
  const std::string blind = monitor.string_or("blind");
  if (!blind.empty()) text += paint(Tone::kBad, "The monitor doubts itself: " + blind) + "\n";
  const std::string state = monitor.string_or("state", "ok");
  if (state != "ok") {
    text += paint(Tone::kBad, "State cannot be saved, so no new move starts: " + state) + "\n";
  }
  return text;
}

}  // namespace

const Json* service_named(const Json& answer, std::string_view name) {
  for (const Json& service : answer.array_or_empty("services")) {
    if (service.string_or("name") == name) return &service;
  }
  return nullptr;
}

std::vector<std::string> service_names(const Json& answer) {
  std::vector<std::string> names;
  for (const Json& service : answer.array_or_empty("services")) {
    names.push_back(service.string_or("name"));
  }
  return names;
}

std::string status_text(const Json& answer, const std::string& service, const Paint& paint) {
  std::string opening;
  std::string rest;
  std::size_t widest = 0;
  for (const std::string& name : service_names(answer)) widest = std::max(widest, name.size());
  for (const Json& one : answer.array_or_empty("services")) {
    const std::string name = one.string_or("name");
    if (!service.empty() && name != service) continue;
    const std::size_t gap = (service.empty() ? widest : name.size()) + 2 - name.size();
    opening +=
        paint(Tone::kStrong, name) + std::string(gap, ' ') + power_sentence(one, paint) + "\n";
    rest += "\n" + service_text(one, !service.empty(), paint);
  }
  if (opening.empty()) opening = paint(Tone::kDim, "No services are configured") + "\n";
  const Json* monitor = answer.find("monitor");
  return opening + monitor_text(monitor != nullptr ? *monitor : Json(), paint) + rest;
}

std::vector<std::string> status_lines(const Json& answer, const std::string& service) {
  std::vector<std::string> lines;
  for (const Json& one : answer.array_or_empty("services")) {
    if (!service.empty() && one.string_or("name") != service) continue;
    const auto named = [&](const char* key, const char* none) {
      const std::string site = one.string_or(key);
      return site.empty() ? std::string(none) : site;
    };
    std::string line = fmt::format("{}: {}, epoch {}, primary {}, published {}, writable {}",
                                   one.string_or("name"), one.string_or("phase"),
                                   one.int_or("epoch"), named("primary", "none"),
                                   named("published", "none"), named("writable", "none known"));
    for (const Json& site : one.array_or_empty("sites")) {
      line += fmt::format(", {} {}", site.string_or("name"), site.string_or("verdict"));
    }
    if (one.bool_or("held")) line += ", held";
    const Json* move = one.find("current_move");
    if (move != nullptr && move->is_object()) {
      for (const Json& step : move->array_or_empty("steps")) {
        if (step.string_or("state") == "running") line += ", " + step.string_or("name") + " runs";
      }
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace pointsman
